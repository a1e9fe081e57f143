"""The language model in memory, with the packaged weights: what it reads again, what it keeps, its adapter."""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ik_llama_cpp import _ctypes_api as llama

from assistant import decoder
from assistant.decoder import REUSE_TOKENS, Conversation, Decoder, Token, shared_runs
from assistant.kept_state import KeptState
from assistant.language_model import INVOCATION
from assistant.weights import LANGUAGE_MODEL_NAME, adapter_file

OPENING = "You answer a reader's question about a news article in one short, complete sentence.\n\n"
BRIDGE = "Nine engineers from the county inspected the bridge over the Mill on Friday, and found cracks in two piers."
MAYOR = "The mayor, Lenora Whitcombe, said that the old bridge would stay closed until the end of the year at least."
DRAFT = ("assistant", "Nine.")

# What a prompt shares with what was read


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 3), max_size=60))
def test_what_is_taken_over_is_what_the_prompt_begins_with(read: list[int], prompt: list[int]) -> None:
    """The runs, one after the other, are the beginning of the prompt; none overlaps or goes back, and each is long."""
    runs = shared_runs(read, prompt)
    taken = [token for place, length in runs for token in read[place : place + length]]
    assert taken == prompt[: len(taken)]
    assert all(length >= REUSE_TOKENS for _, length in runs[1:])
    assert runs[0][0] == 0
    assert all(first + length <= second for (first, length), (second, _) in itertools.pairwise(runs))


@given(st.lists(st.integers(REUSE_TOKENS, 30), min_size=1, max_size=6), st.data())
def test_passages_of_an_article_that_was_read_are_taken_over(lengths: list[int], data: st.DataObject) -> None:
    """Whichever of them a prompt has, in their order, nothing of them is read again."""
    ends = list(itertools.accumulate(lengths))
    article = [list(range(end - length, end)) for length, end in zip(lengths, ends, strict=True)]
    chosen = [passage for passage in article if data.draw(st.booleans())]
    prompt = list(itertools.chain(*chosen))
    assert sum(length for _, length in shared_runs(list(range(ends[-1])), prompt)) == len(prompt)


# With the packaged model


@pytest.fixture(scope="module")
def model(model_data: Path) -> Iterator[Decoder]:
    """Yield a decoder of the packaged model and its adapter, for three conversations."""
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 1024, 1, adapter_file(), INVOCATION, 3)) as one:
        yield one


@pytest.fixture
def opened(model: Decoder) -> Iterator[Conversation]:
    """Yield the first conversation, and let it rest after the test."""
    yield model.conversations[0]
    model.conversations[0].rest()


