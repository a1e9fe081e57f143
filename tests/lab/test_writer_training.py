"""Training the adapter that writes: what it learns to write and to judge, and its file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage, HumanMessage
from trained import FAR, NORMANS, small_model, words_of
from transformers import Qwen2Config, Qwen2ForCausalLM

from assistant.articles.passages import passages
from assistant.errors import ConfigurationError
from assistant.model.chat import text_of
from assistant.model.engine.decoder import Decoder
from assistant.model.engine.library import LoadedModel
from assistant.model.prompts import TURN, draft_messages
from assistant.model.weights import WRITER_FILE, language_model_file
from assistant.types import Article, Turn
from lab.training import lora
from lab.training import writer as training
from lab.training.checks import Check
from lab.training.drafting import TURN_END, opening, tokens, written
from lab.training.lora import FIRST_LAYER, adapt, packed, split_at
from lab.training.readers import READER_VERDICTS
from lab.training.writer import CHECKED, PROJECTIONS, RANK, SIDE_BY_SIDE, Exchange, Lesson, Material, losses, split

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEADER = Exchange("who led them", (), "Rollo led the Normans.")
OATH = Exchange("and who did he swear to", (Turn("who led them", "Rollo."),), "He swore fealty to King Charles.")
RIGHT = Check(LEADER.question, LEADER.answer, "yes")
WRONG = Check(OATH.question, "He swore to Bob.", "wrong", OATH.history)
PACKAGED = Qwen2Config(
    hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2
)
"""The shape of the packaged model; to ask its file takes ten seconds."""


def material(number: int, of_readers: int, plain: int, checks: Sequence[Check] = ()) -> Material:
    """Return what can be learned about a report: so many questions of either sort."""
    asked, sentences = (
        [Exchange(f"{sort} {number} {each}", (), "So.") for each in range(count)]
        for sort, count in (("reader", of_readers), ("plain", plain))
    )
    return Material(f"report {number}", asked, sentences, checks)


def test_a_tenth_of_the_reports_is_held_out_and_all_others_are_learned_from() -> None:
    """Nothing of a report that is held out is taught, neither readers' questions nor plain ones; one is too little."""
    materials = [material(number, 10, 13, [RIGHT]) for number in range(21)]
    taught, held_out = split(materials, 40, seed=1)
    unseen = {lesson.article for lesson in held_out}
    assert len(held_out) == len(unseen) == 3
    assert {lesson.article for lesson in taught} == {each.article for each in materials} - unseen
    for lesson in held_out:
        assert (lesson.exchanges, lesson.checks) == (materials[int(lesson.article.split()[1])].of_readers, [RIGHT])
    assert split(materials, 40, seed=1) == (taught, held_out)
    assert split(materials, 40, seed=2)[1] != held_out
    with pytest.raises(ConfigurationError, match="at least two reports"):
        split([material(0, 3, 3), material(1, 0, 3)], 8, seed=0)


def test_now_and_then_a_step_is_about_a_report_without_readers_questions() -> None:
    """The others have all readers' questions about a report that there is room for, and then plain ones of it."""
    other = [material(number, 0, 20) for number in (8, 9)]
    materials = [*(material(number, 8 if number % 2 else SIDE_BY_SIDE + 2, 13) for number in range(8)), *other]
    taught, _ = split(materials, 4 * training.PLAIN_EVERY, seed=0)
    for number, lesson in enumerate(taught, start=1):
        of_report = materials[int(lesson.article.split()[1])]
        sorts = [each in of_report.of_readers for each in lesson.exchanges]
        assert sorts.count(True) == min(len(of_report.of_readers), SIDE_BY_SIDE)
        assert len(sorts) == SIDE_BY_SIDE
        assert (of_report in other) == (number % training.PLAIN_EVERY == 0)
        assert {*lesson.exchanges} <= {*of_report.of_readers, *of_report.plain}
    alone, _ = split([material(0, 3, 0), material(1, 3, 0), material(2, 0, 0)], 8, seed=0)
    assert {len(lesson.exchanges) for lesson in alone} == {3}


@given(st.lists(st.sampled_from(READER_VERDICTS), max_size=60))
def test_a_step_has_as_many_answers_of_each_verdict_as_may_be(verdicts: list[str]) -> None:
    """The few of one verdict are not lost among the many of another, and none is judged twice."""
    checks = [Check(f"Who led {number}?", "Rollo.", verdict) for number, verdict in enumerate(verdicts)]
    taught, _ = split([material(0, 1, 0, checks), material(1, 1, 0, checks)], 1, seed=0)
    told = Counter(check.verdict for check in taught[0].checks)
    assert len(set(taught[0].checks)) == told.total() == min(SIDE_BY_SIDE, len(verdicts))
    assert set(taught[0].checks) <= set(checks)
    for verdict, count in Counter(verdicts).items():
        assert told[verdict] == count or told[verdict] >= max(told.values()) - 1


