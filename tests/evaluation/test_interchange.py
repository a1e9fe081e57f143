"""Question files of other programs: what is read, what comes back the same, and what is told of the rest."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from evaluated import command, perfect, questions, report_of, settings_of
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assistant.answering.assistant import Assistant
from assistant.errors import ConfigurationError
from assistant.evaluation.evaluate import evaluate
from assistant.evaluation.interchange.reading import FIELDS, read
from assistant.evaluation.interchange.writing import convert
from assistant.evaluation.options import Options
from assistant.evaluation.questions import Question, problem_of_evidence
from assistant.evaluation.scoring.gates import Demands
from assistant.settings import PROJECT
from assistant.types import Article, Turn

FULL = Question(
    "a-1",
    'Who said "no"?',
    (Turn("Where?", "Here.\nAnd there; too."),),
    "fact",
    None,
    (("18 percent", "18%"), ("yes",)),
    ("200,000", "no"),
    ("He said:\n“No; never.”", "- a dash first"),
    "bridge",
    "one",
    "Who said no in May?",
    "Ada Brook did.",
    "= a remark",
)


def file(folder: Path, name: str, content: object) -> Path:
    """Write a file, JSON unless the content is words or bytes, and return its path."""
    path = folder / name
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    """Return what is read from a file, as rows of a question file."""
    return [asdict(question) for question in read(path)[0]]


def set_of(folder: Path, *asked: Question) -> Path:
    """Write a question file of ours."""
    lines = [json.dumps(asdict(question)) for question in asked or questions()]
    return file(folder, "set.jsonl", "\n".join(lines))


# There and back


def test_a_table_holds_what_has_no_mark_of_its_own(tmp_path: Path) -> None:
    """Lists are lines or parted by marks in a cell; a fact or evidence that holds its mark is named, and no other."""
    target = tmp_path / "set.csv"
    assert convert(set_of(tmp_path), target) == [f"Questions written to {target}: 10."]
    assert read(target)[0] == questions()
    target.unlink()
    assert convert(set_of(tmp_path, FULL, questions()[0]), target)[1:] == ["a table does not hold: evidence (1)."]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORDS = st.from_regex(r"[a-z0-9]{1,4}(([;,'\"=\n –“:#-]| \| )[a-z]{1,3})?", fullmatch=True)
ASKED = st.builds(
    Question,
    id=st.from_regex(r"[=+'\"a-z0-9:#;-]{1,4}x", fullmatch=True),
    question=TEXTS.filter(lambda text: bool(text.strip())),
    history=st.lists(st.builds(Turn, TEXTS, TEXTS), max_size=2).map(tuple),
    answerable=st.sampled_from([True, False, None]),
    must_have=st.lists(st.lists(WORDS, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
    must_not=st.lists(WORDS, max_size=2).map(tuple),
    evidence=st.lists(WORDS, max_size=2).map(tuple),
    ideal=TEXTS,
    notes=TEXTS,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=ASKED)
@example(asked=FULL)
@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_whatever_differs_is_named(tmp_path_factory: pytest.TempPathFactory, ending: str, asked: Question) -> None:
    """Of any text at all, what the file holds is what it was given, but for what is said; a question file holds all."""
    folder = tmp_path_factory.mktemp("any")
    target = folder / f"other{ending}"
    _, *said = convert(set_of(folder, asked), target)
    (row,) = rows(target)
    differing = [f"{field} (1)" for field in sorted(FIELDS) if row[field] != asdict(asked)[field]]
    assert said == ([f"a table does not hold: {', '.join(differing)}."] if differing else [])
    assert not differing or ending == ".csv"


def test_the_sets_that_ship_come_back_the_same(tmp_path: Path) -> None:
    """With nothing lost, so that they can be edited elsewhere."""
    source = PROJECT / "corpus" / "questions" / "fiction.jsonl"
    target = tmp_path / "fiction.csv"
    assert len(convert(source, target)) == 1
    assert read(target)[0] == read(source)[0]


# promptfoo


def test_promptfoos_checks_are_facts(tmp_path: Path) -> None:
    """Its checks for words become facts and forbidden words, as they stand in the YAML; what has no place is named."""
    checks = """
      - {type: icontains, value: yes}
      - {type: contains-any, value: [9, nine]}
      - {type: icontains-all, value: "a b, c"}
      - {type: not-contains, value: 2014-10-18}
      - {type: similar, value: It is nine., threshold: 0.8}
      - {type: llm-rubric, value: is polite}
