"""Read article files: Markdown or plain text with front matter, or HTML, each to an `Article`.

Its text is what readers see, without a title that they see above it. It is normalised once, here; every offset of the
system points into the result. Knows nothing of sentences or indexes.
"""

from __future__ import annotations

import datetime
import itertools
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from assistant.articles.front_matter import KEYS, read_head
from assistant.articles.markdown import Block, normalised, read_markdown
from assistant.articles.normalising import normalise as normalise  # noqa: PLC0414 - it belongs to reading for others
from assistant.articles.standing import HeldBackError, check_withdrawn, standing, unread
from assistant.types import Article

_MARKDOWN, _HTML = (".md", ".markdown"), (".html", ".htm")
SUFFIXES = (*_MARKDOWN, ".txt", *_HTML)
MAX_FILE_BYTES = 20_000_000
_MAX_ID_BYTES = 100

_BY_FILE_NAME = "the file name"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, and what to do about it."""

    file: str
    reason: str
    skipped: bool = True
    """Whether it could not be used at all; otherwise something of it is left out."""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{'skipped ' if self.skipped else ''}{self.file}: {self.reason}"


@dataclass(frozen=True)
class Corpus:
    """The articles of a folder in the order of their file names, and what is wrong with its files."""

    articles: tuple[Article, ...]
    problems: tuple[Problem, ...] = ()

    @cached_property
    def by_id(self) -> dict[str, Article]:
        """The articles by their ids, which are asked for with each snapshot of an answer."""
        return {article.id: article for article in self.articles}

    @property
    def without_title(self) -> list[Article]:
        """The articles that are titled by their file names."""
        return [article for article in self.articles if article.title_by == _BY_FILE_NAME]


def read_corpus(folder: Path, read: Callable[[Path], tuple[Article, tuple[str, ...]]] | None = None) -> Corpus:
    """Read every article file of the folder; one that cannot be used, or not all of it, is named in `problems`.

    `read` may be a reader of files that knows some of them already.
    """
    read = read or read_file
    articles: dict[str, Article] = {}
    files: dict[str, str] = {}
    problems: list[Problem] = []
    try:
        paths = _listed(folder)
    except OSError as error:
        return Corpus((), (Problem(str(folder), str(error)),))
    for path in paths:
        try:
            if not path.is_file():
                continue
            article, left_out = read(path)
            if article.id in articles:
                raise ValueError(f"its id {article.id!r} is taken by another file; give it an id of its own")
        except HeldBackError as error:
            problems += [Problem(path.name, str(error))] if str(error) else []
        except Exception as error:  # noqa: BLE001 - what a stranger may write has no end, and the others have to be read
            problems.append(Problem(path.name, _reason(error)))
        else:
            articles[article.id] = article
            files[article.id] = path.name
            problems += [Problem(path.name, reason, skipped=False) for reason in left_out]
    return Corpus(tuple(_told_apart(articles.values(), files)), tuple(problems))


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError("there is no such folder")
    # Without hidden files, and what editors leave beside a file that is open.
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith((".", "~$")) and not path.name.endswith("~")
    )


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, and what to do about it, in one line."""
    if isinstance(error, OSError | ValueError):
        return str(error)
    named = " ".join(f"{type(error).__name__} {error}".split())[:100]
    return f"it cannot be read ({named}): take out what is unusual in its front matter, or in its data for machines"


def _told_apart(articles: Iterable[Article], files: Mapping[str, str]) -> list[Article]:
    """Give the articles that share a title and a date what differs: their sources, or else their files."""
    alike: defaultdict[tuple[str, datetime.date | None], list[Article]] = defaultdict(list)
    for article in articles:
        alike[" ".join(article.title.casefold().split()), article.date].append(article)
    told: dict[str, str] = {}
    for group in alike.values():
        if len(group) > 1:
            sources = {article.source.casefold() for article in group} - {""}
            by_source = len(sources) == len(group)
            told |= {article.id: article.source if by_source else files[article.id] for article in group}
    # Any other stays the same: a copy hashes its text again, and a folder that is followed is read again and again.
    return [replace(each, told_apart_by=told[each.id]) if each.id in told else each for each in articles]


