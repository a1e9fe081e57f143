"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from served import ARTICLE, CITATION, DECLINED, QUOTED, ScriptedAssistant

from assistant.web.chat.starters import Starter, Starters

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
