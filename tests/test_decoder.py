"""The language model in memory, with the packaged weights: what it reads again, what it keeps, its adapter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
from assistant.decoder import REUSE_TOKENS, Decoder, Token, shared_runs
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
def opened(model_data: Path) -> Iterator[Decoder]:
    """Yield a decoder of the packaged model and its adapter."""
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 1024, 1, adapter_file(), INVOCATION)) as one:
        yield one


@pytest.fixture
def decoded(opened: Decoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many tokens each batch had that the model computed."""
    batches: list[int] = []
    decode = llama.llama_decode

    def noted(context: object, batch: Any) -> int:  # noqa: ANN401 - the package has no types
        batches.append(batch.n_tokens)
        return int(decode(context, batch))

    monkeypatch.setattr(llama, "llama_decode", noted)
    opened.read(opened.tokens("Something else."), lambda: True)
    batches.clear()
    return batches


def asked(one: Decoder, *passages: str, question: str = "How many engineers were there?", check: str = "") -> list[int]:
    """Return a conversation about the passages, as far as the model's reply."""
    turns = [("system", OPENING + "\n\n".join(passages)), ("user", question)]
    return one.conversation([*turns, DRAFT, ("user", check)] if check else turns)


def reply(one: Decoder) -> list[Token]:
    """Return what the model writes, of at most 30 tokens."""
    return list(itertools.islice(one.write(), 30))


def text(tokens: list[Token]) -> str:
    """Return what they say."""
    return b"".join(token.text for token in tokens).decode()


def chances(one: Decoder) -> np.ndarray:
    """Return the probability that each token comes next."""
    return np.exp(next(one.write()).log_probabilities)


@pytest.mark.slow
def test_a_reply_ends_where_the_model_ends_it(opened: Decoder) -> None:
    """Each token has its probability, the likeliest is written, and the last one says nothing."""
    assert opened.read(asked(opened, BRIDGE), lambda: True)
    written = reply(opened)
    assert "nine" in text(written).lower()
    assert [token.ends for token in written] == [False] * (len(written) - 1) + [True]
    assert written[-1].text == b""
    for token in written:
        assert token.number == token.log_probabilities.argmax()
        assert np.exp(token.log_probabilities).sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_what_stands_in_the_passage_is_written_faster(
    opened: Decoder, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next words are guessed and read together; what is written is the same, and as much of it counts as read."""
    prompt = asked(opened, BRIDGE, question="Repeat the article word for word.")
    opened.read(prompt, lambda: True)
    decoded.clear()
    guessed, batches = reply(opened), len(decoded)
    assert opened._read == [*prompt, *(token.number for token in guessed[:-1])]
    monkeypatch.setattr(Decoder, "_guess", lambda _self, _token: [])
    opened.read(prompt, lambda: True)
    assert text(guessed) == text(reply(opened)) == BRIDGE
    assert batches < len(guessed) * 2 / 3


@pytest.mark.slow
def test_what_two_prompts_begin_with_is_read_once(opened: Decoder, decoded: list[int]) -> None:
    """Another question about the same passage costs its own words alone, and a check of the reply goes on behind it."""
    first, second = asked(opened, BRIDGE), asked(opened, BRIDGE, question="Who inspected it?")
    opened.read(first, lambda: True)
    assert sum(decoded) == len(first)
    decoded.clear()
    opened.read(second, lambda: True)
    assert sum(decoded) < 20
    decoded.clear()
    opened.read(second, lambda: True)
    assert decoded == [1]


@pytest.mark.slow
def test_a_check_reads_neither_question_nor_draft_again(opened: Decoder, decoded: list[int]) -> None:
    """What the model has written counts as read; only the turn's end and the check are new."""
    opened.read(asked(opened, BRIDGE), lambda: True)
    written = text(reply(opened))
    decoded.clear()
    check = [("system", OPENING + BRIDGE), ("user", "How many engineers were there?"), ("assistant", written)]
    prompt = opened.conversation([*check, ("user", f"{INVOCATION}? How many engineers were there?")])
    opened.read(prompt, lambda: True)
    assert sum(decoded) < 30


@pytest.mark.slow
def test_a_passage_is_taken_over_from_where_it_stood(opened: Decoder, decoded: list[int]) -> None:
    """What stood before it is not there any more, and it is not read again, unless it is to be read apart."""
    both, second = asked(opened, BRIDGE, MAYOR), asked(opened, MAYOR, question="Who said so?")
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
def test_what_is_kept_in_a_file_need_not_be_read_again(opened: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """The next token has the same probabilities as before."""
    prompt = asked(opened, BRIDGE)
    opened.read(prompt, lambda: True)
    before = chances(opened)
    opened.save(tmp_path / "kept")
    opened.read(opened.tokens("Something else altogether."), lambda: True)
    opened.restore(tmp_path / "kept")
    decoded.clear()
    opened.read(prompt, lambda: True)
    assert decoded == [1]
    assert chances(opened) == pytest.approx(before, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "empty", "text", "half"])
def test_a_damaged_file_is_an_error_and_nothing_more(opened: Decoder, tmp_path: Path, damage: str) -> None:
    """What cannot be restored leaves a decoder that has read nothing and reads on."""
    file = tmp_path / "kept"
    prompt = asked(opened, BRIDGE)
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
def test_what_cannot_be_kept_is_an_error(opened: Decoder, tmp_path: Path) -> None:
    """A folder that is not there, as on a disk that is full."""
    opened.read(asked(opened, BRIDGE), lambda: True)
    with pytest.raises(OSError, match="could not be written"):
        opened.save(tmp_path / "no" / "folder")


@pytest.mark.slow
def test_the_adapter_works_from_its_words_on(opened: Decoder, model_data: Path) -> None:
    """Before them, and without them, everything is as if there were none, also what was read for a check before."""
    question, check = (
        asked(opened, BRIDGE),
        asked(opened, BRIDGE, check=f"{INVOCATION}? How many engineers were there?"),
    )
    prompts = {"check": check, "draft": question, "draft and check": check}

    def told(one: Decoder, prompt: list[int]) -> np.ndarray:
        one.read(prompt, lambda: True)
        return np.exp(list(itertools.islice(one.write(), 3))[-1].log_probabilities)

    opened.read(opened.tokens("Something else."), lambda: True)
    adapted = {name: told(opened, prompt) for name, prompt in prompts.items()}
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 512, 1)) as bare:
        plain = {name: told(bare, prompt) for name, prompt in prompts.items()}
    assert adapted["draft"] == pytest.approx(plain["draft"], abs=0.1)
    assert adapted["draft and check"] == pytest.approx(adapted["check"], abs=0.1)
    assert np.abs(adapted["check"] - plain["check"]).max() > 0.3


