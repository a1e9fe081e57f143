"""Training the adapter that checks: that it sees only what it must, and the file that comes of it."""

from __future__ import annotations

import json
import random
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from trained import NORMANS, entry, small_model, words_of
from transformers import Qwen2ForCausalLM

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.model import probes, prompts
from assistant.model.chat import LanguageModel
from assistant.model.holder import open_models
from assistant.model.limit import Limit
from assistant.model.prompts import CHECK
from assistant.model.weights import CHECKER_FILE
from assistant.settings import Settings
from assistant.types import Article
from lab.training import checker as training
from lab.training import lora
from lab.training.checker import CHECKS, MADE_UP, RANK, fit, lessons, log_probabilities, run
from lab.training.checks import Asked, Check, Group
from lab.training.drafting import tokens
from lab.training.lora import ATTENTION, FIRST_LAYER, Adapted, packed
from lab.training.reports import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase


def test_made_up_drafts_are_learned_from_before_the_models_own() -> None:
    """Each step has the passages of its checks; the made-up ones begin, the drafted come again until the steps end."""
    asked = [Asked(f"Who was the leader of {number}?", "Rollo") for number in range(CHECKS + 9)]
    data = [Group(f"{NORMANS} {number}", asked) for number in range(MADE_UP + 3)]
    drafts = [[f"Rollo led all {number}."] * len(asked) for number in range(2)]
    taught = lessons(data[: -MADE_UP - 1 : -1], data[:2], drafts, random.Random(0), MADE_UP + 5)  # noqa: S311 - no secret
    order = [*range(MADE_UP + 2, 2, -1), 0, 1, 0, 1, 0]
    assert [passages for passages, _ in taught] == [f"{NORMANS} {number}" for number in order]
    assert {len(checks) for _, checks in taught} == {CHECKS}
    own = [any(check.draft in {told[0] for told in drafts} for check in checks) for _, checks in taught]
    assert own == [False] * MADE_UP + [True] * 5


def test_of_more_checks_than_a_step_takes_the_rarest_verdict_is_learned_whole() -> None:
    """The few questions without an answer are not lost among the many with one."""
    verdicts = ["yes"] * CHECKS + ["wrong"] * CHECKS + ["no"] * 3
    written = [Check(f"Who was the leader of {number}?", "Rollo.", verdict) for number, verdict in enumerate(verdicts)]
    for seed in range(5):
        ((_, checks),) = lessons([], [Group(NORMANS, [], written)], [[]], random.Random(seed), 1)  # noqa: S311 - no secret
        assert len(checks) == CHECKS
        assert sum(check.verdict == "no" for check in checks) == 3
        assert {check.verdict for check in checks} == set(VERDICTS)


