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
from assistant.evaluation.records import append, mend, whole_lines
from assistant.evaluation.scoring import statistics
from assistant.evaluation.scoring.observed import Observed
from assistant.extras import require

SECONDS = 60.0
FAILURES = 5
"""After so many failures in a row the judge is not asked again."""

Progress = Callable[[int, int], None]
"""Called with the verdicts that are there and the verdicts wanted."""


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
class Criterion:
    """One thing that is judged."""

    name: str
    label: str
    definition: str
    prompt: str
    """Its name in `openevals.prompts`."""
    rule: Callable[[Observed], bool | None]
    """What the rules say of an answer; None where it is not judged."""
    material: Callable[[Observed], dict[str, str]]
    """What the judge reads, by the variables of the prompt."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict."""

    id: str
    repeat: int
    criterion: str
    judge: str
    prompt: str
    """Hash of the prompt."""
    material: str
    """Hash of what it was filled with."""
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
    _prompt(CRITERIA[0])
    options: dict[str, Any] = {"temperature": 0, "max_retries": 1, "timeout": SECONDS}
    if judge.url:
        options["base_url"] = judge.url
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


def ask(chat: BaseChatModel, name: str, observed: Sequence[Observed], path: Path, progress: Progress) -> None:
    """Let the judge say what it has not said yet of these answers, and keep each verdict in the file.

    Raises:
        ConfigurationError: the verdicts that are there cannot be read, or new ones not written.
    """
    mend(path)
    prompts = {criterion.name: _sha256(_prompt(criterion)) for criterion in CRITERIA}
    done = {
        (judgement.id, judgement.repeat, judgement.criterion, judgement.material)
        for judgement in read(path)
        if judgement.judge == name
        and judgement.prompt == prompts.get(judgement.criterion)
        and judgement.score is not None
    }
    wanted = [(o, criterion) for o in observed for criterion in CRITERIA if criterion.rule(o) is not None]
    missing = [(o, c) for o, c in wanted if (o.question.id, o.record.repeat, c.name, _hash(c, o)) not in done]

    def lines() -> Iterator[Mapping[str, Any]]:
        failures = 0
        for number, (o, criterion) in enumerate(missing, start=len(wanted) - len(missing)):
            progress(number, len(wanted))
            judgement = _judge(chat, name, criterion, o)
            failures = failures + 1 if judgement.score is None else 0
            yield asdict(judgement)
            if failures == FAILURES:
                return
        progress(len(wanted), len(wanted))

    try:
        append(path, lines())
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}): make room there and run the same command again"
        ) from error


