"""The editors' desk: who gets in, what is kept of questions and for how long, what editors do, and what sites use."""

import html
import itertools
import json
import re
import socket
import sqlite3
import stat
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs

import httpx
import hypothesis
import pytest
from conftest import WordEmbedder
from hypothesis import given
from hypothesis import strategies as st
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
    serving,
)

from assistant.articles.reading import Corpus
from assistant.evaluation.questions import lines, of_items
from assistant.rendering import LABELS
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Outcome, Part
from assistant.web.desk import overview, routes
from assistant.web.service import SITE_LIMITED, Client, Refusal, Service
from assistant.web.storage import desk_file, feedback
from assistant.web.storage.desk_file import Act, Asked, Do, copy_of, counts, do, erase, erasing, file_of, keep
from assistant.web.storage.feedback import Feedback
from assistant.web.storage.rules import Rulebook

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


@pytest.fixture(scope="module")
def server(assistant: ScriptedAssistant, settings: Settings) -> Iterator[tuple[str, Service]]:
    """Serve the assistant; return the address, and the service behind it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, serving(assistant, settings, listener) as server:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server._service


@pytest.fixture(scope="module")
def address(server: tuple[str, Service]) -> str:
    """Return where the server is."""
    return server[0]


@pytest.fixture
def file(settings: Settings, server: tuple[str, Service]) -> Path:
    """Return the desk's file, which is not there yet, as in a process that was just started."""
    while server[1]._behind:  # A question of the test before may still be kept.
        time.sleep(0.01)
    for each in (file_of(settings), copy_of(settings), settings.feedback):
        each.unlink(missing_ok=True)
    server[1].rulebook = Rulebook(file_of(settings), copy_of(settings))
    return file_of(settings)


@pytest.fixture(scope="module")
def visit(address: str) -> Iterator[httpx.Client]:
    """Return an editor's browser that has come in."""
    with httpx.Client(base_url=address, follow_redirects=True, timeout=30) as client:
        assert client.post("/desk", data={"token": TOKEN}).status_code == 200
        yield client


@pytest.fixture
def desk(visit: httpx.Client, file: Path) -> httpx.Client:
    """Return an editor's browser that is at the desk, at which nothing was done."""
    assert not file.exists()
    return visit


@contextmanager
def articles_are(assistant: ScriptedAssistant, *articles: Article) -> Iterator[None]:
    """Let there be other articles for a while."""
    corpus = assistant.steps.corpus
    assistant.steps.corpus = Corpus(articles)  # type: ignore[misc]
    try:
        yield
    finally:
        assistant.steps.corpus = corpus  # type: ignore[misc]


def act(desk: httpx.Client, name: str, article: str = "ferry", **parts: str | Sequence[str]) -> httpx.Response:
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
    assert [row[8] for row in kept] == [1, 0, 0, 0, 0]  # Whether it was asked of all.
    assert len(kept[0]) == 9
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
    assert LABELS[Outcome.PINNED] in about.replace("&#39;", "'")


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
    monkeypatch.setattr(desk_file, "MAX_FILE_BYTES", 4096)
    keep(file, Asked("A long one? " * 1000, "ferry", "quoted"))
    assert ask(address, "Who fell?")["status"] == "answered"
    assert rows(file)[0][0] == "Before?"
    do(file, Act(Do.OFF, "ferry", "We are looking into it."))  # Editors have room besides.
    assert not any(row[0].startswith("A long one?") for row in rows(file))


# What the desk shows


def test_what_was_declined_is_grouped_by_meaning(word_embedder: WordEmbedder) -> None:
    """Near questions about one article are one group, with their closest words; the largest group comes first."""
    article_of = {"a-story": ARTICLE, "ferry": FERRY}
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


