"""The chat in a real browser, in front of an assistant that says what it was told to."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from browser import (
    DESKTOP,
    PHONE,
    answers,
    ask,
    at_rest,
    chatting,
    finish,
    needs_chromium,
    press_in_menu,
    question_box,
    send,
    status,
    visiting,
    wait_for_greeting,
)
from parts import told
from playwright.sync_api import APIResponse, Browser, Locator, Page, Route, expect
from served import (
    ARTICLE,
    BOTH,
    CITATION,
    DECLINED,
    FERRY,
    OPEN,
    OTHER_CITATION,
    OTHER_QUOTE,
    QUOTE,
    QUOTED,
    TOO_LONG,
    WRITTEN,
    ScriptedAssistant,
    running,
)

from assistant.answering.steps import Steps
from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.articles.reading import Corpus
from assistant.rendering import CLOSEST_WORDS, LABELS, MORE, READING
from assistant.settings import Settings
from assistant.types import Answer, Citation, Outcome, Part, Turn
from assistant.web.chat.exchanges import ALSO_ANSWERED, ANSWERED_HERE, EVERYWHERE, STOPPED
from assistant.web.chat.page import CLEARED, EDITING, ELSE, KEPT, STARTING
from assistant.web.chat.starters import Starter, Starters
from assistant.web.service import AT_ONCE_LOCAL, THANKS
from assistant.web.storage.feedback import question_lines

pytestmark = needs_chromium


JOIN, EVENTS = "/gradio_api/queue/join", "/gradio_api/queue/data"
STARTERS = ("By how much has crime fallen?", "For how long did it fall?", "What is large?", "What is not answered?")
OF_FERRY = "When does the ferry leave?"
EVIDENCE = ("nearly 18 percent", OTHER_QUOTE, "The city is large.", "A caption.")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings with starter questions, and a place for reports."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = [{"question": q, "article": ARTICLE.id, "evidence": e} for q, e in zip(STARTERS, EVIDENCE, strict=True)]
    lines.append({"question": OF_FERRY, "article": FERRY.id, "evidence": "leaves at nine"})
    (folder / "starters.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return replace(OPEN, articles=folder / "articles", data=folder / "data", feedback=folder / "feedback.sqlite3")


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return the assistant behind the server; it finds the evidence of all starter questions but the last."""
    assistant = ScriptedAssistant(ARTICLE)
    large = Citation(1, ARTICLE, 0, len("The city is large."))
    for question, citation in zip(STARTERS, (CITATION, replace(OTHER_CITATION, number=1), large, large), strict=True):
        assistant.script[question] = [Answer("", Outcome.QUOTED, told(f"{citation.quote} [1]", (citation,)))]
    return assistant


# Asking and answering


