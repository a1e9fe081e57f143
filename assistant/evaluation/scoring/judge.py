"""A second opinion on the answers, from another language model: only where it is asked for, and no gate rests on it.

The prompts and the reading of a verdict are those of `openevals`. Every verdict is a line of `judgements.jsonl` with a
hash of what was judged, so that none is asked for twice. Knows nothing of averages over runs.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.language_models import BaseChatModel

from assistant.errors import ConfigurationError
from assistant.evaluation import records
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.observed import Observed
from assistant.extras import require

JUDGEMENTS = "judgements.jsonl"
SECONDS = 60.0
FAILURES = 5
"""After so many failures in a row the judge is not asked again."""

NAME, LABEL = "judge_correct", "right, says the judge"
DEFINITION = "Answers that were shown and that the judge calls correct, given what a right answer must hold."


@dataclass(frozen=True, slots=True)
class Judge:
    """Which model judges."""

    model: str
    """As LangChain's init_chat_model takes it, as in `openai:gpt-4.1-mini`."""
    url: str = ""
    """Base URL for the provider, for a self-hosted server."""
    itself: bool = False
    """Whether it may be the model that wrote the answers."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict."""

    id: str
    repeat: int
    judge: str
    material: str
    """Hash of what was judged."""
    score: bool | None
    """None where the judge failed."""
    comment: str = ""
    error: str | None = None


def open_judge(judge: Judge, answerer: str) -> BaseChatModel:
    """Return the model that judges; `answerer` is what the answers are written by.

    Raises:
        ConfigurationError: it would judge itself, or cannot be used as it is set up.
    """
    if judge.model == answerer and not judge.itself:
        raise ConfigurationError(
            f"{judge.model} wrote the answers and would judge itself: name another with --judge, or add --judge-itself"
        )
    require("judge", "A judge")
    options: dict[str, Any] = {"temperature": 0, "max_retries": 1, "timeout": SECONDS}
    options |= {"base_url": judge.url} if judge.url else {}
    try:
        if ":" not in judge.model:
            raise ValueError("no provider")
        chat: BaseChatModel = init_chat_model(judge.model, **options)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ConfigurationError(
            f"The judge {judge.model!r} cannot be used ({reason}): name it as provider:model, with the provider's "
            "package installed and its key set"
        ) from error
    return chat


def ask(
    chat: BaseChatModel, name: str, observed: Sequence[Observed], folder: Path, progress: Callable[[int, int], None]
) -> None:
    """Let the judge say what it has not said yet of these answers, and keep each verdict in the run's folder.

    `progress` is called with the verdicts that are there and the verdicts wanted.

    Raises:
        ConfigurationError: the verdicts that are there cannot be read, or new ones not written.
    """
    said = {(j.id, j.repeat): j.material for j in read(folder) if j.judge == name and j.score is not None}
    wanted = [o for o in observed if _rule(o) is not None]
    missing = [o for o in wanted if said.get((o.question.id, o.record.repeat)) != _hash(o)]

    def lines() -> Iterator[Mapping[str, Any]]:
        failures = 0
        for number, o in enumerate(missing, start=len(wanted) - len(missing)):
            progress(number, len(wanted))
            judgement = _judge(chat, name, o)
            failures = failures + 1 if judgement.score is None else 0
            yield asdict(judgement)
            if failures == FAILURES:
                return
        progress(len(wanted), len(wanted))

    records.append(folder / JUDGEMENTS, lines())


def read(folder: Path) -> list[Judgement]:
    """Return the verdicts in a run's folder, none where no judge was asked.

    Raises:
        ConfigurationError: the file cannot be read, or a whole line is damaged; it is named.
    """
    return records.read_lines(folder / JUDGEMENTS, lambda line: Judgement(**line))


