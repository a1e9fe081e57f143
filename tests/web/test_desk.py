"""The editors' desk: who gets in, what is kept of questions and for how long, what editors do, and what sites use."""

import json
import re
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from conftest import WordEmbedder
from served import (
    ARTICLE,
    CITATION,
    DECLINED,
    FERRY,
    OPEN,
    QUOTE,
    TOO_LONG,
    WRITTEN,
    ScriptedAssistant,
    in_a_loop,
    running,
)

from assistant.articles.reading import Corpus
from assistant.evaluation.questions import parse_questions
from assistant.rendering import LABELS
from assistant.settings import Settings
from assistant.types import Status
from assistant.web import feedback
from assistant.web.desk import overview, routes, store
from assistant.web.desk.store import Act, Asked, Do, do, erase, erasing, file_of, keep
from assistant.web.feedback import Feedback
from assistant.web.limits import Budgets
from assistant.web.service import SITE_LIMITED, Client, Refusal, Service

TOKEN = "a token of the newsroom's"  # noqa: S105 - of no newsroom
SITE = "https://news.test"


@pytest.fixture(scope="module")
def assistant() -> ScriptedAssistant:
    """Return an assistant with two articles, of which a retriever would embed by counting words."""
    assistant = ScriptedAssistant(ARTICLE, FERRY)
    assistant.steps.retriever = SimpleNamespace(embedder=WordEmbedder())  # type: ignore[misc, assignment]
    assistant.script |= {
        "Who fell?": [WRITTEN],
        "Who wrote it?": [DECLINED],
        "Broken?": [ValueError("no")],
        "Long?": [TOO_LONG],
    }
    return assistant


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return settings with a desk that keeps questions for a week."""
    folder = tmp_path_factory.mktemp("desk")
    kept = {"data": folder, "feedback": folder / "feedback.sqlite3", "embed_sites": (SITE,)}
    return replace(OPEN, **kept, desk_token=TOKEN, keep_questions=7)  # type: ignore[arg-type]


@pytest.fixture
def file(settings: Settings) -> Iterator[Path]:
    """Return the desk's file, which is not there yet."""
    file_of(settings).unlink(missing_ok=True)
    yield file_of(settings)
    file_of(settings).unlink(missing_ok=True)


