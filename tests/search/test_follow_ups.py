"""Conversations: a question that leans on the one before is understood, and one that does not is not lost.

Nothing was fitted to the invented reports that are asked about here.
"""

from collections.abc import Iterator
from itertools import islice

import pytest

from assistant.answering.assistant import Assistant
from assistant.answering.understanding.follow_ups import standalone
from assistant.answering.understanding.question import Question
from assistant.articles.reading import Corpus
from assistant.settings import Settings
from assistant.types import Article, Outcome, Turn
from lab.training.reports import ReportQuestion, read_reports

REPORTS = read_reports()[-15:]
PAIRS = 30


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """Yield one without a language model, over a dozen articles."""
    articles = tuple(Article(report.id, report.text, report.id) for report in REPORTS)
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data=folder, model="none")
    assistant = Assistant.over(Corpus(articles, ()), settings, folder / "index")
    yield assistant
    assistant.close()


def unrelated() -> Iterator[tuple[Turn, ReportQuestion]]:
    """Yield answerable questions that may be follow-ups, each after one of another report and after one of its own."""
    for report, other in zip(REPORTS, REPORTS[1:] + REPORTS[:1], strict=True):
        for number, question in enumerate(report.questions):
            for before in (other, report):
                earlier = [each for each in before.questions if each.right and each is not question]
                turn = Turn(earlier[number % len(earlier)].question, earlier[number % len(earlier)].right)
                if question.right and len(Question.of(question.question, [turn]).forms) > 1:
                    yield turn, question


def test_no_question_is_lost_because_of_the_one_before(assistant: Assistant) -> None:
    """What is answered alone is answered after an exchange about something else."""
    pairs = list(islice(unrelated(), PAIRS))
    assert len(pairs) == PAIRS
    # What is searched for as it stands is answered as it is alone.
    asked = [Question.of(question.question, [turn]) for turn, question in pairs]
    leaning = [pair for pair, each in zip(pairs, asked, strict=True) if assistant.steps.find(each).query != each.text]
    assert len(leaning) < PAIRS / 2
    lost = [
        (turn, question.question)
        for turn, question in leaning
        if assistant.ask(question.question, [turn]).outcome is not Outcome.QUOTED
        and assistant.ask(question.question).outcome is Outcome.QUOTED
    ]
    assert not lost


FOLLOW_UPS = (
    (Turn("Who is Annika Dorsey?", "The brewmaster of Stonefeather."), "When did she found it?", "in 2009"),
    (Turn("Who led the investigation?", "Gordon Whitlatch led it."), "What did he say?", "Whitlatch"),
    (Turn("Who is Rafael Quintero?", "An accountant from Spokane."), "What did he break?", "broke his pelvis"),
    (Turn("Who is Desmond Pruitt?", "He was charged with murder."), "When was he freed?", "May 19"),
    (Turn("Who is Samir Haddad?", "A retired cardiologist."), "How much did he offer?", "$3.6 million"),
)


@pytest.mark.parametrize(("turn", "question", "words"), FOLLOW_UPS)
def test_a_follow_up_is_answered_about_whom_it_is(turn: Turn, question: str, words: str, assistant: Assistant) -> None:
    """A question that says no more than "he" or "she" is searched for with whom the exchange before it names."""
    answer = assistant.ask(question, [turn])
    assert answer.query == standalone(question, [turn])
    assert words in " ".join(citation.quote for citation in answer.citations)