@pytest.fixture
def decoded(model: Decoder, opened: Conversation, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many tokens each batch had that the model computed."""
    batches: list[int] = []
    decode = llama.llama_decode

    def noted(context: object, batch: Any) -> int:  # noqa: ANN401 - the package has no types
        batches.append(batch.n_tokens)
        return int(decode(context, batch))

    monkeypatch.setattr(llama, "llama_decode", noted)
    opened.read(model.tokens("Something else."), lambda: True)
    batches.clear()
    return batches


def asked(one: Decoder, *passages: str, question: str = "How many engineers were there?", check: str = "") -> list[int]:
    """Return a conversation about the passages, as far as the model's reply."""
    turns = [("system", OPENING + "\n\n".join(passages)), ("user", question)]
    return one.prompt([*turns, DRAFT, ("user", check)] if check else turns)


def reply(one: Conversation) -> list[Token]:
    """Return what the model writes, of at most 30 tokens."""
    return list(itertools.islice(one.write(), 30))


def text(tokens: list[Token]) -> str:
    """Return what they say."""
    return b"".join(token.text for token in tokens).decode()


def chances(one: Conversation) -> np.ndarray:
    """Return the probability that each token comes next."""
    return np.exp(next(one.write()).log_probabilities)


@pytest.mark.slow
def test_a_reply_ends_where_the_model_ends_it(model: Decoder, opened: Conversation) -> None:
    """Each token has its probability, the likeliest is written, and the last one says nothing."""
    assert opened.read(asked(model, BRIDGE), lambda: True)
    written = reply(opened)
    assert "nine" in text(written).lower()
    assert [token.ends for token in written] == [False] * (len(written) - 1) + [True]
    assert written[-1].text == b""
    for token in written:
        assert token.number == token.log_probabilities.argmax()
        assert np.exp(token.log_probabilities).sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_what_stands_in_the_passage_is_written_faster(
    model: Decoder, opened: Conversation, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next words are guessed and read together; what is written is the same, and as much of it counts as read."""
    prompt = asked(model, BRIDGE, question="Repeat the article word for word.")
    opened.read(prompt, lambda: True)
    decoded.clear()
    guessed, batches = reply(opened), len(decoded)
    decoded.clear()
    opened.read([*prompt, *(token.number for token in guessed)], lambda: True)
    assert decoded == [1]
    monkeypatch.setattr(Conversation, "_guess", lambda _self, _token, _known: [])
    opened.read(prompt, lambda: True)
    assert text(guessed) == text(reply(opened)) == BRIDGE
    assert batches < len(guessed) * 2 / 3


@pytest.mark.slow
def test_what_two_prompts_begin_with_is_read_once(model: Decoder, opened: Conversation, decoded: list[int]) -> None:
    """Another question about the same passage costs its own words alone, and a check of the reply goes on behind it."""
    first, second = asked(model, BRIDGE), asked(model, BRIDGE, question="Who inspected it?")
    opened.read(first, lambda: True)
    assert sum(decoded) == len(first)
    decoded.clear()
    opened.read(second, lambda: True)
    assert sum(decoded) < 20
    decoded.clear()
    opened.read(second, lambda: True)
    assert decoded == [1]


@pytest.mark.slow
def test_a_check_reads_neither_question_nor_draft_again(
    model: Decoder, opened: Conversation, decoded: list[int]
) -> None:
    """What the model has written counts as read; only the turn's end and the check are new."""
    opened.read(asked(model, BRIDGE), lambda: True)
    written = text(reply(opened))
    decoded.clear()
    check = [("system", OPENING + BRIDGE), ("user", "How many engineers were there?"), ("assistant", written)]
    prompt = model.prompt([*check, ("user", f"{INVOCATION}? How many engineers were there?")])
    opened.read(prompt, lambda: True)
    assert sum(decoded) < 30


@pytest.mark.slow
def test_a_passage_is_taken_over_from_where_it_stood(model: Decoder, opened: Conversation, decoded: list[int]) -> None:
    """What stood before it is not there any more, and it is not read again, unless it is to be read apart."""
    both, second = asked(model, BRIDGE, MAYOR), asked(model, MAYOR, question="Who said so?")
    opened.read(both, lambda: True)
    decoded.clear()
    opened.read(second, lambda: True)
    assert sum(decoded) < 20
    assert "Whitcombe" in text(reply(opened))
    opened.read(both, lambda: True)
    decoded.clear()
    opened.read(second, lambda: True, apart=True)
    assert sum(decoded) > 20


@pytest.mark.slow
def test_what_is_kept_in_a_file_need_not_be_read_again(
    model: Decoder, opened: Conversation, decoded: list[int], tmp_path: Path
) -> None:
    """The next token has the same probabilities as before."""
    prompt = asked(model, BRIDGE)
    opened.read(prompt, lambda: True)
    before = chances(opened)
    opened.save(tmp_path / "kept")
    opened.read(model.tokens("Something else altogether."), lambda: True)
    opened.restore(tmp_path / "kept")
    decoded.clear()
    opened.read(prompt, lambda: True)
    assert decoded == [1]
    assert chances(opened) == pytest.approx(before, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "empty", "text", "half"])
def test_a_damaged_file_is_an_error_and_nothing_more(
    model: Decoder, opened: Conversation, tmp_path: Path, damage: str
) -> None:
    """What cannot be restored leaves a decoder that has read nothing and reads on."""
    file = tmp_path / "kept"
    prompt = asked(model, BRIDGE)
    opened.read(prompt, lambda: True)
    before = chances(opened)
    opened.save(file)
    content = {"empty": b"", "text": b"no state" * 99, "half": file.read_bytes()[: file.stat().st_size // 2]}
    file.unlink()
    if damage in content:
        file.write_bytes(content[damage])
    with pytest.raises(OSError, match="could not be read"):
        opened.restore(file)
    opened.read(prompt, lambda: True)
    assert chances(opened) == pytest.approx(before, abs=0.05)


@pytest.mark.slow
def test_what_cannot_be_kept_is_an_error(model: Decoder, opened: Conversation, tmp_path: Path) -> None:
    """A folder that is not there, as on a disk that is full."""
    opened.read(asked(model, BRIDGE), lambda: True)
    with pytest.raises(OSError, match="could not be written"):
        opened.save(tmp_path / "no" / "folder")


@pytest.mark.slow
def test_the_adapter_works_from_its_words_on(model: Decoder, opened: Conversation, model_data: Path) -> None:
    """Before them, and without them, everything is as if there were none, also what was read for a check before."""
    question, check = (
        asked(model, BRIDGE),
        asked(model, BRIDGE, check=f"{INVOCATION}? How many engineers were there?"),
    )
    prompts = {"check": check, "draft": question, "draft and check": check}

    def told(one: Conversation, prompt: list[int]) -> np.ndarray:
        one.read(prompt, lambda: True)
        return np.exp(list(itertools.islice(one.write(), 3))[-1].log_probabilities)

    opened.read(model.tokens("Something else."), lambda: True)
    adapted = {name: told(opened, prompt) for name, prompt in prompts.items()}
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 512, 1)) as bare:
        plain = {name: told(bare.conversations[0], prompt) for name, prompt in prompts.items()}
    assert adapted["draft"] == pytest.approx(plain["draft"], abs=0.1)
    assert adapted["draft and check"] == pytest.approx(adapted["check"], abs=0.1)
    assert np.abs(adapted["check"] - plain["check"]).max() > 0.3


@pytest.mark.slow
def test_the_adapter_works_from_the_words_that_it_was_trained_with(model: Decoder) -> None:
    """They stand in its file too, as tokens."""
    fields = gguf.GGUFReader(adapter_file()).fields
    assert fields[gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS].contents() == model.tokens(INVOCATION)


@pytest.mark.slow
def test_what_is_kept_after_a_check_knows_nothing_of_the_adapter(
    model: Decoder, opened: Conversation, decoded: list[int], tmp_path: Path
) -> None:
    """A file has what was read before the adapter's words, and nothing after them."""
    check = asked(model, BRIDGE, check=f"{INVOCATION}? How many engineers were there?")
    opened.read(check, lambda: True)
    opened.save(tmp_path / "kept")
    opened.restore(tmp_path / "kept")
    assert opened._kept is not None
    assert list(opened._kept.tokens) == check[: decoder._last_place(model.tokens(INVOCATION), check)]
    decoded.clear()
    opened.read(check, lambda: True)
    assert 1 < sum(decoded) < 30


@pytest.mark.slow
def test_nothing_that_the_adapter_has_changed_is_taken_over(
    model: Decoder, opened: Conversation, decoded: list[int]
) -> None:
    """A question stands in its check too, word for word, and is read again for the next draft."""
    opened.read(asked(model, BRIDGE, check=f"{INVOCATION}?\n{MAYOR}"), lambda: True)
    decoded.clear()
    opened.read(asked(model, BRIDGE, question=MAYOR), lambda: True)
    assert sum(decoded) > len(model.tokens(MAYOR))


@pytest.mark.slow
def test_whoever_leaves_at_once_changes_nothing(model: Decoder, opened: Conversation, tmp_path: Path) -> None:
    """What was restored before is as it was, although the prompt would have moved some of it."""
    both, second = asked(model, BRIDGE, MAYOR), asked(model, MAYOR, question="Who said so?")
    opened.read(both, lambda: True)
    before = chances(opened)
    opened.save(tmp_path / "kept")
    assert not opened.read(second, lambda: False)
    opened.read(both, lambda: True)
    assert chances(opened) == pytest.approx(before, abs=0.1)
    wanted = iter([True, False])
    assert not opened.read(second, lambda: next(wanted))
    opened.restore(tmp_path / "kept")
    opened.read(both, lambda: True)
    assert chances(opened) == pytest.approx(before, abs=0.1)


@pytest.mark.slow
def test_what_was_moved_is_not_taken_for_read_apart(model: Decoder, opened: Conversation, decoded: list[int]) -> None:
    """It stands where the prompt has it, but it knows what stood before it."""
    second = asked(model, MAYOR, question="Who said so?")
    opened.read(asked(model, BRIDGE, MAYOR), lambda: True)
    opened.read(second, lambda: True)
    decoded.clear()
    opened.read(second, lambda: True, apart=True)
    assert sum(decoded) > 20
    decoded.clear()
    opened.read(second, lambda: True, apart=True)
    assert decoded == [1]


@pytest.mark.slow
def test_nothing_is_read_for_nobody(model: Decoder, opened: Conversation, decoded: list[int]) -> None:
    """It is asked before each batch, and what was read until then is not read again."""
    prompt = asked(model, *[BRIDGE, MAYOR] * 4)
    answers = iter([True, True, False])
    assert not opened.read(prompt, lambda: next(answers))
    assert decoded == [decoder.BATCH_TOKENS]
    assert opened.read(prompt, lambda: True)
    assert sum(decoded) == len(prompt)


@pytest.mark.slow
def test_a_full_context_ends_the_reply(model: Decoder, opened: Conversation) -> None:
    """There is no room for another token, and nothing fails."""
    story = model.tokens(f"{BRIDGE} {MAYOR}\n" * 40)[: model.room - 3]
    assert len(story) == model.room - 3
    opened.read(story, lambda: True)
    assert [token.ends for token in opened.write()] == [False] * 4


# Several conversations


@pytest.fixture
def emptied(model: Decoder) -> Iterator[Callable[[], None]]:
    """Yield what lets each conversation forget what it has read and rest, and do it before the test and after it."""

    def forget() -> None:
        for conversation in model.conversations:
            conversation.read(model.tokens("Something else."), lambda: True)
            conversation.rest()

    forget()
    yield forget
    forget()


def write_at_once(model: Decoder, prompts: Sequence[list[int]]) -> list[str]:
    """Return what each of so many conversations is replied, all asked at the same time."""

    def asked_for(one: Conversation, prompt: list[int]) -> str:
        assert one.read(prompt, lambda: True)
        return text(reply(one))

    with ThreadPoolExecutor(len(prompts)) as pool:
        return list(pool.map(asked_for, model.conversations, prompts))


@pytest.mark.slow
def test_what_several_want_is_computed_together(
    model: Decoder, decoded: list[int], emptied: Callable[[], None]
) -> None:
    """Each gets what it gets alone, in fewer batches."""
    prompts = [
        asked(model, passage, question=f"Repeat the {what} word for word.")
        for passage, what in ((BRIDGE, "article"), (MAYOR, "article"), (BRIDGE, "passage"))
    ]
    alone = [write_at_once(model, [prompt])[0] for prompt in prompts]
    batches = len(decoded)
    emptied()
    decoded.clear()
    assert write_at_once(model, prompts) == alone
    assert len(decoded) < batches * 2 / 3


@pytest.mark.slow
@pytest.mark.usefixtures("emptied")
def test_whoever_writes_need_not_wait_for_all_that_another_reads(model: Decoder, decoded: list[int]) -> None:
    """What one reads is cut into small parts as long as another wants something too."""
    first, second, _ = model.conversations
    first.read(asked(model, BRIDGE, question="Repeat the article word for word."), lambda: True)
    writing = first.write()
    reading = threading.Thread(target=second.read, args=(asked(model, *[BRIDGE, MAYOR] * 5), lambda: True))
    decoded.clear()
    reading.start()
    written = list(itertools.islice(writing, 6))
    reading.join()
    assert len(written) == 6
    assert decoded.count(decoder.SHARED_TOKENS) > 1


@pytest.mark.slow
def test_one_with_the_adapter_and_one_without_it_do_not_meddle(model: Decoder, emptied: Callable[[], None]) -> None:
    """A check, and a draft at the same time, tell what each tells alone."""
    check = asked(model, BRIDGE, check=f"{INVOCATION}? How many engineers were there?")
    draft = asked(model, MAYOR, question="Who spoke?")

    def told(one: Conversation, prompt: list[int]) -> np.ndarray:
        one.read(prompt, lambda: True)
        return chances(one)

    alone = [told(one, prompt) for one, prompt in zip(model.conversations, (check, draft), strict=False)]
    emptied()
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(told, model.conversations, (check, draft)))
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=0.1)


