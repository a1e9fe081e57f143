"""One person's grading of what was drawn: what comes next, what is kept, what is undone.

The grades are in the folders of the runs and read anew each time, so that two pages and two people do not collide; what
was skipped, and what can be undone, is forgotten when the page's process ends.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from assistant.evaluation.grading import grades
from assistant.evaluation.grading.grades import Grade, Key
from assistant.evaluation.grading.rubrics import CONTENT, Rubric
from assistant.evaluation.review.draw import Card, Side

UNDONE = "undone"
"""The reason that is kept for a grade which was taken back at once."""

Place = tuple[Path, Key]
"""An answer in the folder of a run."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of one side of a card."""

    grade: str
    issue: str = ""
    comment: str = ""
    preferred: str = ""
    """`this`, `other` or `same`, where the card has two sides."""


@dataclass
class Session:
    """The cards of one person; they are numbered from 0."""

    folders: Sequence[Path]
    cards: Sequence[Card]
    grader: str
    rubric: Rubric = CONTENT
    skipped: set[int] = field(default_factory=set)
    done: list[tuple[int, dict[Place, Grade | None]]] = field(default_factory=list)
    """What was graded in this session, with what was graded before."""
    shown: dict[int, float] = field(default_factory=dict)
    """When each card was shown last, on a clock of its own."""
    seconds: list[float] = field(default_factory=list)
    """How long each grade took."""

    def current(self) -> dict[Place, Grade]:
        """Return this person's grades as they are on the disk.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        return {
            (folder, key): grade
            for folder in self.folders
            for (grader, key), grade in grades.latest(grades.read(folder), self.rubric.version).items()
            if grader == self.grader
        }

    def graded(self) -> set[int]:
        """Return the numbers of the cards that are graded."""
        current = self.current()
        return {n for n, card in enumerate(self.cards) if all(map(current.__contains__, places(card)))}

    def following(self, number: int = -1) -> int | None:
        """Return the next card that is not graded; skipped ones come last, and None when all are graded."""
        order = [*range(number + 1, len(self.cards)), *range(min(number + 1, len(self.cards)))]
        graded = self.graded()
        left = [each for each in order if each not in graded]
        return next((each for each in left if each not in self.skipped), left[0] if left else None)

    def show(self, number: int) -> None:
        """Note that a card is read from now on."""
        self.shown[number] = time.monotonic()

    def seconds_left(self, cards: int) -> float | None:
        """Return how long so many cards take at the pace so far; None before there is one."""
        return cards * median(self.seconds) if self.seconds else None

    def save(self, number: int, said: Sequence[Said], reason: str = "") -> Grade | None:
        """Keep what is said of each side of a card.

        Returns the earlier grade where one is changed without a reason; then its side is not changed.

        Raises:
            ConfigurationError: a file cannot be read or written.
        """
        card, current = self.cards[number], self.current()
        for side, one in zip(card.sides, said, strict=True):
            for place in _places(side):
                if refused := self._add(card, place, one, reason):
                    return refused
        self.done.append((number, {place: current.get(place) for place in places(card)}))
        if number in self.shown:
            self.seconds.append(time.monotonic() - self.shown.pop(number))
        return None

    def undo(self) -> int | None:
        """Take back what was graded last in this session; return its number, None where there is nothing."""
        if not self.done:
            return None
        number, before = self.done.pop()
        for place, grade in before.items():
            earlier = Said(grade.grade, grade.issue, grade.comment, grade.preferred) if grade else Said("")
            self._add(self.cards[number], place, earlier, UNDONE)
        return number

    def _add(self, card: Card, place: Place, said: Said, reason: str) -> Grade | None:
        folder, key = place
        against = next((other for _, (_, other) in places(card) if said.preferred and other != key[1]), "")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new = Grade(now, self.grader, self.rubric.version, *key, **asdict(said), against=against, reason=reason)
        return grades.add(folder, new)


def places(card: Card) -> list[Place]:
    """Return where the grades of a card are kept."""
    return [place for side in card.sides for place in _places(side)]


def _places(side: Side) -> list[Place]:
    return [(folder, grades.key_of(side.observed.record)) for folder in side.folders]
