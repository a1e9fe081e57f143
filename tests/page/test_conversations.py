"""What is kept of conversations: by whom they are found, for how long, and who cannot drive them out."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parts import told
from served import ARTICLE, DECLINED, OPEN, OTHER_CITATION, QUOTED, WRITTEN, ScriptedAssistant, running
from visitors import ANSWERED, reader

from assistant.web.chat import gradio_parts
from assistant.web.chat.conversations import KEPT_SECONDS, Conversations, Kept
from assistant.web.chat.exchanges import AS_ABOVE, Conversation, Exchange, messages
from assistant.web.shared_stream import SharedStream

STRANGERS = 40
"""More than Gradio remembers, in the test; 1,200 is what was tried by hand."""


def kept_in(store: Conversations[int], address: str = "a", before: str = "") -> str:
    """Keep a conversation with a question, and return its token."""
    kept: Kept[int] = Kept(Conversation((Exchange(1, "How?"),)), address, before)
    store.keep(kept)
    return kept.token


def test_a_token_is_not_guessed() -> None:
    """Tokens are of 128 random bits and never the same; what is no token finds nothing, whatever its length."""
    store: Conversations[int] = Conversations()
    tokens = {kept_in(store) for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {22}
    token = min(tokens)
    for other in ("", token[:-1], f"{token}x", token.swapcase(), "x" * 60_000, "\x00", "../../etc/passwd"):
        assert store.find(other) is None


def test_a_conversation_is_found_for_an_hour() -> None:
    """It is there until an hour after its question, and then takes no memory any more."""
    clock = Mock(return_value=1000.0)
    store: Conversations[int] = Conversations(clock)
    token = kept_in(store)
    clock.return_value += KEPT_SECONDS - 1
    assert store.find(token)
    later = kept_in(store)
    clock.return_value += 1
    assert store.find(token) is None
    assert store.find(later)
    assert len(store) == 1


def test_who_goes_on_from_a_conversation_leaves_it_as_it_was() -> None:
    """Two tabs with one token go on each by itself; what is cleared in one is forgotten with all that led to it."""
    store: Conversations[int] = Conversations()
    first = kept_in(store)
    one_tab, other_tab = kept_in(store, before=first), kept_in(store, before=first)
    assert len({first, one_tab, other_tab}) == 3
    store.forget(one_tab)
    assert store.find(one_tab) is None
    assert store.find(first) is None
    assert store.find(other_tab)


@given(st.lists(st.sampled_from("abcdef"), max_size=60), st.integers(1, 8))
def test_nobody_drives_out_the_conversations_of_others(asking: list[str], most: int) -> None:
    """Whoever has the most gives up the oldest; so each keeps the newest of its own, up to an equal share."""
    store: Conversations[int] = Conversations(most=most)
    tokens: dict[str, list[str]] = {}
    for address in asking:
        tokens.setdefault(address, []).append(kept_in(store, address))
        assert len(store) <= most
    share = most // max(1, len(tokens))
    for mine in tokens.values():
        found = [store.find(token) is not None for token in mine]
        assert found == sorted(found), "the oldest go first"
        assert sum(found) >= min(len(mine), share)


def test_among_equals_the_oldest_goes_first() -> None:
    """Where no address has more than another, what was said longest ago makes room, and not who came first."""
    store: Conversations[int] = Conversations(most=4)
    tokens = {address: kept_in(store, address) for address in "abc"}
    store.drop(tokens["a"])
    tokens["a"] = kept_in(store, "a")
    tokens |= {address: kept_in(store, address) for address in "de"}
    assert [address for address, token in tokens.items() if store.find(token)] == ["a", "c", "d", "e"]


# In front of a real server


def test_strangers_who_open_the_page_cost_nobody_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages are opened, also in the middle of an answer, each reader goes on where they were."""
    monkeypatch.setattr(gradio_parts, "_TABS", STRANGERS // 4)
    assistant = ScriptedAssistant(ARTICLE)
    go_on = threading.Event()
    assistant.script |= {"First?": [WRITTEN], "Third?": [WRITTEN]}
    assistant.script["Second?"] = [replace(QUOTED, final=False), go_on, WRITTEN]

    async def visit(address: str) -> list[str]:
        async with reader(address) as me, reader(address) as strangers:
            outcomes = [(await me.ask("mine", "First?")).outcome]
            in_the_middle = asyncio.create_task(me.ask("mine", "Second?"))
            while "Second?" not in assistant.histories:  # noqa: ASYNC110 - a thread of the server's
                await asyncio.sleep(0.02)
            for number in range(STRANGERS):
                await strangers.greet(f"stranger{number}")
            go_on.set()
            return [*outcomes, (await in_the_middle).outcome, (await me.ask("mine", "Third?")).outcome]

    with running(assistant) as address:
        assert asyncio.run(visit(address)) == [ANSWERED] * 3
    assert [turn.question for turn in assistant.histories["Third?"]] == ["First?", "Second?"]


def test_the_same_quotation_once_more_says_so() -> None:
    """Where the answer before is made of the same words, a reader is told; not where it is another, or written."""
    for before, answer, is_told in (
        (QUOTED, QUOTED, True),
        (
            replace(QUOTED, parts=told(f"{OTHER_CITATION.quote} [{OTHER_CITATION.number}]", (OTHER_CITATION,))),
            QUOTED,
            False,
        ),
        (WRITTEN, QUOTED, False),
        (QUOTED, WRITTEN, False),
        (DECLINED, DECLINED, False),
    ):
        talk = Conversation((Exchange(1, "How?", answer=before), Exchange(2, "By how much?", answer=answer)))
        shown = [message["content"] for message in messages(talk)]
        assert [AS_ABOVE in html for html in shown] == [False, False, False, is_told]


def test_a_refused_question_takes_no_place() -> None:
    """What was not taken up leaves the conversation under the token that it had."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script |= {"First?": [WRITTEN], "Second?": [WRITTEN]}

    async def visit(limited: str) -> tuple[str, str]:
        async with reader(limited) as me:
            await me.ask("mine", "First?")
            before = me.tokens["mine"]
            await me.ask("mine", "Second?")
            return before, me.tokens["mine"]

    with running(assistant, replace(OPEN, unlimited=(), questions_per_minute=1)) as limited:
        before, after = asyncio.run(visit(limited))
    assert before == after
    assert "Second?" not in assistant.histories


@pytest.mark.parametrize("token", ["", "x", "A" * 22, "A" * 30_000, "ä" * 22])
def test_a_made_up_token_opens_nothing(address: str, assistant: ScriptedAssistant, token: str) -> None:
    """A question under a token that nobody was given is answered, without any history."""
    assistant.script |= {"Mine?": [WRITTEN], "Made up?": [WRITTEN]}

    async def visit() -> str:
        async with reader(address) as stranger:
            await stranger.ask("mine", "Mine?")
            stranger.tokens["stranger"] = token
            return (await stranger.ask("stranger", "Made up?")).outcome

    assert asyncio.run(visit()) == ANSWERED
    assert assistant.histories["Made up?"] == []


# One stream for several pages


async def numbers(go_on: asyncio.Event, ended: list[str]) -> AsyncGenerator[int]:
    """Yield 1, 2 and, when told to go on, 4."""
    try:
        yield 1
        yield 2
        await go_on.wait()
        yield 4
    finally:
        ended.append("ended")


def added(so_far: int | None, event: int) -> int:
    """Return the sum."""
    return (so_far or 0) + event


def test_who_comes_late_is_told_what_there_was() -> None:
    """A page that was loaded again gets all that there was in one, and then what comes, although the first has left."""

    async def visit() -> tuple[list[int], list[int], list[str]]:
        go_on, ended = asyncio.Event(), list[str]()
        stream = SharedStream(numbers(go_on, ended), added, patience=60)
        first = stream.follow()
        early = [await anext(first), await anext(first)]
        await first.aclose()
        second = stream.follow()
        late = [await anext(second)]
        assert stream.followers == 1
        go_on.set()
        return early, late + [event async for event in second], ended

    assert asyncio.run(visit()) == ([1, 2], [3, 4], ["ended"])


@pytest.mark.parametrize(("patience", "ends"), [(60.0, False), (0.05, True)])
def test_a_stream_without_a_follower_ends_when_patience_does(*, patience: float, ends: bool) -> None:
    """Whoever comes back in time keeps it going, and it ends when the last one has been away for so long."""

    async def visit() -> list[str]:
        ended: list[str] = []
        is_over = asyncio.Event()
        stream = SharedStream(numbers(asyncio.Event(), ended), added, lambda gathered: is_over.set(), patience=patience)
        for _ in range(1 if ends else 3):
            follower = stream.follow()
            await anext(follower)
            await follower.aclose()
        if ends:
            await asyncio.wait_for(is_over.wait(), 30)
        await asyncio.sleep(0)
        return list(ended)

    assert asyncio.run(visit()) == ["ended"] * ends
