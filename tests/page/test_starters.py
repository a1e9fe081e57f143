"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace

from served import ARTICLE, CITATION, DECLINED, QUOTED, ScriptedAssistant

from assistant.web.chat.starters import Starter, Starters, nearest

STARTER = Starter("By how much did it fall?", ARTICLE.id, CITATION.start, CITATION.end)


def test_what_is_found_while_the_small_models_load_is_looked_for_again() -> None:
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
