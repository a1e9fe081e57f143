"""The page on which people grade answers: what is drawn, what is kept and shown, and how a browser shows it."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lxml.html
import pytest
import uvicorn
from browser import DESKTOP, barriers, needs_chromium, visiting
from evaluated import ROWS, always_declines, command, copied, finished, give, invents_numbers, writes
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect
from starlette.testclient import TestClient

from assistant.articles.passages import paragraphs
from assistant.evaluation.evaluate import score
from assistant.evaluation.grading.grades import FILE, read
from assistant.evaluation.grading.rubrics import CONTENT, EBU
from assistant.evaluation.options import Draw
from assistant.evaluation.questions import Question
from assistant.evaluation.records import Cited, Record, Span
from assistant.evaluation.reporting.report import as_rows, marked_paragraphs
from assistant.evaluation.review import server
from assistant.evaluation.review.draw import Card, Side, draw
from assistant.evaluation.review.session import Session
from assistant.evaluation.scoring.gates import Demands
from assistant.evaluation.scoring.observed import Observed
from assistant.types import Article

TOKEN = "token"  # noqa: S105


# The draw


def ids(cards: Sequence[Card]) -> list[str]:
    """Return what is asked on the cards."""
    return [card.question.id for card in cards]


def test_a_draw_is_the_same_again_and_other_by_another_seed() -> None:
    """All answers are drawn, those of one article together; a sample is part of them, and the seed decides which."""
    everything = draw([finished()], Draw(), "ada")
    assert sorted(ids(everything)) == sorted(row["id"] for row in ROWS)
    articles = [card.question.article for card in everything]
    assert len([n for n, each in enumerate(articles) if articles[n - 1] != each]) == len(set(articles))
    samples = [ids(draw([finished()], Draw(sample=4, seed=seed), "ada")) for seed in (1, 1, 2, 3)]
    assert samples[0] == samples[1]
    assert len({tuple(sample) for sample in samples}) > 1
    assert {len(sample) for sample in samples} == {4}
    kinds = [card.question.kind for card in draw([finished()], Draw(per_kind=1), "ada")]
    assert sorted(kinds) == sorted({row["kind"] for row in ROWS})


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_is_of_any_kind_also_where_some_of_each_are_drawn(seed: int) -> None:
    """Where each kind has no more than may be drawn of it, the sample is the same as without that bound."""
    most = max(Counter(row["kind"] for row in ROWS).values())
    bound = draw([finished()], Draw(sample=4, per_kind=most, seed=seed), "ada")
    assert sorted(ids(bound)) == sorted(ids(draw([finished()], Draw(sample=4, seed=seed), "ada")))


def test_what_another_graded_can_be_drawn(tmp_path: Path) -> None:
    """A second grader gets what one other person graded, the same again after own grades; or differences first."""
    folder = copied(tmp_path)
    give(folder, {"b1": "wrong", "b2": "good", "b5": "bad"})
    give(folder, {"b2": "good"}, "cat")
    assert sorted(ids(draw([folder], Draw(second=True), "ben"))) == ["b1", "b5"]
    differing = ids(draw([folder], Draw(disagreements=True), "ben"))
    assert set(differing[:2]) == {"b1", "b5"}
    give(folder, {"b1": "good", "b3": "wrong"}, "ben")
    assert sorted(ids(draw([folder], Draw(second=True), "ben"))) == ["b1", "b5"]
    assert ids(draw([folder], Draw(disagreements=True), "ben")) == differing


def test_what_a_second_person_gets_is_by_the_same_rubric(tmp_path: Path) -> None:
    """Who graded how content readers are has not filled in the sheet, and the other way round."""
    folder = copied(tmp_path)
    give(folder, {"b1": "good"})
    give(folder, {"b2": "none some none none none"}, rubric=EBU.version)
    assert ids(draw([folder], Draw(second=True), "ben")) == ["b1"]
    assert ids(draw([folder], Draw(second=True, ebu=True), "ben")) == ["b2"]


def test_the_order_of_pairs_is_drawn() -> None:
    """Of two runs each is on the left at times; what both answered in the same words is read once, for both."""
    both = [finished(), finished(writes)]
    cards = draw(both, Draw(), "ada")
    left = {card.sides[0].folders for card in cards if len(card.sides) == 2}
    assert left == {(both[0],), (both[1],)}
    alike = [card for card in cards if len(card.sides) == 1]
    assert {card.sides[0].folders for card in alike} == {tuple(both)}
    assert {card.question.id for card in alike} == {row["id"] for row in ROWS if not row["evidence"]}


# The page


@contextmanager
def opened(session: Session) -> Iterator[TestClient]:
    """Serve the page within this process."""
    with TestClient(server.application(session, TOKEN), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield client


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return the grading of a run whose answers are written and, some, wrong."""
    folder = copied(tmp_path, invents_numbers)
    return Session([folder], draw([folder], Draw(), "ada"), "ada")


