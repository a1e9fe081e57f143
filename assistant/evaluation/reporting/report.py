"""The evaluator's report: one HTML file, made from the data of `report.json` and nothing else.

It opens without a network, holds no reference to another file, and needs no script to be read: the script only filters
and sorts the table of questions. Questions, answers and articles are strangers' words; the templates escape every one.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from assistant.articles.passages import paragraphs
from assistant.articles.reading import normalise
from assistant.evaluation.reporting.formatting import DASH, interval, number, probability

Entry = Mapping[str, Any]
"""One object of the report's data, as `report.json` has it."""

OUTCOMES = {"right": "right", "wrong": "wrong", "missing": "not answered", None: "not scored"}
"""What is said of a row; "missing" is a refusal although the article has the answer."""

_MEASURES_ABREAST = 6
"""Columns of a table by kind or by article: as many as fit on a sheet of paper."""


def render(content: Entry) -> str:
    """Return the report as HTML."""
    script = _asset("report.js")
    parts = _parts(content["rows"], content["articles"])
    measures = [*content["headlines"], *content["second_screen"]]
    named = [*content["causes"], *measures]
    return _page(
        "report.html",
        content,
        script=script,
        script_hash=_hash(script),
        verdict=verdict(content),
        tallies=_tallies(content["rows"]),
        main_causes=sorted((cause for cause in content["causes"] if cause["count"]), key=lambda cause: -cause["count"]),
        breakdowns=[
            {"by": by, "groups": groups, "blocks": _blocks(groups)}
            for by, groups in (("kind", content["by_kind"]), ("article", content["by_article"]))
            if groups
        ],
        groups=_grouped(parts, content["causes"]),
        anchors={part.row["id"]: part.anchor for part in reversed(parts)},
        labels={entry["name"]: entry["label"] for entry in named},
        units={name: measure["unit"] for measure in measures for name in (measure["name"], _scored(measure["name"]))},
        titles={article["id"]: article["title"] for article in content["articles"] if article["title"]},
        definitions={measure["name"] for measure in measures},
    )


def render_audit(content: Entry) -> str:
    """Return the report of an audit as HTML, with a part for each answer that failed."""
    failed = _parts([row for row in content["rows"] if row["cause"]], content["articles"])
    labels = {cause["name"]: cause["label"] for cause in content["causes"]}
    return _page("audit.html", content, labels=labels, groups=_grouped(failed, content["causes"]))


def _page(template: str, content: Entry, **values: object) -> str:
    """Return a page made from a template; what all templates need is added to the values."""
    pages = environment("assistant.evaluation.reporting")
    pages.filters |= {"number": number, "interval": interval, "probability": probability}
    pages.filters |= {"on_scale": _on_scale, "against": _against}
    style = _asset("report.css")
    return pages.get_template(template).render(
        report=content,
        style=style,
        style_hash=_hash(style),
        dash=DASH,
        outcomes=OUTCOMES,
        states={status["name"]: status["label"] for status in content["statuses"]},
        **values,
    )


def _scored(name: str) -> str:
    """Return the name of the score that a measure is of, without its quantile."""
    return re.sub(r"_p\d+$", "", name)


def verdict(content: Entry) -> tuple[str, str]:
    """Return whether this run may ship, "yes", "no" or "open", and the sentence that says so."""
    gates = content["gates"]
    missed = sum(not gate["passed"] for gate in gates)
    if missed:
        return "no", f"May not ship: {missed} of {len(gates)} gate{'s' if len(gates) > 1 else ''} missed"
    if not gates:
        return "open", "Not decided: no gates were set"
    passed = "the gate was passed" if len(gates) == 1 else f"all {len(gates)} gates were passed"
    if not content["complete"]:
        return "open", f"Not decided: {passed}, but the run is incomplete"
    return "yes", f"May ship: {passed}"


def _tallies(rows: Sequence[Entry]) -> list[Entry]:
    """Return how many rows had each outcome that some had, and where they lie on a bar from 0 to 1 of all rows."""
    counts = Counter(row["outcome"] for row in rows)
    ends = list(itertools.accumulate(counts[outcome] / len(rows) for outcome in OUTCOMES)) if rows else []
    return [
        {"outcome": outcome or "unscored", "words": words, "count": counts[outcome], "end": end, "share": share}
        for (outcome, words), end in zip(OUTCOMES.items(), ends, strict=False)
        if (share := counts[outcome] / len(rows))
    ]


def _on_scale(measure: Entry) -> bool:
    """Whether a measure can be drawn on a line from 0 to 1, with its whole interval."""
    known = [measure[key] for key in ("value", "low", "high") if measure[key] is not None]
    return measure["unit"] in ("share", "score") and bool(known) and min(known) >= 0 and max(known) <= 1


def _against(answer: str, other: str) -> list[tuple[str, bool]]:
    """Return the words of an answer in pieces, each with whether the other answer has them there too."""
    words, others = (re.findall(r"\S+\s*", text) for text in (answer, other))
    changes = SequenceMatcher(None, words, others, autojunk=False).get_opcodes()
    return [("".join(words[first:last]), kind == "equal") for kind, first, last, *_ in changes if first < last]


def _blocks(groups: Sequence[Entry]) -> list[list[str]]:
    """Return the names of the measures that some group has a value for, in runs that fit side by side."""
    names = [
        measures[0]["name"]
        for measures in zip(*(group["measures"] for group in groups), strict=True)
        if any(measure["value"] is not None for measure in measures)
    ]
    return [names[start : start + _MEASURES_ABREAST] for start in range(0, len(names), _MEASURES_ABREAST)]


