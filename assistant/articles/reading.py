"""Read article files: Markdown or plain text with front matter, or HTML, each to an `Article`.

Its text is what readers see, without a title that they see above it. It is normalised once, here; every offset of the
system points into the result.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from assistant.articles.formats.front_matter import KEYS, read_head
from assistant.articles.formats.markdown import Block, normalised, read_markdown
from assistant.articles.normalising import normalise as normalise  # noqa: PLC0414 - it belongs to reading for others
from assistant.articles.standing import HeldBackError, check_withdrawn, standing, unread
from assistant.articles.terms import stems_of_words
from assistant.types import Article

_MARKDOWN, _HTML = (".md", ".markdown"), (".html", ".htm")
SUFFIXES = (*_MARKDOWN, ".txt", *_HTML)
MAX_FILE_BYTES = 20_000_000
_MAX_ID_BYTES = 100

_LEADS_OUT = "it is a link that leads out of the folder: put a copy in its place"
_DOUBLE = "it is a link to {}, which is read once"
_BY_FILE_NAME = "the file name"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, and what to do about it."""

    file: str
    """Its path in the folder of articles, or the path of that folder."""
    reason: str
    skipped: bool = True
    """Whether an article is missing because of it; otherwise it is a warning."""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{'skipped ' if self.skipped else ''}{self.file}: {self.reason}"


@dataclass(frozen=True)
class Corpus:
    """The articles of a folder in the order of their file names, and what is wrong with its files."""

    articles: tuple[Article, ...]
    problems: tuple[Problem, ...] = ()
    unread: frozenset[str] = frozenset()
    """The ids of further articles, which are still to be indexed, so that nothing is answered from them yet."""

    @cached_property
    def by_id(self) -> dict[str, Article]:
        """The articles by their ids, which are asked for with each snapshot of an answer."""
        return {article.id: article for article in self.articles}

    @cached_property
    def by_title_stem(self) -> dict[str, list[str]]:
        """The ids of the articles by each stem of their titles."""
        found = defaultdict[str, list[str]](list)
        for article in self.articles:
            for stem in stems_of_words(article.title):
                found[stem].append(article.id)
        return dict(found)

    @property
    def without_title(self) -> list[Article]:
        """The articles that are titled by their file names."""
        return [article for article in self.articles if article.title_by == _BY_FILE_NAME]


ReadFile = Callable[[Path, Path | None], tuple[Article, tuple[str, ...]]]
"""What returns the article of a file in a folder, and what had to be left out of it, as `read_file` does."""


def read_corpus(folder: Path, read: ReadFile | None = None) -> Corpus:
    """Read every article file of a folder and its subfolders; what cannot be used, or not all, is named in `problems`.

    `read` may be a reader of files that knows some of them already.
    """
    articles: dict[str, Article] = {}
    of_id: defaultdict[str, list[str]] = defaultdict(list)
    try:
        paths, problems = listed(folder)
    except OSError as error:
        return Corpus((), (Problem(str(folder), str(error)),))
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    doubles = _doubles(files, folder)
    problems += [Problem(link, _DOUBLE.format(file), skipped=False) for link, file in doubles.items()]
    for file, path in sorted(files.items()):
        try:
            if file not in doubles and path.suffix.lower() in SUFFIXES and (path.is_file() or path.is_symlink()):
                articles[file], left_out = (read or read_file)(path, folder)
                of_id[articles[file].id].append(file)
                problems += [Problem(file, reason, skipped=False) for reason in left_out]
        except HeldBackError as error:
            of_id[error.identifier].append(file)
            problems += [Problem(file, str(error))] if str(error) else []
        except Exception as error:  # noqa: BLE001 - what a stranger may write has no end, and the others have to be read
            problems.append(Problem(file, _reason(error)))
    same = [problem for identifier, claims in of_id.items() for problem in _of_one_id(identifier, claims, articles)]
    skipped = {problem.file for problem in same if problem.skipped}
    problems = sorted((*problems, *same, *_of_other_types(sorted(files))), key=lambda problem: problem.file)
    kept = {file: article for file, article in articles.items() if file not in skipped}
    return Corpus(tuple(_told_apart(kept)), tuple(problems))


