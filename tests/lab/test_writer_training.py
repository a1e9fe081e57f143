"""Training the adapter that writes: what it learns from, how it goes on after a break, and its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import pytest
import torch
from trained import FAR, NORMANS, small_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.model.chat import text_of
from assistant.model.decoder import Decoder
from assistant.model.engine_library import LoadedModel
from assistant.model.prompts import draft_messages
from assistant.model.weights import language_model_file
from assistant.types import Article, Turn
from lab.training import lora
from lab.training import writer as writer_training
from lab.training.drafting import TURN_END, opening, tokens, written
from lab.training.lora import FIRST_LAYER, adapt, packed, split_at
from lab.training.writer import (
    PLAIN,
    PROJECTIONS,
    QUESTION_TURN,
    RANK,
    SIDE_BY_SIDE,
    Exchange,
    Lesson,
    Material,
    run,
    split,
    token_losses,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEADER = Exchange("who led them", (), "Rollo led the Normans.")
OATH = Exchange("and who did he swear to", (Turn("who led them", "Rollo."),), "He swore fealty to King Charles.")


def material(number: int, of_readers: int, plain: int) -> Material:
    """Return what can be learned about a report: so many questions of either sort."""
    asked, sentences = (
        [Exchange(f"{sort} {number} {each}", (), "So.") for each in range(count)]
        for sort, count in (("reader", of_readers), ("plain", plain))
    )
    return Material(f"report {number}", asked, sentences)


def test_a_tenth_of_the_reports_is_held_out_and_all_others_are_learned_from() -> None:
    """Nothing of a report that is held out is taught, neither readers' questions nor plain ones."""
    materials = [material(number, 13, 13) for number in range(21)]
    taught, held_out = split(materials, 40, seed=1)
    unseen = {lesson.article for lesson in held_out}
    assert len(held_out) == len(unseen) == 3
    assert {lesson.article for lesson in taught} == {each.article for each in materials} - unseen
    assert all(lesson.exchanges == materials[int(lesson.article.split()[1])].of_readers for lesson in held_out)
    assert split(materials, 40, seed=1) == (taught, held_out)
    assert split(materials, 40, seed=2)[1] != held_out


def test_every_fourth_step_is_about_a_report_without_readers_questions() -> None:
    """The others have all readers' questions about a report that there is room for, and then plain ones of it."""
    few, many, other = 10, SIDE_BY_SIDE + 2, [material(number, 0, 20) for number in (8, 9)]
    materials = [*(material(number, few if number % 2 else many, 13) for number in range(8)), *other]
    taught, _ = split(materials, 24, seed=0)
    for number, lesson in enumerate(taught, start=1):
        of_report = materials[int(lesson.article.split()[1])]
        sorts = [each in of_report.of_readers for each in lesson.exchanges]
        assert sorts.count(True) == min(len(of_report.of_readers), SIDE_BY_SIDE)
        assert len(sorts) == (PLAIN if number % 4 == 0 else SIDE_BY_SIDE)
        assert (of_report in other) == (number % 4 == 0)
        assert {each.question for each in lesson.exchanges} <= {
            each.question for each in (*of_report.of_readers, *of_report.plain)
        }


def test_without_other_reports_every_step_is_about_readers_questions() -> None:
    """A report about which nothing was written at all is passed over."""
    taught, _ = split([material(0, 3, 0), material(1, 3, 0), material(2, 0, 0)], 8, seed=0)
    assert {len(lesson.exchanges) for lesson in taught} == {3}


def test_one_report_is_too_little() -> None:
    """There would be nothing to hold out."""
    with pytest.raises(ConfigurationError, match="at least two reports"):
        split([material(0, 3, 3), material(1, 0, 3)], 8, seed=0)


def adapted_model(spread: float = 1.0) -> tuple[Qwen2ForCausalLM, dict[str, lora.Adapted]]:
    """Return a small model and its matrices, which change what it says."""
    model = small_model(FIRST_LAYER + 2)
    adapted = adapt(model, PROJECTIONS, RANK, 0)
    for one in adapted.values():
        torch.nn.init.normal_(one.up, std=spread)
    return model, adapted


@pytest.mark.slow
def test_each_exchange_sees_the_article_and_itself_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    """Learned from together, the tokens of an answer are as likely as alone, with earlier turns and without."""
    model, adapted = adapted_model()
    with torch.no_grad():
        together = token_losses(model, tokenizer, adapted, Lesson(NORMANS, [LEADER, OATH, LEADER]))
        alone = [token_losses(model, tokenizer, adapted, Lesson(NORMANS, [each])) for each in (LEADER, OATH, LEADER)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [LEADER, OATH])
