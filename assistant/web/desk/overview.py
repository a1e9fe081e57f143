"""What the desk shows: figures and a plot by day, what was declined, grouped by meaning, and what readers reported.

Of an article that is gone nothing is shown. Whatever is not shown is counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

from assistant.rendering import LABELS
from assistant.types import Article, Outcome
from assistant.web.storage.desk_file import ENDS, Act, Asked
from assistant.web.storage.rules import same

FARTHEST = 0.35
"""Cosine distance, on average, within a group of questions. Of 20 questions in two wordings each, written by hand, the
packaged embedding model puts 12 together so, and 3 of 760 pairs that mean something else; at 0.45 it is 14 and 27."""
MOST_SHOWN = 30
_MOST_DAYS = 90
"""For whose bars the plot has room."""
_WIDTH, _HEIGHT, _FOOT, _SIDE = 360, 150, 20, 36
"""Of the plot, in units of which a letter is 12 high: the width is that of a phone."""

Embed = Callable[[list[str]], list[list[float]]]
Counts = Sequence[tuple[str, str, str, int]]
"""Day, article, how it ended, and how many."""


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Listed(Generic[_Row]):
    """What is shown of a list, and how much of it is not."""

    rows: Sequence[_Row]
    more: int = 0
    """For want of room."""
    gone: int = 0
    """About articles that are gone."""
    unreadable: Sequence[int] = ()
    """The numbers of those that cannot be read."""


def first(rows: Sequence[_Row], most: int = MOST_SHOWN, gone: int = 0) -> Listed[_Row]:
    """Return the first of a list."""
    return Listed(rows[:most], max(0, len(rows) - most), gone)


@dataclass(frozen=True, slots=True)
class Figures:
    """How many questions ended how, of an article on a day, or in all."""

    day: str
    article: str
    """Its id; empty where it was none or several."""
    ended: Mapping[str, int]

    @property
    def total(self) -> int:
        """Of all of them."""
        return sum(self.ended.values())


def by_day_and_article(counts: Counts) -> list[Figures]:
    """Return the figures of each day and article, the latest day first, and on a day the most asked first."""
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for day, article, ended, count in counts:
        found[day, article][ended] = count
    figures = [Figures(day, article, ended) for (day, article), ended in found.items()]
    return sorted(figures, key=lambda each: (each.day, each.total), reverse=True)


def hot(counts: Counts, today: date) -> list[tuple[str, int, int]]:
    """Return each article with its questions of today and yesterday and of all days; the most asked lately first."""
    lately, ever = Counter[str](), Counter[str]()
    for day, article, _, count in counts:
        ever[article] += count
        lately[article] += count * (day >= str(today - timedelta(days=1)))
    return sorted(((each, lately[each], ever[each]) for each in ever if each), key=lambda row: (-row[1], -row[2]))


def plot(counts: Counts, today: date, kept: int) -> str:
    """Return an SVG of the questions of the days for which they are kept, each day a bar of how they ended.

    Its figures stand in the table. Of more days than there is room for, those are shown that are latest.
    """
    shown = max(1, min(kept, _MOST_DAYS))
    days = [today - timedelta(days=ago) for ago in reversed(range(shown))]
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    for on, _, end, count in counts:
        ended[on][end] += count
    most = max(ended[str(day)].total() for day in days) or 1
    step = (_WIDTH - _SIDE) / shown
    width = step * 0.87
    parts = [f'<text x="0" y="12">{most}</text><text x="0" y="{_HEIGHT}">0</text>']
    for place, day in enumerate(days):
        left, foot = _SIDE + place * step, float(_HEIGHT)
        for end in ENDS:
            height = ended[str(day)][end] / most * (_HEIGHT - 2)
            foot -= height
            if height:
                parts.append(
                    f'<rect class="{end}" x="{left:.1f}" y="{foot:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
                )
        if place % -(-shown // 6) == 0:
            parts.append(f'<text x="{left:.1f}" y="{_HEIGHT + _FOOT - 4}">{day.day} {day:%b}</text>')
    line = f'<path d="M{_SIDE} {_HEIGHT}H{_WIDTH}"/>'
    label = f"Questions a day, {'today' if shown == 1 else f'the last {shown} days'}; the table has the figures"
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + _FOOT}" role="img" aria-label="{label}">{"".join(parts)}{line}</svg>'


@dataclass(frozen=True, slots=True)
class Group:
    """Declined questions that mean about the same, asked of one article or of all."""

    article: str
    """The id of the one that was asked, or whose words were closest to the latest of them; empty for none."""
    of_all: bool
    questions: Sequence[tuple[str, int]]
    """Each wording and how often it came, the most frequent first."""
    closest: str
    """The words of the article that were found closest to the latest of them; empty where it has changed since."""

    @property
    def total(self) -> int:
        """How often they came."""
        return sum(count for _, count in self.questions)


def groups(asked: Sequence[Asked], articles: Mapping[str, Article], embed: Embed | None) -> list[Group]:
    """Return the questions, newest first, grouped by where they were asked and meaning; the largest groups first.

    Without an embedder, only those of the same words are one group. It is asked once, for all wordings together.
    """
    wordings = list(dict.fromkeys(same(each.question) for each in asked))
    vectors = dict(zip(wordings, embed(wordings), strict=True)) if embed and wordings else {}
    of_place: dict[str, list[Asked]] = defaultdict(list)
    for each in asked:
        of_place["" if each.of_all else each.article].append(each)
    found: list[Group] = []
    for those in of_place.values():
        number_of = _numbers(list(dict.fromkeys(same(each.question) for each in those)), vectors)
        together: dict[int, list[Asked]] = defaultdict(list)
        for each in those:
            together[number_of[same(each.question)]].append(each)
        for members in together.values():
            frequent = Counter(each.question for each in members).most_common()
            near = next((each for each in members if _words(each, articles)), members[0])
            found.append(Group(near.article, near.of_all, frequent, _words(near, articles)))
    return sorted(found, key=lambda group: -group.total)


def _numbers(wordings: list[str], vectors: Mapping[str, Sequence[float]]) -> dict[str, int]:
    """Return the number of the group of each wording; without vectors each is a group by itself."""
    if not vectors or len(wordings) < 2:
        return {wording: number for number, wording in enumerate(wordings)}
    from sklearn.cluster import AgglomerativeClustering  # noqa: PLC0415 - slow to import; the page starts first

    clusters = AgglomerativeClustering(None, metric="cosine", linkage="average", distance_threshold=FARTHEST)
    return dict(zip(wordings, clusters.fit_predict([vectors[each] for each in wordings]).tolist(), strict=True))


def _words(asked: Asked, articles: Mapping[str, Article]) -> str:
    article = articles.get(asked.article)
    return article.text[asked.start : asked.end] if article and article.version == asked.version else ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a reader reported."""

    question: str
    day: str
    article: str
    """The id of the one that was asked, or the first that the answer is about; empty where there is none."""
    of_all: bool
    told: str
    """What the reader saw."""
    is_answer: bool
    """Whether that was an answer, and no refusal."""
    notes: str
    """What the reader said."""