Files = tuple[Path, Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return a file of readers' questions, one of the reports that they are about, and one of verdicts."""
    paths = tmp_path / "readers.jsonl", tmp_path / "reports.jsonl", tmp_path / "verdicts.jsonl"
    plain = {"question": "Who led?", "answers": ["Rollo"], "right": "Rollo.", "wrong": "Bob.", "sentence": "Rollo led."}
    stated = {"question": "When?", "answers": ["1204"], "right": "1204.", "wrong": "1300.", "sentence": "In 1204."}
    near = {"question": "Who was it?", "wrong": "Rollo.", "draft": "It burned.", "verdict": "no"}
    leader, oath = (
        {"question": each.question, "history": [asdict(turn) for turn in each.history]} for each in (LEADER, OATH)
    )
    kinds = [leader | {"kind": "identify", "right": LEADER.answer}, oath | {"kind": "follow_up", "right": OATH.answer}]
    judged = [
        leader | {"answer": "Bob led them.", "verdict": "wrong"},
        oath | {"answer": "Rollo, perhaps.", "verdict": "partly"},
    ]
    about = [{"id": name, "text": NORMANS, "questions": [plain]} for name in "ab"]
    rows: tuple[list[dict[str, Any]], ...] = (
        [{"id": name, "questions": kinds} for name in "ab"],
        [*about, {"id": "c", "text": FAR, "questions": [stated, near]}],
        [{"id": "a", "answers": judged}],
    )
    for path, of_file in zip(paths, rows, strict=True):
        path.write_text("\n".join(map(json.dumps, of_file)))
    return paths


def test_what_is_judged_is_learned_with_its_verdict(files: Files) -> None:
    """Answers that were written to be right are; others are as they were judged, or as a report says."""
    a, b, c = training.read_materials(*files)
    assert [(check.draft, check.verdict) for check in a.checks] == [
        *((LEADER.answer, "yes"), (OATH.answer, "yes")),
        *(("Bob led them.", "wrong"), ("Rollo, perhaps.", "partly")),
    ]
    assert a.checks[1].history == a.checks[-1].history == OATH.history
    assert {check.verdict for check in b.checks} == {"yes"}
    told = [("1204.", "yes"), ("In 1204.", "yes"), ("1300.", "wrong"), ("Rollo.", "no"), ("It burned.", "no")]
    assert [(check.draft, check.verdict) for check in c.checks] == told
    assert [exchange.answer for exchange in c.plain] == ["In 1204."]


Small = tuple[Qwen2ForCausalLM, dict[str, lora.Adapted]]


@pytest.fixture
def adapted_model() -> Small:
    """Return a small model and its matrices, which change what it says."""
    model = small_model(FIRST_LAYER + 2)
    adapted = adapt(model, PROJECTIONS, RANK, 0)
    for one in adapted.values():
        torch.nn.init.normal_(one.up)
    return model, adapted


@pytest.mark.slow
def test_each_exchange_and_check_sees_the_article_and_itself_alone(
    adapted_model: Small, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Learned from together, each is as likely as alone, with earlier turns and without."""
    model, adapted = adapted_model
    exchanges, checks = [LEADER, OATH, LEADER], [RIGHT, WRONG, RIGHT]
    with torch.no_grad():
        together = losses(model, tokenizer, adapted, Lesson(NORMANS, exchanges, checks))
        words = [losses(model, tokenizer, adapted, Lesson(NORMANS, [each], []))[0] for each in exchanges]
        verdicts = [losses(model, tokenizer, adapted, Lesson(NORMANS, [], [each]))[1] for each in checks]
    for told, alone in zip(together, (words, verdicts), strict=True):
        assert torch.allclose(told, torch.cat(alone), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [LEADER, OATH])
def test_the_model_itself_reads_up_to_the_last_turn(
    exchange: Exchange, adapted_model: Small, tokenizer: PreTrainedTokenizerBase
) -> None:
    """The matrices work from there on: the losses are what one gets by switching them by hand."""
    model, adapted = adapted_model

    def by_hand(messages: Sequence[BaseMessage], answer: list[int], *, read: bool) -> torch.Tensor:
        before, turn, rest = written(tokenizer, messages).rpartition(TURN)
        cache, outputs = None, []
        for ids, active in ((tokens(tokenizer, before), read), (tokens(tokenizer, turn + rest) + answer, True)):
            for one in adapted.values():
                one.active = active
            outputs.append(model(torch.tensor([ids]), cache=cache, use_cache=True))
            cache = outputs[-1].cache
        return torch.log_softmax(outputs[-1].logits[0], -1)

    writing = draft_messages(exchange.question, exchange.history, NORMANS)
    judging = [*writing[:-1], HumanMessage(CHECKED.format(question=exchange.question, answer=exchange.answer))]
    answer = tokens(tokenizer, exchange.answer + TURN_END)
    spellings = [tokens(tokenizer, each) for each in ("wrong", "Wrong", " wrong", " Wrong", "WRONG")]
    wrong = [ids[0] for ids in spellings if len(ids) == 1]
    check = Check(exchange.question, exchange.answer, "wrong", exchange.history)
    with torch.no_grad():
        of_words, of_verdicts = losses(model, tokenizer, adapted, Lesson(NORMANS, [exchange], [check]))
        for read in (False, True):
            told = by_hand(writing, answer, read=read)[-len(answer) - 1 : -1].gather(1, torch.tensor(answer)[:, None])
            verdict = by_hand(judging, [], read=read)[-1, wrong].logsumexp(-1)
            assert torch.allclose(of_words, -told[:, 0], atol=1e-3) is not read
            assert torch.allclose(of_verdicts, -verdict, atol=1e-3) is not read


@pytest.mark.slow
def test_training_ends_in_an_adapter_that_writes_what_it_was_taught(
    files: Files, tokenizer: PreTrainedTokenizerBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss falls, also on what is held out; training goes on from an adapter, and is the same again."""
    monkeypatch.setattr(training, "loaded", lambda *_: (small_model(FIRST_LAYER + 1), tokenizer))
    monkeypatch.setattr(lora, "RATE", 0.02)
    done: list[tuple[str, int, int]] = []

    def train(name: str, steps: int, begin: Path | None = None) -> tuple[Path, str, list[float]]:
        out = tmp_path / name
        told = training.run(*files, tmp_path / "model.gguf", out, 0, steps, lambda *count: done.append(count), begin)
        return out, *told

    first, digest, unseen = train("first.gguf", 30)
    assert [count for _, *count in done] == [[step, 30] for step in range(1, 31)]
    assert train("again.gguf", 30)[1:] == (digest, unseen)
    _, further, later = train("further.gguf", 1, first)
    assert further != digest
    assert not list(tmp_path.glob("*.partial"))
    assert words_of(first, PROJECTIONS, layers=1) == tokens(tokenizer, TURN)
    with torch.no_grad():
        model = small_model(FIRST_LAYER + 1)
        untrained = losses(
            model, tokenizer, adapt(model, PROJECTIONS, RANK, 1), Lesson(NORMANS, [LEADER, OATH], [RIGHT, WRONG])
        )
    for before, after, gone_on in zip(untrained, unseen, later, strict=True):
        assert max(after, gone_on) < float(before.mean()) - 2


@pytest.mark.slow
def test_the_adapter_that_ships_works_from_the_turn_of_a_question_on(tokenizer: PreTrainedTokenizerBase) -> None:
    """Its file is of this layout, and at most 25 MB."""
    assert words_of(WRITER_FILE, PROJECTIONS, layers=20) == tokens(tokenizer, TURN)
    assert WRITER_FILE.stat().st_size <= 25_000_000


def test_what_is_trained_from_is_not_overwritten(files: Files, tmp_path: Path) -> None:
    """The adapter goes to a file of its own."""
    model = tmp_path / "model.gguf"
    for out in (*files, model):
        with pytest.raises(ConfigurationError, match="a file of its own"):
            training.run(*files, model, out.parent / "." / out.name, 0, 1, lambda *_: None)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_engine_takes_in_every_matrix_from_the_question_on(
    tokenizer: PreTrainedTokenizerBase, weights_folder: Path, tmp_path: Path
) -> None:
    """It reads the very tokens that are learned from, and what it tells next changes by each projection's matrices."""
    with torch.device("meta"):
        shapes = Qwen2ForCausalLM(PACKAGED)
    text = text_of(passages(Article("normans", NORMANS, "")))
    messages = draft_messages(OATH.question, OATH.history, text)
    begin = opening(tokenizer, text).rpartition(TURN)[0]
    before, asked = split_at(tokenizer, messages, begin, TURN)
    learned = [*tokens(tokenizer, begin), *before]
    engine_files = []
    for name, theirs in PROJECTIONS.items():
        adapted = adapt(shapes, {name: theirs}, RANK, 0)
        for one in adapted.values():
            torch.nn.init.normal_(one.up, std=0.05)
        engine_files.append(tmp_path / f"{theirs}.gguf")
        engine_files[-1].write_bytes(packed(adapted, tokens(tokenizer, TURN)))
    roles = {"system": "system", "human": "user", "ai": "assistant"}
    conversation = [(roles[message.type], str(message.content)) for message in messages]
    with closing(
        Decoder(language_model_file(weights_folder), 256, 1, [(each, TURN) for each in engine_files])
    ) as decoder:
        prompt = decoder.prompt(conversation)
        assert prompt == [*learned, *asked]
        assert decoder.read(prompt, lambda: True)
        assert decoder._adapted_from == len(learned)
        engine: LoadedModel = decoder._model
        told = {}
        engine.forget(len(learned))
        (plain,) = engine.compute(asked, len(learned))
        for number, each in enumerate(engine_files):
            engine.forget(len(learned))
            (told[each.stem],) = engine.compute(asked, len(learned), adapter=number)
            assert abs(told[each.stem] - plain).max() > 0.1, each.stem
    assert len({scores.tobytes() for scores in told.values()}) == len(PROJECTIONS)
