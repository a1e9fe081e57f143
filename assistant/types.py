"""The values that a question meets on its way to an answer, in that order.

All are frozen. They know nothing of files, indexes, models or pages.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any

from assistant.errors import Fault
from assistant.files import sha256


@dataclass(frozen=True, slots=True)
class Correction:
    """What its publisher says was wrong with an article, and has been put right."""

    text: str
    date: datetime.date | None = None
    words: str = ""
    """The words of the article that were put right, exactly as they stand there now; empty where not known."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article. `text` is normalised once at reading and never changes: every offset points into it."""

    id: str
    text: str
    title: str
    title_by: str = ""
    """Who wrote the title, where the source has none ("us"); empty when it is the source's own."""
    date: datetime.date | None = None
    source: str = ""
    url: str = ""
    told_apart_by: str = ""
    """What to show beside title and date, where another article of the corpus has the same: its source or its file."""
    headings: frozenset[int] = frozenset()
    """The offsets at which headings begin, as far as its file marks them; each is a paragraph of its own."""
    updated: datetime.date | None = None
    """When its publisher changed it last; None where not known."""
    corrections: tuple[Correction, ...] = ()
    author: str = ""
    section: str = ""
    free: bool | None = None
    """Whether everybody may read it at its publisher; None where not known."""
    version: str = field(init=False)
    """A digest of the text and its headings: what hangs on them is of this version, and of no other."""

    def __post_init__(self) -> None:
        """Take the digest."""
        content = f"{self.text}{sorted(self.headings) or ''}"
        object.__setattr__(self, "version", sha256(content)[:16])


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence (or caption, or heading) as a slice of its article; `end` is exclusive, both in characters."""

    article: Article
    start: int
    end: int

    @property
    def text(self) -> str:
        """The words at the offsets, exactly as they stand in the article."""
        return self.article.text[self.start : self.end]

    @property
    def id(self) -> str:
        """A name that is unique in the corpus; a passage of this one sentence has the same."""
        return f"{self.article.id}@{self.article.version}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of sentences of one paragraph, short enough to be embedded whole."""

    sentences: tuple[Sentence, ...]

    @property
    def article(self) -> Article:
        """The article that the passage belongs to."""
        return self.sentences[0].article

    @property
    def start(self) -> int:
        """Offset of the first character, in characters of the article."""
        return self.sentences[0].start

    @property
    def end(self) -> int:
        """Offset after the last character, in characters of the article."""
        return self.sentences[-1].end

    @property
    def text(self) -> str:
        """The words at the offsets, exactly as they stand in the article."""
        return self.article.text[self.start : self.end]

    @property
    def id(self) -> str:
        """A name that is unique among all versions of all articles, and stable while the article does not change."""
        return f"{self.article.id}@{self.article.version}:{self.start}-{self.end}"


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that retrieval found; scores are comparable within one query only."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence that may hold the answer, with its passage."""

    sentence: Sentence
    passage: Passage
    score: float
    """How well it fits the question; comparable within one query only."""


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange of the conversation; `answer` is without citation markers."""

    question: str
    answer: str
    article: str = ""
    """The id of the article that it was about; empty where nobody says, or it was about several."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered quotation: `quote` is exactly `article.text[start:end]`."""

    number: int
    article: Article
    start: int
    end: int

    @property
    def quote(self) -> str:
        """The quoted words, exactly as they stand in the article."""
        return self.article.text[self.start : self.end]

    @property
    def marker(self) -> str:
        """How it is referred to behind the words that it supports, wherever they are shown."""
        return f"[{self.number}]"

    def holds(self, sentence: Sentence) -> bool:
        """Whether a sentence is among the quoted words."""
        return self.article == sentence.article and self.start <= sentence.start < self.end


class Status(StrEnum):
    """How an answer ended, as scripts read it; `Outcome` says more."""

    ANSWERED = "answered"
    """Written by a model, or made by rule; each sentence is checked against what it cites."""
    QUOTED = "quoted"
    """The article's own sentences; no word of a model."""
    PINNED = "pinned"
    """An editor's own answer, with its signature; no word of the article or of a model. No citations."""
    DECLINED = "declined"
    """The articles do not answer the question. No citations."""
    BLOCKED_INPUT = "blocked_input"
    """No answer is due: the question is empty, too long, or says too little by itself, or is a call for help, to which
    fixed words are said. No citations."""
    INDEX_UNAVAILABLE = "index_unavailable"
    """The articles cannot be searched now, or no answer can be written. No citations."""


