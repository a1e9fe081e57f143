"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from served import ARTICLE, CITATION, DECLINED, QUOTED, ScriptedAssistant

from assistant.web.chat.starters import Starter, Starters, nearest, read_starters

STARTER = Starter("By how much did it fall?", ARTICLE.id, CITATION.start, CITATION.end)


def test_what_is_found_while_the_embedding_model_loads_is_looked_for_again() -> None:
    """Keywords alone may miss what is offered a moment later; from then on nothing is asked twice."""
    assistant = ScriptedAssistant(ARTICLE)
    starters = Starters(assistant, [STARTER])
    assistant._loading = Future()
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == ()
    assistant._loading.set_result(None)
    assistant.script[STARTER.question] = [QUOTED]
    assert asyncio.run(starters.of(None)) == (STARTER,)
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == (STARTER,)


def test_what_an_answer_tells_is_not_offered_after_it() -> None:
    """Of the others those are offered first whose answers stand nearest to its words, and none that was asked."""
    other, asked = (replace(STARTER, question=question, start=0, end=3) for question in ("When?", "Who?"))
    assert nearest([STARTER, asked, other], QUOTED, {"Who?"}) == (other,)
    assert nearest([asked, STARTER], DECLINED, ()) == (STARTER, asked)


@pytest.mark.parametrize("content", [b'{"question": "\xff"}', b"[" * 100_000, None], ids=["bytes", "nested", "folder"])
def test_a_file_that_cannot_be_read_offers_nothing(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The page goes on without questions to begin with, and the log says why."""
    file = tmp_path / "starters.jsonl"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    assert read_starters(file, ScriptedAssistant(ARTICLE)) == ()
    assert str(file) in caplog.text
