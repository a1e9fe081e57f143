"""The writer for a capable model: what it shows, what it mends, and what it never shows."""

import json
from pathlib import Path

import pytest
from answers import says
from replies import PASSES, told

from assistant.answering.capable import MOST_CITED, CapableWriter
from assistant.answering.material import of_articles
from assistant.answering.reply import Reply, Statement
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question
from assistant.errors import Fault, ModelError
from assistant.model.limit import Limit
from assistant.types import Article, Turn

ARTICLE = Article(
    "a",
    "Ann Low is the mayor of Arden. She said that the federal ferry grant was lost. The ferry hopes to sail in May. "
    "It carried 1,240 people. Critics call it a toy.",
    "Ferry",
)
MATERIAL = of_articles([ARTICLE])
QUESTION = Question.of("Did they lose the grant?")
SAID = "Yes, the federal ferry grant was lost, the mayor said."
GOOD = told(SAID, 2)


class Asked:
    """A writer whose model says what was written down, and what came of a question."""

    def __init__(self, folder: Path, *said: object, checks: bool = True) -> None:
        """Ask, and let the model say one thing after the other."""
        self.trace, model = Trace(), says(folder, *said)
        writer = CapableWriter(model, model if checks else None)
        self.reply: Reply = writer.reply(QUESTION, MATERIAL, Limit.of_seconds(30), self.trace)

    @property
    def cited(self) -> list[list[int]]:
        """The numbers that each statement cites."""
        return [[MATERIAL.number_of(each) for each in statement.cites] for statement in self.reply.statements]

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return self.trace.usage.calls


def test_what_the_check_passes_is_shown(tmp_path: Path) -> None:
    """An answer takes two calls, and keeps the sentences that it cites."""
    asked = Asked(tmp_path, GOOD, PASSES)
    assert asked.reply == Reply("yes", (Statement(SAID, (MATERIAL.sentences[1],)),))
    assert asked.calls == 2
    assert asked.trace.steps.keys() == {"write", "check"}


def test_a_sentence_that_the_check_misses_is_cited_too(tmp_path: Path) -> None:
    """The sentence that names who "she" is stands beside the one that was cited, and there are never too many."""
    assert Asked(tmp_path, GOOD, PASSES | {"missing_cites": [1, 99]}).cited == [[1, 2]]
    many = Asked(tmp_path, GOOD, PASSES | {"missing_cites": [1, 3, 4, 5, 5, 2]})
    assert len(many.cited[0]) <= MOST_CITED


def test_a_part_of_the_answer_is_called_that(tmp_path: Path) -> None:
    """Where the writer or the check says that it is a part, it is."""
    assert Asked(tmp_path, told(SAID, 2, answerable="partly"), PASSES).reply.answerable == "partly"
    assert Asked(tmp_path, GOOD, PASSES | {"answers": "partly"}).reply.answerable == "partly"


def test_an_objection_is_mended_once(tmp_path: Path) -> None:
    """What the check objects to is written again with the objection, and checked again."""
    wrong = PASSES | {"supported": False, "wrong_words": ["was lost"], "should_say": "may be lost"}
    asked = Asked(tmp_path, GOOD, wrong, GOOD, PASSES)
    assert asked.reply.statements
    assert asked.calls == 4
    assert asked.trace.notes["objection"] == "Not supported: “was lost”. Right would be: may be lost"


def test_what_is_objected_to_twice_is_quoted(tmp_path: Path) -> None:
    """The sentences that it cited are quoted in its place."""
    wrong = PASSES | {"supported": False, "wrong_words": ["was lost"]}
    asked = Asked(tmp_path, GOOD, wrong, GOOD, wrong)
    assert asked.reply.statements == ()
    assert [window.sentences[0] for window in asked.reply.quoted] == [MATERIAL.sentences[1]]
    assert (asked.reply.answerable, asked.reply.thrown_out) == ("yes", True)


def test_what_answers_something_else_is_declined(tmp_path: Path) -> None:
    """A right sentence beside the point, twice, is no answer."""
    beside = PASSES | {"answers": "no"}
    reply = Asked(tmp_path, GOOD, beside, GOOD, beside).reply
    assert (reply.answerable, reply.thrown_out) == ("no", True)


def test_what_breaks_a_rule_is_not_even_checked(tmp_path: Path) -> None:
    """A number that is not there, and a sentence that cites nothing, go back to the writer at once."""
    for bad in (told("It carried 1,250 people.", 4), told("It was lost.", 77)):
        asked = Asked(tmp_path, bad, GOOD, PASSES)
        assert asked.cited == [[2]]
        assert asked.calls == 3


