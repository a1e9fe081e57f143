"""A reader's input: cleaning, what is wrong with it, follow-ups, and questions about the article itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answering.understanding.follow_ups import standalone
from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS, Question
from assistant.types import Turn

HISTORY = [
    Turn("Who is Larry Krasner?", "Larry Krasner is the district attorney."),
    Turn("Who is Caleb Arnold?", "Caleb Arnold was hired by Krasner."),
]


# Cleaning


@pytest.mark.parametrize(
    ("question", "cleaned"),
    [
        ("  Who\tis\n\nhe?  ", "Who is he?"),
        ("Wh\u200bo is h\u202ee?\ufeff", "Who is he?"),
        ("Who\x00 is\x07 he?", "Who is he?"),
        ("Who is he?\U000e0041\U000e0042", "Who is he?"),
        ("Cafe\u0301?", "Café?"),
        ("\u200b \x00\n", ""),
    ],
)
def test_cleaning_leaves_what_a_reader_sees(question: str, cleaned: str) -> None:
    """Controls, invisible characters and spare white space go; the words stay."""
    assert Question.of(question).text == cleaned


@given(st.text())
def test_cleaning_is_final_and_on_one_line(question: str) -> None:
    """Cleaning twice changes nothing, and nothing is left that breaks a line or cannot be seen."""
    cleaned = Question.of(question).text
    assert Question.of(cleaned).text == cleaned
    assert cleaned == " ".join(cleaned.split())
    assert not set(cleaned) & set("\x00\x1b\u200b\u202e\n\r\t")


# Problems


@pytest.mark.parametrize("question", ["", "???", "…", "- -"])
def test_a_question_without_a_word_is_asked_for_again(question: str) -> None:
    """Nothing, or marks only, is answered with what to do."""
    assert Question.of(question, HISTORY).problem == Question.of(question, []).problem == "Please type a question."


def test_the_longest_question_passes_and_one_more_character_does_not() -> None:
    """500 characters are a question; 501 are refused with the number."""
    assert Question.of("a" * MAX_QUESTION_CHARACTERS, []).problem is None
    refusal = Question.of("a" * (MAX_QUESTION_CHARACTERS + 1), []).problem
    assert refusal is not None
    assert "501" in refusal
    assert "500" in refusal


@pytest.mark.parametrize(
    "question",
    [
        *("é", "谁是克拉斯纳？", "18%?", "¿Quién es Kenney?", "Kenney?", "What's this about?", "what is it about"),
        *("What happened?", "who is ICE?", "Why was he fired?", "why now"),
    ],
)
def test_other_languages_single_words_and_short_questions_are_questions(question: str) -> None:
    """Anything with a letter or a digit may be asked, and what the article is about in three words."""
    assert Question.of(question, []).problem is None


@pytest.mark.parametrize(
    "question",
    ["who?", "Why?", "what", "WHEN", "how come??", "How much?", "And why not?", "what about him?", "Which one?"],
)
def test_a_question_that_leans_on_nothing_is_asked_back(question: str) -> None:
    """Where nothing was said before it, it is not known what is asked; after an exchange it is a follow-up."""
    asks_back = Question.of(question, []).problem
    assert asks_back is not None
    assert asks_back.endswith("Please ask in a few more words.")
    assert Question.of(question, HISTORY).problem is None


# Small talk

SMALL_TALK = ["hi", "Hello there!", "thanks", "thank you!", "OK", "good morning", "who are you?", "are you a bot?"]
ASKED = ["who won", "what now", "the mayor", "is it a bot", "why"]


@pytest.mark.parametrize("said", [*SMALL_TALK, "Hi, how are you?", "ok thanks, that’s all", "👋 hey"])
def test_small_talk_is_answered_in_one_line(said: str) -> None:
    """Whatever marks and other small talk stand beside it."""
    reply = Question.of(said).reply_to_small_talk
    assert reply is not None
    assert len(reply.splitlines()) == 1


@given(st.lists(st.sampled_from(SMALL_TALK)), st.sampled_from(ASKED))
def test_what_asks_something_is_no_small_talk(said: list[str], asked: str) -> None:
    """However politely it is asked."""
    assert Question.of(" ".join([*said, asked])).reply_to_small_talk is None
    assert Question.of(" ".join([asked, *said])).reply_to_small_talk is None


def test_a_question_is_what_follows_on_a_question_not_on_thanks() -> None:
    """What was said between them is of no matter."""
    thanks = Turn("Thanks!", "You are welcome.")
    assert Question.of("Why?", [*HISTORY, thanks]).forms == Question.of("Why?", HISTORY).forms


# Follow-ups


@pytest.mark.parametrize("question", ["Why?", "When was he hired?", "And before that?", "What about Kenney?", "Where?"])
def test_a_follow_up_gets_the_names_of_the_last_exchange(question: str) -> None:
    """What leans on the exchange before is joined with its names, and with nothing of the earlier ones."""
    query = standalone(question, HISTORY)
    assert query.startswith(question)
    assert "Caleb Arnold" in query
    assert "Larry" not in query


def test_a_name_is_not_added_twice() -> None:
    """A name that the follow-up holds already is not repeated."""
    assert standalone("When was Caleb Arnold hired by him?", HISTORY).count("Caleb Arnold") == 1


def test_where_the_last_exchange_names_nobody_the_one_before_it_does() -> None:
    """Of a chain of questions the first may say whom all of them are about."""
    chain = [Turn("Who is Caleb Arnold?", "A former public defender."), Turn("What did he do?", "He was hired.")]
    assert standalone("When was that?", chain) == "When was that? (about Caleb Arnold)"


LOWER = st.text("abcxyz ?.,-'\n1")


@given(st.text(), st.lists(st.builds(Turn, LOWER, LOWER), max_size=3))
def test_a_question_is_never_appended_to_a_question(question: str, history: list[Turn]) -> None:
    """Names are, or nothing: where an exchange names nobody, the question stays as it is."""
    assert standalone(question, history) == question


@pytest.mark.parametrize(
    ("question", "forms"),
    [
        ("How much has crime fallen in Philadelphia?", 1),
        ("When was he hired?", 1),
        ("Who hired him?", 1),
        ("What did she say the mayor wants?", 1),
        ("Where is Kim Jong Un from?", 2),
        ("Does Krasner say that he paid?", 2),
        ("How does the mayor pay his staff?", 2),
        ("Who said that nobody pays?", 2),
        ("Why?", 2),
    ],
)
def test_what_may_be_either_is_searched_for_as_both(question: str, forms: int) -> None:
    """A "he" of whom the question has not told leans on the exchange before; most other words only may."""
    found = list(Question.of(question, HISTORY).forms)
    assert len(found) == forms
    assert found[-1] == standalone(question, HISTORY)
    assert forms == 1 or found[0] == question


@pytest.mark.parametrize(
    ("question", "query", "history", "leans"),
    [
        ("When was he hired?", "When was he hired? (about Caleb Arnold)", HISTORY, True),
        ("Where is Kim Jong Un from?", "Where is Kim Jong Un from?", HISTORY, False),
        ("When was he hired?", "When was he hired?", [Turn("who is that?", "a lawyer")], True),
        ("How much has crime fallen in Philadelphia?", "How much has crime fallen in Philadelphia?", HISTORY, False),
        ("When was he hired?", "When was he hired?", [], False),
    ],
)
def test_what_is_answered_as_it_stands_leans_on_nothing(
    question: str, query: str, history: list[Turn], *, leans: bool
) -> None:
    """Neither a question of its own, nor one that was surer of an answer without the names before it."""
    assert list(Question.of(question, history).turns_for(query)) == (history if leans else [])


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Did ICE react?", "Why? (about ICE)"),
        ("Was Jose Ramirez-Disla there?", "Why? (about Jose Ramirez-Disla)"),
        ("Since Philadelphia became a sanctuary city", "Why? (about Philadelphia)"),
        ("One of Krasner's aides", "Why? (about Krasner's)"),
        *((said, "Why?") for said in ("Because it rained.", "In June.", "After Monday", "More than 200.", "He did.")),
        ("Sept. 3", "Why?"),
    ],
)
def test_a_capital_at_the_beginning_makes_no_name(said: str, query: str) -> None:
    """Neither does a date; both would lead a search astray."""
    assert standalone("Why?", [Turn(said, "")]) == standalone("Why?", [Turn("what happened?", said)]) == query


# The article itself


@pytest.mark.parametrize(
    ("topic", "question"),
    [
        ("title", "What is the title of this article?"),
        ("title", "What's the headline?"),
        ("title", "What is this article called?"),
        ("date", "When was this article published?"),
        ("date", "What date does this article carry?"),
        ("date", "How old is this article?"),
        ("date", "when was this published?"),
        ("date", "What is the date of the article"),
        ("length", "How long is this article?"),
        ("length", "How many words does the article have?"),
        ("length", "How many words are in this article?"),
        ("length", "How many words does this report have?"),
        ("author", "Who wrote this article?"),
        ("source", "Where is this article from?"),
        (None, "What does the article say about the date of the letter?"),
        (None, "How old is the man in this article?"),
        (None, "When was the man in this article arrested?"),
        (None, "How long is the sentence in this article?"),
        (None, "How long was the deal in the article?"),
        (None, "Who wrote the letter in this article?"),
        (None, "What date did the fight in this article happen?"),
        (None, "Where does the man in this article live?"),
        (None, "What is the title of the man in the article?"),
        (None, "When does the article say the contract ended?"),
        (None, "What year is mentioned in this article?"),
        (None, "What is the title of the mayor?"),
        (None, "How many words did he say?"),
        (None, "How many people are in this story?"),
        (None, "What does this report report about the date of the story?"),
        (None, "How long did Ramirez-Disla live in the U.S.?"),
        (None, "When did the city publish the report?"),
        (None, "Who wrote to the city solicitor?"),
    ],
)
def test_a_question_about_the_article_is_told_from_one_about_what_it_tells(topic: str | None, question: str) -> None:
    """Its title, date, length and source are asked for in many ways; those of something else stand in the text."""
    assert Question.of(question).about_article == topic


# Two questions in one


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        *(("did they ever find the drone", True), ("so is he out?", True), ("anyone hurt", True)),
        ("Isn't it late?", True),
        *(("do staff like it or not", True), ("was he fired or did he quit", False), ("who was fired", False)),
        *(("can you sum this up", False), ("why did it pass", False), ("what did they find", False)),
        *(("any idea who did it?", False), ("did the man who fled come back", True), ("did he say why", False)),
    ],
)
def test_a_yes_or_no_question_is_recognised(question: str, expected: bool) -> None:  # noqa: FBT001 - the case
    """It begins with what one asks so; of two things named one is wanted."""
    assert Question.of(question).is_yes_or_no is expected


@pytest.mark.parametrize(
    ("question", "two"),
    [
        ("When did it open, and who paid for it?", True),
        ("With which felony was Kenney charged and to what did he plead?", True),
        ("What did Arnold say? Did the mayor agree?", True),
        ("He met ICE. And what did Kenney say?", True),
        ("What is the difference between cats and dogs?", False),
        ("When and how did the strike begin?", False),
        ("Did she pay, and why?", False),
        ('Who said "he came and did it then"?', False),
        ("Who was arrested and was later released?", False),
        ("Who was hired to craft deals? Answer in one sentence.", False),
    ],
)
def test_two_questions_in_one_are_told_apart(question: str, two: bool) -> None:  # noqa: FBT001
    """What joins two words, or leaves a part without a topic, does not part; nor does what is quoted or added."""
    assert Question.of(question).joins_two == two


@pytest.mark.parametrize(
    ("question", "two"),
    [
        ("What was he charged with, and how long was he in jail?", True),
        ("Which two groups pushed back?", True),
        ("what did each side say", True),
        ("whos for it and whos against", True),
        ("What was he charged with?", False),
        ("Who is Smith and Sons?", False),
    ],
)
def test_who_asks_for_two_things_is_known(question: str, *, two: bool) -> None:
    """Two questions in one, or one for two of a kind, are told from one that only holds an "and"."""
    assert Question.of(question).asks_two == two
