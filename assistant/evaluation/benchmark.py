"""Run a question file through the assistant and print the figures that the README gives.

A benchmark, not a test: it prints what it finds and passes no judgement.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.answering import Assistant
from assistant.evaluation.questions import Question, evidence_spans, holds, holds_facts
from assistant.rendering import without_markers
from assistant.types import Answer, Status


@dataclass(frozen=True, slots=True)
class Result:
    """A question and what came of it."""

    question: Question
    answer: Answer

    @property
    def holds_facts(self) -> bool:
        """Whether the answer holds every required fact and nothing that it must not."""
        text = without_markers(self.answer)
        return (
            self.answer.status in (Status.ANSWERED, Status.QUOTED)
            and holds_facts(text, self.question.must_have)
            and not self.says_forbidden
        )

    @property
    def says_forbidden(self) -> bool:
        """Whether the answer says something that it must not."""
        text = without_markers(self.answer)
        return any(holds(text, wording) for wording in self.question.must_not)

    @property
    def cites_evidence(self) -> bool:
        """Whether a citation overlaps the words that hold the answer."""
        return any(
            citation.start < end and start < citation.end
            for citation in self.answer.citations
            for start, end in evidence_spans(self.question, citation.article)
        )

    @property
    def handled(self) -> bool:
        """For a question without an answer: declined, or a false premise met with the words that contradict it."""
        if self.answer.status in (Status.DECLINED, Status.BLOCKED_INPUT):
            return True
        return self.question.kind == "false_premise" and self.cites_evidence and not self.says_forbidden

    @property
    def right(self) -> bool:
        """Whether a reader was served: the facts, or a question without an answer handled."""
        return self.holds_facts if self.question.answerable else self.handled


def run(assistant: Assistant, questions: Sequence[Question], progress: Callable[[int, int], None]) -> list[Result]:
    """Ask every question."""
    results = []
    for number, question in enumerate(questions, start=1):
        results.append(Result(question, assistant.ask(question.question, question.history)))
        progress(number, len(questions))
    return results


def figures(results: Sequence[Result]) -> dict[str, str]:
    """Return the figures by name, as text with their counts."""
    answerable = [r for r in results if r.question.answerable]
    unanswerable = [r for r in results if r.question.answerable is False]
    written = [r for r in results if r.answer.status is Status.ANSWERED]
    quoted = [r for r in results if r.answer.status is Status.QUOTED]
    shown = [r for r in answerable if r.answer.citations and r.question.evidence]
    citations = [citation for r in results for citation in r.answer.citations]
    who_said = [r for r in answerable if r.question.kind == "speaker" and r.question.question.lower().find("who") >= 0]
    refusals = [r for r in results if r.answer.status is Status.DECLINED]
    words = [len(without_markers(r.answer).split()) for r in (*written, *quoted)]
    first = sorted(r.answer.timings.first_ms for r in results if r.answer.timings.first_ms is not None)
    total = sorted(r.answer.timings.total_ms for r in results)
    return {
        "answerable questions whose answer holds the facts": _share(
            sum(r.holds_facts for r in answerable), len(answerable)
        ),
        "unanswerable, false-premise and injection questions handled": _share(
            sum(r.handled for r in unanswerable), len(unanswerable)
        ),
        "written answers that are wrong, of all questions": _share(sum(not r.right for r in written), len(results)),
        "quotations that do not answer, of all questions": _share(sum(not r.right for r in quoted), len(results)),
        "answerable questions with a written answer": _share(
            sum(r.answer.status is Status.ANSWERED for r in answerable), len(answerable)
        ),
        "answerable questions declined": _share(
            sum(r.answer.status is Status.DECLINED for r in answerable), len(answerable)
        ),
        "words in an answer, median": f"{statistics.median(words):.0f}" if words else "-",
        "citations verbatim at their offsets": _share(
            sum(c.quote == c.article.text[c.start : c.end] and bool(c.quote.strip()) for c in citations), len(citations)
        ),
        "citations on a refusal": str(sum(len(r.answer.citations) for r in refusals)),
        "answers whose citations include the words that hold the fact": _share(
            sum(r.cites_evidence for r in shown), len(shown)
        ),
        'speaker right on "who said" questions': _share(sum(r.holds_facts for r in who_said), len(who_said)),
        "first evidence p50 / p95, ms": f"{_percentile(first, 0.5):.0f} / {_percentile(first, 0.95):.0f}",
        "final answer p50 / p95, ms": f"{_percentile(total, 0.5):.0f} / {_percentile(total, 0.95):.0f}",
    }


def by_kind(results: Sequence[Result]) -> dict[str, str]:
    """Return the share of questions right, by kind."""
    kinds = dict.fromkeys(r.question.kind for r in results)
    return {
        kind: _share(
            sum(r.right for r in results if r.question.kind == kind), sum(r.question.kind == kind for r in results)
        )
        for kind in kinds
    }


def _share(count: int, of: int) -> str:
    return f"{count / of:.3f} ({count} of {of})" if of else "-"


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
