"""Read Markdown: the words that readers see, block by block, without the marks.

Marks are markdown-it's to find: those of CommonMark, and its tables. A picture is no words, nor is what HTML hides. The
number of an item stays as it was written and is not counted anew, since a paragraph may begin with a year. Knows
nothing of files or articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree, html
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

# An indented paragraph is a paragraph: newspapers print no code.
_MARKDOWN = MarkdownIt("commonmark").enable("table").disable("code")

_HIDDEN = ("head", "script", "style", "template", "title", etree.Comment)
_LINES = (
    *("blockquote", "br", "caption", "dd", "div", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("li", "p", "section", "summary", "table", "tr"),
)
"""Elements of HTML behind which a line ends."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, a table with a line for each row, or a list with a line for each item."""

    text: str
    level: int = 0
    """Of a heading, from 1; 0 for anything else."""


def read_markdown(source: str) -> list[Block]:
    """Return the blocks that hold words, in order; their text begins and ends with a word."""
    return list(_with_words(_blocks(SyntaxTreeNode(_MARKDOWN.parse(source)))))


def _with_words(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if words := block.text.strip():
            yield Block(words, block.level)


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
    for block in _with_words(block for part in item.children for block in _blocks(part)):
        yield Block(f"{mark} {block.text}" if mark else block.text, block.level)
        mark = ""


def _words(node: SyntaxTreeNode) -> str:
    """Return the words of a block, or of a cell of a table, with its line ends."""
    parts: list[str] = []
    for part in (part for line in node.children for part in (line.token and line.token.children) or []):
        if part.type in ("text", "code_inline"):
            parts.append(part.content)
        elif part.type in ("softbreak", "hardbreak") or (part.type == "html_inline" and part.content[:3] == "<br"):
            parts.append("\n")
    return "".join(parts)


def _seen(markup: str) -> list[str]:
    """Return the lines that readers see of some HTML."""
    page = html.document_fromstring(f"<body>{markup}")
    etree.strip_elements(page, *_HIDDEN, with_tail=False)
    for element in page.iter(*_LINES):
        element.tail = f"\n{element.tail or ''}"
    for cell in page.iter("td", "th"):
        cell.tail = f" | {cell.tail or ''}"
    return [" ".join(line.split()).rstrip(" |") for line in page.text_content().splitlines()]
