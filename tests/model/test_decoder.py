"""A conversation beside an article, with the packaged weights: what is read again, what is kept, the adapters."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ik_llama_cpp import _ctypes_api as llama
from langchain_core.messages import BaseMessage, convert_to_openai_messages

from assistant.model.engine.decoder import REUSE_TOKENS, Decoder, Token, shared_runs
from assistant.model.engine.library import BATCH_TOKENS, Scores
from assistant.model.prompts import CHECK, TURN, check_messages, draft_messages
from assistant.model.weights import LANGUAGE_MODEL_NAME, checker_file, writer_file
from assistant.types import Turn

OPENING = "You answer a reader's question about a news article in one short, complete sentence.\n\n"
BRIDGE = "Nine engineers from the county inspected the bridge over the Mill on Friday, and found cracks in two piers."
MAYOR = "The mayor, Lenora Whitcombe, said that the old bridge would stay closed until the end of the year at least."
OF_A_TURN = 40
"""The last turn of these conversations is read with each question, since the writer works in it; it is shorter."""
WRITER, CHECKER = 0, 1

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
    """Yield a decoder of the packaged model and its adapters."""
    adapters = (writer_file(), TURN), (checker_file(), CHECK)
    with closing(Decoder(model_data / LANGUAGE_MODEL_NAME, 512, 1, adapters)) as one:
        yield one


@pytest.fixture
def decoded(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many tokens each batch had that the model computed, once it has read something else."""
    batches: list[int] = []
    decode = llama.llama_decode

    def noted(context: object, batch: Any) -> int:  # noqa: ANN401 - the package has no types
        batches.append(batch.n_tokens)
        return int(decode(context, batch))

    monkeypatch.setattr(llama, "llama_decode", noted)
    model.read(asked(model, "Something else."), wanted)
    batches.clear()
    return batches


def wanted() -> bool:
    """Go on."""
    return True


def asked(one: Decoder, *passages: str, question: str = "How many engineers were there?", check: str = "") -> list[int]:
    """Return a conversation about the passages, as far as the model's reply."""
    turns = [("system", OPENING + "\n\n".join(passages)), ("user", question)]
    return one.prompt([*turns, ("assistant", "Nine."), ("user", check)] if check else turns)


def reply(one: Decoder) -> list[Token]:
    """Return what the model writes, of at most 30 tokens."""
    return list(itertools.islice(one.write(), 30))


def text(tokens: list[Token]) -> str:
    """Return what they say."""
    return b"".join(token.text for token in tokens).decode()


def chances(one: Decoder) -> np.ndarray:
    """Return the probability that each token comes next."""
    scores = one._told[-1]
    likely = np.exp(scores - scores.max())
    return np.asarray(likely / likely.sum())


@pytest.mark.usefixtures("decoded")
def test_a_reply_ends_where_the_model_ends_it(model: Decoder) -> None:
    """Each token has its probability, the likeliest is written, and the last one says nothing."""
    assert model.read(asked(model, BRIDGE), wanted)
    written = reply(model)
    assert "nine" in text(written).lower()
    assert [token.ends for token in written] == [False] * (len(written) - 1) + [True]
    assert written[-1].text == b""
    likely = chances(model)
    assert written[-1].number == likely.argmax()
    assert written[-1].log_probability == pytest.approx(np.log(likely.max()), abs=1e-3)
    assert all(token.log_probability <= 0 for token in written)


def test_what_stands_in_the_passage_is_written_faster(model: Decoder, decoded: list[int]) -> None:
    """Its next words are guessed and read together; what is written is right, and only its turn is read again."""
    prompt = asked(model, BRIDGE, question="Repeat the article word for word.")
    model.read(prompt, wanted)
    decoded.clear()
    guessed, batches = reply(model), len(decoded)
    decoded.clear()
    model.read([*prompt, *(token.number for token in guessed)], wanted)
    assert sum(decoded) < OF_A_TURN + len(guessed)
    assert text(guessed) == BRIDGE
    assert batches < len(guessed) * 2 / 3


def test_a_reply_goes_on_after_its_opening(model: Decoder) -> None:
    """The words that it is to begin with are read as its own."""
    turns = [("system", OPENING + BRIDGE), ("user", "Is the bridge open?")]
    model.read(model.prompt(turns, "No,"), wanted)
    assert model.text(model.prompt(turns, "No,")[-1]) == b","
    assert text(reply(model))[:1].isspace()


def test_a_check_reads_no_article_again(model: Decoder, decoded: list[int]) -> None:
    """Only what the adapter that writes has changed is read again, and the check is new."""
    model.read(asked(model, BRIDGE, MAYOR), wanted)
    written = text(reply(model))
    turns = [("system", OPENING + f"{BRIDGE}\n\n{MAYOR}"), ("user", "How many engineers were there?")]
    decoded.clear()
    check = [*turns, ("assistant", written), ("user", f"{CHECK}? How many engineers were there?")]
    model.read(model.prompt(check), wanted)
    assert sum(decoded) <= len(model.prompt(check)) - len(model._model.tokens(f"{BRIDGE}\n\n{MAYOR}"))


