"""Question files: what a reader of one is told about a bad line, how facts are matched, and the files that ship."""

import json
import re
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from evaluated import Row, write
from hypothesis import given
from hypothesis import strategies as st

from assistant.articles.reading import read_corpus
from assistant.errors import ConfigurationError
from assistant.evaluation.questions import (
    KINDS,
    Question,
    holds,
    holds_facts,
    plain,
    problem_of_evidence,
    read_questions,
)
from assistant.settings import PROJECT
from assistant.types import Article, Turn

# Reading


def test_only_an_id_and_a_question_are_needed(tmp_path: Path) -> None:
    """Everything else has a value that means "not given"; blank lines and unknown keys do not matter."""
    file = write(tmp_path, [{"id": "a", "question": "Who?"}, "", {"id": 2, "question": "Why?", "shade": "blue"}])
    assert read_questions(file) == [Question("a", "Who?"), Question("2", "Why?")]
    assert read_questions(file)[0].answerable is None


def test_a_full_line_is_read_whole(tmp_path: Path) -> None:
    """Each key of the contract reaches its field, and is written as it was read."""
    line = {
        "id": "a",
        "question": "Who?",
        "history": [{"question": "Where?", "answer": "Here.", "article": "bridge"}],
        "kind": "fact",
        "answerable": False,
        "must_have": [["18 percent", "18%"], ["2014"]],
        "must_not": ["200,000"],
        "evidence": ["words of the article"],
        "article": "bridge",
        "group": "one",
        "rewrite": "Who is here?",
        "ideal": "Ada Brook is here.",
        "notes": "a remark",
    }
    (question,) = read_questions(write(tmp_path, [line]))
    assert json.loads(json.dumps(asdict(question))) == line
    assert question.history == (Turn("Where?", "Here.", "bridge"),)
    assert question.must_have == (("18 percent", "18%"), ("2014",))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no JSON from character 2 on"),
        ("[" * 100_000, "its values are not of the form that they must have"),
        ("[]", "it is no object with names and values"),
        ("null", "it is no object with names and values"),
        ('"Who?"', "it is no object with names and values"),
        ('{"id": "b"}', "it has no question"),
        ('{"question": "Who?"}', "it has no id"),
        ({"question": None}, "question must be a text"),
        ({"question": ""}, "question must be a text, and not empty"),
        ({"question": " "}, "question must be a text, and not empty"),
        ({"id": ["b"]}, "id must be a text or a number"),
        ({"id": ""}, "id must be a text or a number"),
        ({"answerable": "no"}, "answerable must be true, false or null"),
        ({"history": "earlier"}, "history must be a list"),
        ({"history": [{"question": "Where?"}]}, "history must be a list of exchanges"),
        ({"history": ["Where?"]}, "history must be a list of exchanges"),
        ({"must_have": "18"}, "must_have must be a list"),
        ({"must_have": ["9"]}, "must_have must be a list of facts, each a list"),
        ({"must_have": [[]]}, "must_have must be a list of facts, each a list"),
        ({"must_have": [["..."]]}, "the wording '...' holds no word"),
        ({"must_have": [["18 percent|18%"]]}, "looks like a regular expression"),
        ({"must_have": [[r"\d+ percent"]]}, "looks like a regular expression"),
        ({"must_have": [["9.*months"]]}, "must_not '9.*months' looks like a regular expression"),
        ({"must_not": "18"}, "must_not must be a list"),
        ({"must_not": ["^18"]}, "looks like a regular expression"),
        ({"must_not": ["(?i)x"]}, "looks like a regular expression"),
        ({"must_not": ["?!"]}, "holds no word"),
        ({"evidence": {}}, "evidence must be a list"),
        ({"evidence": [" "]}, "evidence must be a list of texts, none of them empty"),
        ({"evidence": [7]}, "evidence must be a list of texts, none of them empty"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str | Row, reason: str) -> None:
    """What is not a question stops the reading with file, line and what to do, on one line."""
    whole = line if isinstance(line, str) else {"id": "b", "question": "Who?"} | line
    file = write(tmp_path, [{"id": "a", "question": "Who?"}, "", whole])
    pattern = rf"^.*questions\.jsonl, line 3: not a question \(.*{re.escape(reason)}.*\); mend the line$"
    with pytest.raises(ConfigurationError, match=pattern) as refusal:
        read_questions(file)
    assert re.search(r"Error|Exception|NoneType|object is not|indices", str(refusal.value)) is None


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([{"id": "7", "question": "Who?"}, {"id": 7, "question": "Why?"}], r"line 2: the id '7' is used twice"),
        *((lines, "holds no question") for lines in ([], ["", "   "])),
    ],
)
def test_an_id_that_comes_twice_and_a_file_without_a_question_are_refused(
    tmp_path: Path, lines: list[Row | str], reason: str
) -> None:
    """The second use is named, also where one is a number; a run over nothing would look like a perfect one."""
    with pytest.raises(ConfigurationError, match=reason):
        read_questions(write(tmp_path, lines))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no UTF-8 are told apart from a bad line."""
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent.jsonl", tmp_path, binary):
        with pytest.raises(ConfigurationError, match=r"^The question file .* cannot be read"):
            read_questions(path)


@pytest.mark.parametrize("wording", ["$4,200", "U.S.", "(ICE)", "Who?", "5½", "a.m.", "what?!", "18%", "A/B", "1-2"])
def test_ordinary_words_are_no_pattern(tmp_path: Path, wording: str) -> None:
    """Money, abbreviations, brackets and ranges may stand in a wording."""
    (question,) = read_questions(write(tmp_path, [{"id": "a", "question": "Who?", "must_have": [[wording]]}]))
    assert question.must_have == ((wording,),)


# Matching


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("There were nine.", "9"),
        ("There were 9.", "nine"),
        ("5½ to 11 months", "5.5"),
        ("5.5 to 11 months", "5½"),
        ("5 and a half months", "5½"),
        ("more than 200,000 a year", "200000"),
        ("fell by nearly 18%", "18 percent"),
        ("fell by nearly eighteen per cent", "18%"),
        ("fell by 18 percent", "18"),
        ("an eighth-floor courtroom", "8th floor"),
        ("since 2014.", "2014"),
        ("a 19-year-old", "19 year old"),
        ("RAMIREZ-DISLA", "Ramirez-Disla"),
        ("Mr. Ramirez-Disla", "Disla"),
        ("Obama’s presidency", "Obama's"),
        ("called them “animals”", "animals"),
        ("It cost $4,200.", "$4200"),
    ],
)
def test_case_punctuation_and_number_style_do_not_matter(text: str, wording: str) -> None:
    """The same fact in another spelling is held."""
    assert holds(text, wording)


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("fell by 180 percent", "18 percent"),
        ("fell by 118 percent", "18 percent"),
        ("fell by 18.5 percent", "18"),
        ("1.5 months", "5"),
        ("in 20145", "2014"),
        ("fell by 18", "18 percent"),
        ("unable", "able"),
        ("said Larry", "arry"),
        ("Arnold", "Krasner"),
        ("anything", ""),
        ("anything", "..."),
    ],
)
def test_another_fact_is_not_held(text: str, wording: str) -> None:
    """Part of a number, the end of a word, or nothing at all is not the fact."""
    assert not holds(text, wording)


def test_every_fact_is_needed_in_one_of_its_wordings() -> None:
    """Facts are joined by "and", the wordings of one fact by "or"."""
    facts = (("18 percent", "18%"), ("2014",))
    assert holds_facts("18% since 2014", facts)
    assert not holds_facts("18% since then", facts)
    assert not holds_facts("less since 2014", facts)
    assert holds_facts("anything", ())


@given(st.text(), st.text())
def test_a_text_holds_itself_wherever_it_stands(before: str, text: str) -> None:
    """Any text with a word is found in itself, and white space and case around it do not matter."""
    if plain(text):
        assert holds(text.upper(), text.upper())
        assert plain(f"  {text}\n") == plain(text)
        assert not holds(before, "")


# The files that ship

READERS = PROJECT / "corpus" / "readers"
SPLIT = ("fit", "choose", "report")
SHIPPED = {file.stem: read_questions(file) for file in sorted((PROJECT / "corpus" / "questions").glob("*.jsonl"))}
OF_READERS = {name: read_questions(READERS / f"{name}.jsonl") for name in (*SPLIT, "shipped")}


@pytest.fixture(scope="module")
def articles() -> list[Article]:
    """Return the articles that questions are asked about."""
    folders = (PROJECT / "corpus" / "articles", PROJECT / "corpus" / "fiction", READERS / "articles")
    return [article for folder in folders for article in read_corpus(folder).articles]


@pytest.mark.parametrize("questions", (SHIPPED | OF_READERS).values(), ids=(SHIPPED | OF_READERS).keys())
def test_evidence_is_verbatim(questions: list[Question], articles: list[Article]) -> None:
    """Each piece of evidence is in its article, or in some article where none is named, character for character."""
    assert any(question.evidence for question in questions)
    assert {problem_of_evidence(question, articles) for question in questions} == {""}


@pytest.mark.parametrize("questions", SHIPPED.values(), ids=SHIPPED.keys())
def test_required_facts_stand_in_their_evidence(questions: list[Question]) -> None:
    """An answerable question can be answered from its evidence alone; nothing forbidden stands there."""
    answerable = [q for q in questions if q.answerable and q.kind != "about"]
    assert answerable
    assert [q.id for q in answerable if not q.must_have or not q.evidence] == []
    assert [q.id for q in answerable if not holds_facts(" ".join(q.evidence), q.must_have)] == []
    assert [q.id for q in answerable if any(holds(" ".join(q.evidence), words) for words in q.must_not)] == []


@pytest.mark.parametrize("questions", SHIPPED.values(), ids=SHIPPED.keys())
def test_every_question_says_whether_it_has_an_answer(questions: list[Question]) -> None:
    """Each line has a kind that the report explains, follow-ups a history, and what has no answer requires no fact."""
    assert {question.kind for question in questions} <= KINDS.keys()
    for question in questions:
        assert question.answerable is not None, question.id
        assert bool(question.history) or question.kind != "follow_up", question.id
        assert question.answerable or not question.must_have, question.id


def test_no_question_is_in_two_files() -> None:
    """What is fitted is never reported on: an id is in one file alone, and no test question is asked in another.

    Both halves hold every kind, so that one that is fitted is reported on as well.
    """
    identifiers = [question.id for questions in SHIPPED.values() for question in questions]
    assert len(identifiers) == len(set(identifiers))
    asked = {name: {plain(question.question) for question in questions} for name, questions in SHIPPED.items()}
    assert all(asked["test"].isdisjoint(others) for name, others in asked.items() if name != "test")
    halves = SHIPPED["development"], SHIPPED["test"]
    assert min(map(len, halves)) >= 60
    assert len({frozenset(question.kind for question in half) for half in halves}) == 1


# Readers' questions


def test_readers_questions_are_split_by_whole_articles() -> None:
    """No article is in two files: what is fitted to one, and chosen by another, is reported on a third."""
    of_each = [{question.article for question in OF_READERS[name]} for name in SPLIT]
    everywhere = [article for articles in of_each for article in articles]
    assert len(everywhere) == len(set(everywhere)) == len(read_corpus(READERS / "articles").articles)
    assert [len(articles) for articles in of_each] == [41, 20, 19]
    assert len(OF_READERS["shipped"]) == 40


@pytest.mark.parametrize("name", SPLIT)
def test_readers_questions_come_with_their_gold(name: str) -> None:
    """Twelve of each article, ten of which it answers; each question has an ideal answer."""
    questions = OF_READERS[name]
    assert {*Counter(q.article for q in questions).values()} == {12}
    assert {*Counter(q.article for q in questions if q.answerable).values()} == {10}
    assert [q.id for q in questions if q.answerable and not (q.must_have and q.evidence)] == []
    assert [q.id for q in questions if not 12 <= len(q.ideal.split()) <= 45] == []
    assert {q.kind for q in questions} <= set(KINDS)
