"""Run a question file through the assistant and print the figures that the README gives.

A benchmark, not a test: it prints what it finds and passes no judgement.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

from assistant.answering import Assistant
from assistant.evaluation.observed import Observed
from assistant.evaluation.questions import Question
from assistant.evaluation.records import Record, answer_line
from assistant.evaluation.statistics import percentile
from assistant.types import Answer, Article, Status


def run(assistant: Assistant, questions: Sequence[Question], progress: Callable[[int, int], None]) -> list[Observed]:
    """Ask every question."""
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
    """Return the figures by name, as text with their counts."""
    answerable = [o for o in results if o.question.answerable]
    unanswerable = [o for o in results if o.question.answerable is False]
    written = [o for o in results if o.record.status == Status.ANSWERED]
    quoted = [o for o in results if o.record.status == Status.QUOTED]
    shown = [o for o in answerable if o.record.citations and o.question.evidence]
    citations = sum(len(o.record.citations) for o in results)
    who_said = [o for o in answerable if o.question.kind == "speaker" and "who" in o.question.question.lower()]
    refusals = [o for o in results if o.record.status == Status.DECLINED]
    words = [len(o.words.split()) for o in (*written, *quoted)]
    first = [o.record.first_ms for o in results if o.record.first_ms is not None]
    total = [o.record.total_ms for o in results if o.record.total_ms is not None]
    return {
        "answerable questions whose answer holds the facts": _share(
            sum(o.holds_facts for o in answerable), len(answerable)
        ),
        "unanswerable, false-premise and injection questions handled": _share(
            sum(o.handled for o in unanswerable), len(unanswerable)
        ),
        "written answers that are wrong, of all questions": _share(sum(not is_right(o) for o in written), len(results)),
        "quotations that do not answer, of all questions": _share(sum(not is_right(o) for o in quoted), len(results)),
        "answerable questions with a written answer": _share(
            sum(o.record.status == Status.ANSWERED for o in answerable), len(answerable)
        ),
        "answerable questions declined": _share(
            sum(o.record.status == Status.DECLINED for o in answerable), len(answerable)
        ),
        "words in an answer, median": f"{statistics.median(words):.0f}" if words else "-",
        "citations verbatim at their offsets": _share(sum(len(o.verbatim) for o in results), citations),
        "citations on a refusal": str(sum(len(o.record.citations) for o in refusals)),
        "answers whose citations include the words that hold the fact": _share(
            sum(any(o.is_gold(cited.span) for cited in o.verbatim) for o in shown), len(shown)
        ),
        'speaker right on "who said" questions': _share(sum(o.holds_facts for o in who_said), len(who_said)),
        "first evidence p50 / p95, ms": f"{percentile(first, 0.5):.0f} / {percentile(first, 0.95):.0f}",
        "final answer p50 / p95, ms": f"{percentile(total, 0.5):.0f} / {percentile(total, 0.95):.0f}",
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


def _share(count: int, of: int) -> str:
    return f"{count / of:.3f} ({count} of {of})" if of else "-"