def test_a_reader_learns_at_once_what_it_is(page: Page) -> None:
    """What can be asked about, that an AI answers and may err, what is stored; and the article stands beside it."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Article assistant")
    expect(page.locator("#introduction .lead")).to_have_text(f"Ask about “{ARTICLE.title}”")
    expect(page.locator("#note")).to_contain_text("Answers are made by AI and can be wrong")
    expect(page.locator("#note")).to_contain_text("Nothing you ask is stored")
    assert page.locator("#conversation").inner_text().count("wrong") == 1
    expect(page.locator("#status")).to_have_role("status")
    status(page, re.compile("still loading"))
    expect(page.get_by_role("region", name="Article")).to_contain_text("nearly 18 percent")


def test_evidence_is_replaced_by_the_answer(page: Page, assistant: ScriptedAssistant) -> None:
    """The first words are marked as unfinished, and the final answer takes their place and says what it is."""
    go_on = threading.Event()
    assistant.script["How much?"] = [replace(QUOTED, final=False), go_on, WRITTEN]
    send(page, "How much?")
    expect(answers(page)).to_contain_text(READING)
    expect(answers(page)).to_contain_text(QUOTE)
    expect(page.locator("#reading mark.current")).to_have_text(QUOTE)
    expect(page.locator("#progress")).to_have_text(re.compile(r"\b[1-9]\d* s\b"))
    go_on.set()
    expect(answers(page)).to_contain_text(LABELS[Outcome.WRITTEN])
    expect(answers(page)).to_contain_text("It fell by nearly 18 percent.")
    expect(answers(page)).not_to_contain_text(READING)
    status(page, "The answer is complete, with 1 quotation.")
    expect(page.locator("#progress p")).to_have_count(0)
    expect(page.get_by_test_id("user")).to_contain_text("You asked: How much?")
    # As Gradio has it, the label is the source of the message, which a screen reader would read out.
    expect(page.locator("[data-testid=bot][aria-label], [data-testid=user][aria-label]")).to_have_count(0)
    expect(question_box(page)).to_have_value("")


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_jumps_when_the_answer_takes_the_place_of_the_quotation(
    browser: Browser, address: str, assistant: ScriptedAssistant, options: dict[str, Any]
) -> None:
    """What stays on the screen stays where it is, although the quotation has more lines than the answer."""
    go_on = threading.Event()
    whole = Citation(1, ARTICLE, ARTICLE.text.index("A caption."), OTHER_CITATION.end)
    first = Answer("", Outcome.QUOTED, told(f"{whole.quote} [1]", (whole,)), final=False)
    question = f"Replaced at {options['viewport']['width']}?"  # Asked before, it would be answered at once.
    assistant.script |= {"Before?": [WRITTEN], question: [first, go_on, WRITTEN]}
    with chatting(browser, address, **options) as page:
        ask(page, "Before?")
        send(page, question)
        expect(page.locator(".unfinished")).to_contain_text(QUOTE)
        at_rest(page)
        place = page.locator(".unfinished .words").bounding_box()
        assert place is not None
        page.evaluate(
            """() => {
                window.shifts = [];
                new PerformanceObserver(list => shifts.push(...list.getEntries().map(each => each.value)))
                    .observe({ type: "layout-shift" });
            }"""
        )
        go_on.set()
        finish(page, 2)
        at_rest(page)
        assert sum(page.evaluate("shifts")) < 0.01
        now = answers(page).last.locator(".words").bounding_box()
        assert now is not None
        assert now["y"] == pytest.approx(place["y"], abs=1)


def test_whoever_waits_sees_how_many_are_before_them(page: Page, assistant: ScriptedAssistant, address: str) -> None:
    """The page says the place in the line and the time, and the evidence is there already."""
    go_on = threading.Event()
    names = [f"Before {number}?" for number in range(AT_ONCE_LOCAL)]
    for name in [*names, "Behind?"]:
        assistant.script[name] = [replace(QUOTED, final=False), go_on, WRITTEN]
    with ExitStack() as stack:
        for name in names:
            stream = {"accept": "text/event-stream"}
            body = {"question": name}
            stack.enter_context(httpx.stream("POST", f"{address}/api/ask", json=body, headers=stream, timeout=60))
        send(page, "Behind?")
        status(page, re.compile("^Waiting: 1 question to be answered before yours"))
        expect(page.locator("#progress")).to_have_text(re.compile(r"\d s"))
        expect(answers(page)).to_contain_text(QUOTE)
        go_on.set()
        finish(page)


@pytest.mark.parametrize(
    ("told", "meanwhile", "at_last"),
    [
        ([replace(QUOTED, final=False), WRITTEN], STARTING, "The answer is complete, with 1 quotation."),
        ([TOO_LONG], re.compile("Please keep it shorter"), re.compile("Please keep it shorter")),
    ],
    ids=["answered", "refused"],
)
def test_whoever_asks_at_once_is_not_greeted_any_more(  # noqa: PLR0913, PLR0917 - the case in three
    told: list[Any],
    meanwhile: str | re.Pattern[str],
    at_last: str | re.Pattern[str],
    browser: Browser,
    address: str,
    assistant: ScriptedAssistant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Questions to begin with that were still being checked are not seen under the answer, and no word is lost."""
    checked = threading.Event()
    check = Starters.of

    async def slowly(starters: Starters, article: str | None) -> tuple[Starter, ...]:
        await asyncio.to_thread(checked.wait, 60)
        return await check(starters, article)

    monkeypatch.setattr(Starters, "of", slowly)
    question = f"At once, with {len(told)}?"
    # What is written waits, so that the page is seen reading.
    assistant.script[question] = [*told[:-1], checked, told[-1]] if len(told) > 1 else told
    with visiting(browser, address) as page:
        send(page, question)
        status(page, meanwhile)
        checked.set()
        status(page, at_last)
        at_rest(page)
        status(page, at_last)
        assert page.locator("#starters").is_visible() == (told == [TOO_LONG])


