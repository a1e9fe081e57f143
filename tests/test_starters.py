"""Questions that are offered: those that the assistant was seen to answer, as well as it can at the time."""

from __future__ import annotations

import asyncio

from served import ARTICLE, CITATION, DECLINED, QUOTE, QUOTED, ScriptedAssistant

from assistant.web.starters import Starter, Starters

STARTER = Starter("By how much did it fall?", ARTICLE.id, CITATION.start, CITATION.end)


def test_what_is_found_while_the_small_models_load_is_looked_for_again() -> None:
    """Keywords alone may miss what is offered a moment later; from then on nothing is asked twice."""
    assert QUOTE in QUOTED.text
    assistant = ScriptedAssistant(ARTICLE)
    starters = Starters(assistant, [STARTER])
    assistant._loaded.clear()
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == ()
    assistant._loaded.set()
    assistant.script[STARTER.question] = [QUOTED]
    assert asyncio.run(starters.of(None)) == (STARTER,)
    assistant.script[STARTER.question] = [DECLINED]
    assert asyncio.run(starters.of(None)) == (STARTER,)