@pytest.mark.parametrize(("kept", "shown"), [(0, 1), (1, 1), (7, 7), (30, 30), (1000, 90)])
def test_the_plot_has_the_days_that_are_kept(kept: int, shown: int) -> None:
    """A bar each, none over another, and a few of them with their dates."""
    today = date(2026, 12, 2)
    counts = [(str(today - timedelta(days=ago)), "ferry", "quoted", 1) for ago in range(2 * shown)]
    drawn = overview.plot(counts, today, kept)
    found = re.findall(r'x="([\d.]+)" y="[^"]*" width="([\d.]+)"', drawn)
    bars = [(float(left), float(width)) for left, width in found]
    assert len(bars) == shown
    assert all(left + width < following for (left, width), (following, _) in itertools.pairwise(bars))
    assert 1 <= len(re.findall(r"\d+ (?:Sep|Oct|Nov|Dec)</text>", drawn)) <= 7
    assert ("the last" in drawn, f"the last {shown} days" in drawn) == (shown > 1, shown > 1)


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


def test_nothing_is_shown_of_an_article_that_is_gone(
    desk: httpx.Client, assistant: ScriptedAssistant, settings: Settings, file: Path
) -> None:
    """No question, report, pinned answer or words of an act; that it was done stays in the log."""
    keep(file, Asked("Who wrote the secret?", "a-story", "declined"))
    desk_file.do(file, Act(Do.PIN, "a-story", "Secretly, we did.", "Secret?", "Desk"))
    feedback.save(settings.feedback, Feedback(replace(WRITTEN, question="A secret report?"), helpful=False))
    assert desk.get("/desk").text.lower().count("secret") > 5
    with articles_are(assistant, FERRY):
        shown = desk.get("/desk").text
    assert "secret" not in shown.lower()
    assert "An article that is gone" in shown


# Every row


GONE = Article("gone", "It was here once.", "A secret story")
OFF = Article("off", "The mill is closed.", "A mill")
ABOUT = [(), (ARTICLE,), (OFF,), (GONE,), (ARTICLE, FERRY), (ARTICLE, OFF), (FERRY, GONE)]
"""What an answer may be about: none, one or two, of which one is here, off or gone."""


def told_of(outcome: Outcome, *about: Article) -> Answer:
    """Return an answer that ended so and shows something of these articles."""
    shown = tuple(Citation(number, each, 0, 8) for number, each in enumerate(about, start=1))
    if outcome is Outcome.DECLINED:
        return Answer("Why?", outcome, closest=shown)
    return Answer("Why?", outcome, (Part("So it is.", shown),))


def many_rows(file: Path, feedback_file: Path) -> dict[str, int]:
    """Fill both files with a row for every case; return how many rows each has."""
    cases = list(itertools.product(Outcome, ABOUT, (True, False), (True, False)))
    for outcome, about, helpful, of_all in cases:
        asked_of = "" if of_all or not about else about[0].id
        feedback.save(feedback_file, Feedback(told_of(outcome, *about), helpful=helpful, asked_of=asked_of))
    with closing(sqlite3.connect(feedback_file)) as database, database:
        old = "given, helpful, reasons, comment, answer, history"  # The columns of an earlier release.
        database.execute(f"INSERT INTO feedback ({old}) SELECT {old} FROM feedback")  # noqa: S608
        for number, damage in enumerate(("'[]'", "'null'", "'x'", "'{\"question\": 1}'", "'\"\\ud800\"'"), start=1):
            database.execute(f"UPDATE feedback SET answer = {damage} WHERE number = {number}")  # noqa: S608
    articles = ("", *(each.id for each in (ARTICLE, FERRY, OFF, GONE)))
    asked = [
        Asked(f"{words} {number}?", article, end, version=version, start=0, end=8, of_all=of_all)
        for number, (words, article, end, version, of_all) in enumerate(
            itertools.product(("Why", "???"), articles, desk_file.ENDS, ("", ARTICLE.version), (True, False))
        )
    ]
    for question in asked:
        keep(file, question)
    acts = [
        Act(Do.PIN, article, "Yes.", f"{number}?", "Desk", of_all=of_all)
        for number, (article, of_all) in enumerate(itertools.product(articles, (True, False)))
    ]
    for one in (*acts, Act("of a later release", "ferry"), Act(Do.OFF, "gone", "No."), Act(Do.OFF, "off", "No.")):
        do(file, one)
    return {"report": 2 * len(cases), "question": len(asked), "answer": len(acts), "act": len(acts) + 3}