def summary(
    judgements: Sequence[Judgement], observed: Sequence[Observed], cluster: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return what the latest judge said and how far it agrees with rules and people; None where none was asked.

    A grade agrees where it is good and the judge says right, or neither. Where people graded what was judged, a second
    and a third figure are what the judge and they say of the same answers; else `people` is None.
    """
    if not judgements:
        return None
    current = _current(judgements, observed)
    said = [(o, j.score) for o in observed if (j := current.get((o.question.id, o.record.repeat)))]
    judged = [(o, score) for o, score in said if score is not None]
    graded = [(o, score) for o, score in judged if o.grades]
    good = [(o, o.share_graded("good") or 0.0) for o, _ in graded]
    figures: list[tuple[str, str, str, Sequence[tuple[Observed, float]]]] = [
        (NAME, LABEL, DEFINITION, judged),
        (f"{NAME}_graded", f"{LABEL}, of what people graded", f"{DEFINITION} Only those that were graded.", graded),
        ("content_judged", "good, say people of the same", "Those of them that people who read them call good.", good),
    ]
    return {
        "model": judgements[-1].judge,
        "n": len(judged),
        "failed": len(said) - len(judged),
        "agreement": _agreement([(score, bool(_rule(o))) for o, score in judged]),
        "people": _agreement([(score, given.grade == "good") for o, score in graded for given in o.grades])
        if graded
        else None,
        "measures": [
            {"name": name, "label": label, "definition": definition, "unit": "share", "better": "higher"}
            | asdict(statistics.mean([float(value) for _, value in pairs], [cluster[o.question.id] for o, _ in pairs]))
            | {"spread": None}
            for name, label, definition, pairs in figures[: 3 if graded else 1]
        ],
    }


def by_row(judgements: Sequence[Judgement], observed: Sequence[Observed]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what the latest judge said of each answer, by the id of its question and its repeat."""
    return {
        key: {"score": None if j.score is None else float(j.score), "comment": j.comment or j.error or ""}
        for key, j in _current(judgements, observed).items()
    }


def _current(judgements: Sequence[Judgement], observed: Sequence[Observed]) -> dict[tuple[str, int], Judgement]:
    """Return the verdicts of the latest judge on the answers and the gold as they are now."""
    asked = {(o.question.id, o.record.repeat): _hash(o) for o in observed if judgements and _rule(o) is not None}
    latest = [j for j in judgements if j.judge == judgements[-1].judge]
    return {(j.id, j.repeat): j for j in latest if asked.get((j.id, j.repeat)) == j.material}


def _agreement(pairs: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """Return the share of verdicts that are the rules' too, and Cohen's kappa, None where each said only one thing."""
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - slow to import

    if not pairs:
        return {"share": None, "kappa": None, "n": 0}
    said, ruled = zip(*pairs, strict=True)
    kappa = float(cohen_kappa_score(said, ruled)) if len({*said, *ruled}) == 2 else math.nan
    share = sum(a == b for a, b in pairs) / len(pairs)
    return {"share": share, "kappa": None if math.isnan(kappa) else kappa, "n": len(pairs)}


def _judge(chat: BaseChatModel, name: str, o: Observed) -> Judgement:
    """Return the verdict; what is raised becomes one that failed, so that it is counted."""
    from openevals.llm import create_llm_as_judge  # noqa: PLC0415 - only needed to judge
    from openevals.prompts import CORRECTNESS_PROMPT  # noqa: PLC0415

    score, comment, reason = None, "", None
    try:
        found: Any = create_llm_as_judge(prompt=CORRECTNESS_PROMPT, judge=chat)(**_material(o))
        if not isinstance(found["score"], bool):
            raise TypeError(f"the score is {found['score']!r}")
        score, comment = found["score"], str(found["comment"] or "")
    except Exception as error:  # noqa: BLE001 - whatever the provider raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return Judgement(o.question.id, o.record.repeat, name, _hash(o), score, comment, reason)


def _hash(o: Observed) -> str:
    return hashlib.sha256(json.dumps(_material(o), sort_keys=True).encode()).hexdigest()


def _rule(o: Observed) -> bool | None:
    """Return what the rules say of an answer; None where it is not judged."""
    return o.outcome == "right" if o.shown and o.outcome else None


def _material(o: Observed) -> dict[str, str]:
    """Return what the judge reads, by the variables of the prompt."""
    question = o.question
    earlier = "".join(f"Reader: {turn.question}\nAssistant: {turn.answer}\n" for turn in question.history)
    lines = [
        "The article answers the question." if question.answerable else "The article does not answer the question."
    ]
    if question.must_have:
        lines.append(f"Required: {'; '.join(' or '.join(wordings) for wordings in question.must_have)}.")
    if question.must_not:
        lines.append(f"Wrong: {'; '.join(question.must_not)}.")
    if question.ideal:
        lines.append(f"An ideal answer: {question.ideal}")
    lines += [f"The article says: {words}" for words in question.evidence]
    return {
        "inputs": f"{earlier}Reader: {question.question}" if earlier else question.question,
        "outputs": o.words,
        "reference_outputs": "\n".join(lines),
    }
