"""Whatever comes in, as a file, a question, a report or a request, is used, or refused in words; never more."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from served import CITATION
from test_index import ids

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS, Question
from assistant.articles.passages import passages, sentences
from assistant.articles.reading import normalise, read_corpus, read_file
from assistant.errors import BadLinesError, ConfigurationError
from assistant.evaluation.questions import read_questions
from assistant.types import Answer, Outcome, Part, Passage, Sentence, Turn
from assistant.web.storage.feedback import REASONS, Feedback, question_lines, save


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Return a folder for the file of each example."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def refused(error: Exception, kind: type[Exception], *beginnings: str) -> None:
    """Hold a refusal to our own kind, not one that came from inside a library, in words that begin so."""
    assert type(error) is kind
    assert str(error).startswith(beginnings)
    assert len(str(error)) > 10


# Articles

PIECES = st.sampled_from(
    [
        *(
            b"---\n|---\ntitle: |date: 2018-02-30\n|id: \xc3\xa9\n|url: [|&a *a|!!python/object:os.x |"
            b"\xef\xbb\xbf|\xff\xfe|\x00|\r\n\r\n|\xe2\x80\xae|\xcc\x81|\xed\xa0\x80|\x1b[0m|"
            b'<html><body><p>|</p>|<script>|<!--|<![CDATA[|<meta charset="utf-7">|&#xD800;|'
            b"The mayor spoke. |\xe2\x80\x9cNine,\xe2\x80\x9d he said.\n\n"
        ).split(b"|"),
        *(b"A " * 600, b"12.5 " * 300),
    ]
)
CONTENTS = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | (st.lists(PIECES | st.binary(max_size=8), max_size=12).map(b"".join))
)


@settings(max_examples=300)
@given(CONTENTS, st.sampled_from(["a.md", "a.txt", "a.html"]))
@example(b"---\ntitle: x\n---\nText.", "a.md")
@example(b"---\n1: x\n---\nText.", "a.md")
@example(b"---\ntitle: 2018-13-01\n---\nText.", "a.md")
def test_any_file_is_an_article_or_has_a_reason(folder: Path, content: bytes, name: str) -> None:
    """A file is read to a text that stays as it is and whose spans are slices of it, or refused in one line."""
    path = folder / name
    path.write_bytes(content)
    try:
        article = read_file(path)[0]
    except ValueError as error:
        refused(error, ValueError, "")
        return
    assert article.text == normalise(article.text).strip()
    assert article.id
    assert article.title
    spans: list[Passage | Sentence] = [*passages(article), *sentences(article)]
    for span in spans:
        assert span.text == article.text[span.start : span.end] == span.text.strip() != ""
    assert len(ids([article])) == len(passages(article)) > 0


@settings(max_examples=40)
@given(st.lists(CONTENTS, max_size=4))
def test_any_folder_is_read(contents: list[bytes]) -> None:
    """Each file of a folder is an article or a problem, whatever is in the others."""
    with tempfile.TemporaryDirectory() as name:
        for number, content in enumerate(contents):
            (Path(name) / f"{number}.md").write_bytes(content)
        corpus = read_corpus(Path(name))
    assert len(corpus.articles) + sum(problem.skipped for problem in corpus.problems) == len(contents)
    assert all("\n" not in problem.reason for problem in corpus.problems)


# Question files

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("id", "question", "history", "kind", "answerable", "must_have", "must_not", "evidence", "article", "notes")
LINES = (
    st.text(max_size=40)
    | JSON.map(json.dumps)
    | st.fixed_dictionaries(
        {"id": st.text(max_size=3) | JSON, "question": st.text(max_size=9) | JSON},
        optional=dict.fromkeys(KEYS[2:], JSON),
    ).map(json.dumps)
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=4).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")) | st.binary())
@example(b'{"id": "\\ud800", "question": "Who?"}')
@example(b'{"id": "a", "question": "Who?", "history": [{"question": [], "answer": {}}]}')
def test_any_question_file_is_read_or_refused(folder: Path, content: bytes) -> None:
    """A file gives at least one question, each with a text, or is refused in words that name the line or the file."""
    path = folder / "questions.jsonl"
    path.write_bytes(content)
    try:
        questions = read_questions(path)
    except BadLinesError as error:
        refused(error, BadLinesError, f"{path}, line ")
        return
    except ConfigurationError as error:
        refused(error, ConfigurationError, f"The question file {path} ")
        return
    assert questions
    assert len({question.id for question in questions}) == len(questions)
    assert all(question.id.strip() and isinstance(question.question, str) for question in questions)


# Feedback


@settings(max_examples=40)
@given(
    st.text().filter(lambda text: bool(text.strip())),
    st.text(),
    st.lists(st.sampled_from([*REASONS, "unknown", "<script>"])),
    st.booleans(),
    st.sampled_from(Outcome),
    st.text(),
)
def test_any_report_is_exported_as_a_question(  # noqa: PLR0913, PLR0917 - one argument for each thing that is drawn
    question: str,
    comment: str,
    reasons: list[str],
    helpful: bool,  # noqa: FBT001 - drawn
    outcome: Outcome,
    said: str,
) -> None:
    """Whatever a reader asked and wrote, what is exported is one line of a question file with the same question."""
    cited = (CITATION,) if outcome in {Outcome.WRITTEN, Outcome.QUOTED} else ()
    answer = Answer(question, outcome, (Part(said, cited),))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "feedback.sqlite3"
        save(
            file, Feedback(answer, helpful=helpful, reasons=tuple(reasons), comment=comment, turns=(Turn(said, said),))
        )
        exported = Path(folder) / "questions.jsonl"
        exported.write_text("".join(json.dumps(line) + "\n" for line in question_lines(file)))
        (read,) = read_questions(exported)
    assert (read.question, read.history) == (question, (Turn(said, said),))
    assert "\x1b" not in read.notes


# Questions

WORDS = st.sampled_from(
    ["who", "he", "it", "\u201c", '"', "title", "of", "this", "article", "(", "Ada", "\\", "\u0301"]
)
QUESTIONS = st.text() | st.lists(WORDS | st.text(max_size=3), max_size=400).map(" ".join)


@settings(max_examples=300)
@given(QUESTIONS, st.lists(st.builds(Turn, QUESTIONS, QUESTIONS), max_size=2))
def test_any_question_is_understood_or_refused(typed: str, history: list[Turn]) -> None:
    """A question is refused with a sentence, or kept whole when it is joined with what was said before."""
    question = Question.of(typed, history)
    if question.problem is not None:
        assert question.problem.endswith(".")
        return
    assert 0 < len(question.text) <= MAX_QUESTION_CHARACTERS
    assert all(form.startswith(question.text) for form in question.forms)
    assert question.about_article in {None, "title", "date", "length", "source"}
    assert all(words in question.text for words in question.quoted)
