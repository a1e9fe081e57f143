"""Read Markdown: the words that readers see, block by block, without the marks.

Marks are markdown-it's to find: those of CommonMark, its tables and struck words. A picture is no words, nor is what is
hidden or struck. The number of an item stays as it was written and is not counted anew, since a paragraph may begin
with a year.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree, html
from lxml.html import HtmlElement
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from assistant.articles.normalising import normalise


class _Markdown(MarkdownIt):
    """Takes any address for one: nobody can follow it, since its words alone are read."""

    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802
        return True


# An indented paragraph is a paragraph: newspapers print no code.
_MARKDOWN = _Markdown("commonmark").enable(["table", "strikethrough"]).disable("code")

_UNSEEN = ("template", "del", "s", "strike")
"""Elements of HTML whose words are no part of an article: a page's spare parts, and what was withdrawn."""
_HIDDEN = ("head", "script", "style", "title", etree.Comment)
_TAG = re.compile("<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
_SIGNS = "0123456789+-\N{MINUS SIGN}\N{EN DASH}=()"
_RAISED = {
    "sup": str.maketrans(_SIGNS, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁻⁼⁽⁾"),
    "sub": str.maketrans(_SIGNS, "₀₁₂₃₄₅₆₇₈₉₊₋₋₋₌₍₎"),
}
_LINES = (
    *("blockquote", "br", "caption", "dd", "div", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("li", "p", "section", "summary", "table", "tr"),
)
"""Elements of HTML before and behind which a line ends."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a table with a line for each row, or a list with a line for each item."""

    text: str
    level: int = 0
    """Of a heading, from 1; 0 for anything else."""


def read_markdown(source: str) -> list[Block]:
    """Return the blocks that hold words, in order; their text begins and ends with a word."""
    return normalised(_blocks(SyntaxTreeNode(_MARKDOWN.parse(source))))


def normalised(blocks: Iterable[Block]) -> list[Block]:
    """Return the blocks that hold words, their text normalised and without white space around it."""
    return [Block(words, block.level) for block in blocks if (words := normalise(block.text).strip())]


def _blocks(node: SyntaxTreeNode) -> Iterator[Block]:
    if node.type == "paragraph":
        yield Block(_words(node))
    elif node.type == "heading":
        yield Block(_words(node), int(node.tag[1:]))
    elif node.type in ("bullet_list", "ordered_list"):
        items = [block for item in node.children for block in _item(item)]
        stand_close = any(part.hidden for item in node.children for part in item.children)
        yield from [Block("\n".join(block.text for block in items))] if stand_close else items
    elif node.type == "table":
        rows = (" | ".join(map(_words, row.children)) for part in node.children for row in part.children)
        yield Block("\n".join(row.strip().rstrip(" |") for row in rows))
    elif node.type == "html_block":
        yield from map(Block, _seen(node.content))
    elif node.type == "hr":
        yield Block(node.markup[:3])
    elif node.type == "fence":
        yield Block(node.content)
    else:
        for part in node.children:
            yield from _blocks(part)


def _item(item: SyntaxTreeNode) -> Iterator[Block]:
    mark = f"{item.info}{item.markup}" if item.info else "•"
    for block in normalised(block for part in item.children for block in _blocks(part)):
        yield Block(f"{mark} {block.text}" if mark else block.text, block.level)
        mark = ""
    if item.info and mark:
        yield Block(mark)  # A line of nothing but a year, or a count.


def _words(node: SyntaxTreeNode) -> str:
    """Return the words of a block, or of a cell of a table, with its line ends."""
    parts: list[str] = []
    begun: defaultdict[str, list[int]] = defaultdict(list)
    has_gap = False
    for part in (part for line in node.children for part in (line.token and line.token.children) or []):
        tag, step = part.tag, part.nesting
        if part.type == "html_inline" and (mark := _TAG.match(part.content)):
            tag, step = mark[2].lower(), -1 if mark[1] else 1
        has_gap |= part.type == "image"
        if part.type in ("text", "code_inline"):
            parts.append(part.content)
        elif part.type in ("softbreak", "hardbreak") or (part.type == "html_inline" and tag in _LINES):
            parts.append("\n")
        elif tag not in (*_UNSEEN, *_RAISED):
            continue
        elif step == 1:
            begun[tag].append(len(parts))
        elif begun[tag]:  # Only what is closed: a lone mark would take the rest of the paragraph with it.
            start = begun[tag].pop()
            if tag in _UNSEEN:
                del parts[start:]
                has_gap = True
            elif len(parts) == start + 1:
                parts[start] = _raised(tag, parts[start])
    words = "".join(parts)
    return re.sub(" +", " ", words) if has_gap else words


def _raised(tag: str, words: str) -> str:
    """Return digits and signs as superscripts or subscripts, so that 10⁶ is not 106; other words as they are."""
    return words.translate(_RAISED[tag]) if all(sign in _SIGNS for sign in words.strip()) else words


def show(page: HtmlElement) -> None:
    """Take out of some HTML what is hidden or struck, and write its raised and lowered digits as such."""
    for element in page.xpath("//body//*[@hidden]"):
        element.drop_tree()
    etree.strip_elements(page, *_UNSEEN, with_tail=False)
    for element in list(page.iter(*_RAISED)):
        words = element.text_content()
        if (raised := _raised(element.tag, words)) != words:
            element[:] = []
            element.text = raised


def _seen(markup: str) -> list[str]:
    """Return the lines that readers see of some HTML."""
    page = html.document_fromstring(f"<body>{markup}")
    etree.strip_elements(page, *_HIDDEN, with_tail=False)
    show(page)
    for element in page.iter(*_LINES):
        element.text, element.tail = f"\n{element.text or ''}", f"\n{element.tail or ''}"
    for cell in page.iter("td", "th"):
        cell.tail = f" | {cell.tail or ''}"
    return [" ".join(line.split()).rstrip(" |") for line in page.text_content().splitlines()]