def listed(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Return the files of a folder and its subfolders, and what cannot be listed.

    Left out is what is hidden, and what editors leave beside a file that is open. No link to a folder is followed.

    Raises:
        OSError: it is the folder itself that cannot be listed.
    """
    paths: list[Path] = []
    problems: list[Problem] = []

    def note(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        problems.append(Problem(Path(error.filename).relative_to(folder).as_posix(), str(error)))

    if not folder.is_dir():
        raise FileNotFoundError("there is no such folder")
    for parent, folders, names in os.walk(folder, onerror=note):
        folders[:] = filter(_is_seen, folders)
        links = (path for name in folders if (path := Path(parent, name)).is_symlink() and _leads_out(path, folder))
        problems += (Problem(path.relative_to(folder).as_posix(), _LEADS_OUT) for path in links)
        paths += (Path(parent, name) for name in names if _is_seen(name))
    return paths, problems


def _is_seen(name: str) -> bool:
    return not name.startswith((".", "~$")) and not name.endswith("~")


def _leads_out(path: Path, folder: Path) -> bool:
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _doubles(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Return the links to an article file that has been listed under another name, each with that name."""
    root = Path(os.path.realpath(folder))
    read = {file: path for file, path in sorted(files.items()) if path.suffix.lower() in SUFFIXES}
    within = {file: path for file, path in read.items() if path.is_symlink() and not _leads_out(path, folder)}
    links = {file: Path(os.path.realpath(path)) for file, path in within.items()}
    # No link to a folder is followed, so every other file lies where its name says.
    names = {root / file: file for file in read.keys() - links.keys()}
    listed_as = {file: names.setdefault(target, file) for file, target in links.items()}
    return {file: name for file, name in listed_as.items() if name != file}


def _of_one_id(identifier: str, files: Sequence[str], articles: Mapping[str, Article]) -> list[Problem]:
    """Name the files of an id where there are several: all but one are skipped.

    The one that withdraws the article is kept, or else the one whose name it is, or else the first.
    """
    if len(files) == 1 or not identifier:
        return []
    kept, *others = sorted(files, key=lambda file: (file in articles, _name(Path(file)) != identifier))
    named = f"its id {identifier!r} is that of {', '.join(others)} too, and no other file of this id counts"
    taken = f"its id {identifier!r} is that of {kept} too: give it an id of its own"
    return [Problem(kept, named, skipped=False), *(Problem(other, taken) for other in others)]


def _of_other_types(files: Iterable[str]) -> list[Problem]:
    """Name the first file of each type that is not read: a folder of photos may lie beside the articles."""
    others: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        others[Path(file).suffix.lower()].append(file)
    found = []
    for first, *more in (same for suffix, same in others.items() if suffix not in SUFFIXES):
        also = f", nor is that of {len(more)} more of this type" if more else ""
        found.append(Problem(first, f"its type is not one of {', '.join(SUFFIXES)}{also}", skipped=False))
    return found


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, and what to do about it, in one line."""
    if isinstance(error, OSError | ValueError):
        return str(error)
    named = " ".join(f"{type(error).__name__} {error}".split())[:100]
    return f"it cannot be read ({named}): take out what is unusual in its front matter, or in its data for machines"


def _told_apart(articles: Mapping[str, Article]) -> list[Article]:
    """Give articles that share a title and a date what differs: their sources, or else their files (the keys)."""
    alike: defaultdict[tuple[str, datetime.date | None], list[str]] = defaultdict(list)
    for file, article in articles.items():
        alike[" ".join(article.title.casefold().split()), article.date].append(file)
    told: dict[str, str] = {}
    for files in (files for files in alike.values() if len(files) > 1):
        sources = {articles[file].source.casefold() for file in files} - {""}
        told |= {file: articles[file].source if len(sources) == len(files) else file for file in files}
    # Any other stays the same: a copy hashes its text again, and a folder that is followed is read again and again.
    return [replace(each, told_apart_by=told[file]) if file in told else each for file, each in articles.items()]


def read_file(path: Path, folder: Path | None = None) -> tuple[Article, tuple[str, ...]]:
    """Return the article of a file, and what had to be left out of it, with the reasons; mostly nothing.

    Its path in `folder`, or its name where none is given, is its id, unless it has one of its own.

    Raises:
        HeldBackError: the file says that its article is withdrawn.
        ValueError: the file is not an article; the message is the reason.
        OSError: the file cannot be read.
    """
    folder, suffix = folder or path.parent, path.suffix.lower()
    if _leads_out(path, folder):
        raise ValueError(_LEADS_OUT)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    content, name = path.read_bytes(), _name(path.relative_to(folder))
    if suffix in _HTML:
        article, left_out = _from_html(name, path.stem, content)
    else:
        text, wrong = _decoded(content)
        article, left_out = _from_text(name, path.stem, text, is_markdown=suffix in _MARKDOWN)
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

        # It separates words from what looks like none, as bytes of another encoding do.
        found = from_bytes(content, cp_isolation=["cp1252"]).best()
        is_damaged = encoding == "utf-16" or not content.decode("utf-8", errors="ignore").isascii()
        if is_damaged or not found:
            raise ValueError(f"it is not valid {encoding.removesuffix('-sig').upper()}: save it as UTF-8") from error
        text = str(found)
        wrong = ("it is read as Windows-1252: look at its accents and quotation marks, and save it as UTF-8",)
    if "\x00" in text:
        raise ValueError("it is a binary file")
    return text, wrong


def _from_text(name: str, stem: str, content: str, *, is_markdown: bool) -> tuple[Article, tuple[str, ...]]:
    """Return the article of Markdown or plain text, and what had to be left out of it, with the reasons."""
    head = read_head(normalise(content))
    values = {key: _single(key, head.stated.get(key)) for key in KEYS}
    identifier = _identifier(values["id"]) if values["id"] else name
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


def _from_html(name: str, stem: str, content: bytes) -> tuple[Article, tuple[str, ...]]:
    """Return the article of a page, and what had to be left out of it, with the reasons."""
    from assistant.articles.formats.html_pages import read_page  # noqa: PLC0415 - slow to import, and most corpora hold no HTML

    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"---", b"+++")):
        raise ValueError("it begins with front matter, which is not read in HTML: state it in elements of its head")
    page = read_page(content)
    check_withdrawn(name, page.stated["withdrawn"])
    title = normalise(page.title).strip()
    text, headings = _below(title, normalised(page.blocks))
    stated = {**page.stated, "date": page.date}
    article = Article(
        id=name,
        text=text,
        title=title or stem,
        title_by="" if title else _BY_FILE_NAME,
        source=normalise(page.site).strip(),
        url=_web_address(page.url),
        headings=headings,
        **standing(stated),
    )
    return article, tuple(unread(stated))


def _name(path: Path) -> str:
    """Return the id of a file that has none of its own: it is the same whatever other files there are."""
    return _cut("-".join(map(_identifier, path.with_suffix("").parts)))


def _identifier(name: str) -> str:
    """Return the name in lower case with its letters, digits, dots and underscores, in whatever script.

    A name of signs alone has nothing to be read by, and gets a number that is always the same.
    """
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" or c in "._-" else " " for c in normalise(name.lower()))
    identifier = re.sub(" +", "-", kept).strip("-.")
    identifier = identifier or f"article-{zlib.crc32(name.encode(errors='surrogateescape')):08x}"
    return _cut(identifier)


def _cut(identifier: str) -> str:
    return identifier.encode()[:_MAX_ID_BYTES].decode(errors="ignore")


def _web_address(value: str) -> str:
    """Only links that a browser may follow safely: article files can come from anywhere."""
    return value if value.startswith(("https://", "http://")) else ""