def test_the_page_is_for_whoever_knows_its_address(session: Session) -> None:
    """Without the token, or by another name of the machine, nothing is shown; no frame, no other host, no store."""
    with opened(session) as page:
        for path in ("/", "/1", "/other/1", f"/{TOKEN}/99", f"/{TOKEN}x/1"):
            assert page.get(path).status_code == 404
        assert page.get(f"/{TOKEN}/1", headers={"host": "evil.example"}).status_code == 400
        answer = page.get(f"/{TOKEN}/1")
        assert answer.status_code == 200
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert re.findall(r'(?:src|href)="(?!site/|#|data:,)[^"]*"', answer.text) == []


def test_the_page_is_blind(session: Session) -> None:
    """Nothing tells how the answer was made, by what, in which run, or what rules and other people say of it."""
    give(session.folders[0], {row["id"]: "partly" for row in ROWS}, "ben", comment="said by another")
    content = score(session.folders[0], Demands())
    told = {row["status"] for row in content["rows"]} | {"Written by", "Quoted word", "said by another", "ben"}
    told |= {str(session.folders[0]), "unsupported", "confidence", "checked against"}
    with opened(session) as page:
        for number in range(len(session.cards)):
            text = page.get(f"/{TOKEN}/{number + 1}").text
            shown = re.sub(r'<details data-key="\?">.*?</details>', "", text, flags=re.DOTALL)
            assert [word for word in told if word in shown] == []


def test_grading_goes_on_until_all_is_graded(session: Session) -> None:
    """Each grade leads to the next answer, what was skipped comes last, and the issues that were named are offered."""
    count = len(session.cards)
    with opened(session) as page:
        assert page.get(f"/{TOKEN}/").headers["location"] == f"/{TOKEN}/1"
        assert page.post(f"/{TOKEN}/1", data={"action": "skip"}).headers["location"] == f"/{TOKEN}/2"
        form = {"grade-0": "bad", "issue-0": "too <b>loud</b>", "comment-0": "c" * 5000}
        for number in range(2, count + 1):
            to = page.post(f"/{TOKEN}/{number}", data=form).headers["location"]
            assert to == f"/{TOKEN}/{number + 1 if number < count else 1}"
            text = page.get(to).text
        assert '<option value="too &lt;b&gt;loud&lt;/b&gt;">' in text
        assert f"{count - 1} of {count} graded, about 1 minute left" in text
        assert page.post(to, data={"grade-0": "good"}).headers["location"] == f"/{TOKEN}/done"
        assert f"All {count} are graded" in page.get(f"/{TOKEN}/done").text
    found = read(session.folders[0])
    assert len(found) == count
    assert {len(grade.comment) for grade in found} == {0, 2000}
    # The same command goes on where it was.
    again = Session(session.folders, session.cards, "ada")
    assert again.following() is None
    assert len(again.graded()) == count


