"""What came of a question, beside its gold: what every measure looks at.

Everything is computed from the record, the question and the articles' own text; a quotation that a record claims is
checked against the article and not believed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any

from assistant.articles import terms
from assistant.articles.passages import paragraphs, sentences
from assistant.evaluation.grading.grades import Grade
from assistant.evaluation.questions import Question, holds, holds_facts
from assistant.evaluation.records import ERROR, Cited, Record, RecordedPart, Span
from assistant.evaluation.scoring import statistics
from assistant.types import Article, Status

_REFUSALS = (Status.DECLINED, Status.BLOCKED_INPUT)
_FAILURES = (ERROR, Status.INDEX_UNAVAILABLE)
_SHOWN = (Status.ANSWERED, Status.QUOTED)
ABOUT = "about"
"""The kind of a question about the article itself; its facts stand in the article's record, where nothing is cited."""
FALSE_PREMISE = "false_premise"
"""The kind of a question that assumes what the article contradicts."""


@dataclass(frozen=True)
class Observed:
    """One question, what came of it in one repeat, and the articles that both speak of."""

    question: Question
    record: Record
    articles: Mapping[str, Article]
    cluster: str = ""
    """The article or conversation that it is part of: its questions are not independent of each other."""
    grades: tuple[Grade, ...] = ()
    """What people who read the answer said of it, one each."""

    def share_graded(self, grade: str) -> float | None:
        """Return the share of its graders who gave the answer this grade; None where nobody graded it."""
        return sum(given.grade == grade for given in self.grades) / len(self.grades) if self.grades else None

    @property
    def refused(self) -> bool:
        """Whether the assistant said that it has no answer."""
        return self.record.status in _REFUSALS

    @property
    def failed(self) -> bool:
        """Whether there is no answer because something broke."""
        return self.record.status in _FAILURES

    @property
    def shown(self) -> bool:
        """Whether an answer was shown."""
        return self.record.status in _SHOWN

    @property
    def parts(self) -> tuple[RecordedPart, ...]:
        """The words of the answer, each part with the numbers of the citations behind it."""
        return self.record.parts

    @cached_property
    def words(self) -> str:
        """The words of the answer, without markers."""
        return " ".join(part.words for part in self.parts)

    @property
    def words_to_read(self) -> int:
        """How many words a reader reads up to the end of the first citation; of quotations alone, all of them."""
        first = self.words if self.record.status == Status.QUOTED else self.parts[0].words if self.parts else ""
        return len(first.split())

    @cached_property
    def cited_words(self) -> str:
        """The articles' own words at the citations."""
        return "\n".join(cited.quote for cited in self.verbatim)

    @cached_property
    def verbatim(self) -> tuple[Cited, ...]:
        """The citations that are what they claim to be."""
        return tuple(cited for cited in self.record.citations if self.is_verbatim(cited))

    def is_verbatim(self, cited: Cited) -> bool:
        """Whether the quote is the article's text at its offsets, and more than white space."""
        article = self.articles.get(cited.span.article)
        start, end = cited.span.start, cited.span.end
        return (
            article is not None
            and 0 <= start < end <= len(article.text)
            and article.text[start:end] == cited.quote
            and not cited.quote.isspace()
        )

    @cached_property
    def dangling(self) -> int:
        """How many markers of the answer point to nothing."""
        known, quoted = {cited.number for cited in (*self.verbatim, *self.record.closest)}, self.cited_words
        behind = {number for part in self.parts for number in part.citations} - known
        return len(behind) + len({each for each in re.findall(r"\[\d{1,4}\]", self.words) if each not in quoted})

    @cached_property
    def evidence(self) -> tuple[tuple[Span, ...], ...]:
        """For each piece of evidence the places where it stands."""
        known = self.articles.get(self.question.article)
        searched = [known] if known else list(self.articles.values())
        return tuple(
            tuple(
                Span(article.id, match.start(), match.end())
                for article in searched
                for match in re.finditer(re.escape(words), article.text)
            )
            for words in self.question.evidence
        )

    def is_gold(self, span: Span) -> bool | None:
        """Whether the span overlaps the evidence; None where the question has none."""
        return any(map(span.overlaps, chain(*self.evidence))) if self.evidence else None

    @cached_property
    def cites_evidence(self) -> bool:
        """Whether a citation overlaps the evidence."""
        return any(self.is_gold(cited.span) for cited in self.verbatim)

    @cached_property
    def gold_paragraphs(self) -> frozenset[Span]:
        """The paragraphs that hold evidence."""
        holding = {self.articles[place.article] for place in chain(*self.evidence)}
        return frozenset(span for article in holding for span in paragraph_spans(article) if self.is_gold(span))

    @cached_property
    def missing_facts(self) -> tuple[tuple[str, ...], ...]:
        """The required facts that the answer does not hold, each in its accepted wordings."""
        return tuple(fact for fact in self.question.must_have if not holds_facts(self.words, (fact,)))

    @cached_property
    def forbidden_found(self) -> tuple[str, ...]:
        """What the answer says and must not."""
        return tuple(wording for wording in self.question.must_not if holds(self.words, wording))

    @property
    def holds_facts(self) -> bool:
        """Whether an answer is shown that holds every required fact and nothing forbidden."""
        return self.shown and not self.missing_facts and not self.forbidden_found

    @property
    def handled(self) -> bool:
        """For a question without an answer: refused, or its false premise met with the words that contradict it."""
        corrected = self.question.kind == FALSE_PREMISE and self.cites_evidence
        return self.refused or (self.shown and corrected and not self.forbidden_found)

    @property
    def outcome(self) -> str | None:
        """`right`, `wrong`, or `missing` for a refusal where there was an answer; None where no gold tells.

        What failed is wrong.
        """
        answerable = self.question.answerable
        if answerable is None:
            return None
        if self.failed:
            return "wrong"
        if not answerable:
            return "right" if self.handled else "wrong"
        if self.refused:
            return "missing"
        if not self.question.must_have:
            return None
        return "right" if self.holds_facts else "wrong"

    @property
    def cites_nothing_by_right(self) -> bool:
        """Whether the answer tells from the article's record, which is not part of its text."""
        return self.question.kind == ABOUT and not self.record.citations

    @cached_property
    def flagged_numbers(self) -> tuple[str, ...]:
        """The numbers of the answer, in canonical form, that the cited words do not hold."""
        return tuple(sorted(terms.numbers(self.words) - terms.numbers(self.cited_words)))

    @cached_property
    def flagged_names(self) -> tuple[str, ...]:
        """The stems of the names of the answer that the cited words do not hold."""
        return tuple(sorted(terms.names(self.words) - terms.stems(self.cited_words)))

    @cached_property
    def cited_sentences(self) -> list[bool]:
        """Whether each sentence of the answer is cited.

        A marker covers the sentence before it, and earlier ones only where it quotes them.
        """
        found: list[bool] = []
        for part in self.parts:
            quotes = [c.quote for c in self.verbatim if c.number in part.citations]
            *earlier, _ = texts = [sentence.text for sentence in sentences(Article("answer", part.words, ""))] or [""]
            found += [any(text in quote for quote in quotes) for text in earlier] + [bool(quotes)] * (texts != [""])
        return found


