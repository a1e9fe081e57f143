"""Drafting side by side: each question gets the draft that it gets alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from trained import small_model
from transformers import Qwen2ForCausalLM

from assistant.model.prompts import check_messages, draft_messages
from lab.training import drafting
from lab.training.drafting import drafts, opening, tokens, written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ASKED = [
    ("The bridge is closed.", ["Why?", "Since when is the bridge over the Mill closed?"]),
    ("Nine engineers from the county inspected the mill. The mayor saw it.", ["Who inspected the mill?"]),
]


@pytest.fixture(scope="module")
def model() -> Qwen2ForCausalLM:
    """Return a small language model, at random."""
    return small_model(layers=2)


@pytest.mark.slow
def test_each_question_gets_the_draft_that_it_gets_alone(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Side by side nothing of another row is seen: token by token the draft is the plain one, padded or not."""
    for (passages, questions), found in zip(ASKED, drafts(model, tokenizer, ASKED), strict=True):
        for question, draft in zip(questions, found, strict=True):
            ids = tokens(tokenizer, written(tokenizer, draft_messages(question, (), passages)))
            alone = model.generate(
                torch.tensor([ids]), max_new_tokens=drafting.MOST_TOKENS, do_sample=False, pad_token_id=0
            )
            assert draft == str(tokenizer.decode(alone[0, len(ids) :], skip_special_tokens=True)).strip()
            assert draft


@pytest.mark.slow
def test_passages_of_which_nothing_is_asked_get_no_draft(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Alone or beside others, which get the drafts that they get without them."""
    silent: tuple[str, list[str]] = ("Nobody asks of it, however long it is. " * 20, [])
    assert drafts(model, tokenizer, [silent]) == [[]]
    assert drafts(model, tokenizer, [silent, *ASKED]) == [[], *drafts(model, tokenizer, ASKED)]


@pytest.mark.slow
def test_a_finished_draft_ends(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token that ends a reply is not written, and the others go on."""
    monkeypatch.setattr(drafting, "MOST_TOKENS", 8)
    whole = drafts(model, tokenizer, ASKED)
    third = tokens(tokenizer, whole[0][0])[2]
    monkeypatch.setattr(drafting, "_ENDS", (*drafting._ENDS, str(tokenizer.convert_ids_to_tokens(third))))
    ended = drafts(model, tokenizer, ASKED)
    assert len(ended[0][0]) < len(whole[0][0])
    assert whole[0][0].startswith(ended[0][0])
    assert all(
        one.startswith(other) for a, b in zip(whole, ended, strict=True) for one, other in zip(a, b, strict=True)
    )


@pytest.mark.slow
def test_a_conversation_goes_on_from_its_opening(tokenizer: PreTrainedTokenizerBase) -> None:
    """What is asked, drafted and asked again begins with the same words, and ends where the model is to reply."""
    begin = opening(tokenizer, "The bridge is closed?")
    one = written(tokenizer, draft_messages("Why?", (), "The bridge is closed?"))
    more = written(tokenizer, check_messages("Why?", (), "The bridge is closed?", "So."))
    assert one.startswith(begin)
    assert more.startswith(one)
    assert begin.rstrip().endswith("user")
    assert one.rstrip().endswith("assistant")