@pytest.fixture
def desk(address: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Return an editor's browser that is at the desk."""
    assert not file.exists()
    monkeypatch.setattr(Budgets, "take", lambda *_: 0)
    with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as client:
        assert client.post("/desk", data={"token": TOKEN}).status_code == 200
        yield client


def act(desk: httpx.Client, name: str, article: str = "ferry", **parts: str) -> httpx.Response:
    """Press a button of the desk."""
    form = re.findall(r'name="form" value="([^"]+)"', desk.get("/desk").text)[0]
    return desk.post("/desk", data={"form": form, "act": name, "article": article, **parts})


def ask(
    address: str, question: str, article: str | None = "a-story", history: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Return the answer, or the refusal, that a program gets."""
    asked = {"question": question, "article": article, "history": history}
    answer: dict[str, Any] = httpx.post(f"{address}/api/ask", json=asked, timeout=30).json()
    return answer


def rows(file: Path, table: str = "questions") -> list[tuple[Any, ...]]:
    """Return what a table of the file holds."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608


def wait_for_rows(file: Path, count: int) -> int:
    """Return how many questions are kept, as soon as there are so many: nobody waits for them to be."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(sqlite3.Error):  # It is being made.
            if file.exists() and len(rows(file)) >= count:
                return len(rows(file))
        time.sleep(0.02)
    raise AssertionError("the questions were not kept")


# Who gets in


def test_without_a_token_there_is_no_desk(assistant: ScriptedAssistant) -> None:
    """Nothing says that there could be one."""
    with running(assistant) as address:
        for method in ("GET", "POST"):
            assert httpx.request(method, f"{address}/desk").status_code == 404
        assert "editor" not in httpx.get(f"{address}/about").text


def test_only_who_has_the_token_gets_in_and_for_a_visit(address: str) -> None:
    """The cookie is no script's and no other site's, does not hold the token, and ends; whoever leaves is out."""
    with httpx.Client(base_url=address, follow_redirects=True) as client:
        wrong = client.post("/desk", data={"token": f"{TOKEN}."})
        assert (wrong.status_code, client.cookies.get("desk")) == (401, None)
        assert routes._WRONG in wrong.text
        assert "Questions" not in client.get("/desk").text
        entered = client.post("/desk", data={"token": TOKEN})
        cookie = entered.history[0].headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/desk", f"Max-Age={8 * 3600}"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        assert entered.headers["cache-control"] == "no-store"
        assert "form-action 'self'" in entered.headers["content-security-policy"]
        assert "What was declined" in entered.text
        visit = client.cookies["desk"]
        act(client, "leave")
        client.cookies.set("desk", visit, path="/desk")
        assert "What was declined" not in client.get("/desk").text


def test_a_token_cannot_be_guessed_by_trying(assistant: ScriptedAssistant, settings: Settings) -> None:
    """After some tries an address is told to wait, and then not even the token itself gets in."""
    with running(assistant, settings) as address:
        tries = [httpx.post(f"{address}/desk", data={"token": str(number)}) for number in range(8)]
        assert [each.status_code for each in tries] == [401] * routes.GUESSES_PER_MINUTE + [429] * 3
        assert int(tries[-1].headers["retry-after"]) > 0
        assert httpx.post(f"{address}/desk", data={"token": TOKEN}).status_code == 429


def test_another_site_cannot_press_a_button(desk: httpx.Client, file: Path) -> None:
    """Without the secret of the visit's forms nothing is done, nor without a visit."""
    sent = {"act": Do.OFF, "article": "ferry", "words": "Closed."}
    assert desk.post("/desk", data=sent).status_code == 403
    assert desk.post("/desk", data={**sent, "form": "ü"}).status_code == 403
    assert httpx.post(f"{desk.base_url}/desk", data=sent).status_code == 401
    assert not file.exists()


# What is kept


def test_a_question_is_kept_without_who_asked(desk: httpx.Client, address: str, file: Path) -> None:
    """Its words are stripped; beside them are the article, how it ended, the site and the minute, and nothing else."""
    asked = [
        ("Who fell?", None),
        *((question, "a-story") for question in ("Long?", "Who wrote it?", "Broken?", "Who fell?")),
    ]
    for number, (question, article) in enumerate(asked):
        ask(address, question, article)
        wait_for_rows(file, number or 1)
    keep(file, Asked("I'm Ann Lee, ann@lee.test", "ferry", "quoted", SITE))
    kept = rows(file)
    assert [row[:4] for row in kept] == [
        ("Who fell?", "a-story", "answered", ""),
        ("Who wrote it?", "a-story", "declined", ""),
        ("Broken?", "a-story", "failed", ""),
        ("Who fell?", "a-story", "answered", ""),
        ("I'm [name], [address]", "ferry", "quoted", SITE),
    ]
    assert kept[1][4:7] == (ARTICLE.version, CITATION.start, CITATION.end)
    assert datetime.fromisoformat(kept[0][7]) > datetime.now(UTC) - timedelta(minutes=3)
    assert len(kept[0]) == 8
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = desk.get("/desk").text
    assert "Kept for 7 days" in shown
    assert QUOTE in shown


def test_nothing_is_kept_unless_the_operator_says_so(assistant: ScriptedAssistant, settings: Settings) -> None:
    """Then readers are told, for how long, on the page and where it is said what is stored."""
    closed = replace(settings, keep_questions=0, feedback=settings.data / "other" / "feedback.sqlite3")
    with running(assistant, closed) as address:
        ask(address, "Who fell?")
        assert "Questions and answers are not stored" in httpx.get(f"{address}/about").text
        assert "Nothing you ask is stored" in httpx.get(f"{address}/config").text
    assert not file_of(closed).exists()


def test_readers_are_told_what_is_kept(address: str) -> None:
    """Where the note of the page is, and on the page about it, with how long."""
    assert "What you ask is kept for 7 days; who asked is not." in httpx.get(f"{address}/config").text
    about = " ".join(httpx.get(f"{address}/about").text.split())
    assert "each question is kept for 7 days and then erased" in about
    assert LABELS[Status.PINNED] in about.replace("&#39;", "'")


def test_what_is_too_old_is_erased_by_itself(file: Path, settings: Settings) -> None:
    """Whoever asks or not, and from the file itself; where nothing may be kept any more, all goes."""
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat(timespec="minutes")
    keep(file, Asked("Old secret?", "ferry", "quoted", at=long_ago))
    keep(file, Asked("New?", "ferry", "quoted"))
    with erasing(settings):
        pass
    assert [row[0] for row in rows(file)] == ["New?"]
    assert b"Old secret" not in file.read_bytes()
    erase(file, 0)
    assert rows(file) == []


def test_a_question_that_cannot_be_kept_is_answered(address: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full file costs no answer, and keeps what it has."""
    keep(file, Asked("Before?", "ferry", "quoted"))
    monkeypatch.setattr(store, "MAX_FILE_BYTES", 4096)
    keep(file, Asked("A long one? " * 1000, "ferry", "quoted"))
    assert ask(address, "Who fell?")["status"] == "answered"
    assert rows(file)[0][0] == "Before?"
    do(file, Act(Do.OFF, "ferry", "We are looking into it."))  # Editors have room besides.
    assert not any(row[0].startswith("A long one?") for row in rows(file))


# What the desk shows


def test_what_was_declined_is_grouped_by_meaning(article_of: dict[str, Any], word_embedder: WordEmbedder) -> None:
    """Near questions about one article are one group, with their closest words; the largest group comes first."""
    place = {"version": ARTICLE.version, "start": CITATION.start, "end": CITATION.end}
    asked = [
        Asked("Who wrote this?", "a-story", "declined", **place),  # type: ignore[arg-type]
        Asked("Where is the harbour master?", "a-story", "declined"),
        Asked("Who wrote this story?", "a-story", "declined"),
        Asked("Who wrote this?", "ferry", "declined"),
        Asked("who wrote THIS", "a-story", "declined"),
    ]
    found = overview.groups(asked, article_of, word_embedder.embed_documents)
    assert [(group.article, group.total) for group in found] == [("a-story", 3), ("a-story", 1), ("ferry", 1)]
    assert found[0].closest == QUOTE
    changed = {"a-story": replace(ARTICLE, text=f"New. {ARTICLE.text}")}
    assert overview.groups(asked, changed, None)[0].closest == ""


def test_what_a_view_has_embedded_the_next_one_need_not(
    desk: httpx.Client, assistant: ScriptedAssistant, file: Path
) -> None:
    """Only what was declined since then is embedded."""
    embedder = cast("WordEmbedder", assistant.steps.retriever.embedder)
    keep(file, Asked("Who swims?", "ferry", "declined"))
    desk.get("/desk")
    before = len(embedder.embedded)
    keep(file, Asked("Who dances?", "ferry", "declined"))
    assert "Who dances?" in desk.get("/desk").text
    assert "Who swims?" in desk.get("/desk").text
    assert embedder.embedded[before:] == ["who dances"]


@pytest.fixture
def article_of() -> dict[str, Any]:
    """Return the articles by their ids."""
    return {"a-story": ARTICLE, "ferry": FERRY}


def test_nothing_is_shown_of_an_article_that_is_gone(
    desk: httpx.Client, assistant: ScriptedAssistant, settings: Settings, file: Path
) -> None:
    """No question, report, pinned answer or words of an act; that it was done stays in the log."""
    keep(file, Asked("Who wrote the secret?", "a-story", "declined"))
    store.do(file, Act(Do.PIN, "a-story", "Secretly, we did.", "Secret?", "Desk"))
    feedback.save(settings.feedback, Feedback(replace(WRITTEN, question="A secret report?"), helpful=False))
    assert desk.get("/desk").text.lower().count("secret") > 5
    corpus = assistant.steps.corpus
    assistant.steps.corpus = Corpus((FERRY,))  # type: ignore[misc]
    try:
        shown = desk.get("/desk").text
    finally:
        assistant.steps.corpus = corpus  # type: ignore[misc]
    assert "secret" not in shown.lower()
    assert "An article that is gone" in shown


# What editors do


def test_an_editors_answer_is_shown_as_the_editors(desk: httpx.Client, address: str, file: Path) -> None:
    """Whoever asks the same about that article gets it, with its signature and no citation, until it is taken away."""
    act(desk, Do.PIN, question="When does it leave?", words="At ten,  from May.", signature="The Desk")
    answer = ask(address, "when does IT leave", "ferry")
    assert (answer["status"], answer["answer"]) == ("pinned", "At ten, from May.\n— The Desk")
    assert (answer["citations"], answer["model"]) == ([], "none")
    assert ask(address, "when does IT leave", None)["status"] == "failed"  # The script has no such question.
    before = [{"question": "Who fell?", "answer": "The mayor fell."}]
    assert ask(address, "when does IT leave", "ferry", before)["status"] == "failed"  # "It" may be another.
    act(desk, Do.UNPIN, question="When does it leave?")
    assert ask(address, "when does IT leave", "ferry")["status"] == "failed"
    assert [row[:2] for row in rows(file, "acts")] == [("pin", "ferry"), ("take away", "ferry")]


def test_an_article_that_is_off_is_answered_about_by_the_editor_alone(desk: httpx.Client, address: str) -> None:
    """Asked of it or of all, readers are told the editor's words, and of other articles all goes on."""
    act(desk, Do.OFF, "a-story", words="We are looking into it.")
    for article in ("a-story", None):
        refused = ask(address, "Who fell?", article)
        assert (refused["status"], refused["error"]) == ("switched_off", "We are looking into it.")
    assert ask(address, "Who fell?", "ferry")["status"] == "switched_off"  # The script cites the other one.
    act(desk, Do.ON, "a-story")
    assert ask(address, "Who fell?")["status"] == "answered"
    assert "We are looking into it." in desk.get("/desk").text  # In the log.


def test_a_question_becomes_a_line_of_a_question_file(desk: httpx.Client, file: Path) -> None:
    """It is shown to be copied, can be read as one, and the log does not hold the reader's words."""
    shown = act(desk, Do.LINE, question='Is "it" <late>?').text
    (line,) = re.findall(r"<pre[^>]*>(.*?)</pre>", shown)
    text = line.replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")
    (question,) = parse_questions(Path("desk.jsonl"), text)
    assert (question.question, question.article, question.answerable) == ('Is "it" <late>?', "ferry", None)
    assert json.loads(text)["id"] == "desk-1"
    assert rows(file, "acts")[0][3] == ""


@pytest.mark.parametrize(
    ("name", "article", "parts"),
    [
        ("erase all", "ferry", {}),
        (Do.OFF, "unknown", {"words": "Closed."}),
        (Do.OFF, "ferry", {"words": "  "}),
        (Do.PIN, "ferry", {"question": "?!", "words": "Yes.", "signature": "Desk"}),
        (Do.PIN, "ferry", {"question": "When?", "words": "Yes."}),
    ],
)
def test_half_an_act_is_none(desk: httpx.Client, file: Path, name: str, article: str, parts: dict[str, str]) -> None:
    """What is missing is said, and nothing is done."""
    refused = act(desk, name, article, **parts)
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert not file.exists()


# What sites use


def test_a_site_has_a_budget_of_its_own(assistant: ScriptedAssistant, settings: Settings) -> None:
    """Its readers share it, whatever their addresses; readers elsewhere are let in, and all is counted."""

    async def scenario() -> None:
        service = Service(assistant, replace(settings, site_questions_per_minute=2, keep_questions=0))

        async def asked(site: str, address: str) -> str:
            client = Client(address, "page", "x", site)
            *_, last = [event async for event in service.answers("Who fell?", client=client)]
            return last.text if isinstance(last, Refusal) else "answered"

        got = [await asked(SITE, f"192.0.2.{number}") for number in range(3)]
        assert got == ["answered", "answered", SITE_LIMITED.format(wait="30 seconds")]
        assert await asked("", "192.0.2.9") == await asked("https://forged.test", "192.0.2.9") == "answered"
        assert (service.site_budgets.used(SITE), service.metrics.of_site(SITE)) == (2, (2, 1))
        assert f'assistant_site_questions_total{{outcome="refused",site="{SITE}"}} 1.0' in str(
            service.metrics.exposition(), "utf-8"
        )

    in_a_loop(scenario)