def read_file(path: Path) -> tuple[Article, tuple[str, ...]]:
    """Return the article of a file, and what had to be left out of it, with the reasons; mostly nothing.

    Raises:
        HeldBackError: the file says that its article is withdrawn.
        ValueError: the file is not an article; the message is the reason.
        OSError: the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"its type is not one of {', '.join(SUFFIXES)}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    content = path.read_bytes()
    if suffix in _HTML:
        article, left_out = _from_html(path.stem, content)
    else:
        text, wrong = _decoded(content)
        article, left_out = _from_text(path.stem, text, is_markdown=suffix in _MARKDOWN)
        left_out += wrong
    if not article.text:
        raise ValueError("it holds no text")
    return article, left_out


def _decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and what is wrong with its encoding."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    wrong: tuple[str, ...] = ()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - slow to import, and most files are UTF-8

        # It tells words from what looks like none, as bytes of another encoding do.
        found = from_bytes(content, cp_isolation=["cp1252"]).best()
        is_damaged = encoding == "utf-16" or not content.decode("utf-8", errors="ignore").isascii()
        if is_damaged or not found:
            raise ValueError(f"it is not valid {encoding.removesuffix('-sig').upper()}: save it as UTF-8") from error
        text = str(found)
        wrong = ("it is read as Windows-1252: look at its accents and quotation marks, and save it as UTF-8",)
    if "\x00" in text:
        raise ValueError("it is a binary file")
    return text, wrong


def _from_text(stem: str, content: str, *, is_markdown: bool) -> tuple[Article, tuple[str, ...]]:
    """Return the article of Markdown or plain text, and what had to be left out of it, with the reasons."""
    head = read_head(normalise(content))
    values = {key: _single(key, head.stated.get(key)) for key in KEYS}
    identifier = _identifier(values["id"] or stem)
    check_withdrawn(identifier, head.stated["withdrawn"])
    source = head.text.strip()
    blocks = read_markdown(source) if is_markdown else [Block(source)]
    title = values["title"] or (" ".join(blocks[0].text.split()) if blocks and blocks[0].level == 1 else "")
    text, headings = _below(title, blocks)
    if text.split() == source.split():
        text = source  # What has no marks is kept to the last space.
    article = Article(
        id=identifier,
        text=text,
        title=title or stem,
        title_by=values["title_by"] if title else _BY_FILE_NAME,
        source=values["source"],
        url=_web_address(values["url"]),
        headings=headings,
        **standing(head.stated),
    )
    return article, (*head.left_out, *unread(head.stated))


def _single(key: str, value: object) -> str:
    if isinstance(value, list | dict):
        raise ValueError(f"its {key} is not a single value")
    return "" if value is None else normalise(str(value)).strip()


def _below(title: str, blocks: Sequence[Block]) -> tuple[str, frozenset[int]]:
    """Return the text of the blocks, and where in it the headings begin; without a first line that is the title."""
    starts = itertools.accumulate((len(block.text) + 2 for block in blocks), initial=0)
    headings = [start for start, block in zip(starts, blocks, strict=False) if block.level]
    text = "\n\n".join(block.text for block in blocks)
    first, _, rest = text.partition("\n")
    if _plain(first) != _plain(title) or not rest.strip():
        return text, frozenset(headings)
    above = len(text) - len(rest.lstrip())
    return text[above:], frozenset(start - above for start in headings if start >= above)


def _plain(words: str) -> list[str]:
    return re.findall(r"\w+", words.casefold())


def _from_html(stem: str, content: bytes) -> tuple[Article, tuple[str, ...]]:
    """Return the article of a page, and what had to be left out of it, with the reasons."""
    from assistant.articles.html_pages import read_page  # noqa: PLC0415 - slow to import, and most corpora hold no HTML

    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"---", b"+++")):
        raise ValueError("it begins with front matter, which is not read in HTML: state it in elements of its head")
    page = read_page(content)
    check_withdrawn(_identifier(stem), page.stated["withdrawn"])
    title = normalise(page.title).strip()
    text, headings = _below(title, normalised(page.blocks))
    stated = {**page.stated, "date": page.date}
    article = Article(
        id=_identifier(stem),
        text=text,
        title=title or stem,
        title_by="" if title else _BY_FILE_NAME,
        source=normalise(page.site).strip(),
        url=_web_address(page.url),
        headings=headings,
        **standing(stated),
    )
    return article, tuple(unread(stated))


def _identifier(name: str) -> str:
    """Return the name in lower case with its letters, digits, dots and underscores, in whatever script.

    A name of signs alone has nothing to be read by, and gets a number that is always the same.
    """
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in "._-" else " " for c in normalise(name.lower()))
    identifier = re.sub(" +", "-", kept).strip("-.")
    identifier = identifier or f"article-{zlib.crc32(name.encode(errors='surrogateescape')):08x}"
    return identifier.encode()[:_MAX_ID_BYTES].decode(errors="ignore")


def _web_address(value: str) -> str:
    """Only links that a browser may follow safely: article files can come from anywhere."""
    return value if value.startswith(("https://", "http://")) else ""