"""
    text = f"prompts: [ask]\ntests:\n- vars: {{query: 'How many?'}}\n  options: {{prefix: x}}\n  assert:{checks}"
    text += "- description: of nobody\n  vars: {question: 'Who?', tone: dry}\n  assert: [{type: is-refusal}]\n"
    one, other = (questions := read(file(tmp_path, "promptfooconfig.yaml", text)))[0]
    assert one.must_have == (("yes",), ("9", "nine"), ("a b",), ("c",))
    assert (one.id, one.question, one.must_not, one.ideal) == ("1", "How many?", ("2014-10-18",), "It is nine.")
    assert (one.answerable, other.answerable, other.notes) == (True, False, "of nobody")
    assert questions[1].endswith(
        "promptfooconfig.yaml: assert llm-rubric (1), assert threshold (1), options (1), vars tone (1)."
    )


# Tables


@pytest.mark.parametrize(
    "text",
    [
        '\ufeffid;question;answerable;must_have\r\na;Who?;TRUE;"18 percent | 18%; 2014"\r\n;;;\r\n',
        'sep=;\nid;question;answerable;must_have\na;Who?;true;"18 percent|18%\n2014"\n',
        "id,question,answerable,must_have\na,Who?,True,18 percent | 18%; 2014\n,,,\n",
        "Id\tQuestion\tAnswerable\tMust_have\na\tWho?\ttrue\t18 percent | 18%; 2014\n",
    ],
)
def test_a_spreadsheets_table_is_read(tmp_path: Path, text: str) -> None:
    """Byte order mark, semicolons, tabs, line ends, capitals and rows that are left blank do not matter."""
    wanted = Question("a", "Who?", answerable=True, must_have=(("18 percent", "18%"), ("2014",)))
    assert read(file(tmp_path, "set.csv", text))[0] == [wanted]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "id,question\n2-Jan,Who?\n",
            r"row 2: not a question .*a spreadsheet made '2-Jan' of the id; set the column to",
        ),
        ("id,question\na,Who?\n1.00E+05,Why?\n", "row 3: .*a spreadsheet made '1.00E"),
        ("id,question\n2026-01-02,Who?\n", "a spreadsheet made '2026-01-02' of the id"),
        ("id,question\na,Who, if any?\n", "row 2: .*more cells than the first line; put those with a comma in quot"),
        ("a,Who?\nb,Why?\n", "has no column `question`: name the columns in the first line, as in id,question"),
        ("“id”,“question”\n“a”,“Who?”\n", "name the columns in the first line without curled quotation marks"),
        ('id,question\na,"Who?\n', "is no table .*: save it as CSV UTF-8 again"),
        ("id,question,answerable\na,Who?,perhaps\n", "row 2: .*answerable must be true, false or null"),
        ("id,question\na,Who?\na,Why?\n", "row 3: the id 'a' is used twice"),
        ("question\nWho?\n", "row 2: .*it has no id"),
        ("id,question\na,Wer schließt?\n".encode("cp1252"), "no text in UTF-8; save it as that"),
        (b"PK\x03\x04\xff", "no text in UTF-8; save it as that"),
        ("id,question\n", "holds no question"),
        ("", "has no column"),
    ],
)
def test_what_a_spreadsheet_spoilt_is_named(tmp_path: Path, content: str | bytes, reason: str) -> None:
    """One line says where, what became of it and what to do."""
    with pytest.raises(ConfigurationError, match=reason):
        read(file(tmp_path, "set.csv", content))


def test_curled_quotation_marks_in_evidence_are_named() -> None:
    """Evidence that differs from the article by these alone is said to."""
    article = Article("bridge", 'He said "No".', "A bridge")
    problem = problem_of_evidence(Question("a", "Who?", evidence=("said “No”",)), [article])
    assert "is not in the article with these quotation marks; copy it from there" in problem


def test_a_table_runs_no_formula(tmp_path: Path) -> None:
    """What a spreadsheet would run is text in it, and comes back without the mark that makes it so."""
    asked = Question("a", "=1+1", ideal="'=x", notes="@me")
    target = tmp_path / "set.csv"
    convert(set_of(tmp_path, asked), target)
    (_, cells) = csv.reader(target.read_text(encoding="utf-8-sig").splitlines())
    assert [cell for cell in cells if cell.startswith(("=", "@"))] == []
    assert read(target)[0] == [asked]


# The command


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    """The number, what of the source has no place, and what the format does not hold, a line each."""
    source = file(tmp_path, "set.jsonl", '{"id": "a", "question": "Who?", "must_have": [["a; b"]], "shade": "blue"}')
    result = command("convert", source, tmp_path / "out.csv")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"Questions written to {tmp_path / 'out.csv'}: 1.",
        f"Not read from {source}: shade (1).",
        "a table does not hold: must_have (1).",
    ]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("there.csv", "there.csv is there already: choose another name, or remove it"),
        ("out.txt", "does not end as a format's file does: use .jsonl for a question file; .csv for a table"),
        ("absent/out.csv", "cannot be written"),
    ],
)
def test_nothing_is_overwritten(tmp_path: Path, target: str, reason: str) -> None:
    """What cannot be written is refused in one line that says what to do, and every file is as it was."""
    source = set_of(tmp_path)
    file(tmp_path, "there.csv", "mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = command("convert", source, tmp_path / target)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert reason in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("tests.yaml", "- vars: {question: ['Who?', 'Why?']}", "question 1: .*question must be a text"),
        ("tests.yaml", "- file://more.yaml", "question 1: not a question"),
        ("tests.yaml", "tests: file://more.yaml", "holds no list of tests: name the file that holds the tests"),
        ("tests.yaml", "- {vars: {question: 'Who?'}, assert: [{type: contains, value: '{{x}}'}]}", "write the words"),
        ("tests.yaml", "- vars: {a: [", "is no YAML"),
        ("tests.yaml", "- vars: {a: 1, b: 2}", "it has no question"),
        ("tests.json", [{"vars": {"question": "Who?"}}, 7], "question 2: .*no object"),
    ],
)
def test_a_bad_item_is_named(tmp_path: Path, name: str, content: object, reason: str) -> None:
    """The place, what is wrong and what to do, in one line."""
    with pytest.raises(ConfigurationError, match=reason):
        read(file(tmp_path, name, content))


def test_evaluate_reads_them_directly(tmp_path: Path) -> None:
    """A run of a table asks the questions of the file that it was made of, and says what it did not read."""
    target, said = tmp_path / "set.csv", list[str]()
    convert(set_of(tmp_path), target)
    head, *more = target.read_text(encoding="utf-8-sig").splitlines()
    target.write_text("\n".join([f"{head},shade", f"{more[0]},blue", *more[1:]]))
    with mock.patch.object(Assistant, "open", return_value=perfect()):
        run = evaluate(
            target, tmp_path / "run", Options(), Demands(), settings_of(tmp_path), lambda *_: None, said.append
        )
    parts = ("questions", "articles")
    assert [run["fingerprint"]["parts"][part] for part in parts] == [
        report_of()["fingerprint"]["parts"][part] for part in parts
    ]
    assert said[1:] == [f"Not read from {target}: shade (1)."]
