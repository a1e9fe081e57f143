"""The evaluator's report in a real browser, made from real runs of assistants that are broken in known ways."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from browser import UNFOLDED, barriers, needs_chromium
from evaluated import (
    ROWS,
    always_declines,
    cites_elsewhere,
    evaluate_with,
    finished,
    invents_numbers,
    never_declines,
    perfect,
    quotes_what_is_not_there,
    report_of,
)
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect
from served import ALIVE, PAYLOADS

from assistant.articles.passages import paragraphs
from assistant.evaluation.options import Options
from assistant.evaluation.questions import Question
from assistant.evaluation.reporting.report import marked_paragraphs, render, verdict
from assistant.evaluation.scoring.gates import Demands, parse
from assistant.types import Answer

Content = dict[str, Any]

FLAWS: dict[str, Callable[[Answer, Question], Answer]] = {
    "b2": cites_elsewhere,
    "b3": invents_numbers,
    "b4": always_declines,
    "b5": never_declines,
    "s1": quotes_what_is_not_there,
}
"""What is broken about the answer to each of these questions; x1 raises."""


def flawed(answer: Answer, gold: Question) -> Answer:
    """Break some answers, each in its own way."""
    if gold.id == "x1":
        raise RuntimeError("the engine <b>stopped</b>")
    return FLAWS[gold.id](answer, gold) if gold.id in FLAWS else answer


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Content]:
    """Return the reports' data of runs: compared, unbroken, partial, without an answer."""
    folder = tmp_path_factory.mktemp("runs")
    names = "facts>=0.9", "success_at_5>=0.5", "facts@speaker>=0.9", "total_p50<=3000"
    demands = Demands(tuple(map(parse, names)), baseline=finished(), max_drop=0.05)
    found = {
        "unbroken": report_of(),
        "flawed": evaluate_with(perfect(flawed), folder / "flawed", demands=demands),
        "repeated": evaluate_with(perfect(flawed), folder / "repeated", Options(repeat=2)),
    }
    found["unbroken"]["gates"] = [found["flawed"]["gates"][0] | {"passed": True}]
    found["partial"] = found["unbroken"] | {"complete": False, "asked": 3, "rows": found["unbroken"]["rows"][:3]}
    found["nothing"] = evaluate_with(perfect(), folder / "nothing", Options(max_minutes=0))
    found["hostile"] = hostile(found["flawed"])
    return found


HEBREW = "\u202eמי החליט לסגור את הגשר?\u2066"
ATTACK = f"{' '.join(PAYLOADS)} {'W' * 300} {HEBREW}"


def hostile(content: Content) -> Content:
    """Return the data with markup, long words and right-to-left text wherever a stranger's words stand."""
    content = copy.deepcopy(content)
    content |= {"title": ATTACK, "model": ATTACK}
    content["fingerprint"]["parts"]["model"] = ATTACK
    for group in content["by_kind"]:
        group["name"] = f"{group['name']} {ATTACK}"
    for article in content["articles"]:
        article |= {"title": ATTACK, "text": f"{article['text']}\n\n{ATTACK}"}
    for changed in (content["comparison"][name] for name in ("broken", "fixed", "reworded")):
        for row in changed:
            row |= {"question": ATTACK, "id": f"{row['id']} {ATTACK}"}
            row["answers"] = [{"answer": f"{words} {ATTACK}", "grades": []} for words in ("One", "Other")]
    whole = content["articles"][0]
    start = len(whole["text"]) - len(ATTACK)
    place = {"article": whole["id"], "start": start, "end": len(whole["text"]), "quote": ATTACK, "gold": False}
    for row in content["rows"]:
        row.update(dict.fromkeys(("question", "answer", "notes", "group", "query", "error"), ATTACK))
        row |= {"id": f"{row['id']} {ATTACK}", "kind": ATTACK, "history": [{"question": ATTACK, "answer": ATTACK}]}
        row["gold"] |= {"must_have": [[ATTACK]], "must_not": [ATTACK], "rewrite": ATTACK, "ideal": ATTACK}
        row |= {"missing_facts": [[ATTACK]], "flagged_names": [ATTACK], "closest": [place | {"number": 1}]}
        row["citations"] = [place | {"number": 9, "valid": True}, place | {"number": 8, "valid": False}]
        row["retrieved"] = [place | {"rank": 1, "gold": True}]
    return content


Open = Callable[..., Page]