def counted(page: str, heading: str, what: str) -> int:
    """Return how many rows a part of the desk shows, or says that it does not show."""
    part = re.split("<h2[^>]*>", page.partition(f">{heading}</h2>")[2])[0]
    unsaid = re.findall(rf"(?:Not shown(?: here)?|Cannot be read): (\d+) (?:more )?{what}", part)
    shown = re.findall(r"<td>(\d+)</td></tr>", part) or ["1"] * part.count("<section") or ["1"] * part.count("<tr><td>")
    return sum(map(int, (*unsaid, *shown)))


def test_no_row_takes_the_desk_down_or_is_left_out_unsaid(
    desk: httpx.Client, assistant: ScriptedAssistant, settings: Settings, file: Path
) -> None:
    """However a question ended, whatever it was about, and if it is damaged: it is shown, or said not to be."""
    written = many_rows(file, settings.feedback)
    assert sum(written.values()) >= 500
    with articles_are(assistant, ARTICLE, FERRY, OFF):
        shown = desk.get("/desk")
    assert shown.status_code == 200
    assert "secret" not in shown.text
    headings = {"report": "What readers reported", "answer": "Pinned answers", "act": "What was done here"}
    found = {
        what: counted(shown.text, heading, what) for what, heading in {**headings, "question": "Questions"}.items()
    }
    assert found == written
    declined = written["question"] // len(desk_file.ENDS)
    gone = declined // 5
    groups = re.findall(r'<p class="note">(\d+) times?, ', shown.text.partition("<h2>What was declined</h2>")[2])
    (more,) = re.findall(r"Not shown here: (\d+) more question", shown.text) or ["0"]
    assert sum(map(int, groups)) + int(more) == declined - gone


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["question", "answer"]) | words, inner),
)


@given(st.lists(st.tuples(*[words] * 5, values, values, st.integers(-9, 99), st.booleans()), min_size=1, max_size=9))
@hypothesis.settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_nothing_that_a_file_may_hold_takes_the_desk_down(
    desk: httpx.Client, settings: Settings, file: Path, rows: list[tuple[Any, ...]]
) -> None:
    """Not even rows that no program of ours wrote."""
    keep(file, Asked("Why?", "ferry", "declined"))
    do(file, Act(Do.LINE, "ferry"))
    feedback.save(settings.feedback, Feedback(DECLINED, helpful=True))
    with closing(sqlite3.connect(file)) as database, database:
        for one, two, three, four, five, _, _, number, flag in rows:
            asked = (one, two, "declined", four, five, number, number, three, flag)
            database.execute("INSERT INTO questions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", asked)
            acted = (("pin", one)[flag], two, three, four, five, one, None, flag)
            database.execute("INSERT INTO acts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", acted)
    with closing(sqlite3.connect(settings.feedback)) as database, database:
        for one, two, three, _, _, first, second, number, _ in rows:
            kept = (None, one, number, json.dumps(second), two, json.dumps(first), json.dumps(second), three, "")
            database.execute("INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", kept)
    assert desk.get("/desk").status_code == 200


# What editors do


def test_an_editors_answer_is_shown_as_the_editors(desk: httpx.Client, address: str, file: Path) -> None:
    """Whoever asks the same about that article gets it, with its signature and no citation, until it is taken away.

    Each of its lines is a paragraph, however many empty ones stand between them.
    """
    words = " At ten.\r\n\r\n\r\n  From  May.\nNot on Sundays. \n"
    act(desk, Do.PIN, question="When does it leave?", words=words, signature="The Desk")
    answer = ask(address, "when does IT leave", "ferry")
    assert (answer["status"], answer["answer"]) == ("pinned", "At ten.\n\nFrom May.\n\nNot on Sundays.\n— The Desk")
    assert (answer["citations"], answer["model"]) == ([], "none")
    assert ask(address, "when does IT leave", None)["status"] == "failed"  # The script has no such question.
    before = [{"question": "Who fell?", "answer": "The mayor fell."}]
    assert ask(address, "when does IT leave", "ferry", before)["status"] == "failed"  # "It" may be another.
    act(desk, Do.UNPIN, question="When does it leave?")
    assert ask(address, "when does IT leave", "ferry")["status"] == "failed"
    assert [row[:2] for row in rows(file, "acts")] == [("pin", "ferry"), ("take away", "ferry")]


