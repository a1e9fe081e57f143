"""Which answers are graded, and in which order: a draw that is the same whenever the command is given again.

Answers to questions about one article come one after the other, so that it is read once. Two runs make pairs, of which
the order is drawn.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import ConfigurationError
from assistant.evaluation import run
from assistant.evaluation.grading import grades
from assistant.evaluation.grading.grades import key_of
from assistant.evaluation.grading.rubrics import Rubric
from assistant.evaluation.options import Draw
from assistant.evaluation.questions import Question
from assistant.evaluation.scoring.agreement import differs, with_grades
from assistant.evaluation.scoring.observed import Observed


@dataclass(frozen=True, slots=True)
class Side:
    """An answer to read, and the folders of the runs that gave it."""

    observed: Observed
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What is graded on one screen: an answer, or two in the order that was drawn."""

    sides: tuple[Side, ...]

    @property
    def question(self) -> Question:
        """What was asked."""
        return self.sides[0].observed.question


def draw(folders: Sequence[Path], chosen: Draw, grader: str) -> list[Card]:
    """Return what is to be graded of one run or of two.

    Raises:
        ConfigurationError: a folder is not one of a run, the same is named twice, or nothing is left to grade.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ConfigurationError(f"{folders[0]} is named twice", "name two runs, or one")
    read = [_readable(folder, grader, chosen.rubric) for folder in folders]
    cards = (
        list(_pairs(read[0], read[1], chosen.seed)) if len(read) == 2 else [Card((side,)) for side in read[0].values()]
    )
    random.Random(chosen.seed).shuffle(cards)  # noqa: S311 - to be blind, not to be secret
    if chosen.second:
        cards = [card for card in cards if all(len(side.observed.grades) == 1 for side in card.sides)]
    if chosen.disagreements:
        cards.sort(key=_agrees)
    if chosen.per_kind is not None:
        cards = list(_some_of_each_kind(cards, chosen.per_kind))
    cards = cards[: chosen.sample]
    if not cards:
        raise ConfigurationError(f"There is nothing to grade in {' and '.join(map(str, folders))}", "draw otherwise")
    articles = {card.question.article: place for place, card in reversed(list(enumerate(cards)))}
    return sorted(cards, key=lambda card: (chosen.disagreements and _agrees(card), articles[card.question.article]))


def _some_of_each_kind(cards: Iterable[Card], most: int) -> Iterator[Card]:
    """Yield so many of each kind, in the order in which they were drawn: a sample is cut from it."""
    drawn: Counter[str] = Counter()
    for card in cards:
        drawn[card.question.kind] += 1
        if drawn[card.question.kind] <= most:
            yield card


def _agrees(card: Card) -> bool:
    return not any(differs(side.observed) for side in card.sides)


def _readable(folder: Path, grader: str, rubric: Rubric) -> dict[str, Side]:
    """Return the answers of a run that a reader would see, the first to each question, by its id.

    The grader's own grades are left out, so that the draw stays as it is while they come in.
    """
    found = [o for o in run.observed(folder)[2] if not o.failed]
    others = with_grades(found, [g for g in grades.read(folder) if g.grader != grader], rubric.version)
    return {o.question.id: Side(o, (folder,)) for o in reversed(others)}


def _pairs(earlier: Mapping[str, Side], later: Mapping[str, Side], seed: int) -> Iterator[Card]:
    """Yield the questions that both runs answered from the same article; equal answers are read once."""
    for name in sorted(later.keys() & earlier.keys()):
        one, other = earlier[name], later[name]
        if not _is_same_question(one.observed, other.observed):
            continue
        if key_of(one.observed.record) == key_of(other.observed.record):
            yield Card((Side(other.observed, (*one.folders, *other.folders)),))
        else:
            order = [one, other]
            random.Random(f"{seed} {name}").shuffle(order)  # noqa: S311
            yield Card(tuple(order))


def _is_same_question(one: Observed, other: Observed) -> bool:
    mine, theirs = one.question, other.question
    return (mine.question, mine.history, mine.article) == (theirs.question, theirs.history, theirs.article) and (
        one.articles.get(mine.article) == other.articles.get(theirs.article)
    )