@pytest.mark.slow
def test_what_was_kept_is_loaded_once_for_all(
    model: Decoder, decoded: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One conversation leaves out a passage of it and another does not; neither reads any of it again."""
    first, second, third = model.conversations
    first.read(asked(model, BRIDGE, MAYOR), lambda: True, apart=True)
    first.save(tmp_path / "kept")
    loads: list[bytes] = []
    load = KeptState.of_file

    def noted(content: bytes) -> KeptState:
        loads.append(content)
        return load(content)

    monkeypatch.setattr(KeptState, "of_file", noted)
    decoded.clear()
    for conversation, passages in ((second, (MAYOR,)), (third, (BRIDGE, MAYOR))):
        conversation.restore(tmp_path / "kept")
        conversation.read(asked(model, *passages, question="Who said so?"), lambda: True)
    assert len(loads) == 1
    assert sum(decoded) < 40
    assert ["Whitcombe" in text(reply(one)) for one in (second, third)] == [True, True]


@pytest.mark.slow
def test_an_excerpt_is_what_the_library_moves(model: Decoder, tmp_path: Path) -> None:
    """Where it turns the keys itself, the next token has the same probabilities."""
    opened = model.conversations[0]
    both, second = asked(model, BRIDGE, MAYOR), asked(model, MAYOR, question="Who said so?")
    opened.read(both, lambda: True, apart=True)
    opened.save(tmp_path / "kept")
    runs = shared_runs(both, second[:-1])
    (_, head), (place, length) = runs[:2]
    opened.restore(tmp_path / "kept")
    opened.read(second, lambda: True)
    excerpt = chances(opened)
    opened.read(both, lambda: True, apart=True)
    library, context = model._library, model._context
    move = library.llama_kv_cache_seq_add
    move.argtypes = (ctypes.c_void_p, *[ctypes.c_int32] * 4)
    move.restype = None

    def moved() -> None:
        library.llama_kv_cache_seq_rm(context, 0, head, place)
        move(context, 0, place, place + length, head - place)
        library.llama_kv_cache_update(context)
        library.llama_kv_cache_seq_rm(context, 0, head + length, -1)

    model.in_turn(moved)
    opened._read = second[: head + length]
    opened.read(second, lambda: True)
    assert excerpt == pytest.approx(chances(opened), abs=0.1)


@pytest.mark.slow
def test_what_is_kept_anew_is_loaded_anew(model: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """Also where the file has the same name."""
    opened = model.conversations[0]
    for passage in (BRIDGE, MAYOR):
        opened.read(asked(model, passage), lambda: True, apart=True)
        opened.save(tmp_path / "kept")
        opened.read(model.tokens("Something else."), lambda: True)
        opened.restore(tmp_path / "kept")
        decoded.clear()
        opened.read(asked(model, passage), lambda: True)
        assert decoded == [1]


@pytest.fixture
def narrow(model_data: Path) -> Iterator[Decoder]:
    """Yield a decoder with three conversations that have no room to be full all at once."""
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 128, 1, conversations=3)) as one:
        yield one


def story(one: Decoder, number: int, length: int = 100) -> list[int]:
    """Return so many tokens that begin otherwise than those of another number."""
    return one.tokens(f"{number} {BRIDGE} {MAYOR} {BRIDGE} {MAYOR} {BRIDGE}")[:length]


@pytest.mark.slow
def test_where_there_is_no_room_idle_conversations_are_forgotten(narrow: Decoder) -> None:
    """Whoever is at work is not disturbed."""
    first, second, third = narrow.conversations
    for number, conversation in enumerate((first, second)):
        conversation.read(story(narrow, number), lambda: True)
    first.rest()
    third.read(story(narrow, 2), lambda: True)
    assert [len(each._read) for each in (first, second, third)] == [0, 100, 100]
    assert len(reply(second)) > 1


@pytest.mark.slow
def test_what_was_kept_finds_room_among_idle_conversations(narrow: Decoder, tmp_path: Path) -> None:
    """They are forgotten for it."""
    first, *others = narrow.conversations
    first.read(story(narrow, 0), lambda: True)
    first.save(tmp_path / "kept")
    first.read(story(narrow, 0, 1), lambda: True)
    for number, conversation in enumerate(others, start=1):
        conversation.read(story(narrow, number, 85), lambda: True)
        conversation.rest()
    first.restore(tmp_path / "kept")
    first.read(story(narrow, 0), lambda: True)
    assert [len(each._read) for each in narrow.conversations] == [100, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize("check", ["", INVOCATION])
def test_what_finds_no_room_is_read(  # noqa: PLR0913, PLR0917 - each is a fixture
    model: Decoder,
    opened: Conversation,
    decoded: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: str,
) -> None:
    """Only time is lost: the adapter works from its words on, although all before them was to be taken over."""
    prompt = asked(model, BRIDGE, check=check)
    opened.read(prompt, lambda: True)
    before = chances(opened)
    opened.save(tmp_path / "kept")
    opened.read(model.tokens("Something else altogether."), lambda: True)
    opened.restore(tmp_path / "kept")
    monkeypatch.setattr(model, "set_state", lambda *_: False)
    decoded.clear()
    assert opened.read(prompt, lambda: True)
    assert sum(decoded) == len(prompt)
    assert chances(opened) == pytest.approx(before, abs=0.05)


@pytest.mark.slow
def test_where_one_has_no_room_the_others_go_on(narrow: Decoder, tmp_path: Path) -> None:
    """It fails alone, and with it nothing else; what was kept is found when there is room again."""
    *full, last = narrow.conversations
    last.read(story(narrow, 2), lambda: True)
    last.save(tmp_path / "kept")
    for number, conversation in enumerate(full):
        last.rest()
        conversation.read(story(narrow, number), lambda: True)
    for is_kept in (False, True):
        if is_kept:
            last.restore(tmp_path / "kept")
        with pytest.raises(RuntimeError):
            last.read(story(narrow, 2), lambda: True)
    assert [len(reply(one)) > 1 for one in full] == [True, True]
    for conversation in full:
        conversation.rest()
    last.restore(tmp_path / "kept")
    assert last.read(story(narrow, 2), lambda: True)


@pytest.mark.slow
def test_those_who_read_are_served_in_their_order(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """In turns, all would end as late as the last one; whoever writes comes first, since it wants little."""
    first, second, third = model.conversations
    steps = [
        decoder._Step(first, [1] * 60, 0, adapted=False, all_tell=False),
        decoder._Step(second, [1] * 60, 0, adapted=False, all_tell=False),
        decoder._Step(third, [1] * 2, 0, adapted=False, all_tell=True),
    ]
    first.begun, second.begun, third.begun = 3, 1, 2
    monkeypatch.setattr(model, "_steps", list(steps))
    assert model._take() == [(steps[2], 2), (steps[1], decoder.SHARED_TOKENS - 2)]
    assert model._steps == [steps[0]]


@pytest.mark.slow
@pytest.mark.usefixtures("emptied")
def test_a_batch_that_fails_leaves_nothing_behind(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was computed before the failure is not seen by the tokens that are computed after it."""
    opened, prompt = model.conversations[0], asked(model, BRIDGE)
    opened.read(prompt, lambda: True)
    before = chances(opened)
    opened.read(model.tokens("Something else."), lambda: True)
    decode = llama.llama_decode
    monkeypatch.setattr(llama, "llama_decode", lambda *how: decode(*how) or -3)
    with pytest.raises(RuntimeError, match="-3"):
        opened.read(asked(model, MAYOR), lambda: True)
    monkeypatch.undo()
    opened.read(prompt, lambda: True)
    assert chances(opened) == pytest.approx(before, abs=0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("emptied")
def test_what_was_kept_does_not_wait_for_the_batch_of_another(
    model: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader's first step is there when the batch ends, and so has a part in the next one."""
    first, second, _ = model.conversations
    prompt = asked(model, BRIDGE)
    first.read(prompt, lambda: True)
    first.save(tmp_path / "kept")
    decode, began, go_on = llama.llama_decode, threading.Event(), threading.Event()

    def held(*arguments: object) -> int:
        began.set()
        assert go_on.wait(60)
        return int(decode(*arguments))

    monkeypatch.setattr(llama, "llama_decode", held)
    with ThreadPoolExecutor(2) as pool:
        others = pool.submit(first.read, asked(model, MAYOR), lambda: True)
        assert began.wait(60)
        second.restore(tmp_path / "kept")
        reading = pool.submit(second.read, prompt, lambda: True)
        waited_until = time.monotonic() + 60
        while not model._steps and time.monotonic() < waited_until:
            time.sleep(0.01)
        waiting = [(step.conversation, len(step.tokens)) for step in model._steps]
        go_on.set()
        assert all(task.result() for task in (others, reading))
    assert waiting == [(second, 1)]


@pytest.mark.slow
def test_one_thread_has_the_context(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks: a thread that is new has to begin its helpers, and decodes slower."""
    threads: set[threading.Thread] = set()
    decode = llama.llama_decode

    def noted(*arguments: object) -> int:
        threads.add(threading.current_thread())
        return int(decode(*arguments))

    monkeypatch.setattr(llama, "llama_decode", noted)
    write_at_once(model, [asked(model, BRIDGE), asked(model, MAYOR)])
    assert len(threads) == 1


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    """A file of something else."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF, or not")
    with pytest.raises(OSError, match="could not be loaded"):
        Decoder(tmp_path / "model.gguf", 512, 1)


def test_an_adapter_without_words_is_refused(tmp_path: Path) -> None:
    """It would never work, and nobody would know."""
    with pytest.raises(ValueError, match="none are given"):
        Decoder(tmp_path / "model.gguf", 512, 1, adapter_file())


@pytest.mark.slow
def test_there_must_be_something_to_read(opened: Conversation) -> None:
    """Nothing tells no next token."""
    with pytest.raises(ValueError, match="nothing to read"):
        opened.read([], lambda: True)