class Outcome(Enum):
    """How an answer came about. Each has its own fixed wording in `rendering.py`."""

    WRITTEN = "written"
    """A model wrote it."""
    PARTLY = "partly"
    """A model wrote it, and the articles answer only a part of the question."""
    SPEECH = "speech"
    """Who said what, by rule from the article's quotation marks."""
    HELP = "help"
    """Words that name help, to somebody who is in distress; nothing was searched or asked, and nothing is kept."""
    LIST = "list"
    """Which articles there are. No citations."""
    RECORD = "record"
    """The title, date, source or length of an article, or a word about the assistant itself. No citations."""
    OVERVIEW = "overview"
    """An overview in the article's own sentences."""
    QUOTED = "quoted"
    """The article's own sentences that answer best."""
    PINNED = "pinned"
    """An editor's own answer."""
    DECLINED = "declined"
    """The articles do not answer the question."""
    BLOCKED = "blocked"
    """The question cannot be taken as it is."""
    UNWRITTEN = "unwritten"
    """The model could not be asked, and nothing that was found is near enough to be quoted. No citations."""
    UNAVAILABLE = "unavailable"
    """The articles cannot be searched now."""

    @classmethod
    def of(cls, status: str) -> Outcome:
        """Return the plainest way to end so.

        Raises:
            ValueError: there is no such status.
        """
        wanted = Status(status)
        return next(outcome for outcome in cls if outcome.status is wanted)

    @property
    def status(self) -> Status:
        """The same as scripts read it."""
        match self:
            case Outcome.QUOTED:
                return Status.QUOTED
            case Outcome.PINNED:
                return Status.PINNED
            case Outcome.DECLINED:
                return Status.DECLINED
            case Outcome.BLOCKED | Outcome.HELP:
                return Status.BLOCKED_INPUT
            case Outcome.UNWRITTEN | Outcome.UNAVAILABLE:
                return Status.INDEX_UNAVAILABLE
            case _:
                return Status.ANSWERED


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds since the question arrived."""

    first_ms: float | None = None
    """When the first evidence could be shown; None when there was none to show."""
    total_ms: float = 0.0
    """When the answer was final."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What some calls took, in tokens; `cached` are those of `read` that the provider had kept from before."""

    calls: int = 0
    read: int = 0
    cached: int = 0
    written: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum."""
        return Usage(
            self.calls + other.calls, self.read + other.read, self.cached + other.cached, self.written + other.written
        )

    @property
    def tokens(self) -> int:
        """What counts against a budget: all that was read and written."""
        return self.read + self.written


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of an answer, and the citations that support them."""

    words: str
    citations: tuple[Citation, ...] = ()
    is_verbatim: bool = False
    """Whether the words stand in its first citation, character for character."""
    lead: str = ""
    """Words of ours that belong before them: the name of whom they tell."""
    is_context: bool = False
    """Whether they only say whom or what the next part means."""

    @property
    def told(self) -> str:
        """Its words, after those of ours."""
        return f"{self.lead} {self.words}" if self.lead else self.words

    @property
    def marked(self) -> str:
        """The same with the markers of its citations behind them."""
        return f"{self.told} {''.join(each.marker for each in self.citations)}".strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """A snapshot of the answer. While `final` is false a better one follows."""

    question: str
    outcome: Outcome
    parts: tuple[Part, ...] = ()
    """What is shown, in reading order. On a refusal: what comes nearest."""
    more: tuple[Citation, ...] = ()
    """What else was found of an answer that is quoted, the likeliest first; numbered on from the citations."""
    closest: tuple[Citation, ...] = ()
    """On a refusal: the closest words in the corpus, offered as *not* an answer."""
    records: tuple[Article, ...] = ()
    """The articles that it lists, or whose title, date, source or length it states, which cannot be cited."""
    searched: Article | None = None
    """The only one of several articles that was searched; None for all."""
    query: str = ""
    """The standalone question that was searched for."""
    confidence: float | None = None
    """Calibrated probability that the article answers the question."""
    timings: Timings = field(default_factory=Timings)
    model: str = "none"
    error: str | None = None
    """What went wrong, mostly with the model, in one line; the answer stands, and asked again may be better."""
    fault: Fault | None = None
    """Which way the model failed, where it did."""
    usage: Usage = Usage()
    """What the calls of a provider's model took."""
    unread: int = 0
    """How many of the articles that it may be from were still to be indexed."""
    why: Mapping[str, Any] = field(default_factory=dict)
    """How it came about: the time of each step in milliseconds, and what was found out in it."""
    may_improve: bool = False
    """Whether it may be another when it is asked again, since what a model wrote now was thrown out."""
    final: bool = True

    @property
    def status(self) -> Status:
        """How it ended, as scripts read it."""
        return self.outcome.status

    @property
    def citations(self) -> tuple[Citation, ...]:
        """What its parts cite, by number; a refusal cites nothing."""
        if self.outcome is Outcome.DECLINED:
            return ()
        found = {each.number: each for part in self.parts for each in part.citations}
        return tuple(found[number] for number in sorted(found))

    @property
    def words(self) -> str:
        """All words that are shown, without markers; an overview and a list are a line for each part."""
        return self._joined(part.told for part in self.parts)

    @property
    def text(self) -> str:
        """The same with the markers of the citations, which a refusal has none of."""
        if not self.citations:
            return self.words
        return self._joined(part.marked for part in self.parts)

    def _joined(self, told: Iterable[str]) -> str:
        return ("\n" if self.outcome in (Outcome.OVERVIEW, Outcome.LIST) else " ").join(told)

    @property
    def articles(self) -> tuple[Article, ...]:
        """All that it says something of, and the one that alone was searched."""
        cited = (citation.article for citation in (*self.citations, *self.more, *self.closest))
        told = (*self.records, *cited)
        return (*told, self.searched) if self.searched else told