# The questions


@dataclass(frozen=True, slots=True)
class Marked:
    """Some words of a paragraph that are all cited, or evidence, in the same way."""

    text: str
    cited: bool
    evidence: bool
    closing: tuple[int, ...]
    """The numbers of the citations that end with these words."""


Excerpt = tuple[str, Sequence[Sequence[Marked]]]
"""The title of an article, and its paragraphs that hold cited words or evidence."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the page about one row."""

    row: Entry
    anchor: str
    """The part's id on the page: made from the question's id, and unique."""
    excerpts: tuple[Excerpt, ...]
    retrieved: tuple[tuple[Entry, str], ...]
    """What was found, best first, each with its words."""


def _parts(rows: Sequence[Entry], known: Iterable[Entry]) -> list[Part]:
    articles = {article["id"]: article for article in known}
    parts: dict[str, Part] = {}
    for row in rows:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", row["id"])[:80] + (f".{row['repeat'] + 1}" if row["repeat"] else "")
        candidates = itertools.chain([f"question-{name}"], (f"question-{name}-{n}" for n in itertools.count(2)))
        anchor = next(candidate for candidate in candidates if candidate not in parts)
        retrieved = tuple((hit, _words(articles, hit)) for hit in row["retrieved"])
        parts[anchor] = Part(row, anchor, tuple(_excerpts(row, articles)), retrieved)
    return list(parts.values())


def _words(articles: Mapping[str, Entry], span: Entry) -> str:
    return str(articles[span["article"]]["text"][span["start"] : span["end"]]) if span["article"] in articles else ""


def _excerpts(row: Entry, articles: Mapping[str, Entry]) -> Iterator[Excerpt]:
    """Yield what is cited and what is evidence where it stands; a citation that does not hold has no such place."""
    cited = [citation for citation in row["citations"] if citation["valid"] and citation["article"] in articles]
    evidence = [span for span in row["gold"]["evidence"] if span["article"] in articles]
    for identifier in dict.fromkeys(span["article"] for span in (*cited, *evidence)):
        article = articles[identifier]
        spans = [(span["start"], span["end"], span["number"]) for span in cited if span["article"] == identifier]
        gold = [(span["start"], span["end"]) for span in evidence if span["article"] == identifier]
        yield article["title"], tuple(marked_paragraphs(article["text"], spans, gold))


def marked_paragraphs(
    text: str, citations: Sequence[tuple[int, int, int]], evidence: Sequence[tuple[int, int]]
) -> Iterator[tuple[Marked, ...]]:
    """Yield the paragraphs that hold cited words or evidence, cut where these begin and end.

    Spans are offsets into the text, the end exclusive; a citation's third figure is its number. The pieces of a
    paragraph are the paragraph, character for character.
    """
    spans = [(start, end) for start, end, _ in citations] + list(evidence)
    for first, last in paragraphs(text):
        inside = [(start, end) for start, end in spans if start < last and first < end and start < end]
        if not inside:
            continue
        cuts = sorted({first, last, *(cut for span in inside for cut in span if first < cut < last)})
        yield tuple(
            Marked(
                text[left:right],
                cited=any(start <= left and right <= end for start, end, _ in citations),
                evidence=any(start <= left and right <= end for start, end in evidence),
                closing=tuple(number for start, end, number in citations if start < right and left < end <= right),
            )
            for left, right in itertools.pairwise(cuts)
        )


def as_rows(pieces: Sequence[Marked]) -> list[list[list[Marked]]] | None:
    """Return the pieces of a paragraph as rows of cells; None where it is no table, with strokes between its cells."""
    text = "".join(piece.text for piece in pieces)
    ends = list(itertools.accumulate(len(piece.text) for piece in pieces))
    if " | " not in text:
        return None

    def cell(first: int, last: int, following: int) -> list[Marked]:
        found = []
        for piece, end in zip(pieces, ends, strict=True):
            words = text[max(first, end - len(piece.text)) : min(last, end)]
            closing = piece.closing if first < end <= following else ()
            if words or closing:
                found.append(replace(piece, text=words, closing=closing))
        return found

    rows: list[list[list[Marked]]] = [[]]
    first = 0
    for match in re.finditer(r" \| |\n|\Z", text):
        rows[-1].append(cell(first, match.start(), match.end()))
        first = match.end()
        if match[0] == "\n":
            rows.append([])
    return rows


def _grouped(parts: Sequence[Part], causes: Iterable[Entry]) -> list[Entry]:
    """Return the parts by cause of failure, in the order of the causes, and then those without one."""
    named = [(cause["name"], cause["label"], cause["definition"]) for cause in causes]
    groups = [*named, (None, "No failure", "")]
    return [
        {"name": name, "label": label, "definition": definition, "parts": found}
        for name, label, definition in groups
        if (found := [part for part in parts if part.row["cause"] == name])
    ]


# The page


def environment(package: str) -> Environment:
    """Return what fills in the templates of a package: all is escaped, and a name without a value is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def _visible(value: object) -> object:
    """Return what a template shows: strangers' words lose the characters that hide or turn round what is read."""
    return normalise(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    """Return a file of ours that becomes part of the page as it is."""
    folder = resources.files("assistant.evaluation.reporting") / "templates"
    return Markup((folder / name).read_text(encoding="utf-8"))  # noqa: S704 - ours


def _hash(text: str) -> str:
    """Return what a content security policy calls an inline script or style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