def test_a_refusal_cites_nothing_however_late_the_article_comes(page: Page, assistant: ScriptedAssistant) -> None:
    """What was quoted at first is not marked any more; the closest words are labelled, and questions are offered."""
    go_on = threading.Event()
    marked = re.compile(r"[?&]also=")
    late: list[Route] = []
    page.route(marked, lambda route: late.append(route))  # noqa: PLW0108 - Playwright needs a function of Python
    assistant.script["Who is late?"] = [replace(QUOTED, final=False), go_on, DECLINED]
    with page.expect_request(marked):
        send(page, "Who is late?")
    go_on.set()
    finish(page)
    expect(answers(page).locator(".headline")).to_have_text(LABELS[Outcome.DECLINED])
    with page.expect_event("requestfinished", lambda request: bool(marked.search(request.url))):
        late[0].continue_()
    at_rest(page)
    expect(page.locator("#reading mark")).to_have_count(0)
    expect(answers(page)).to_contain_text(CLOSEST_WORDS)
    expect(answers(page).locator(".words, b")).to_have_count(0)
    expect(answers(page).locator(".suggestions")).to_contain_text(ANSWERED_HERE)
    expect(answers(page).locator("button.suggestion")).to_have_count(3)


def test_only_questions_that_were_checked_are_offered(page: Page) -> None:
    """At the beginning, and after an answer: those whose evidence is found, with those first that stand near."""
    offered = page.locator("#starters button.suggestion")
    expect(offered).to_have_text(list(STARTERS[:3]))
    offered.nth(0).click()
    finish(page)
    expect(page.get_by_test_id("user")).to_contain_text(STARTERS[0])
    expect(page.locator("#starters")).to_be_hidden()
    expect(answers(page).locator(".suggestions")).to_contain_text(ALSO_ANSWERED)
    follow_ups = answers(page).locator("button.suggestion")
    expect(follow_ups).to_have_text([STARTERS[2], STARTERS[1]])
    follow_ups.nth(1).click()
    finish(page, 2)
    expect(answers(page).nth(1)).to_contain_text(OTHER_QUOTE)


def test_the_box_counts_near_its_end_and_sends_once(page: Page, assistant: ScriptedAssistant) -> None:
    """Nothing is counted before the last hundred; a longer question is sent, refused in words, and stays in the box.

    A question may have several lines, begun with Shift and Enter; pressing Enter twice asks once.
    """
    counter = page.locator("#counter")
    question_box(page).fill("x" * (MAX_QUESTION_CHARACTERS - 101))
    expect(counter).to_have_text("")
    question_box(page).fill("x" * (MAX_QUESTION_CHARACTERS - 50))
    expect(counter).to_have_text("50 characters left.")
    question = "x" * (MAX_QUESTION_CHARACTERS + 1)
    assistant.script |= {question: [TOO_LONG], "One\ntwo?": [WRITTEN]}
    send(page, question)
    status(page, re.compile("Please keep it shorter"))
    expect(question_box(page)).to_have_value(question)
    expect(counter).to_have_text("1 character too many.")
    expect(answers(page)).to_have_count(0)
    question_box(page).fill("")
    question_box(page).press_sequentially("One")
    question_box(page).press("Shift+Enter")
    question_box(page).press_sequentially("two?")
    question_box(page).press("Enter")
    question_box(page).press("Enter")
    finish(page)
    expect(page.get_by_test_id("user")).to_have_count(1)


# The article beside it