@cache
def rendered(data: str) -> str:
    """Return the page of a report's data, as JSON."""
    return render(json.loads(data))


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return what opens a report; the test fails when it asks for another file or reports an error on the console."""
    yield from opening(browser, tmp_path)


@pytest.fixture(scope="module")
def flawed_page(browser: Browser, runs: dict[str, Content], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Yield the report of the flawed run, for those who only look at it."""
    for open_ in opening(browser, tmp_path_factory.mktemp("flawed")):
        yield open_(runs["flawed"])


def opening(browser: Browser, folder: Path) -> Iterator[Open]:
    """Yield what opens a report from a file in the folder, and hold all that were opened to be quiet."""
    elsewhere: list[str] = []
    errors: list[str] = []
    contexts = []

    def open_(content: Content, **options: Any) -> Page:  # noqa: ANN401 - those of Playwright
        path = folder / "report.html"
        path.write_text(rendered(json.dumps(content)), encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        own = (path.as_uri(), "data:,")
        context.on("request", lambda request: elsewhere.append(request.url) if request.url not in own else None)
        context.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert (elsewhere, errors) == ([], [])


WIDTHS = (320, 390, 1280)
OUTSIDE = """width => [...document.querySelectorAll('main *')].filter(
    part => !part.closest('.wide, .hidden, svg, .questions thead') && part.getBoundingClientRect().right > width + 1
).map(part => part.outerHTML.slice(0, 80))"""


@needs_chromium
@pytest.mark.parametrize("name", ["unbroken", "repeated", "nothing", "hostile"])
def test_every_report_is_for_everyone(runs: dict[str, Content], open_report: Open, name: str) -> None:
    """With all unfolded no rule of axe is violated, in light or dark, and nothing is wider than a screen or cut off."""
    page = open_report(runs[name])
    page.evaluate(UNFOLDED)
    assert barriers(page, *WIDTHS) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(OUTSIDE, width) == []


# The verdict and the figures


@pytest.mark.parametrize(
    ("passed", "complete", "expected"),
    [
        ([], True, ("open", "Not decided: no gates were set")),
        ([True], True, ("yes", "May ship: the gate was passed")),
        ([True, True], True, ("yes", "May ship: all 2 gates were passed")),
        ([True], False, ("open", "Not decided: the gate was passed, but the run is incomplete")),
        ([False], False, ("no", "May not ship: 1 of 1 gate missed")),
        ([True, False, False], True, ("no", "May not ship: 2 of 3 gates missed")),
    ],
)
def test_the_verdict_is_that_of_the_gates(passed: list[bool], complete: bool, expected: tuple[str, str]) -> None:  # noqa: FBT001
    """One missed gate forbids, and nothing allows but gates that all hold on a whole run."""
    assert verdict({"gates": [{"passed": one} for one in passed], "complete": complete}) == expected


@needs_chromium
def test_the_verdict_comes_first_with_its_reasons(runs: dict[str, Content], flawed_page: Page) -> None:
    """The heading says whether it may ship; then how many were right, why others were not, and missed gates first."""
    content = runs["flawed"]
    missed = sum(not gate["passed"] for gate in content["gates"])
    assert 0 < missed < len(content["gates"])
    expect(flawed_page.locator("h1")).to_have_text(f"May not ship: {missed} of {len(content['gates'])} gates missed")
    summary = flawed_page.get_by_role("region", name="Verdict")
    for words, outcome in (("right", "right"), ("wrong", "wrong"), ("not answered", "missing")):
        count = sum(row["outcome"] == outcome for row in content["rows"])
        expect(summary).to_contain_text(f"{count} {words}")
    for cause in content["causes"]:
        expect(summary.get_by_role("link", name=cause["label"], exact=True)).to_have_count(int(cause["count"] > 0))
    # A gate has the figures of its kind, or of its drop.
    speaker = next(group for group in content["by_kind"] if group["name"] == "speaker")
    facts = next(measure for measure in speaker["measures"] if measure["name"] == "facts")
    expect(flawed_page.locator(".gates tr", has_text="facts@speaker").locator("td").nth(3)).to_have_text(
        str(facts["n"])
    )
    drop = next(row for row in content["comparison"]["differences"] if row["name"] == "facts")
    cells = flawed_page.locator(".gates tr", has_text="facts drops").locator("td").all_inner_texts()
    assert cells[1:3] == [f"{-drop['difference']:.3f}", f"{-drop['high']:z.3f} to {-drop['low']:z.3f}"]
    results = flawed_page.locator(".gates tbody td:nth-child(2)").all_inner_texts()
    assert results == ["missed"] * missed + ["passed"] * (len(results) - missed)


@needs_chromium
def test_every_measure_stands_with_interval_n_and_definition(runs: dict[str, Content], flawed_page: Page) -> None:
    """A figure is never without how sure it is, and its name opens what it means."""
    content = runs["flawed"]
    measures = [*content["headlines"], *content["second_screen"]]
    assert flawed_page.locator("tr[id^=measure-]").count() == len(measures)
    facts = flawed_page.locator("#measure-facts")
    measure = next(measure for measure in measures if measure["name"] == "facts")
    cells = [f"{measure['value']:.3f}", f"{measure['low']:.3f} to {measure['high']:.3f}", str(measure["n"])]
    assert facts.locator("td.number").all_inner_texts() == cells
    expect(facts.locator("p")).to_be_hidden()
    facts.locator("summary").focus()
    flawed_page.keyboard.press("Enter")
    expect(facts.locator("p")).to_be_visible()
    expect(facts.locator("p")).to_contain_text(measure["definition"])
    expect(flawed_page.locator("#measure-false_refusals")).to_contain_text("lower is better")


@needs_chromium
def test_confidence_and_time_are_tables(runs: dict[str, Content], flawed_page: Page) -> None:
    """How often it is wrong at each share of answers, how far its confidence is right, how long each stage takes."""
    curves, latency = runs["flawed"]["curves"], runs["flawed"]["latency"]
    tables = {
        "Risk and coverage": [[f"{at['coverage']:.3f}", f"{at['risk']:.3f}"] for at in curves["risk_coverage"]],
        "Calibration": [[f"{at['confidence']:.3f}", f"{at['share']:.3f}"] for at in curves["calibration"]],
        "Milliseconds of each stage": [[at["label"], f"{at['p50']:,.0f}"] for at in latency],
    }
    assert [len(rows) for rows in tables.values()] == [10, 9, 3]
    for name, rows in tables.items():
        shown = flawed_page.get_by_role("table", name=name).locator("tbody tr").all_inner_texts()
        assert [row.split("\t")[:2] for row in shown] == rows


@needs_chromium
def test_kinds_and_ideals_stand_beside_what_they_are_of(flawed_page: Page) -> None:
    """The first table by kind has each kind in order with what it asks; an ideal answer follows the one given."""
    table = flawed_page.get_by_role("region", name="Measures by kind, table 1 of").locator("table")
    first = ["kind", "written and right", "words to read, median", "words to read, 90th percentile"]
    assert table.locator("thead th").all_inner_texts()[:4] == first
    assert table.locator("tbody th").all_inner_texts()[:2] == ["fact\na fact", "multi\nseveral answers"]
    ideal = flawed_page.locator("#question-b3 dt:text-is('Answer') + dd + dt:text-is('Ideal answer') + dd")
    expect(ideal).to_have_text("They cost 4.2 million dollars.")
    expect(flawed_page.get_by_text("Ideal answer", exact=True)).to_have_count(1)


# The questions


@needs_chromium
def test_the_table_is_sorted_and_filtered_by_the_keyboard(runs: dict[str, Content], open_report: Open) -> None:
    """A heading sorts and says so; Tab leads to the filters; what fits stays, and a screen reader is told how many."""
    content = runs["flawed"]
    page = open_report(content)
    shown = page.locator("#table tbody tr:visible")
    expect(shown).to_have_count(len(ROWS))
    header = page.locator("#table").get_by_role("columnheader", name="Question")
    header.get_by_role("button").focus()
    for direction, reverse in (("ascending", False), ("descending", True)):
        page.keyboard.press("Enter")
        expect(header).to_have_attribute("aria-sort", direction)
        asked = page.locator("#table tbody th a").all_inner_texts()
        assert asked == sorted((row["question"] for row in ROWS), reverse=reverse)
    page.get_by_label("Contains").focus()
    page.keyboard.type("REPAIRS")
    expect(shown).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text(f"2 of {len(ROWS)} shown")
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "kind"
    page.keyboard.type("near")
    expect(shown).to_have_count(2)
    page.get_by_role("combobox", name="Cause").focus()
    page.keyboard.type("should")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Who built the bridge?")


@needs_chromium
def test_every_row_leads_to_its_part(runs: dict[str, Content], open_report: Open) -> None:
    """Each question, and each time it was asked, has one part of its own, which its link shows, whatever its id."""
    content = copy.deepcopy(runs["repeated"])
    for row, name in zip(content["rows"], ("a b", "a/b", "a-b", "é", "ü", "'\"<", " "), strict=False):
        row["id"] = name
    content["rows"][1]["question"] = HEBREW
    page = open_report(content)
    targets = page.locator("#table tbody th a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    anchors = page.locator("article.question").evaluate_all("parts => parts.map(part => `#${part.id}`)")
    assert set(targets) == set(anchors)
    assert len(set(anchors)) == len(anchors) == len(content["rows"]) == 2 * len(ROWS)
    page.locator("#table a", has_text="What do the repairs cost?").last.click()
    expect(page.locator(":target")).to_be_in_viewport()
    expect(page.locator(":target h4")).to_have_text("What do the repairs cost?")
    # The direction of a word ends with it.
    assert page.locator("h4", has_text="הגשר").evaluate("title => getComputedStyle(title).direction") == "rtl"


@needs_chromium
def test_citations_are_marked_where_they_stand(flawed_page: Page) -> None:
    """The cited words are marked and numbered in the article's paragraph, the evidence underlined; false ones named."""
    part = flawed_page.locator("#question-b1")
    quote = ROWS[0]["evidence"][0]
    expect(part.locator("mark")).to_have_text(quote)
    expect(part.locator("u.evidence")).to_have_text(quote)
    expect(part.locator("blockquote sup")).to_have_text("[1]")
    elsewhere = flawed_page.locator("#question-b2")
    expect(elsewhere.locator("blockquote footer").all()[0]).to_have_text("A school plants trees")
    expect(elsewhere.locator("u.evidence")).to_have_text(ROWS[1]["evidence"][0])
    expect(elsewhere.locator("mark u")).to_have_count(0)
    false = flawed_page.locator("#question-s1")
    expect(false.locator("mark")).to_have_count(0)
    expect(false).to_contain_text("not in the article at its offsets")
    expect(false).to_contain_text("bad citation")


@needs_chromium
def test_a_part_says_all_about_its_question(runs: dict[str, Content], flawed_page: Page) -> None:
    """State, cause, gold with what is missing, what was searched for, every score and every time."""
    content = runs["flawed"]
    part = flawed_page.locator("#question-b4")
    expect(part).to_contain_text("not answered · wrongly declined")
    expect(part.locator("dl").first).to_contain_text("What do the repairs cost?4.2 million dollars.")
    expect(part.locator("dl").first).to_contain_text("Gold rewrite")
    expect(part.locator("dl").first).to_contain_text("“state” missing")
    part.get_by_text("Every score and time").click()
    row = next(row for row in content["rows"] if row["id"] == "b4")
    known = [value for value in (*row["scores"].values(), *row["timings"].values()) if value is not None]
    assert part.locator(".scores dd").count() == len(known) + (row["confidence"] is not None)
    expect(flawed_page.locator("#question-x1")).to_contain_text("RuntimeError: the engine <b>stopped</b>")
    expect(flawed_page.locator("#question-b3")).to_contain_text("7,777")


@given(
    st.lists(st.text("ab \n", min_size=1), min_size=1, max_size=4).map("\n\n".join),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4),
)
def test_marks_change_no_words(text: str, cited: list[tuple[int, int]], evidence: list[tuple[int, int]]) -> None:
    """The paragraphs that hold a cited or expected character are shown whole, and exactly these are marked."""
    citations = [(start, end, number) for number, (start, end) in enumerate(cited, start=1)]
    wanted = []
    for first, last in paragraphs(text):
        marks = [
            (text[place], any(a <= place < b for a, b in cited), any(a <= place < b for a, b in evidence))
            for place in range(first, last)
        ]
        if any(is_cited or is_evidence for _, is_cited, is_evidence in marks):
            wanted.append(marks)
    shown = [
        [(letter, piece.cited, piece.evidence) for piece in pieces for letter in piece.text]
        for pieces in marked_paragraphs(text, citations, evidence)
    ]
    assert shown == wanted


# Other runs


@needs_chromium
def test_a_comparison_says_what_broke(runs: dict[str, Content], flawed_page: Page) -> None:
    """Every difference with its interval and p, and the questions that broke, each with a link to its part."""
    content = runs["flawed"]
    comparison = content["comparison"]
    section = flawed_page.get_by_role("region", name="What changed since the baseline")
    rows = section.get_by_role("region", name="Differences, table").locator("tbody tr")
    expect(rows).to_have_count(len(comparison["differences"]) + len(comparison["latency"]))
    row = next(row for row in comparison["differences"] if row["name"] == "facts")
    assert row["difference"] < 0
    expect(rows.filter(has_text="facts contained")).to_contain_text(f"−{-row['difference']:.3f}")
    assert {row["id"] for row in comparison["broken"]} >= {"b4", "b5", "x1"}
    section.get_by_role("link", name="Who built the bridge?").click()
    expect(flawed_page.locator(":target")).to_have_id("question-b5")


@needs_chromium
@pytest.mark.parametrize(("name", "asked"), [("partial", 3), ("nothing", 0)])
def test_an_unfinished_run_says_so(runs: dict[str, Content], open_report: Open, name: str, asked: int) -> None:
    """How many were asked stands beside the verdict, which is not that it may ship."""
    page = open_report(runs[name])
    expect(page.locator("h1")).to_contain_text("Not decided")
    expect(page.get_by_role("region", name="Verdict")).to_contain_text(
        f"Only {asked} of {len(ROWS)} questions were asked."
    )
    expect(page.locator("#table tbody tr")).to_have_count(asked)


@needs_chromium
def test_everything_is_read_without_a_script(runs: dict[str, Content], open_report: Open) -> None:
    """With JavaScript off there is every table and part, and no control that does nothing."""
    content = runs["flawed"]
    page = open_report(content, java_script_enabled=False)
    expect(page.locator("#table tbody tr:visible")).to_have_count(len(ROWS))
    expect(page.locator("article.question:visible")).to_have_count(len(ROWS))
    expect(page.locator("form:visible, button:visible, select:visible")).to_have_count(0)
    page.locator("#measure-facts summary").click()
    expect(page.locator("#measure-facts p")).to_be_visible()


@needs_chromium
def test_strangers_words_are_inert(runs: dict[str, Content], open_report: Open) -> None:
    """Markup in questions, gold, answers, articles, errors and names is text: no element, no script, no request."""
    page = open_report(runs["hostile"])
    theirs = page.locator("header, article.question, #table tbody, [aria-labelledby=changes] ul")
    assert theirs.locator(ALIVE).evaluate_all("all => all.map(one => one.outerHTML.slice(0, 100))") == []
    expect(
        page.locator("img, iframe, object, base, link[rel=stylesheet], a[target], [onload], [onerror]")
    ).to_have_count(0)
    expect(page.locator("script")).to_have_count(1)
    expect(page.locator("style")).to_have_count(1)
    addresses = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [address for address in addresses if not re.fullmatch(r"#[\w.-]+", address)] == []
    assert page.evaluate("window.attacked") is None
    assert not set(page.content()) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
    part = page.locator("article.question").first
    for place in ("h4", "dd.words", "mark"):
        words = "".join((part.locator(place).last.text_content() or "").split())
        assert [payload for payload in PAYLOADS if "".join(payload.split()) not in words] == []


@needs_chromium
def test_a_print_has_the_definitions_and_the_failures(runs: dict[str, Content], open_report: Open) -> None:
    """On paper every measure is explained, no control is left, and questions without a failure are left out."""
    content = runs["flawed"]
    page = open_report(content)
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("form, nav").filter(visible=True)).to_have_count(0)
    failed = [row for row in content["rows"] if row["cause"]]
    expect(page.locator("article.question:visible")).to_have_count(len(failed))
    expect(page.get_by_text("Questions without a failure are left out")).to_be_visible()
    assert page.locator("#measure-facts p").evaluate("p => p.getBoundingClientRect().height") > 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_file_names_no_other(runs: dict[str, Content]) -> None:
    """Nothing in it is loaded from elsewhere, and its policy forbids it: only its own style and script."""
    page = render(runs["flawed"])
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#|data:,)[^\s\"'>]+", page.partition("<script>")[0]) == []


def test_the_same_data_make_the_same_file(runs: dict[str, Content]) -> None:
    """A report made from `report.json` as it was written is the report that was made at once, byte for byte."""
    assert render(json.loads(json.dumps(runs["flawed"]))) == render(runs["flawed"])