def test_what_contradicts_or_says_nothing_is_not_kept(session: Session) -> None:
    """A page opened twice, or without a grade, keeps what was typed, says what to do and changes nothing."""
    with opened(session) as page:
        missing = page.post(f"/{TOKEN}/1", data={"issue-0": "late"})
        assert (missing.status_code, read(session.folders[0])) == (422, [])
        assert "Choose a grade first." in missing.text
        assert 'value="late"' in missing.text
        assert page.post(f"/{TOKEN}/1", data={"grade-0": "excellent"}).status_code == 422
        for _time in range(2):
            assert page.post(f"/{TOKEN}/1", data={"grade-0": "good"}).status_code == 303
        refused = page.post(f"/{TOKEN}/1", data={"grade-0": "bad"})
        assert refused.status_code == 409
        assert "You graded this good before: say why that changes." in refused.text
        assert [grade.grade for grade in read(session.folders[0])] == ["good"]
        assert page.post(f"/{TOKEN}/1", data={"grade-0": "bad", "reason": "misread"}).status_code == 303
        assert [grade.reason for grade in read(session.folders[0])] == ["", "misread"]
        session.rubric = EBU
        part = page.post(f"/{TOKEN}/2", data={f"{name}-0": "some" for name in list(EBU.criteria)[1:]})
        assert (part.status_code, part.text.count('value="some" data-key="2" checked')) == (422, 4)
        assert "Choose a grade for each criterion first." in part.text


def test_undo_brings_back_what_stood(session: Session) -> None:
    """A grade is taken back, an edit becomes what it was, and the file keeps all of it."""
    with opened(session) as page:
        page.post(f"/{TOKEN}/1", data={"grade-0": "good"})
        page.post(f"/{TOKEN}/1", data={"grade-0": "bad", "reason": "misread"})
        assert page.post(f"/{TOKEN}/2", data={"action": "undo"}).headers["location"] == f"/{TOKEN}/1"
        assert [grade.grade for grade in session.current().values()] == ["good"]
        page.post(f"/{TOKEN}/1", data={"action": "undo"})
        assert session.current() == {}
        assert page.post(f"/{TOKEN}/3", data={"action": "undo"}).headers["location"] == f"/{TOKEN}/3"
    assert [grade.grade for grade in read(session.folders[0])] == ["good", "bad", "good", ""]


def test_a_damaged_file_is_said_on_the_page(session: Session) -> None:
    """A line that somebody broke meanwhile is named, and nothing is written over it."""
    path = session.folders[0] / FILE
    with opened(session) as page:
        path.write_text("not a grade\n")
        for answer in (page.get(f"/{TOKEN}/1"), page.post(f"/{TOKEN}/1", data={"grade-0": "good"})):
            assert answer.status_code == 500
            assert "line 1 is damaged" in answer.text
    assert path.read_text() == "not a grade\n"


def test_preferences_are_in_the_comparison(tmp_path: Path) -> None:
    """What graders like better of two runs, read without knowing which is which, is counted for the right run."""
    earlier, folder = copied(tmp_path / "earlier"), copied(tmp_path, writes)
    session = Session([earlier, folder], draw([earlier, folder], Draw(), "ada"), "ada")
    with opened(session) as page:
        for number, card in enumerate(session.cards):
            if len(card.sides) == 2:
                is_left = card.sides[0].folders == (folder,)
                form = {"grade-0": "good", "grade-1": "good", "preferred": "left" if is_left else "right"}
                page.post(f"/{TOKEN}/{number + 1}", data=form)
    found = score(folder, Demands(baseline=earlier))["comparison"]["preferences"]
    pairs = sum(len(card.sides) == 2 for card in session.cards)
    assert pairs > 2
    assert (found["this"], found["other"], found["same"], found["value"]) == (pairs, 0, 0, 1.0)


TABLE = Article(
    "table",
    "The fares of the ferry rise.\n\nFare | Before | Now\nAdult | 4 <b>pounds</b> | 5\nChild | 2\n\nIt sails at noon.",
    "Fares",
)


def cite(*quotes: str) -> tuple[Cited, ...]:
    """Return the citations of words of the table's article."""
    starts = map(TABLE.text.index, quotes)
    return tuple(
        Cited(number, Span("table", start, start + len(words)), words)
        for number, (words, start) in enumerate(zip(quotes, starts, strict=True), start=1)
    )