def test_a_citation_shows_its_quotation_and_leads_to_the_exact_words_and_back(
    page: Page, assistant: ScriptedAssistant
) -> None:
    """The quotation appears where the pointer or the focus is, unless it is open anyway; Escape puts it away.

    A click marks the quoted words, the current ones most, and moves the focus there; a button leads back.
    """
    assistant.script["Where does it say so?"] = [BOTH]
    ask(page, "Where does it say so?")
    preview, cites = page.get_by_role("tooltip", include_hidden=True), answers(page).locator(".words a.cite")
    expect(preview).to_be_hidden()
    cites.nth(1).hover()
    expect(preview).to_have_text(f"“{OTHER_QUOTE}”")
    expect(cites.nth(1)).to_have_attribute("aria-describedby", "preview")
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    cites.nth(0).focus()
    expect(preview).to_be_hidden()
    cites.nth(1).focus()
    expect(preview).to_be_visible()
    cites.nth(1).click()
    expect(page.locator("#reading mark")).to_have_text([QUOTE, OTHER_QUOTE])
    expect(page.locator("#reading mark.current")).to_have_text(OTHER_QUOTE)
    expect(page.locator("#reading mark.current")).to_be_focused()
    expect(page.locator("#reading mark.current")).to_be_in_viewport()
    assert page.url.count("#") == 0, "the address stays that of the chat"
    page.get_by_role("button", name="Back to the answer").click()
    expect(cites.nth(1)).to_be_focused()
    answers(page).get_by_role("link", name="Show in the article").nth(0).click()
    expect(page.locator("#reading mark.current")).to_have_text(QUOTE)
    page.keyboard.press("Escape")
    expect(answers(page).get_by_role("link", name="Show in the article").nth(0)).to_be_focused()


def test_the_words_that_answer_light_up_and_neither_context_nor_folded_words_outshine_them(
    page: Page, assistant: ScriptedAssistant
) -> None:
    """Beside a new answer its sentence is the current mark, its context another; what is folded waits for a click."""
    context = Part(OTHER_QUOTE, (replace(OTHER_CITATION, number=1),), is_verbatim=True, is_context=True)
    first = Part(QUOTE, (replace(CITATION, number=2),), is_verbatim=True)
    start = ARTICLE.text.index("A caption.")
    folded = Citation(3, ARTICLE, start, start + len("A caption."))
    assistant.script["Who is he?"] = [replace(QUOTED, parts=(context, first), more=(folded,))]
    ask(page, "Who is he?")
    expect(page.locator("#reading mark")).to_have_text([QUOTE, OTHER_QUOTE])
    expect(page.locator("#reading mark.current")).to_have_text(QUOTE)
    answers(page).locator(".context a.cite").click()
    expect(page.locator("#reading mark.current")).to_have_text(OTHER_QUOTE)
    page.keyboard.press("Escape")
    answers(page).get_by_text(MORE).click()
    answers(page).locator("details a.cite").click()
    expect(page.locator("#reading mark.current")).to_have_text("A caption.")
    expect(page.locator("#reading mark")).to_have_count(3)