def test_the_model_itself_reads_up_to_the_turn_of_the_question(
    exchange: Exchange, tokenizer: PreTrainedTokenizerBase
) -> None:
    """The matrices work from there on: the losses are what one gets by switching them by hand."""
    model, adapted = adapted_model()
    prompt = written(tokenizer, draft_messages(exchange.question, exchange.history, NORMANS))
    before, turn, question = prompt.rpartition(QUESTION_TURN)
    answer = tokens(tokenizer, exchange.answer + TURN_END)

    def by_hand(*, read: bool) -> torch.Tensor:
        cache, outputs = None, []
        for ids, active in (
            (tokens(tokenizer, before), read),
            (tokens(tokenizer, turn + question) + answer, True),
        ):
            for one in adapted.values():
                one.active = active
            outputs.append(model(torch.tensor([ids]), cache=cache, use_cache=True))
            cache = outputs[-1].cache
        told = torch.log_softmax(outputs[-1].logits[0], -1)[-len(answer) - 1 : -1]
        return -told.gather(1, torch.tensor(answer)[:, None])[:, 0]

    with torch.no_grad():
        right, everywhere = by_hand(read=False), by_hand(read=True)
        losses = token_losses(model, tokenizer, adapted, Lesson(NORMANS, [exchange]))
    assert torch.allclose(losses, right, atol=1e-3)
    assert not torch.allclose(losses, everywhere, atol=1e-2)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a file of readers' questions and one of the reports that they are about."""
    reports, readers = tmp_path / "reports.jsonl", tmp_path / "readers.jsonl"
    plain = {"question": "Who led?", "answers": ["Rollo"], "right": "Rollo.", "wrong": "Bob.", "sentence": "Rollo led."}
    stated = {"question": "When?", "answers": ["1204"], "right": "1204.", "wrong": "1300.", "sentence": "In 1204."}
    rows = [{"id": name, "text": NORMANS, "questions": [plain]} for name in "ab"]
    rows.append({"id": "c", "text": FAR, "questions": [stated]})
    reports.write_text("\n".join(map(json.dumps, rows)))
    asked = [
        {"kind": "identify", "question": LEADER.question, "history": [], "right": LEADER.answer},
        {
            "kind": "follow_up",
            "question": OATH.question,
            "history": [{"question": turn.question, "answer": turn.answer} for turn in OATH.history],
            "right": OATH.answer,
        },
    ]
    readers.write_text("\n".join(json.dumps({"id": name, "questions": asked}) for name in "ab"))
    return readers, reports


Train = Callable[..., str]