def card_of(folder: Path, status: str, citations: tuple[Cited, ...] = (), closest: tuple[Cited, ...] = ()) -> Card:
    """Return a card about an article with a table."""
    answer = " ".join(f"{each.quote} [{each.number}]" for each in citations)
    record = Record("q", 0, "What is the fare?", status, answer=answer, citations=citations, closest=closest)
    seen = Observed(Question("q", "What is the fare?", article="table"), record, {"table": TABLE})
    return Card((Side(seen, (folder,)),))


def test_tables_are_shown_as_tables(tmp_path: Path) -> None:
    """In the article, in a quotation and among the closest words: rows and cells, with the cited words marked."""
    row = "Adult | 4 <b>pounds</b> | 5"
    cards = [card_of(tmp_path, "quoted", cite(row)), card_of(tmp_path, "declined", closest=cite(f"{row}\nChild | 2"))]
    with opened(Session([tmp_path], cards, "ada")) as page:
        quoted, declined = (lxml.html.fromstring(page.get(f"/{TOKEN}/{n}").text) for n in (1, 2))
    for document in (quoted, declined):
        assert " | " not in document.text_content()
    cells = [[cell.text_content().strip() for cell in each] for each in quoted.xpath("//*[@class='article']//tr")]
    assert cells == [["Fare", "Before", "Now"], ["Adult", "4 <b>pounds</b>", "5[1]"], ["Child", "2"]]
    assert [mark.text_content() for mark in quoted.xpath("//td/mark")] == ["Adult", "4 <b>pounds</b>", "5"]
    assert len(quoted.xpath("//*[@class='answer']//tr")) == 1
    assert len(declined.xpath("//blockquote//tr")) == 2


@given(
    st.lists(st.text("ab| ", min_size=1), min_size=1, max_size=3).map("\n".join),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=3),
)
def test_a_table_loses_no_words_and_no_mark(text: str, cited: list[tuple[int, int]]) -> None:
    """What is shown is the paragraph without what parts its cells; each marked character stays so, each number once."""
    citations = [(start, end, number) for number, (start, end) in enumerate(cited)]
    for pieces in marked_paragraphs(text, citations, list(paragraphs(text))):
        if (rows := as_rows(pieces)) is not None:
            found = [piece for row in rows for cell in row for piece in cell]
            parted = re.sub(r" \| |\n", "", "".join(piece.text for piece in pieces))
            assert "".join(piece.text for piece in found) == parted
            assert sorted(n for p in found for n in p.closing) == sorted(n for p in pieces for n in p.closing)


# The command


def test_what_cannot_be_reviewed_is_one_line(tmp_path: Path) -> None:
    """No run, the same run twice, three runs, nothing drawn, a port in use, a damaged file: what to do, exit code 2."""
    folder, taken = copied(tmp_path), socket.create_server(("127.0.0.1", 0))
    (tmp_path / "damaged").mkdir()
    damaged = copied(tmp_path / "damaged")
    (damaged / FILE).write_text('{"grade": "good"}\n')
    cases: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path,), "holds no run"),
        ((folder, folder), "is named twice"),
        ((folder, finished(), folder), "Name one run, or two"),
        ((folder, "--second"), "nothing to grade"),
        ((folder, "--port", taken.getsockname()[1]), "is in use: name another with --port"),
        ((damaged,), "line 1 is damaged"),
        ((folder, finished(), "--ebu"), "--ebu is for one run"),
        ((folder, "--ebu", "--disagreements"), "leave out the second RUN, and --disagreements"),
    ]
    with taken:
        for arguments, words in cases:
            result = command("review", *arguments)
            assert result.exit_code == 2
            (line,) = result.stderr.splitlines()
            assert words in line


# In a browser