@pytest.mark.parametrize("options", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_citation_of_an_older_version_leads_to_the_article(browser: Browser, options: dict[str, Any]) -> None:
    """Where the quoted words are not marked any more, view and focus go to the article, which says so."""
    assistant = ScriptedAssistant(ARTICLE)
    assistant.script["First?"] = [WRITTEN]
    with running(assistant) as address, chatting(browser, address, **options) as page:
        ask(page, "First?")
        changed = replace(ARTICLE, text=f"It is new. {ARTICLE.text}")
        assistant.steps = cast("Steps", SimpleNamespace(corpus=Corpus((changed,))))
        answers(page).locator(".words a.cite").first.click()
        expect(page.locator("#reading")).to_be_focused()
        expect(page.locator("#reading mark")).to_have_count(0)
        expect(page.locator("#reading").get_by_text("has changed since")).to_be_in_viewport()


def test_the_chat_works_without_its_own_script(browser: Browser, address: str, assistant: ScriptedAssistant) -> None:
    """Where our script did not load, a question is answered, and a citation is a plain link to the marked words."""
    assistant.script["Without?"] = [WRITTEN]
    with visiting(browser, f"{address}/about", may_fail=True) as page:
        page.route("**/site/chat.js", lambda route: route.abort())
        page.goto(address)
        wait_for_greeting(page)
        ask(page, "Without?")
        # Gradio has links open in a new tab.
        with page.expect_popup() as opened:
            answers(page).locator(".words a.cite").click()
        expect(opened.value.locator("mark")).to_have_text(QUOTE)


@pytest.fixture(scope="module")
def two_articles(settings: Settings) -> Iterator[tuple[str, ScriptedAssistant]]:
    """Serve two articles and return the address."""
    assistant = ScriptedAssistant(ARTICLE, FERRY)
    ferry = Citation(1, FERRY, 0, len("The ferry leaves at nine."))
    assistant.script[OF_FERRY] = [Answer("", Outcome.QUOTED, told("The ferry leaves at nine. [1]", (ferry,)))]
    with running(assistant, settings) as address:
        yield address, assistant


def choose(page: Page, title: str) -> None:
    """Choose an article as with the keyboard."""
    page.get_by_label("Answer from").fill(title)
    page.get_by_label("Answer from").press("Enter")


def test_of_two_choices_the_later_one_is_shown(browser: Browser, two_articles: tuple[str, ScriptedAssistant]) -> None:
    """Also where it is made before the first one is answered; its questions are offered, and answered from it alone."""
    confirmed: list[tuple[Route, APIResponse]] = []
    with chatting(browser, two_articles[0]) as page:
        page.route(f"**{JOIN}*", lambda route: confirmed.append((route, route.fetch())), times=1)
        with page.expect_request(f"**{JOIN}*"):
            choose(page, "story")
        choose(page, "ferry")
        confirmed[0][0].fulfill(response=confirmed[0][1])
        expect(page.locator("#article h2")).to_have_text("A ferry")
        expect(page.locator("#starters button.suggestion")).to_have_text([OF_FERRY])
        page.locator("#starters button.suggestion").click()
        finish(page)
        assert two_articles[1].articles[OF_FERRY] == FERRY.id


def test_an_article_of_the_list_opens_beside_the_conversation(
    browser: Browser, two_articles: tuple[str, ScriptedAssistant]
) -> None:
    """It takes the place of the list, a link brings the list back, and the page stays; so it is with the keyboard.

    It is not put away by a look at the choices either.
    """
    address, assistant = two_articles
    assistant.script["Nothing?"] = [replace(DECLINED, closest=())]
    with chatting(browser, address) as page:
        here = page.url
        back = page.locator("#reading").get_by_role("link", name="All articles")
        expect(back).to_be_hidden()
        for go in (Locator.click, lambda link: link.press("Enter")):
            go(page.locator("#article li a", has_text="A ferry"))
            expect(page.locator("#article h2")).to_have_text("A ferry")
            expect(page.locator("#article")).to_contain_text("The ferry leaves at nine.")
            expect(page.get_by_role("region", name="Article")).to_be_focused()
            go(back)
            expect(page.locator("#article h2")).to_have_text("The articles")
            expect(page.locator("#article li")).to_have_count(2)
            expect(page.get_by_role("region", name="Article")).to_be_focused()
        assert page.url == here
        assert len(page.context.pages) == 1
        page.locator("#article li a", has_text="A ferry").click()
        expect(page.locator("#article h2")).to_have_text("A ferry")
        page.get_by_label("Answer from").focus()
        with page.expect_response(f"**{JOIN}*"):
            page.keyboard.press("Tab")
        ask(page, "Nothing?")  # What was called before it is answered by then.
        expect(page.locator("#article h2")).to_have_text("A ferry")


def test_what_one_article_does_not_answer_can_be_asked_of_all(
    browser: Browser, two_articles: tuple[str, ScriptedAssistant]
) -> None:
    """It is said which article alone was searched, and the page begins with its title; one tap asks all of them."""
    address, assistant = two_articles
    only = "Only this article was searched: A ferry, 27 March 2025."
    assistant.script["How much did it fall?"] = [DECLINED]
    with chatting(browser, f"{address}/?article={FERRY.id}") as page:
        expect(page.locator("#introduction")).to_contain_text("Ask about “A ferry”")
        ask(page, "How much did it fall?")
        assert assistant.articles.get("How much did it fall?") == FERRY.id
        expect(answers(page)).to_contain_text(only)
        status(page, ELSE)
        assistant.script["How much did it fall?"] = [WRITTEN]
        everywhere = page.get_by_role("button", name=EVERYWHERE)
        everywhere.click()
        finish(page, 2)
        assert not assistant.articles["How much did it fall?"]
        expect(answers(page).nth(1)).to_contain_text("It fell by nearly 18 percent.")
        expect(answers(page).nth(1)).not_to_contain_text("searched")
        expect(everywhere).to_have_count(0)
        expect(page.get_by_label("Answer from")).to_have_value("All articles")
        page.reload()
        expect(answers(page).nth(0)).to_contain_text(only)


# Manners of a conversation


def test_the_history_is_what_was_said_and_its_last_question_can_be_changed(
    page: Page, assistant: ScriptedAssistant
) -> None:
    """A follow-up comes with the earlier exchanges, without markers, until the reader clears the conversation.

    Where a question is changed, its answer is replaced and what was said of the old one is forgotten; or all stays.
    """
    assistant.script |= {"First?": [WRITTEN], "Wrong?": [DECLINED], "Right?": [WRITTEN], "Three?": [WRITTEN]}
    ask(page, "First?", "Wrong?")
    page.get_by_role("button", name="Edit the question").click()
    status(page, EDITING)
    expect(question_box(page)).to_have_value("Wrong?")
    expect(question_box(page)).to_be_focused()
    page.get_by_role("button", name="Keep the answer").click()
    status(page, KEPT)
    expect(question_box(page)).to_have_value("")
    page.get_by_role("button", name="Edit the question").click()
    expect(question_box(page)).to_have_value("Wrong?")
    send(page, "Right?")
    expect(page.get_by_test_id("user")).to_contain_text(["First?", "Right?"])
    finish(page, 2)
    assert assistant.histories["Right?"] == [Turn("First?", "It fell by nearly 18 percent.", ARTICLE.id)]
    press_in_menu(page, "Clear")
    status(page, re.compile(CLEARED))
    expect(answers(page)).to_have_count(0)
    expect(page.locator("#starters button.suggestion")).to_have_count(3)
    ask(page, "Three?")
    assert assistant.histories["Three?"] == []


def test_a_failure_leaves_the_box_usable_and_can_be_tried_again(page: Page, assistant: ScriptedAssistant) -> None:
    """What happened is said without its details, with a reference; the same question can be asked once more."""
    assistant.script["Break?"] = [replace(QUOTED, final=False), RuntimeError("secret detail")]
    send(page, "Break?")
    expect(answers(page)).to_contain_text(re.compile(r"Something went wrong .*\(Reference: [0-9a-f]{16}\)"))
    status(page, re.compile("Something went wrong"))
    assert "secret detail" not in page.content()
    assistant.script |= {"Break?": [WRITTEN], "And now?": [WRITTEN]}
    page.get_by_role("button", name="Try again").click()
    finish(page)
    expect(answers(page)).to_contain_text("It fell by nearly 18 percent.")
    ask(page, "And now?")
    assert [turn.question for turn in assistant.histories["And now?"]] == ["Break?"]


def test_stopping_ends_the_work(page: Page, assistant: ScriptedAssistant) -> None:
    """The model stops, the reader is told that there is no complete answer, and the next question is answered."""
    assistant.script |= {"Endless?": [threading.Event()], "After?": [WRITTEN]}
    send(page, "Endless?")
    expect(answers(page)).to_contain_text(QUOTE)
    page.get_by_role("button", name="Stop").click()
    status(page, STOPPED)
    ends(assistant, "Endless?")
    expect(answers(page)).to_contain_text(STOPPED)
    expect(answers(page)).to_contain_text(CLOSEST_WORDS)
    ask(page, "After?")
    assert assistant.histories["After?"] == []


def test_what_is_confirmed_late_breaks_nothing(page: Page, assistant: ScriptedAssistant) -> None:
    """Where the page reads what came of a call, and of the end, before it reads that the call was taken."""
    assistant.script |= {"Stopped?": [threading.Event()], "Next?": [WRITTEN]}
    confirmed: list[tuple[Route, APIResponse]] = []
    send(page, "Stopped?")
    expect(answers(page)).to_contain_text(QUOTE)
    page.route(f"**{JOIN}*", lambda route: confirmed.append((route, route.fetch())), times=1)
    with page.expect_event("requestfailed", lambda request: EVENTS in request.url):
        page.get_by_role("button", name="Stop").click()
        status(page, STOPPED)
    with page.expect_response(f"**{EVENTS}*") as in_vain:
        confirmed[0][0].fulfill(response=confirmed[0][1])
    assert in_vain.value.status == 200
    send(page, "Next?")
    finish(page, 2)
    expect(page.get_by_test_id("toast-text")).to_have_count(0)


def ends(assistant: ScriptedAssistant, question: str) -> None:
    """Wait for the end of the work on a question; 2 seconds is what it may take where the machine is not busy."""
    deadline = time.monotonic() + 10
    while question not in assistant.ended and time.monotonic() < deadline:
        time.sleep(0.05)
    assert question in assistant.ended


# Taking an answer along, and saying what one thinks of it


def test_an_answer_is_copied_with_its_citations_and_what_it_is(
    browser: Browser, address: str, assistant: ScriptedAssistant
) -> None:
    """The copy holds question, answer, quotations, their addresses, and that an AI made it; the link asks again."""
    assistant.script["Copy & paste <this>?"] = [BOTH]
    with chatting(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        ask(page, "Copy & paste <this>?")
        answers(page).get_by_role("button", name=re.compile("^Copy ?,")).click()
        status(page, "The answer is copied, with its quotations.")
        copied = page.evaluate("navigator.clipboard.readText()")
        words = "It fell by nearly 18 percent. [1] For years. [2]"
        assert copied.startswith(f"Copy & paste <this>?\n\n{words}\n\n{LABELS[Outcome.WRITTEN]}")
        start, end = CITATION.start, CITATION.end
        assert f"[1] “{QUOTE}”\n" in copied
        assert f"{address}/article/a-story?version={ARTICLE.version}&start={start}&end={end}#quote" in copied
        assert "Answers are made by AI and can be wrong" in copied
        answers(page).get_by_role("button", name=re.compile("^Link")).click()
        status(page, "The link is copied. It asks the same question again.")
        link = page.evaluate("navigator.clipboard.readText()")
        assert urlsplit(link).query.startswith("q=Copy")
    with chatting(browser, link) as page:
        finish(page)
        expect(page.get_by_test_id("user")).to_contain_text("Copy & paste <this>?")


VOICES = """
    window.said = [];
    window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
    Object.defineProperty(window, "speechSynthesis", { value: {
        getVoices: () => [{ lang: "en", localService: false }, LOCAL],
        speak: ({ text, voice }) => said.push([text, voice.name]), cancel: () => said.push("stopped"),
    } });
"""
"""Chromium's own need a program that reads aloud on the machine."""


@pytest.mark.parametrize("has_voice", [True, False])
def test_an_answer_is_read_aloud(browser: Browser, address: str, assistant: ScriptedAssistant, has_voice: bool) -> None:  # noqa: FBT001
    """Without its markers, by a voice of the device, until the button is pressed again; without one there is none."""
    assistant.script |= {"Aloud?": [BOTH], "Aloud too?": [DECLINED]}
    with visiting(browser, f"{address}/about") as page:
        page.add_init_script(VOICES.replace("LOCAL", '{ lang: "en", localService: true, name: "Own" }' * has_voice))
        page.goto(address)
        wait_for_greeting(page)
        ask(page, "Aloud?", "Aloud too?")
        buttons = answers(page).locator("button[name=listen]")
        answers(page).nth(1).locator(".menu summary").click()
        expect(buttons.nth(1)).to_be_hidden()  # There is nothing to read of a refusal.
        expect(answers(page).nth(0).locator(".menu")).to_be_visible(visible=has_voice)
        if has_voice:
            press_in_menu(page, "Listen", 0)
            expect(buttons.nth(0)).to_have_attribute("aria-pressed", "true")
            words, named = page.evaluate("said.at(-1)")
            assert (words.split(), named) == ("It fell by nearly 18 percent. For years.".split(), "Own")
            press_in_menu(page, "Listen", 0)
            expect(buttons.nth(0)).not_to_have_attribute("aria-pressed", "true")
            assert page.evaluate("said.at(-1)") == "stopped"


def test_a_conversation_is_saved_as_markdown(page: Page, assistant: ScriptedAssistant) -> None:
    """The file has every exchange, with what lies folded, and what a stranger wrote is no markup in it."""
    quoted = replace(QUOTED, more=(OTHER_CITATION,))
    assistant.script |= {"*Bold* <b>?": [quoted], "Refused?": [DECLINED]}
    ask(page, "*Bold* <b>?", "Refused?")
    with page.expect_download() as download:
        press_in_menu(page, "Save as Markdown")
    assert download.value.suggested_filename == "answers.md"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert "## \\*Bold\\* \\<b\\>?" in text
    assert f"{QUOTE} \\[1\\]" in text
    assert f"> \\[2\\] {OTHER_QUOTE}" in text
    assert text.index("## Refused?") < text.index(LABELS[Outcome.DECLINED])
    assert "made by AI and can be wrong" in text


def test_a_reader_can_report_an_answer(page: Page, assistant: ScriptedAssistant, settings: Settings) -> None:
    """The exchange as the server has it is kept with the reasons that fit it, and nothing of what was not sent.

    The form goes to the answer whose button is pressed, and the focus into the form.
    """
    assistant.script |= {"Before the report?": [WRITTEN], "Reported?": [WRITTEN], "Declined?": [DECLINED]}
    ask(page, "Before the report?", "Reported?", "Declined?")
    answers(page).nth(1).get_by_role("button", name=re.compile("^Not helpful")).click()
    report = page.locator("#report")
    expect(report).to_contain_text("Reported?")
    expect(report).to_be_in_viewport()
    report.get_by_label("It is wrong").check()
    report.get_by_label("The quotation does not support it").check()
    report.get_by_label("Anything else").fill("=1+1\nIt was 15.")
    report.get_by_label("Send the questions and answers before it along").check()
    report.get_by_role("button", name="Send the report").click()
    status(page, THANKS)
    expect(report).to_be_hidden()
    answers(page).nth(0).get_by_role("button", name=re.compile("^Helpful")).click()
    expect(report).to_contain_text("Before the report?")
    expect(report.get_by_label("It is wrong")).to_have_count(0)
    answers(page).nth(2).get_by_role("button", name=re.compile("^Not helpful")).click()
    expect(report).to_contain_text("Declined?")
    expect(report.get_by_label("Not helpful")).to_be_focused()
    report.get_by_label("The article does answer this").check()
    expect(report.get_by_label("It is wrong")).to_have_count(0)
    report.get_by_role("button", name="Send the report").click()
    status(page, THANKS)
    expect(report).to_be_hidden()
    line, of_refusal = question_lines(settings.feedback)
    assert (of_refusal["answerable"], of_refusal["feedback"]["reasons"]) == (True, ["in_article"])
    assert line["question"] == "Reported?"
    before = {"question": "Before the report?", "answer": "It fell by nearly 18 percent.", "article": ARTICLE.id}
    assert line["history"] == [before]
    assert line["feedback"]["reasons"] == ["wrong", "unsupported"]
    assert line["notes"].endswith("=1+1\nIt was 15.")
    assert line["feedback"]["answer"]["citations"][0]["quote"] == QUOTE