def test_an_answer_is_pinned_where_it_was_asked(desk: httpx.Client, address: str, file: Path) -> None:
    """What was declined of all articles is answered to whoever asks all, whatever is off; an editor can choose else."""
    ask(address, "Who wrote it?", None)
    wait_for_rows(file, 1)
    shown = desk.get("/desk").text
    assert "asked of all articles, closest to A story" in shown
    assert '<option value="whatever" selected>all articles</option>' in shown
    assert "Only who asks in these very words gets your answer." in shown
    assert 'href="/?q=Who%20wrote%20it%3F"' in shown
    pin = {"question": "Who wrote it?", "words": "The desk did.", "signature": "Desk"}
    pinned = act(desk, Do.PIN, "a-story", **pin, of_all="whatever").text.partition("Pinned answers</h2>")[2]
    assert "For readers who ask all articles</p>" in pinned
    assert '<td>pin</td><th scope="row">All articles</th>' in pinned
    act(desk, Do.OFF, "a-story", words="We are looking into it.")
    assert ask(address, "who wrote it", None)["status"] == "pinned"
    act(desk, Do.ON, "a-story")
    assert ask(address, "Who wrote it?", "a-story")["status"] == "declined"
    act(desk, Do.UNPIN, "", question="Who wrote it?", of_all="yes")
    assert ask(address, "Who wrote it?", None)["status"] == "declined"
    act(desk, Do.PIN, "a-story", **pin)
    assert ask(address, "Who wrote it?", None)["status"] == "declined"
    assert ask(address, "Who wrote it?", "a-story")["status"] == "pinned"
    assert 'href="/?q=Who%20wrote%20it%3F&amp;article=a-story"' in desk.get("/desk").text


def test_an_answer_in_place_of_one_that_was_reported_is_of_its_article(desk: httpx.Client, settings: Settings) -> None:
    """Of a refusal nothing is known to be from an article; an editor can choose."""
    for told, chosen in ((WRITTEN, "yes"), (DECLINED, "whatever")):
        settings.feedback.unlink(missing_ok=True)
        feedback.save(settings.feedback, Feedback(replace(told, question="Why?"), helpful=False))
        assert re.findall('<option value="([^"]*)" selected', desk.get("/desk").text) == [chosen]


def test_a_pinned_answer_is_of_its_article(
    desk: httpx.Client, address: str, assistant: ScriptedAssistant, file: Path
) -> None:
    """Where that is off or gone, nobody gets it, whatever they ask; where it alone is left, whoever asks does."""
    assert not file.exists()
    act(desk, Do.PIN, "a-story", question="Who wrote it?", words="The desk.", signature="Desk", of_all="yes")
    act(desk, Do.OFF, "a-story", words="We are looking into it.")
    assert ask(address, "Who wrote it?", None)["status"] == "switched_off"
    act(desk, Do.ON, "a-story")
    for article, is_pinned in ((ARTICLE, True), (FERRY, False)):
        with articles_are(assistant, article):
            assert (ask(address, "Who wrote it?", None)["status"] == "pinned") is is_pinned


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_shown(
    desk: httpx.Client, settings: Settings, file: Path, address: str
) -> None:
    """The last rules, and what was done, are shown; nothing can be done, and nothing is kept in its place."""
    act(desk, Do.OFF, "a-story", words="We are looking into it.")
    settings.feedback.write_bytes(b"garbage" * 1000)
    file.unlink()
    shown = act(desk, Do.ON, "a-story")
    assert shown.status_code == 503
    told = html.unescape(shown.text)
    assert f'<p role="alert" class="said">{routes._NOT_DONE}</p>' in told
    assert f"The desk's file {file} is gone, and the last rules hold: restore it, or put " in told
    assert f"The feedback {settings.feedback} cannot be read " in told
    assert not re.search("Nothing yet|There are none|All are on", told)
    assert "We are looking into it." in told.partition("Articles that are switched off")[2]
    assert ask(address, "Who fell?", "a-story")["status"] == "switched_off"
    assert ask(address, "Who wrote it?", "ferry")["status"] == "switched_off"
    assert not file.exists()


