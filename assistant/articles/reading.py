"""Read article files: Markdown with front matter, plain text or HTML, each to an `Article`.

Text is normalised once, here; every offset of the system points into the result. Knows nothing of sentences or indexes.
"""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from frontmatter.default_handlers import YAMLHandler

from assistant.types import Article

SUFFIXES = (".md", ".markdown", ".txt", ".html", ".htm")
MAX_FILE_BYTES = 20_000_000

_KEYS = ("id", "title", "title_by", "date", "source", "url")
_WORDS = re.compile(
    r"^(title|title_by|date|source):[ \t]+(?![\[{|>]|([\"']).*\2[ \t]*$)(\S.*?)[ \t]*$(?!\n[ \t]+\S)", re.MULTILINE
)
"""A line of words that nobody put in quotation marks: YAML has a meaning of its own for ": ", " #" or "Yes" in it."""
_BY_FILE_NAME = "the file name"

_KEPT_CONTROLS = "\n\t"
_LINE_ENDS = str.maketrans({"\r": "\n", "\v": "\n", "\f": "\n\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"})
"""Left out like other controls they would join the last word of a line or page with the first of the next."""
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Soft hyphen, zero-width and bidirectional controls, interlinear marks and tag characters: they can hide text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that could not be used, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """The articles of a folder in the order of their file names, and the files that were skipped."""

    articles: tuple[Article, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def without_title(self) -> list[Article]:
        """The articles that are titled by their file names."""
        return [article for article in self.articles if article.title_by == _BY_FILE_NAME]


def normalise(text: str) -> str:
    """Return the text in NFC, without control, bidirectional, zero-width and tag characters, line ends as line feeds.

    Applying it twice changes nothing.
    """
    text = text.replace("\r\n", "\n").translate(_LINE_ENDS)
    text = _INVISIBLE.sub("", text)
    text = "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co"))
    return unicodedata.normalize("NFC", text)


def read_corpus(folder: Path) -> Corpus:
    """Read every article file of the folder; a file that cannot be used is named in `problems` and skipped."""
    articles: dict[str, Article] = {}
    files: dict[str, str] = {}
    problems: list[Problem] = []
    if not folder.is_dir():
        return Corpus((), (Problem(str(folder), "there is no such folder"),))
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            article = read_article(path)
            if article.id in articles:
                raise ValueError(f"its id {article.id!r} is taken by another file; give it an id of its own")
        except (OSError, ValueError) as error:
            problems.append(Problem(path.name, str(error)))
        else:
            articles[article.id] = article
            files[article.id] = path.name
    return Corpus(tuple(_told_apart(articles.values(), files)), tuple(problems))


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
    return [replace(article, told_apart_by=told.get(article.id, "")) for article in articles]


def read_article(path: Path) -> Article:
    """Read one file.

    Raises:
        ValueError: the file is not an article; the message is the reason.
        OSError: the file cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"its type is not one of {', '.join(SUFFIXES)}")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    content = path.read_bytes()
    if path.suffix.lower() in (".html", ".htm"):
        article = _from_html(path.stem, content)
    else:
        article = _from_text(path.stem, _decoded(content))
    if not article.text:
        raise ValueError("it holds no text")
    return article


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not valid {encoding.removesuffix('-sig').upper()}: save it as UTF-8") from error
    if "\x00" in text:
        raise ValueError("it is a binary file")
    return text


def _from_text(stem: str, content: str) -> Article:
    values, text = _front_matter(content)
    return Article(
        id=_identifier(values.get("id") or stem),
        text=normalise(text).strip(),
        title=values.get("title") or stem,
        title_by=values.get("title_by", "") if values.get("title") else _BY_FILE_NAME,
        date=_date(values.get("date", "")),
        source=values.get("source", ""),
        url=_web_address(values.get("url", "")),
    )


def _front_matter(content: str) -> tuple[dict[str, str], str]:
    """Return the values at the head of a file, none where it has no head, and the text after it."""
    handler = YAMLHandler()
    content = content.replace("\r\n", "\n").strip()
    if not handler.detect(content):
        return {}, content
    try:
        block, text = handler.split(content)
    except ValueError as error:
        raise ValueError("it begins with a line of dashes that opens a front matter, but none closes it") from error
    try:
        metadata = handler.load(_WORDS.sub(lambda line: f"{line[1]}: {json.dumps(line[3], ensure_ascii=False)}", block))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 2}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ValueError(
            f"its front matter is not valid YAML{line} ({reason}): put what stands after the colon in quotation marks"
        ) from error
    if not isinstance(metadata, dict | None):
        raise ValueError("between its first two lines of dashes there is no front matter of the form `title: ...`")
    values: dict[str, str] = {}
    for key, value in (metadata or {}).items():
        if key not in _KEYS:
            continue  # Other programs have keys of their own, as "author" or "tags".
        if isinstance(value, list | dict):
            raise ValueError(f"its {key} is not a single value")
        if value is not None:
            values[key] = normalise(str(value)).strip()
    return values, text


def _from_html(stem: str, content: bytes) -> Article:
    from assistant.articles.html_pages import read_page  # noqa: PLC0415 - slow to import, and most corpora hold no HTML

    page = read_page(content)
    title = normalise(page.title).strip()
    return Article(
        id=_identifier(stem),
        text=normalise(page.text).strip(),
        title=title or stem,
        title_by="" if title else _BY_FILE_NAME,
        date=page.date,
        source=normalise(page.site).strip(),
        url=_web_address(page.url),
    )


def _identifier(name: str) -> str:
    identifier = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")
    if not identifier:
        raise ValueError(f"its id {name!r} has no letter from a to z and no digit: give it another in its front matter")
    return identifier[:100]


def _date(value: str) -> datetime.date | None:
    if not value:
        return None
    try:
        return datetime.date.fromisoformat(value[:10])
    except ValueError as error:
        raise ValueError(f"its date {value!r} is not of the form 2018-10-18") from error


def _web_address(value: str) -> str:
    """Only links that a browser may follow safely: article files can come from anywhere."""
    return value if value.startswith(("https://", "http://")) else ""