def test_drafts_are_made_up_for_other_paragraphs_than_the_model_drafts_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there are enough of them."""
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"data": [entry("A")]}))
    monkeypatch.setattr(training, "MADE_UP", 1)
    monkeypatch.setattr(training, "DRAFTED", 1)
    given: list[Sequence[Group]] = []

    def train(made_up: Sequence[Group], drafted: Sequence[Group], *_: object) -> bytes:
        given.extend([made_up, drafted])
        return b""

    monkeypatch.setattr(training, "train", train)
    run(path, tmp_path, tmp_path / "out", 0, lambda *_: None)
    (made_up,), (drafted,) = given
    assert made_up.passages != drafted.passages


@pytest.mark.slow
def test_each_check_sees_the_passages_and_its_own_draft_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    """Asked together, checks get what each gets alone."""
    model = small_model(FIRST_LAYER + 2)
    adapted = adapt(model, 0)
    for one in adapted.values():
        torch.nn.init.normal_(one.up)
    checks = [Check("Who was the leader?", "Rollo was.", "yes"), Check("When?", "In 1204, as far as is known.", "no")]
    with torch.no_grad():
        together = log_probabilities(model, tokenizer, adapted, NORMANS, checks)
        alone = [log_probabilities(model, tokenizer, adapted, NORMANS, [check])[0] for check in checks]
    assert torch.allclose(together, torch.stack(alone), atol=1e-4)


@pytest.mark.slow
def test_the_model_itself_reads_the_passages_and_the_draft(tokenizer: PreTrainedTokenizerBase) -> None:
    """The adapter works on the check alone: the reply is what one gets by switching it by hand."""
    model = small_model(FIRST_LAYER + 2)
    adapted = adapt(model, 0)
    question = "Who was the leader?"
    messages = [
        {"role": "system", "content": prompts.render("system", article=NORMANS)},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "Rollo was."},
        {"role": "user", "content": prompts.render("checked", question=question)},
    ]
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    opening, _, check = text.partition(CHECK)

    def by_hand(*, read: bool, checked: bool) -> torch.Tensor:
        cache = None
        for part, active in ((opening, read), (CHECK + check, checked)):
            for one in adapted.values():
                one.active = active
            output = model(torch.tensor([tokenizer(part)["input_ids"]]), cache=cache, use_cache=True)
            cache = output.cache
        return torch.log_softmax(output.logits[0, -1], -1)

    with torch.no_grad():
        plain = by_hand(read=False, checked=False)
        for one in adapted.values():
            torch.nn.init.normal_(one.up)
        right, everywhere = by_hand(read=False, checked=True), by_hand(read=True, checked=True)
        told = log_probabilities(model, tokenizer, adapted, NORMANS, [Check(question, "Rollo was.", "yes")])[0]
    assert torch.allclose(told, right, atol=1e-4)
    assert not torch.allclose(told, plain, atol=1e-2)
    assert not torch.allclose(told, everywhere, atol=1e-2)


def adapt(model: Qwen2ForCausalLM, seed: int, begin: Path | None = None) -> dict[str, Adapted]:
    """Put the matrices of this adapter beside the projections of a model."""
    return lora.adapt(model, ATTENTION, RANK, seed, begin)


def adapted_of(model: Qwen2ForCausalLM) -> dict[str, Adapted]:
    """Return the adapted projections of a small model that was trained, by llama.cpp's names."""
    return {
        f"blk.{number}.{name}.weight": model.model.layers[number].get_submodule(theirs)
        for number in range(FIRST_LAYER, FIRST_LAYER + 2)
        for theirs, name in ATTENTION.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_that_is_taught_becomes_the_likeliest(
    verdict: str, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the three it is the one that was right in the lessons, whichever that was."""
    monkeypatch.setattr(lora, "RATE", 0.02)
    model, check = small_model(FIRST_LAYER + 2), Check("Who was the leader?", "Rollo was.", verdict)
    adapted = adapt(model, 0)
    fit(model, tokenizer, adapted, [(NORMANS, [check])] * 20, lambda *_: None)
    with torch.no_grad():
        told = log_probabilities(model, tokenizer, adapted, NORMANS, [check])[0]
    chance = {each: float(told[training._spellings(tokenizer, each)].logsumexp(-1)) for each in VERDICTS}
    assert max(chance, key=lambda each: chance[each]) == verdict


@pytest.mark.slow
def test_training_ends_in_an_adapter_that_has_learned(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run writes every matrix and the words to begin at, is the same again, and makes a verdict far likelier."""
    models = []

    def loaded(*_: object) -> tuple[Qwen2ForCausalLM, PreTrainedTokenizerBase]:
        models.append(small_model(FIRST_LAYER + 2))
        return models[-1], tokenizer

    monkeypatch.setattr(training, "loaded", loaded)
    monkeypatch.setattr(lora, "RATE", 0.02)
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"data": [entry("A")]}))
    done: list[tuple[str, int, int]] = []
    digests = [
        run(path, tmp_path, tmp_path / name, 0, lambda *count: done.append(count), steps=30) for name in ("one", "two")
    ]
    assert digests[0] == digests[1]
    assert [count for _, *count in done[:2] + done[-1:]] == [
        [1, 32],
        [2, 32],
        [32, 32],
    ]  # Two groups are drafted, then come the steps.
    assert not list(tmp_path.glob("*.partial"))
    assert words_of(tmp_path / "one", ATTENTION, layers=2) == tokens(tokenizer, CHECK)
    trained = adapted_of(models[-1])
    verdicts = [token for verdict in VERDICTS for token in training._spellings(tokenizer, verdict)]
    checks = [Check("Who was the leader?", "Rollo was.", "yes"), Check("Who was the queen?", "Rollo was.", "no")]
    with torch.no_grad():
        after = log_probabilities(models[-1], tokenizer, trained, NORMANS, checks)[:, verdicts].logsumexp(-1)
        for one in trained.values():
            torch.nn.init.zeros_(one.up)
        before = log_probabilities(models[-1], tokenizer, trained, NORMANS, checks)[:, verdicts].logsumexp(-1)
    assert (after - before).min() > 3.0