def test_an_article_that_is_off_is_answered_about_by_the_editor_alone(desk: httpx.Client, address: str) -> None:
    """Asked of it or of all, readers are told the editor's words, of all also which article they are about."""
    act(desk, Do.OFF, "a-story", words="We are looking into it.")
    for article, opens in (("a-story", "We"), (None, "“A story")):
        refused = ask(address, "Who fell?", article)
        assert (refused["status"], refused["error"].startswith(opens)) == ("switched_off", True)
        assert refused["error"].endswith("We are looking into it.")
    assert ask(address, "Who fell?", "ferry")["status"] == "switched_off"  # The script cites the other one.
    act(desk, Do.ON, "a-story")
    assert ask(address, "Who fell?")["status"] == "answered"
    assert "We are looking into it." in desk.get("/desk").text  # In the log.


def test_a_question_becomes_a_line_of_a_question_file(desk: httpx.Client, file: Path) -> None:
    """It is shown to be copied, can be read as one, and the log does not hold the reader's words."""
    shown = act(desk, Do.LINE, question='Is "it" <late>?').text
    (line,) = re.findall(r"<pre[^>]*>(.*?)</pre>", shown)
    text = line.replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")
    (question,) = of_items(Path("desk.jsonl"), lines(text))
    assert (question.question, question.article, question.answerable) == ('Is "it" <late>?', "ferry", None)
    assert json.loads(text)["id"] == "desk-1"
    assert rows(file, "acts")[0][3] == ""


def test_what_was_declined_is_searched_and_dismissed(desk: httpx.Client, file: Path) -> None:
    """A group goes with all its wordings, of its place alone, and still counts; asked again, it is there again."""
    asked_once = ("When is it?", "Über 100 %?", "when IS it")
    declined = [Asked(each, "ferry", "declined") for each in asked_once]
    for each in (*declined, Asked("When is it?", "a-story", "declined"), Asked("When is it?", "ferry", "quoted")):
        keep(file, each)

    def asked(find: str = "") -> Counter[str]:
        shown = desk.get("/desk", params={"find": find}).text
        return Counter(re.findall('name="wording" value="([^"]*)"', shown))

    assert asked() == {"When is it?": 2, "when IS it": 1, "Über 100 %?": 1}
    assert asked("WHEN is") == {"When is it?": 2, "when IS it": 1}
    assert asked("100 %") == {"Über 100 %?": 1}
    assert asked("nothing") == {}
    assert "No declined question has these words." in desk.get("/desk?find=nothing").text
    done = act(desk, Do.DISMISS, wording=["When is it?", "when IS it"], find="it")
    assert parse_qs(done.url.query.decode()) == {"done": [Do.DISMISS], "find": ["it"]}
    assert asked() == {"When is it?": 1, "Über 100 %?": 1}
    assert Counter(ended for _, _, ended, count in counts(file) for _ in range(count)) == {"declined": 4, "quoted": 1}
    keep(file, declined[0])
    assert asked()["When is it?"] == 2
    assert [row[:4] for row in rows(file, "acts")] == [(Do.DISMISS, "ferry", "", "")]


@pytest.mark.parametrize("name", [each for each in Do if each is not Do.LINE])
def test_an_act_is_confirmed_by_words_of_ours(desk: httpx.Client, file: Path, name: Do) -> None:
    """In one line, also when the page is loaded again; nothing else that an address says is shown."""
    assert not file.exists()
    done = act(desk, name, question="When?", words="At ten.", signature="Desk", wording="When?")
    assert (done.history[0].status_code, done.url.path) == (303, "/desk")
    said = f'<p role="status" class="said">{routes._DONE[name]}</p>'
    assert said in done.text
    assert said in desk.get(done.url).text
    assert 'role="status"' not in desk.get("/desk?done=<b>erased</b>").text


@pytest.mark.parametrize(
    ("name", "article", "parts"),
    [
        ("erase all", "ferry", {}),
        (Do.OFF, "unknown", {"words": "Closed."}),
        (Do.OFF, "ferry", {"words": "  "}),
        (Do.OFF, "", {"words": "Closed.", "of_all": "yes"}),
        (Do.PIN, "ferry", {"question": "?!", "words": "Yes.", "signature": "Desk"}),
        (Do.PIN, "ferry", {"question": "When?", "words": "Yes."}),
        (Do.DISMISS, "ferry", {}),
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