@pytest.fixture
def train(
    files: tuple[Path, Path], tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Train]:
    """Return a function that trains a small model, keeping what is needed to go on after every second step."""
    monkeypatch.setattr(writer_training, "loaded", lambda _: (small_model(FIRST_LAYER + 1), tokenizer))
    monkeypatch.setattr(writer_training, "KEPT_AFTER", 2)
    monkeypatch.setattr(lora, "RATE", 0.02)

    def run_small(out: str, steps: int, **options: Any) -> str:  # noqa: ANN401 - as `run` takes them
        usual: dict[str, Any] = {"seed": 0, "progress": lambda *_: None, "say": lambda _: None}
        return run(*files, tmp_path / "model.gguf", tmp_path / out, steps=steps, **usual | options)

    yield run_small
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.slow
def test_training_ends_in_an_adapter_that_writes_what_it_was_taught(
    train: Train, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    """The loss falls, also on what is held out; the file has every matrix and the words to begin at."""
    said: list[str] = []
    done: list[tuple[int, int]] = []
    train("out.gguf", 30, say=said.append, progress=lambda *count: done.append(count))
    assert done == [(step, 30) for step in range(1, 31)]
    first, last = (float(line.rpartition(" ")[2]) for line in said)
    assert last < first - 2
    assert not (tmp_path / "out.gguf.kept").exists()
    reader = gguf.GGUFReader(tmp_path / "out.gguf")
    field = reader.fields[gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS]
    assert [int(field.parts[number][0]) for number in field.data] == tokens(tokenizer, QUESTION_TURN)
    blocks = [f"blk.{FIRST_LAYER}.{name}" for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_down")]
    assert {tensor.name for tensor in reader.tensors} == {
        f"{each}.weight.lora_{half}" for each in blocks for half in "ab"
    }
    model = small_model(FIRST_LAYER + 1)
    lesson = Lesson(NORMANS, [LEADER, OATH])
    with torch.no_grad():
        learned = adapt(model, PROJECTIONS, RANK, 1, tmp_path / "out.gguf")
        after = token_losses(model, tokenizer, learned, lesson).mean()
        for one in learned.values():
            torch.nn.init.zeros_(one.up)
        before = token_losses(model, tokenizer, learned, lesson).mean()
    assert after < before - 2


@pytest.mark.slow
def test_after_a_break_training_comes_to_the_same_end(train: Train, tmp_path: Path) -> None:
    """Killed after a step that was not kept yet, or out of time, the same call goes on: byte for byte the same file."""

    def killed(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    whole = train("whole.gguf", 8)
    with pytest.raises(KeyboardInterrupt):
        train("broken.gguf", 8, progress=killed)
    assert not (tmp_path / "broken.gguf").exists()
    said: list[str] = []
    stopped = train("broken.gguf", 8, minutes=0.0, say=said.append)
    assert said == [f"Stopped after step 4 of 8: the same command goes on from {tmp_path / 'broken.gguf.kept'}"]
    steps: list[int] = []
    assert train("broken.gguf", 8, progress=lambda done, _: steps.append(done)) == whole != stopped
    assert steps == [5, 6, 7, 8]
    assert (tmp_path / "broken.gguf").read_bytes() == (tmp_path / "whole.gguf").read_bytes()


@pytest.mark.slow
def test_what_was_kept_of_another_training_is_not_gone_on_with(
    train: Train, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Another seed, another number of steps or other questions are named, and so is a damaged file; none is lost."""
    train("out.gguf", 4, minutes=0.0)
    kept = tmp_path / "out.gguf.kept"
    content = kept.read_bytes()
    (tmp_path / "other.gguf").write_bytes((tmp_path / "out.gguf").read_bytes())
    for steps, options in ((4, {"seed": 1}), (5, {}), (4, {"begin": tmp_path / "other.gguf"})):
        with pytest.raises(ConfigurationError, match=r"kept with other files or options\): delete it to begin anew"):
            train("out.gguf", steps, **options)
    files[0].write_text(files[0].read_text().replace("who led", "who lead"))
    with pytest.raises(ConfigurationError, match="kept with other files or options"):
        train("out.gguf", 4)
    assert kept.read_bytes() == content
    for damaged in (content[:2000], b"", b"nothing of the kind", content.replace(b"optimizer", b"optimiser")):
        kept.write_bytes(damaged)
        with pytest.raises(ConfigurationError, match=r"kept is not what to go on from .*delete it to begin anew"):
            train("out.gguf", 4)


@pytest.mark.parametrize("name", ["readers.jsonl", "reports.jsonl", "model.gguf"])
def test_what_is_trained_from_is_not_overwritten(name: str, files: tuple[Path, Path], tmp_path: Path) -> None:
    """The adapter goes to a file of its own."""
    out = tmp_path / "." / name
    with pytest.raises(ConfigurationError, match="a file of its own"):
        run(*files, tmp_path / "model.gguf", out, 0, 1, lambda *_: None, lambda _: None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_engine_takes_in_every_matrix_from_the_question_on(
    tokenizer: PreTrainedTokenizerBase, weights_folder: Path, tmp_path: Path
) -> None:
    """It reads the very tokens that are learned from, and what it tells next changes by each projection's matrices."""
    file = language_model_file(weights_folder)
    with torch.device("meta"):
        shapes = Qwen2ForCausalLM(Qwen2Config.from_pretrained(file.parent, gguf_file=file.name))
    text = text_of(passages(Article("normans", NORMANS, "")))
    messages = draft_messages(OATH.question, OATH.history, text)
    begin = opening(tokenizer, text).rpartition(QUESTION_TURN)[0]
    before, asked = split_at(tokenizer, messages, begin, QUESTION_TURN)
    learned = [*tokens(tokenizer, begin), *before]
    engine_files = []
    for name, theirs in PROJECTIONS.items():
        adapted = adapt(shapes, {name: theirs}, RANK, 0)
        for one in adapted.values():
            torch.nn.init.normal_(one.up, std=0.05)
        engine_files.append(tmp_path / f"{theirs}.gguf")
        engine_files[-1].write_bytes(packed(adapted, tokens(tokenizer, QUESTION_TURN)))
    roles = {"system": "system", "human": "user", "ai": "assistant"}
    conversation = [(roles[message.type], str(message.content)) for message in messages]
    with closing(Decoder(file, 512, 2, engine_files[0], QUESTION_TURN)) as decoder:
        prompt = decoder.prompt(conversation)
        assert prompt == [*learned, *asked]
        assert decoder.read(prompt, lambda: True)
        assert decoder._adapted_from == len(learned)
        engine: LoadedModel = decoder._model
        told = {}
        for each in engine_files:
            engine._adapter = engine._library.llama_lora_adapter_init(engine._model, bytes(each))
            engine.forget(len(learned))
            (plain,) = engine.compute(asked, len(learned))
            engine.forget(len(learned))
            (told[each.stem],) = engine.compute(asked, len(learned), adapted=True)
            assert abs(told[each.stem] - plain).max() > 0.1, each.stem
    assert len({scores.tobytes() for scores in told.values()}) == len(PROJECTIONS)
