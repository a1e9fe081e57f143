"""A feed or a sitemap -> the addresses that it lists. Knows nothing of how they are had."""

from __future__ import annotations

import io
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import feedparser
from lxml import etree

_ROOT = re.compile(rb"<([A-Za-z_][\w.-]*:)?(rss|RDF|feed|urlset|sitemapindex)[\s>]")
_NO_ROOT = re.compile(rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>|^\xef\xbb\xbf|\s+", re.DOTALL)
_HEAD_BYTES = 10_000
"""The first element begins within so many."""
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
    kind = _kind(body)
    if kind is None:
        return None
    found = _of_feed(body, url, headers) if kind in ("rss", "RDF", "feed") else _of_sitemap(body, url)
    once: dict[str, Listed] = {}
    for each in found:
        if each.url.startswith(("http://", "https://")):
            once.setdefault(each.url, each)
        if len(once) == MOST:
            break
    return list(once.values())


def _kind(body: bytes) -> str | None:
    """Return the name of the first element, where it is that of a list."""
    head = body[:_HEAD_BYTES]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", errors="replace").encode()
    if b"\0" in head[:4]:
        head = head.replace(b"\0", b"")
    while match := _NO_ROOT.match(head):
        head = head[match.end() :]
    root = _ROOT.match(head)
    return root[2].decode() if root else None


def _of_feed(body: bytes, url: str, headers: Mapping[str, str]) -> Iterator[Listed]:
    told = {"content-location": url, "content-type": headers.get("content-type", "application/xml")}
    for entry in feedparser.parse(io.BytesIO(body), response_headers=told).entries:
        if address := entry.get("link"):
            yield Listed(_address(url, str(address)), str(entry.get("published") or ""))


def _of_sitemap(body: bytes, url: str) -> Iterator[Listed]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
    root = etree.fromstring(body, parser)
    if root is None:
        return
    is_list = etree.QName(root).localname == "sitemapindex"
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