@contextmanager
def served(session: Session) -> Iterator[str]:
    """Serve the page as the command does, and yield its address."""
    with socket.create_server((server.HOST, 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(server.application(session, TOKEN), log_level="warning"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://{server.HOST}:{listener.getsockname()[1]}/{TOKEN}/"
        finally:
            running.should_exit = True
            thread.join()


@needs_chromium
def test_all_is_graded_by_the_keyboard(browser: Browser, session: Session) -> None:
    """Good is saved by its key; another grade asks for the issue and Enter saves; c, i, u and s do what they say."""
    count = len(session.cards)
    with served(session) as address, visiting(browser, address, **DESKTOP) as page:
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Answer 1 of {count}")
        page.keyboard.press("s")
        page.wait_for_url("**/2")
        page.keyboard.press("i")
        expect(page.get_by_text("Answerable", exact=True)).to_be_visible()
        page.keyboard.press("g")
        page.wait_for_url("**/3")
        page.keyboard.press("u")
        page.wait_for_url("**/2")
        page.keyboard.press("p")
        expect(page.get_by_label("Issue")).to_be_focused()
        page.keyboard.type("half of it, says g")
        page.keyboard.press("Escape")
        page.keyboard.press("c")
        page.keyboard.type("a comment with s, u and g")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        for number in range(3, count + 1):
            page.wait_for_url(f"**/{number}")
            page.keyboard.press("g")
        page.wait_for_url("**/1")
        page.keyboard.press("w")
        page.keyboard.press("Enter")
        page.wait_for_url("**/done")
    stands = {grade.id: grade for grade in session.current().values()}
    partly = stands[session.cards[1].question.id]
    assert (partly.grade, partly.issue, partly.comment) == ("partly", "half of it, says g", "a comment with s, u and g")
    assert stands[session.cards[0].question.id].grade == "wrong"
    assert len(stands) == count


@needs_chromium
def test_the_sheet_is_filled_in_by_the_keyboard(browser: Browser, session: Session) -> None:
    """A number grades a criterion and goes on; all none is saved at once, else Enter saves; an edit asks why."""
    session.rubric = EBU
    with served(session) as address, visiting(browser, address, **DESKTOP) as page:
        page.keyboard.type("11111")
        page.wait_for_url("**/2")
        page.keyboard.type("1321")
        expect(page.get_by_role("radiogroup", name="Context").get_by_label("None")).to_be_focused()
        page.keyboard.type("1c")
        page.keyboard.type("the speaker is another, see 1")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.wait_for_url("**/3")
        page.keyboard.press("u")
        page.wait_for_url("**/2")
        page.keyboard.type("22222")
        page.keyboard.press("Enter")
        page.wait_for_url("**/3")
        page.goto(f"{address}1")
        page.keyboard.press("3")
        page.keyboard.type("misread")
        page.keyboard.press("Enter")
        page.wait_for_url("**/3")
    said = [(grade.rubric, grade.grade, grade.comment, grade.reason) for grade in read(session.folders[0])]
    assert said == [
        (EBU.version, "none none none none none", "", ""),
        (EBU.version, "none significant some none none", "the speaker is another, see 1", ""),
        (EBU.version, "", "", "undone"),
        (EBU.version, "some some some some some", "", ""),
        (EBU.version, "significant none none none none", "", "misread"),
    ]


@needs_chromium
def test_the_page_is_for_everyone(browser: Browser, tmp_path: Path) -> None:
    """One answer, two, or one with tables, new or not saved, all unfolded: no rule of axe is broken, nothing is cut."""
    declining = copied(tmp_path, always_declines)
    sessions = [
        Session(folders, draw(folders, Draw(), "ada"), "ada", rubric)
        for folders, rubric in (([declining], CONTENT), ([finished(), declining], CONTENT), ([finished()], EBU))
    ]
    tables = Session([tmp_path], [card_of(tmp_path, "quoted", cite("Adult | 4 <b>pounds</b> | 5"))], "ada")
    for session in (*sessions, tables):
        with served(session) as address, visiting(browser, address, may_fail=True, **DESKTOP) as page:
            page.goto(f"{address}1")
            for _state in ("new", "refused"):
                page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
                assert barriers(page, 390, 1280) == []
                page.get_by_role("button", name="Save").click()
                expect(page.get_by_role("alert")).to_contain_text("Choose a grade")