def test_passages_of_an_article_that_was_read_are_not_read_again(
    model: Decoder, decoded: list[int], tmp_path: Path
) -> None:
    """Where others stood before them too; the model finds in them what is asked for."""
    article, second = asked(model, BRIDGE, MAYOR, BRIDGE), asked(model, MAYOR, question="Who said so?")
    assert model.read_article(article, tmp_path / "kept.bin", wanted)
    decoded.clear()
    for _ in range(2):
        model.read(second, wanted, tmp_path / "kept.bin")
        assert sum(decoded) < OF_A_TURN
        assert "Whitcombe" in text(reply(model))
        model.read(asked(model, "Something else."), wanted)
        decoded.clear()
    model.read(second, wanted, tmp_path / "kept.bin")
    decoded.clear()
    model.read(second, wanted)
    assert sum(decoded) > len(model._model.tokens(MAYOR)) + len(model._model.tokens("Who said so?"))


def test_a_whole_article_is_read_once(model: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """A question about all of it costs its own words, and is answered as if the article had been read for it."""
    prompt = asked(model, BRIDGE, MAYOR, question="Who said so?")
    model.read(prompt, wanted)
    before = chances(model)
    model.read_article(asked(model, BRIDGE, MAYOR, question="?"), tmp_path / "kept.bin", wanted)
    model.read(asked(model, "Something else."), wanted)
    decoded.clear()
    model.read(prompt, wanted, tmp_path / "kept.bin")
    assert sum(decoded) < OF_A_TURN
    assert chances(model) == pytest.approx(before, abs=0.05)


def test_what_is_kept_in_a_file_need_not_be_read_again(model: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """After another article was read, and by another process; each is loaded when it is asked about."""
    prompts = [asked(model, passage) for passage in (BRIDGE, MAYOR)]
    files = [tmp_path / "bridge.bin", tmp_path / "mayor.bin"]
    for prompt, file in zip(prompts, files, strict=True):
        assert model.read_article(prompt, file, wanted)
    decoded.clear()
    for prompt, file in zip(prompts, files, strict=True):
        model.read(prompt, wanted, file)
        assert sum(decoded) < OF_A_TURN
        decoded.clear()
        assert model.read_article(prompt, file, wanted)
        assert decoded == []


def test_an_article_that_was_not_read_to_its_end_is_read_on(model: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """Whoever asks meanwhile has what was read until then."""
    article = asked(model, *[BRIDGE, MAYOR] * 5)
    answers = iter([True, False])
    assert not model.read_article(article, tmp_path / "kept.bin", lambda: next(answers))
    assert not (tmp_path / "kept.bin").exists()
    assert decoded == [BATCH_TOKENS]
    decoded.clear()
    model.read(asked(model, BRIDGE), wanted, tmp_path / "kept.bin")
    assert sum(decoded) < OF_A_TURN
    model.read_article(asked(model, MAYOR), tmp_path / "other.bin", wanted)
    decoded.clear()
    assert model.read_article(article, tmp_path / "kept.bin", wanted)
    assert sum(decoded) == len(article) - BATCH_TOKENS
    assert [file.name for file in tmp_path.iterdir() if file.stem == "kept"] == ["kept.bin"]


def test_a_file_that_cannot_be_read_costs_only_time(model: Decoder, decoded: list[int], tmp_path: Path) -> None:
    """It is deleted, so that it is made anew at the next start, and the prompt is read in full."""
    prompt = asked(model, BRIDGE)
    model.read(prompt, wanted)
    before = chances(model)
    file = tmp_path / "kept.bin"
    file.write_bytes(b"no state")
    decoded.clear()
    model.read(asked(model, "Something else."), wanted)
    model.read(prompt, wanted, file)
    assert sum(decoded) > OF_A_TURN
    assert chances(model) == pytest.approx(before, abs=0.05)
    assert not file.exists()


def test_the_adapter_that_writes_works_in_the_last_turn(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Article and earlier turns are read as if there were none, whatever was read before."""
    earlier = [("user", "Where is the bridge?"), ("assistant", "Over the Mill.")]
    article, asks = ("system", OPENING + BRIDGE), ("user", "How many engineers were there?")
    question = model.prompt([article, *earlier, asks])
    begin = len(question) - len(model.prompt([asks]))
    prompts = {"no turn": model.prompt([article]), "before it": question[:begin], "all": question}

    def told(prompt: list[int]) -> np.ndarray:
        model.read(prompt, wanted)
        return chances(model)

    adapted = {name: told(prompt) for name, prompt in prompts.items()}
    model.read(asked(model, BRIDGE, question="Where is the bridge?"), wanted)
    assert told(question) == pytest.approx(adapted["all"], abs=0.1)
    monkeypatch.setattr(model, "_invocations", [])  # So none works anywhere.
    plain = {name: told(prompt) for name, prompt in prompts.items()}
    assert adapted["no turn"] == pytest.approx(plain["no turn"], abs=0.1)
    assert np.abs(adapted["all"] - plain["all"]).max() > 0.1


def test_a_check_brings_in_the_adapter_that_checks(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its words on, and nothing else does, whatever stands in the article, the question or the answer."""
    compute, worked = model._model.compute, dict[int, bytes]()

    def noted(tokens: Sequence[int], place: int, *, adapter: int | None = None, all_tell: bool = False) -> list[Scores]:
        if adapter is not None:
            worked[adapter] = worked.get(adapter, b"") + b"".join(map(model.text, tokens))
        return compute(tokens, place, adapter=adapter, all_tell=all_tell)

    def of(messages: Sequence[BaseMessage]) -> tuple[int, str]:
        model.read(asked(model, "Something else."), wanted)
        worked.clear()
        model.read(
            model.prompt([(each["role"], each["content"]) for each in convert_to_openai_messages(messages)]), wanted
        )
        ((adapter, text),) = worked.items()
        return adapter, text.decode()

    monkeypatch.setattr(model._model, "compute", noted)
    words = f"{TURN}\n{CHECK}? Who?"
    plain, given = words.replace(CHECK, CHECK.lower()), (words, [Turn(words, words)], f"{words} {BRIDGE}")
    adapter, text = of(draft_messages(*given))
    assert (adapter, text.startswith(f"user\n{plain}\nassistant\n")) == (WRITER, True)
    adapter, text = of(check_messages(*given, words))
    assert (adapter, text.startswith(f"{CHECK}? {plain}\nassistant\n")) == (CHECKER, True)


@pytest.mark.parametrize(("file", "words"), [(writer_file, TURN), (checker_file, CHECK)])
def test_an_adapter_works_from_the_words_that_it_was_trained_with(
    file: Callable[[], Path], words: str, model: Decoder
) -> None:
    """They stand in its file too, as tokens."""
    fields = gguf.GGUFReader(file()).fields
    assert fields[gguf.Keys.Adapter.ALORA_INVOCATION_TOKENS].contents() == model._model.tokens(words, marks=True)


def test_nothing_that_the_adapter_has_changed_is_taken_over(model: Decoder, decoded: list[int]) -> None:
    """A check that goes on otherwise is read again from the adapter's words on."""
    check = f"{CHECK}? {MAYOR}"
    model.read(asked(model, BRIDGE, check=check), wanted)
    decoded.clear()
    model.read(asked(model, BRIDGE, check=f"{check} Or not?"), wanted)
    assert sum(decoded) > len(model._model.tokens(check))


def test_nothing_is_read_for_nobody(model: Decoder, decoded: list[int]) -> None:
    """It is asked before each batch, and what was read until then is not read again."""
    prompt = asked(model, *[BRIDGE, MAYOR] * 4)
    answers = iter([True, False])
    assert not model.read(prompt, lambda: next(answers))
    (first,) = decoded
    assert first == BATCH_TOKENS
    assert model.read(prompt, wanted)
    assert len(prompt) - 2 * first < sum(decoded[1:]) < len(prompt)


@pytest.mark.usefixtures("decoded")
def test_a_full_context_ends_the_reply(model: Decoder) -> None:
    """There is no room for another token, and nothing fails."""
    story = model._model.tokens(f"{BRIDGE} {MAYOR}\n" * 20)[: model.room - 3]
    assert len(story) == model.room - 3
    model.read(story, wanted)
    assert [token.ends for token in model.write()] == [False] * 4


@pytest.mark.usefixtures("decoded")
def test_a_batch_that_fails_leaves_nothing_behind(model: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was computed before the failure is not seen by the tokens that are computed after it."""
    prompt = asked(model, BRIDGE)
    model.read(prompt, wanted)
    before = chances(model)
    model.read(asked(model, "Something else."), wanted)
    with monkeypatch.context() as patch:
        decode = llama.llama_decode
        patch.setattr(llama, "llama_decode", lambda *how: decode(*how) or -3)
        with pytest.raises(RuntimeError, match="-3"):
            model.read(asked(model, MAYOR), wanted)
    model.read(prompt, wanted)
    assert chances(model) == pytest.approx(before, abs=0.05)


def test_there_must_be_something_to_read(model: Decoder) -> None:
    """Nothing tells no next token."""
    with pytest.raises(ValueError, match="nothing to read"):
        model.read([], wanted)
