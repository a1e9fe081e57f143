"""A feed or a sitemap -> the addresses that it lists."""

from __future__ import annotations

import io
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import feedparser
from lxml import etree

_FEEDS, _SITEMAPS = ("rss", "RDF", "feed"), ("urlset", "sitemapindex")
"""What the first element of each is called."""
MOST = 1000
"""So many addresses are taken of one list, from its beginning: the newest stand there in a feed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An address, and what its list says of it."""

    url: str
    published: str = ""
    """When, in whatever words; empty where it is not said."""
    is_list: bool = False
    """Whether it is a list itself."""


def listed(body: bytes, url: str, headers: Mapping[str, str]) -> list[Listed] | None:
    """Return what a feed or sitemap lists, each address once; None where the body is neither."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    kind = "" if root is None else re.split("[}:]", root.tag)[-1]
    if kind not in (*_FEEDS, *_SITEMAPS):
        return None
    found = _of_feed(body, url, headers) if kind in _FEEDS else _of_sitemap(root, url, is_list=kind == "sitemapindex")
    once: dict[str, Listed] = {}
    for each in found:
        if each.url.startswith(("http://", "https://")):
            once.setdefault(each.url, each)
        if len(once) == MOST:
            break
    return list(once.values())


def _of_feed(body: bytes, url: str, headers: Mapping[str, str]) -> Iterator[Listed]:
    told = {"content-location": url, "content-type": headers.get("content-type", "application/xml")}
    for entry in feedparser.parse(io.BytesIO(body), response_headers=told).entries:
        if address := entry.get("link"):
            yield Listed(_address(url, str(address)), str(entry.get("published") or ""))


def _of_sitemap(root: etree._Element, url: str, *, is_list: bool) -> Iterator[Listed]:
    for each in root.iterchildren("{*}url", "{*}sitemap"):
        address = each.findtext("{*}loc")
        published = each.findtext("{*}news/{*}publication_date")
        if address:
            yield Listed(_address(url, address.strip()), (published or "").strip(), is_list)


def _address(base: str, address: str) -> str:
    try:
        return urllib.parse.urldefrag(urllib.parse.urljoin(base, address)).url
    except ValueError:
        return ""