def observe(
    questions: Sequence[Question], records: Iterable[Record], articles: Mapping[str, Article]
) -> list[Observed]:
    """Return what was observed in the order of the questions, then of the repeats."""
    by_id = {question.id: (place, question) for place, question in enumerate(questions)}
    known = {(record.id, record.repeat): record for record in records if record.id in by_id}
    ordered = sorted(known.values(), key=lambda record: (by_id[record.id][0], record.repeat))
    return clustered([Observed(by_id[record.id][1], record, articles) for record in ordered], questions)


def clustered(observed: Iterable[Observed], questions: Iterable[Question]) -> list[Observed]:
    """Return what was observed, each in the cluster that its question has among these questions."""
    by_article = clusters_of(questions)[0] == "article"
    return [replace(o, cluster=(by_article and o.question.article) or _conversation(o.question)) for o in observed]


def estimated(values: Iterable[tuple[Observed, float]]) -> dict[str, Any]:
    """Return the mean of values, one a question, with its interval, as a report has it."""
    pairs = list(values)
    return asdict(statistics.mean([value for _, value in pairs], [o.cluster for o, _ in pairs]))


def clusters_of(questions: Iterable[Question]) -> tuple[str, str]:
    """Return what the clusters of these questions are, and a sentence about them."""
    if len({question.article for question in questions if question.article}) >= FEWEST_ARTICLES:
        return "article", _ABOUT_ARTICLES
    return "conversation", _ABOUT_CONVERSATIONS


def _conversation(question: Question) -> str:
    return question.group or (question.history[0].question if question.history else question.id)


FEWEST_ARTICLES = 10
"""Fewer are too few to tell how much articles differ (Cameron and Miller, Journal of Human Resources 50, 2015, ask for
more still); then conversations are the clusters."""
_ABOUT_ARTICLES = (
    "Questions about one article are not independent, so each article counts as one cluster; the intervals hold for "
    "other articles like these."
)
_ABOUT_CONVERSATIONS = (
    f"With fewer than {FEWEST_ARTICLES} articles each conversation, or group of questions about one thing, counts as "
    "one cluster; the intervals hold for other questions about these articles and say nothing of other articles."
)


@lru_cache(maxsize=4096)
def paragraph_spans(article: Article) -> tuple[Span, ...]:
    """Return the paragraphs of an article in reading order."""
    return tuple(Span(article.id, start, end) for start, end in paragraphs(article.text))


def paragraph_of(article: Article, position: int) -> Span:
    """Return the paragraph that holds the position."""
    spans = paragraph_spans(article)
    return spans[max(0, bisect_right(spans, position, key=lambda span: span.start) - 1)]