@pytest.mark.slow
def test_training_goes_on_from_an_adapter_with_reports(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model as it is drafts for half of a report's questions, nothing is made up, and what was known stays."""
    monkeypatch.setattr(training, "loaded", lambda *_: (small_model(FIRST_LAYER + 1), tokenizer))

    def drafted(model: Qwen2ForCausalLM, _: object, asked: Sequence[tuple[str, Sequence[str]]]) -> list[list[str]]:
        switched_on = {one.active for one in model.modules() if isinstance(one, Adapted)}
        assert switched_on == {False}
        return [["It was Rollo."] * len(questions) for _, questions in asked]

    monkeypatch.setattr(training, "drafts", drafted)
    asked = [
        {"question": f"Who led {number}?", "answers": ["Rollo"], "right": "Rollo did.", "wrong": "Charles did."}
        for number in range(3)
    ]
    reports = tmp_path / "reports.jsonl"
    reports.write_text(json.dumps({"id": "normans", "text": NORMANS, "questions": asked}))
    taught: list[tuple[str, Sequence[Check]]] = []
    monkeypatch.setattr(training, "fit", lambda *given: taught.extend(given[3]))
    model = small_model(FIRST_LAYER + 1)
    known = adapt(model, 0)
    for one in known.values():
        torch.nn.init.normal_(one.up)
    (tmp_path / "known.gguf").write_bytes(packed(known, tokens(tokenizer, CHECK)))
    run(reports, tmp_path, tmp_path / "out.gguf", 0, lambda *_: None, tmp_path / "known.gguf", steps=2)
    assert [passages for passages, _ in taught] == [NORMANS] * 2
    written = {(f"Who led {number}?", draft) for number in range(3) for draft in ("Rollo did.", "Charles did.")}
    for _, checks in taught:
        assert {(check.question, check.draft) for check in checks} >= written
        assert [check.verdict for check in checks if check.draft == "It was Rollo."] == ["yes", "yes"]
    before, after = (adapt(small_model(FIRST_LAYER + 1), 1, tmp_path / name) for name in ("known.gguf", "out.gguf"))
    for name, one in before.items():
        assert torch.equal(one.up, after[name].up)
        assert torch.equal(one.down, after[name].down)
        assert torch.allclose(one.up, known[name].up, atol=1e-2)


@pytest.mark.slow
def test_what_is_no_adapter_is_named(tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    """One line says so, whether the file is not there, is something else, is cut short, or has other layers."""
    small = adapt(small_model(FIRST_LAYER + 1), 0)
    (tmp_path / "small.gguf").write_bytes(packed(small, tokens(tokenizer, CHECK)))
    (tmp_path / "text.gguf").write_text("no adapter at all")
    (tmp_path / "short.gguf").write_bytes((tmp_path / "small.gguf").read_bytes()[:200])
    with pytest.raises(ConfigurationError, match=r"small.gguf is no adapter .*nothing is of the name"):
        adapt(small_model(FIRST_LAYER), 0, tmp_path / "small.gguf")
    for name in ("none.gguf", "text.gguf", "small.gguf", "short.gguf"):
        with pytest.raises(ConfigurationError, match=rf"{name} is no adapter to go on from .*this command wrote"):
            adapt(small_model(FIRST_LAYER + 2), 0, tmp_path / name)


@pytest.mark.slow
def test_the_adapter_that_ships_works_from_the_words_of_the_check_on(tokenizer: PreTrainedTokenizerBase) -> None:
    """Its file is of this layout, and at most 25 MB."""
    assert words_of(CHECKER_FILE, ATTENTION, layers=20) == tokens(tokenizer, CHECK)
    assert CHECKER_FILE.stat().st_size <= 25_000_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_engine_tells_what_passages_state(model_data: Path) -> None:
    """With the packaged model and its adapter, a question or a draft that the passages do not state is found."""
    bridge = Article(
        "bridge",
        "The bridge over the Mill was closed on Friday. Nine engineers from the county inspected it, and the mayor, "
        "Ann Lee, said it would open again in May.",
        "Bridge",
    )
    evidence, limit = passages(bridge), Limit.of_seconds(240)
    model = open_models(Settings(data=model_data), lambda what, done, total: None)
    assert isinstance(model, LanguageModel)
    with closing(model):
        states = [
            model.check(f"How many {who} inspected the bridge?", (), evidence, f"{count} {who} did.", limit)
            for who, count in (("engineers", "Nine"), ("engineers", "Twelve"), ("firemen", "Nine"))
        ]
    right, wrong, near = map(probes.signals, states)
    assert right["answers"] > near["answers"]
    assert right["right"] > max(near["right"], wrong["right"])


def test_a_projection_begins_unchanged() -> None:
    """Before training, and where it is switched off, the projection gives what it gave."""
    projection = torch.nn.Linear(8, 4)
    one, states = Adapted(projection, 2), torch.rand(3, 8)
    assert torch.equal(one(states), projection(states))
    torch.nn.init.ones_(one.up)
    assert not torch.equal(one(states), projection(states))
    one.active = False
    assert torch.equal(one(states), projection(states))


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("missing/out", r"cannot be written \(No such file or directory\)"),
        *((f"./{name}", "a file of its own") for name in ("set.json", "model.gguf")),
    ],
)
def test_the_adapter_goes_to_a_file_of_its_own(out: str, reason: str, tmp_path: Path) -> None:
    """Where it cannot be written, or is what is trained from, one line says so before the model is loaded."""
    path = tmp_path / "set.json"
    path.write_text(json.dumps({"data": [entry("A")]}))
    with pytest.raises(ConfigurationError, match=reason):
        run(path, tmp_path / "model.gguf", tmp_path / out, 0, lambda *_: None)