def read(path: Path) -> list[Judgement]:
    """Return the verdicts of a file, none where it does not exist.

    Raises:
        ConfigurationError: the file cannot be read, or a whole line is damaged; it is named.
    """
    found = []
    for number, line in enumerate(whole_lines(path), start=1):
        if line:
            try:
                found.append(Judgement(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ConfigurationError(f"{path}, line {number} is damaged: delete that line and run again") from error
    return found


def summary(
    judgements: Sequence[Judgement], observed: Sequence[Observed], cluster: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return what the latest judge said and how far it agrees with the rules; None where none was asked."""
    if not judgements:
        return None
    current = _current(judgements, observed)
    measures = []
    agreements = []
    for criterion in CRITERIA:
        judged = [(o, j) for o in observed if (j := current.get((o.question.id, o.record.repeat, criterion.name)))]
        valid = [(o, bool(j.score)) for o, j in judged if j.score is not None]
        estimate = statistics.mean([float(score) for _, score in valid], [cluster[o.question.id] for o, _ in valid])
        agreements.append(_agreement([(score, bool(criterion.rule(o))) for o, score in valid]))
        measures.append(
            {
                "name": criterion.name,
                "label": criterion.label,
                "definition": criterion.definition,
                "unit": "share",
                "better": "higher",
                **asdict(estimate),
                "spread": None,
                "agreement": agreements[-1],
            }
        )
    return {
        "model": judgements[-1].judge,
        "prompts": {judgement.criterion: judgement.prompt for judgement in current.values()},
        "n": len({(judgement.id, judgement.repeat) for judgement in current.values() if judgement.score is not None}),
        "failed": sum(judgement.score is None for judgement in current.values()),
        "agreement": agreements[0],
        "measures": measures,
    }


def by_row(judgements: Sequence[Judgement], observed: Sequence[Observed]) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what the latest judge said of each answer, by the id of its question and its repeat."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for (identifier, repeat, criterion), judgement in _current(judgements, observed).items():
        row = found.setdefault((identifier, repeat), {"score": None, "comment": "", "criteria": {}})
        said = {
            "score": None if judgement.score is None else float(judgement.score),
            "comment": judgement.comment or judgement.error or "",
        }
        row["criteria"][criterion] = said
        if criterion == CRITERIA[0].name:
            row |= said
    return found


def _current(judgements: Sequence[Judgement], observed: Sequence[Observed]) -> dict[tuple[str, int, str], Judgement]:
    """Return the verdicts of the latest judge on the answers and the gold as they are now."""
    if not judgements:
        return {}
    asked = {
        (o.question.id, o.record.repeat, criterion.name): _hash(criterion, o)
        for o in observed
        for criterion in CRITERIA
        if criterion.rule(o) is not None
    }
    found: dict[tuple[str, int, str], Judgement] = {}
    for judgement in judgements:
        key = (judgement.id, judgement.repeat, judgement.criterion)
        if judgement.judge == judgements[-1].judge and asked.get(key) == judgement.material:
            found[key] = judgement
    return found


def _agreement(pairs: Sequence[tuple[bool, bool]]) -> dict[str, Any]:
    """Return the share of verdicts that are the rules' too, and Cohen's kappa, None where each said only one thing."""
    from sklearn.metrics import cohen_kappa_score  # noqa: PLC0415 - slow to import

    if not pairs:
        return {"share": None, "kappa": None, "n": 0}
    said, ruled = zip(*pairs, strict=True)
    kappa = float(cohen_kappa_score(said, ruled)) if len({*said, *ruled}) == 2 else math.nan
    share = sum(a == b for a, b in pairs) / len(pairs)
    return {"share": share, "kappa": None if math.isnan(kappa) else kappa, "n": len(pairs)}


def _judge(chat: BaseChatModel, name: str, criterion: Criterion, o: Observed) -> Judgement:
    """Return the verdict; what is raised becomes one that failed, so that it is counted."""
    from openevals.llm import create_llm_as_judge  # noqa: PLC0415 - only needed to judge

    score, comment, reason = None, "", None
    prompt = _prompt(criterion)
    try:
        found: Any = create_llm_as_judge(prompt=prompt, judge=chat)(**criterion.material(o))
        if not isinstance(found["score"], bool):
            raise TypeError(f"the score is {found['score']!r}")
        score, comment = found["score"], str(found["comment"] or "")
    except Exception as error:  # noqa: BLE001 - whatever the provider raises
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return Judgement(
        o.question.id,
        o.record.repeat,
        criterion.name,
        name,
        _sha256(prompt),
        _hash(criterion, o),
        score,
        comment,
        reason,
    )


def _prompt(criterion: Criterion) -> str:
    require("judge", "A judge")
    from openevals import prompts  # noqa: PLC0415 - only needed to judge

    return str(getattr(prompts, criterion.prompt))


def _hash(criterion: Criterion, o: Observed) -> str:
    return _sha256(json.dumps(criterion.material(o), sort_keys=True))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# What is judged


def _is_right(o: Observed) -> bool | None:
    return o.outcome == "right" if o.shown and o.outcome else None


def _is_grounded(o: Observed) -> bool | None:
    return not (o.flagged_numbers or o.flagged_names) if o.shown and not o.cites_nothing_by_right else None


def _with_gold(o: Observed) -> dict[str, str]:
    question = o.question
    earlier = "".join(f"Reader: {turn.question}\nAssistant: {turn.answer}\n" for turn in question.history)
    lines = [
        "The article answers the question." if question.answerable else "The article does not answer the question."
    ]
    if question.must_have:
        lines.append(f"Required: {'; '.join(' or '.join(wordings) for wordings in question.must_have)}.")
    if question.must_not:
        lines.append(f"Wrong: {'; '.join(question.must_not)}.")
    lines += [f"The article says: {words}" for words in question.evidence]
    return {
        "inputs": f"{earlier}Reader: {question.question}" if earlier else question.question,
        "outputs": o.words,
        "reference_outputs": "\n".join(lines),
    }


def _with_citations(o: Observed) -> dict[str, str]:
    return {"outputs": o.words, "context": o.cited_words}


CRITERIA = (
    Criterion(
        "judge_correct",
        "right, says the judge",
        "Answers that were shown and that the judge calls correct, given what a right answer must hold.",
        "CORRECTNESS_PROMPT",
        _is_right,
        _with_gold,
    ),
    Criterion(
        "judge_grounded",
        "grounded, says the judge",
        "Answers that were shown and that the judge finds in the words they cite; the rule beside it is the flag for "
        "numbers and names.",
        "RAG_GROUNDEDNESS_PROMPT",
        _is_grounded,
        _with_citations,
    ),
)
"""The first one is compared with the rule-based scores."""