def reports(lines: Iterable[tuple[int, Mapping[str, Any] | None]], articles: Mapping[str, Article]) -> Listed[Report]:
    """Return the latest reports, newest first, of lines of a question file with their numbers, oldest first."""
    latest: deque[Report] = deque(maxlen=MOST_SHOWN)
    here = gone = 0
    unreadable: list[int] = []
    for number, line in lines:
        try:
            report = _report(line or {}, articles)
        except (ValueError, LookupError, TypeError, AttributeError):
            unreadable.append(number)
            continue
        if report is None:
            gone += 1
        else:
            latest.append(report)
            here += 1
    return Listed([*reversed(latest)], here - len(latest), gone, unreadable)


def _report(line: Mapping[str, Any], articles: Mapping[str, Article]) -> Report | None:
    """Return a report; None where it is about an article that is gone, or not known to be about one that is here."""
    kept = line["feedback"]
    answer, about, asked_of = kept["answer"], kept["articles"], kept["asked_of"]
    is_answer = bool(answer["answer"])
    told = answer["answer"] or LABELS[Outcome.of(answer["status"])]
    if (about is None and answer["answer"]) or not {*(about or ()), asked_of} <= {"", *articles}:
        return None
    article = asked_of or next(iter(about or ()), "")
    return Report(line["question"], kept["given"][:10], article, not asked_of, told, is_answer, line["notes"])


def line(question: str, article: str, number: int) -> str:
    """Return a question as a line of a question file; whether the article answers it is for an evaluator to say."""
    entry = {"id": f"desk-{number}", "question": question, "history": [], "kind": "desk", "must_have": []}
    return json.dumps(entry | {"must_not": [], "evidence": [], "article": article, "notes": ""}, ensure_ascii=False)


def log_of(acts: Sequence[Act], articles: Mapping[str, Article]) -> Listed[Act]:
    """Return the latest acts, newest first; of those about an article that is gone, only that they were done."""
    here = {"", *articles}
    return first([act if act.article in here else Act(act.act, act.article, at=act.at) for act in reversed(acts)])