def test_without_a_check_the_rules_decide(tmp_path: Path) -> None:
    """An operator may do without the second call."""
    assert Asked(tmp_path, GOOD, checks=False).cited == [[2]]


def test_a_refusal_may_say_what_comes_nearest(tmp_path: Path) -> None:
    """What is nearest is checked like an answer, and left out where it does not pass; the refusal stands."""
    nearest = "The ferry hopes to sail in May."
    near = told(nearest, 3, answerable="no")
    passed = Asked(tmp_path, near, PASSES).reply
    assert (passed.answerable, passed.near and passed.near.text) == ("no", nearest)
    assert Asked(tmp_path, near, PASSES | {"supported": False}).reply.near is None
    assert Asked(tmp_path, told(nearest, answerable="no")).reply.near is None
    assert Asked(tmp_path, told(answerable="no")).calls == 1


@pytest.mark.parametrize("answerable", ["yes", "partly"])
def test_an_answer_without_sentences_is_no_refusal(answerable: str, tmp_path: Path) -> None:
    """What claims to answer and says nothing is asked once more; said again, it is a fault and no verdict."""
    empty = told(answerable=answerable)
    assert Asked(tmp_path, empty, GOOD, PASSES).cited == [[2]]
    with pytest.raises(ModelError) as raised:
        Asked(tmp_path, empty, empty)
    assert raised.value.fault is Fault.MALFORMED


def test_a_malformed_reply_is_asked_for_once_more(tmp_path: Path) -> None:
    """Words around the object, and a thought before it, do no harm; no object at all is tried again."""
    fenced = f"<think>{{}}</think>Here it is:\n```json\n{json.dumps(GOOD)}\n```"
    assert Asked(tmp_path, fenced, PASSES).cited == [[2]]
    assert Asked(tmp_path, "Yes, it was.", GOOD, PASSES).cited == [[2]]


@pytest.mark.parametrize(
    "around",
    [
        "The reader asks {something}. </think> %s",
        "<think>I might say %s</think>\n%s Sentence {2} says so.",
        'A try: {"answerable": "no", "sentences": []} but no: %s',
        "{%s",
        "%s }",
    ],
)
def test_whatever_stands_around_a_reply_it_is_read(around: str, tmp_path: Path) -> None:
    """Thoughts with or without their opening tag, prose, braces and an earlier try: the last object counts."""
    asked = Asked(tmp_path, around.replace("%s", json.dumps(GOOD)), PASSES)
    assert (asked.cited, asked.calls) == ([[2]], 2)


def test_a_form_that_is_filled_in_carelessly_is_read(tmp_path: Path) -> None:
    """What is left out or null is empty, and "Yes." is "yes"; that takes no further call."""
    careless = {"answerable": "Yes.", "sentences": GOOD["sentences"]}
    asked = Asked(tmp_path, careless, {"supported": True, "answers": "YES", "should_say": None})
    assert (asked.reply.answerable, asked.cited, asked.calls) == ("yes", [[2]], 2)
    assert Asked(tmp_path, {"answerable": "No"}).reply == Reply("no")


def test_a_sentence_without_words_is_left_out(tmp_path: Path) -> None:
    """An empty sentence beside a good one is not shown, and needs no repair."""
    padded = GOOD | {"sentences": [{"text": " … ", "cites": [1]}, *GOOD["sentences"]]}
    asked = Asked(tmp_path, padded, PASSES)
    assert (asked.cited, asked.calls) == ([[2]], 2)


def test_a_check_that_fails_leaves_the_quotation(tmp_path: Path) -> None:
    """What could not be checked is not shown, and the fault is named."""
    asked = Asked(tmp_path, GOOD, "no JSON", "none again", "and again", "still none")
    assert asked.reply.statements == ()
    assert asked.reply.quoted
    assert asked.reply.error is not None
    assert asked.reply.error.fault is Fault.MALFORMED


def test_a_follow_up_is_written_anew_for_a_search(tmp_path: Path) -> None:
    """Where passages are searched for, the model puts in what the turns before name."""
    writer = CapableWriter(says(tmp_path, {"question": "Who is\n Ann Low?"}), None)
    follow_up = Question.of("who is she", [Turn("Who said it?", "Ann Low said it.")])
    assert writer.standalone(follow_up, Limit.of_seconds(30), Trace()) == "Who is Ann Low?"
