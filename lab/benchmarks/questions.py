"""Run a question file through the assistant and print the figures that the README gives.

A benchmark, not a test: it prints what it finds and passes no judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from assistant.answering.assistant import Assistant
from assistant.evaluation.questions import Question
from assistant.evaluation.records import Record, answer_line
from assistant.evaluation.scoring import measures
from assistant.evaluation.scoring.observed import Observed
from assistant.types import Answer, Article, Status


def run(assistant: Assistant, questions: Sequence[Question], progress: Callable[[int, int], None]) -> list[Observed]:
    """Ask every question."""
    # As a server has done by the time that readers come.
    assistant.read_ahead()
    articles = {article.id: article for article in assistant.corpus.articles}
    results = []
    for number, question in enumerate(questions, start=1):
        results.append(seen(question, assistant.ask(question.question, question.history), articles))
        progress(number, len(questions))
    return results


def seen(question: Question, answer: Answer, articles: Mapping[str, Article]) -> Observed:
    """Return an answer beside its gold, as the evaluation sees what it has recorded."""
    return Observed(question, Record.from_line(answer_line(question.id, 0, answer, answer)), articles)


def figures(results: Sequence[Observed]) -> dict[str, str]:
    """Return the figures by name, as text with their counts; most are measures of the report, so that both agree."""
    who_said = [o for o in results if o.question.kind == "speaker" and "who" in o.question.question.lower()]
    citations = sum(len(o.record.citations) for o in results)
    refusals = [o for o in results if o.record.status == Status.DECLINED]
    words = measures.answer_words_p50(results)
    return {
        "answerable questions whose answer holds the facts": _mean(measures.facts, results),
        "unanswerable, false-premise and injection questions handled": _mean(measures.refusal_recall, results),
        "written answers that are wrong, of all questions": _mean(measures.written_wrong, results),
        "quotations that do not answer, of all questions": _mean(measures.quoted_wrong, results),
        "answerable questions with a written answer": _mean(measures.written, results),
        "answerable questions declined": _mean(measures.false_refusals, results),
        "words in an answer, median": "-" if words is None else f"{words:.0f}",
        "citations verbatim at their offsets": _share(sum(len(o.verbatim) for o in results), citations),
        "citations on a refusal": str(sum(len(o.record.citations) for o in refusals)),
        "answers whose citations include the words that hold the fact": _mean(measures.evidence_cited, results),
        'speaker right on "who said" questions': _mean(measures.facts, who_said),
        "first evidence p50 / p95, ms": _quantiles(
            measures.first_evidence_p50(results), measures.first_evidence_p95(results)
        ),
        "final answer p50 / p95, ms": _quantiles(measures.total_p50(results), measures.total_p95(results)),
    }


def is_right(o: Observed) -> bool:
    """Whether a reader was served: the facts, or a question without an answer handled."""
    return o.holds_facts if o.question.answerable else o.handled


def by_kind(results: Sequence[Observed]) -> dict[str, str]:
    """Return the share of questions right, by kind."""
    kinds = dict.fromkeys(o.question.kind for o in results)
    return {
        kind: _share(
            sum(is_right(o) for o in results if o.question.kind == kind), sum(o.question.kind == kind for o in results)
        )
        for kind in kinds
    }


def _mean(score: Callable[[Observed], float | None], results: Sequence[Observed]) -> str:
    """Return the mean of a score that is 1 or 0, where it applies."""
    scores = [found for o in results if (found := score(o)) is not None]
    return _share(round(sum(scores)), len(scores))


def _quantiles(*found: float | None) -> str:
    return " / ".join("-" if value is None else f"{value:.0f}" for value in found)


def _share(count: int, of: int) -> str:
    return f"{count / of:.3f} ({count} of {of})" if of else "-"