@pytest.mark.slow
def test_the_adapter_works_from_the_words_that_it_was_trained_with(opened: Decoder) -> None:
    """They stand in its file too, as tokens."""
    fields = gguf.GGUFReader(adapter_file()).fields
    assert fields[gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS].contents() == opened.tokens(INVOCATION)


@pytest.mark.slow
def test_what_is_kept_after_a_check_knows_nothing_of_the_adapter(
    opened: Decoder, decoded: list[int], tmp_path: Path
) -> None:
    """A file has what was read before the adapter's words, and nothing after them."""
    check = asked(opened, BRIDGE, check=f"{INVOCATION}? How many engineers were there?")
    opened.read(check, lambda: True)
    opened.save(tmp_path / "kept")
    opened.restore(tmp_path / "kept")
    assert opened._read == check[: decoder._last_place(opened.tokens(INVOCATION), check)]
    decoded.clear()
    opened.read(check, lambda: True)
    assert 1 < sum(decoded) < 30


@pytest.mark.slow
def test_nothing_that_the_adapter_has_changed_is_taken_over(opened: Decoder, decoded: list[int]) -> None:
    """A question stands in its check too, word for word, and is read again for the next draft."""
    opened.read(asked(opened, BRIDGE, check=f"{INVOCATION}?\n{MAYOR}"), lambda: True)
    decoded.clear()
    opened.read(asked(opened, BRIDGE, question=MAYOR), lambda: True)
    assert sum(decoded) > len(opened.tokens(MAYOR))


@pytest.mark.slow
def test_whoever_leaves_at_once_changes_nothing(opened: Decoder, tmp_path: Path) -> None:
    """What was restored before is as it was, although the prompt would have moved some of it."""
    both, second = asked(opened, BRIDGE, MAYOR), asked(opened, MAYOR, question="Who said so?")
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
def test_what_was_moved_is_not_taken_for_read_apart(opened: Decoder, decoded: list[int]) -> None:
    """It stands where the prompt has it, but it knows what stood before it."""
    second = asked(opened, MAYOR, question="Who said so?")
    opened.read(asked(opened, BRIDGE, MAYOR), lambda: True)
    opened.read(second, lambda: True)
    decoded.clear()
    opened.read(second, lambda: True, apart=True)
    assert sum(decoded) > 20
    decoded.clear()
    opened.read(second, lambda: True, apart=True)
    assert decoded == [1]


@pytest.mark.slow
def test_nothing_is_read_for_nobody(opened: Decoder, decoded: list[int]) -> None:
    """It is asked before each batch, and what was read until then is not read again."""
    prompt = asked(opened, *[BRIDGE, MAYOR] * 4)
    answers = iter([True, True, False])
    assert not opened.read(prompt, lambda: next(answers))
    assert decoded == [decoder.BATCH_TOKENS]
    assert opened.read(prompt, lambda: True)
    assert sum(decoded) == len(prompt)


@pytest.mark.slow
def test_a_full_context_ends_the_reply(opened: Decoder) -> None:
    """There is no room for another token, and nothing fails."""
    story = opened.tokens(f"{BRIDGE} {MAYOR}\n" * 40)[: opened.room - 3]
    assert len(story) == opened.room - 3
    opened.read(story, lambda: True)
    assert [token.ends for token in opened.write()] == [False] * 4


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
def test_there_must_be_something_to_read(opened: Decoder) -> None:
    """Nothing tells no next token."""
    with pytest.raises(ValueError, match="nothing to read"):
        opened.read([], lambda: True)
