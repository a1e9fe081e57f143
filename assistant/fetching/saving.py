"""A page -> a file in the folder of articles, and what is remembered of it.

The file is the page as it came, without what runs or styles it; what an editor changes or takes away there is left
alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import unquote, urlsplit

import trafilatura
from lxml import etree
from lxml.html import HtmlElement
from trafilatura.readability_lxml import is_probably_readerable

from assistant.articles.formats.html_pages import read_page
from assistant.files import sha256, write_whole

_RECORD = ".fetched.json"
_NAME_CHARACTERS = 60
_NEEDLESS = "//script[not(@type='application/ld+json')]|//style|//iframe|//object|//embed|//svg|//template"
_SAYS_SO = (
    "boolean(//meta[@property='og:type' and @content='article'] or //*[@itemprop='articleBody'] "
    "or count(//article[not(ancestor::article)]) = 1)"
)
"""Whether a page says that it is an article: a front page has several, or none."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What is remembered of a page that was saved."""

    file: str
    sha256: str
    """Of the file, as it was written."""
    source: str
    """The address that was given, by which the page was found."""
    etag: str = ""
    modified: str = ""

    @property
    def conditions(self) -> dict[str, str]:
        """The headers by which a server replies with a page only where it has changed."""
        known = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in known.items() if value}


def read_record(folder: Path) -> dict[str, Saved]:
    """Return what is remembered of a folder, by address; nothing where that is missing or damaged."""
    try:
        kept = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        return {url: Saved(**saved) for url, saved in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def write_record(folder: Path, record: dict[str, Saved]) -> None:
    """Remember it.

    Raises:
        OSError: there is no room.
    """
    content = json.dumps({url: asdict(saved) for url, saved in record.items()}, indent=1)
    write_whole(folder / _RECORD, content.encode())


def file_name(url: str) -> str:
    """Return the name of the file for an address, always the same, and no other address's."""
    words = re.sub(r"[^\w]+", "-", unquote(urlsplit(url).path).rpartition(".")[0] or urlsplit(url).path).strip("-")
    return f"{words[-_NAME_CHARACTERS:].strip('-') or 'page'}-{sha256(url)[:8]}.html".lower()


def article_page(content: bytes, url: str, content_type: str, published: str) -> bytes:
    """Return the page as it is to be saved.

    `published` is what a list says of it, which counts where the page says nothing.

    Raises:
        ValueError: it has no article; the message is the reason.
    """
    kind = content_type.partition(";")[0].strip().lower()
    text = _decoded(content, content_type)
    is_binary = b"\0" in text if isinstance(text, bytes) else "\0" in text
    tree = None if is_binary else trafilatura.load_html(text)
    if tree is None or (kind and "html" not in kind):
        raise ValueError(f"it is no HTML{f' but {kind[:40]}' if kind else ''}")
    for part in tree.xpath(_NEEDLESS):
        part.drop_tree()
    head = tree.find("head")
    if head is None:
        head = etree.Element("head")
        tree.insert(0, head)
    for meta in head.xpath("meta[@charset or @http-equiv]"):
        meta.drop_tree()
    head.insert(0, etree.Element("meta", charset="utf-8"))
    if not head.xpath("link[@rel='canonical']"):
        head.append(etree.Element("link", rel="canonical", href=url))
    page = read_page(_as_bytes(tree))
    if page.date is None and not tree.xpath(_SAYS_SO) and not is_probably_readerable(tree):
        raise ValueError("it neither says that it is an article nor looks like one")
    if published and page.date is None:
        head.append(etree.Element("meta", property="article:published_time", content=published))
    return _as_bytes(tree)


def _decoded(content: bytes, content_type: str) -> str | bytes:
    """Return the text, where the server says in what encoding it is; else what reads it finds out."""
    told = Message()
    told["content-type"] = content_type
    try:
        return content.decode(str(told.get_param("charset") or ""), errors="replace")
    except LookupError:
        return content


def _as_bytes(tree: HtmlElement) -> bytes:
    content: bytes = etree.tostring(tree, encoding="utf-8", method="html", doctype="<!doctype html>")
    return content
