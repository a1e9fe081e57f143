"""What is measured of one question, and of a whole run: values that a person can work out."""

from dataclasses import replace

import pytest
from evaluated import ARTICLES, BRIDGE, COST, SCHOOL
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from assistant.evaluation.questions import Question
from assistant.evaluation.records import Cited, Record, Span
from assistant.evaluation.reporting.summary import question_scores
from assistant.evaluation.scoring import measures
from assistant.evaluation.scoring.causes import CAUSES, cause
from assistant.evaluation.scoring.confidence import auroc, bins, risk_coverage
from assistant.evaluation.scoring.measures import MEASURES, scores
from assistant.evaluation.scoring.observed import Observed, observe, paragraph_of, paragraph_spans

QUESTION = Question(
    "q", "What do the repairs cost?", answerable=True, must_have=(("4.2 million",),), evidence=(COST,), article="bridge"
)
UNANSWERABLE = Question("u", "Who built it?", kind="near", answerable=False, article="bridge")
START = BRIDGE.text.index(COST)
PARAGRAPH = paragraph_of(BRIDGE, START)


def cite(words: str, number: int = 1) -> Cited:
    """Return the citation of words of the first article."""
    start = BRIDGE.text.index(words)
    return Cited(number, Span("bridge", start, start + len(words)), words)


QUOTED = Record(
    "q",
    0,
    "What do the repairs cost?",
    "quoted",
    answer=f"{COST} [1]",
    citations=(cite(COST),),
    confidence=0.8,
    retrieved=(PARAGRAPH,),
)
DECLINED = Record("u", 0, "Who built it?", "declined", confidence=0.3, first=(cite(COST),))


def saw(record: Record, question: Question = QUESTION) -> Observed:
    """Return what came of a question."""
    (observed,) = observe([question], [replace(record, id=question.id)], {a.id: a for a in ARTICLES})
    return observed


def said(answer: str, *cited: Cited, status: str = "answered") -> Record:
    """Return the record of an answer."""
    return replace(QUOTED, status=status, answer=answer, citations=cited)


WRITTEN = said("It costs 4.2 million, much. [1]", cite(COST))


# Each measure


def test_every_measure_says_what_it_is() -> None:
    """Each has a name of its own and a definition, and every question gets a score or none of what is no time."""
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    assert all(len(measure.definition) > 20 for measure in MEASURES)
    assert {"facts", "words_to_read", "brier"} < set(scores(saw(QUOTED))) <= {m.score.__name__ for m in MEASURES}


@pytest.mark.parametrize(
    ("record", "question", "outcome"),
    [
        (QUOTED, QUESTION, "right"),
        (said("It costs 9 million. [1]", cite(COST)), QUESTION, "wrong"),
        (DECLINED, QUESTION, "missing"),
        (replace(QUOTED, status="error"), QUESTION, "wrong"),
        (replace(QUOTED, status="index_unavailable"), QUESTION, "wrong"),
        (QUOTED, replace(QUESTION, must_not=("state",)), "wrong"),
        (QUOTED, replace(QUESTION, must_have=()), None),
        (QUOTED, replace(QUESTION, answerable=None), None),
        (DECLINED, UNANSWERABLE, "right"),
        (replace(DECLINED, status="blocked_input"), UNANSWERABLE, "right"),
        (QUOTED, UNANSWERABLE, "wrong"),
        (replace(DECLINED, status="error"), UNANSWERABLE, "wrong"),
        (QUOTED, replace(UNANSWERABLE, kind="false_premise", evidence=(COST,)), "right"),
        (QUOTED, replace(UNANSWERABLE, kind="false_premise", evidence=(COST,), must_not=("state",)), "wrong"),
        (QUOTED, replace(UNANSWERABLE, kind="false_premise", evidence=("3,500 cars",)), "wrong"),
        (QUOTED, replace(UNANSWERABLE, kind="near", evidence=(COST,)), "wrong"),
    ],
)
def test_an_outcome_follows_from_state_and_gold(record: Record, question: Question, outcome: str | None) -> None:
    """Right, wrong and missing are told apart by rule, and nothing is said where no gold tells."""
    assert saw(record, question).outcome == outcome


@pytest.mark.parametrize(
    ("record", "question", "expected"),
    [
        (QUOTED, QUESTION, 0.0),
        (WRITTEN, QUESTION, 1.0),
        (WRITTEN, replace(QUESTION, must_not=("much",)), 0.0),
        (WRITTEN, replace(QUESTION, must_have=(("9 million",),)), 0.0),
        (DECLINED, QUESTION, 0.0),
        (replace(QUOTED, status="error"), QUESTION, 0.0),
        (WRITTEN, UNANSWERABLE, None),
        (WRITTEN, replace(QUESTION, must_have=()), None),
    ],
)
def test_written_and_right_is_both(record: Record, question: Question, expected: float | None) -> None:
    """Of the answerable questions count those whose answer is written, holds the facts and says nothing forbidden."""
    assert measures.written_and_right(saw(record, question)) == expected


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (WRITTEN, 5),
        (replace(WRITTEN, answer="It costs 4.2 million, much. The state pays [1] half of it."), 12),
        (replace(WRITTEN, answer="Much, says nobody."), 3),
        (replace(WRITTEN, answer="Much [7] indeed. [1]"), 3),
        (QUOTED, 13),
        (replace(QUOTED, answer=f"{COST} [1] {COST} [1]"), 26),
        (replace(QUOTED, answer=""), 0),
        (DECLINED, None),
    ],
)
def test_words_are_read_up_to_the_first_citation(record: Record, words: int | None) -> None:
    """A written answer is read to the end of its first citation; a wall of quotation is read whole, as one."""
    assert measures.words_to_read(saw(record)) == words


@pytest.mark.parametrize(
    ("ideal", "answer", "expected"),
    [
        ("Yes, 4.2 million.", "Yes, it costs 4.2 million. [1]", 1.0),
        ("No: 4.2 million.", "It costs 4.2 million. [1]", 0.0),
        ("No.", "no. It costs 4.2 million. [1]", 1.0),
        ("No.", "No, nothing. [1]", 0.0),
        ("Nobody.", "Nobody, for 4.2 million. [1]", None),
        ("", "Yes, 4.2 million. [1]", None),
    ],
)
def test_a_yes_or_no_comes_first(ideal: str, answer: str, expected: float | None) -> None:
    """Where the ideal opens with Yes or No, a right answer must open with the same."""
    assert measures.opens_with_yes_or_no(saw(said(answer, cite(COST)), replace(QUESTION, ideal=ideal))) == expected


def test_citations_are_compared_with_the_evidence() -> None:
    """F1 is of citations that overlap evidence and of evidence that is cited; what is not verbatim does not count."""
    two = replace(QUESTION, evidence=(COST, "About 3,500 cars"))
    assert measures.citation_f1(saw(QUOTED)) == 1.0
    assert measures.citation_f1(saw(QUOTED, two)) == pytest.approx(2 / 3)
    other = cite("The town council", 2)
    assert measures.citation_f1(saw(said("x [1][2]", cite(COST), other))) == pytest.approx(2 / 3)
    for missed in (said("x [2]", other), said("x [1]", replace(cite(COST), quote=COST.upper())), DECLINED):
        assert measures.citation_f1(saw(missed)) == 0.0
    assert measures.citation_f1(saw(DECLINED, UNANSWERABLE)) is None


@pytest.mark.parametrize(
    ("record", "validity"),
    [
        (QUOTED, 1.0),
        (DECLINED, None),
        (said("x [1]", replace(cite(COST), span=Span("bridge", START + 1, START + 1 + len(COST)))), 0.0),
        (said("x [1]", replace(cite(COST), span=Span("tunnel", START, START + len(COST)))), 0.0),
        (said("x [1]", Cited(1, Span("bridge", 0, 10**6), BRIDGE.text)), 0.0),
        (said("x [1]", Cited(1, Span("bridge", 5, 5), "")), 0.0),
        (said(f"{COST} [1] Very much. [7]", cite(COST)), 0.5),
        (replace(DECLINED, citations=(cite(COST),)), 0.0),
    ],
)
def test_a_citation_is_valid_when_its_quote_stands_there(record: Record, validity: float | None) -> None:
    """The quote must be the article's text at its offsets; dangling markers and citations on refusals are invalid."""
    assert measures.citation_validity(saw(record)) == validity


def test_a_year_in_brackets_is_no_dangling_marker() -> None:
    """What stands in the quoted words is theirs."""
    article = replace(BRIDGE, text="It opened then [1901] and leaks.")
    record = said("It opened then [1901] and leaks. [1]", Cited(1, Span("bridge", 0, 32), article.text))
    (observed,) = observe([QUESTION], [record], {"bridge": article})
    assert measures.citation_validity(observed) == 1.0


@pytest.mark.parametrize(
    ("answer", "coverage"),
    [
        (f"{COST} [1]", 1.0),
        ("It costs much. The state pays half. [1]", 0.5),
        ("It costs much. [1] The state pays half. [1]", 1.0),
        ("It costs much. The state pays half.", 0.0),
        (f"It costs much. {COST} [1]", 0.5),
    ],
)
def test_each_sentence_needs_its_citation(answer: str, coverage: float) -> None:
    """A marker covers the sentence before it, and earlier ones only where it quotes them."""
    assert measures.citation_coverage(saw(said(answer, cite(COST)))) == coverage


def test_words_numbers_and_names_are_looked_up_in_the_citations() -> None:
    """An answer is grounded as far as its words are cited; an alien number or name is flagged."""
    right = saw(said("The state pays half. [1]", cite(COST)))
    assert (measures.groundedness(right), measures.flagged(right)) == (1.0, 0.0)
    wrong = saw(said("Mayor Brook pays 17 percent. [1]", cite(COST)))
    assert measures.flagged(wrong) == 1.0
    assert wrong.flagged_numbers == ("17",) or "17" in wrong.flagged_numbers[0]
    assert "brook" in wrong.flagged_names
    assert (measures.groundedness(wrong) or 0) < 0.5
    assert measures.groundedness(saw(DECLINED)) is None


def test_an_answer_about_the_article_itself_needs_no_citation() -> None:
    """Its date or title stands in the article's record, which is not part of its text; no model wrote the answer."""
    about = Question("a", "When was it written?", kind="about", answerable=True, must_have=(("2020",),))
    observed = saw(Record("a", 0, about.question, "answered", "record", "The article is dated 2020."), about)
    assert observed.outcome == "right"
    assert cause(observed) is None
    assert (measures.citation_coverage(observed), measures.flagged(observed)) == (None, None)
    assert (measures.written(observed), measures.written_wrong(observed)) == (1.0, 0.0)
    wrong = saw(Record("a", 0, about.question, "answered", "record", "The article is dated 2019."), about)
    assert measures.written_wrong(wrong) == 1.0


@pytest.mark.parametrize(("rank", "expected"), [(1, (1, 1, 1)), (2, (0, 1, 0.5)), (6, (0, 0, 1 / 6)), (11, (0, 0, 0))])
def test_rankings_have_their_known_scores(rank: int, expected: tuple[float, ...]) -> None:
    """The place of the evidence gives the scores that a person works out; without evidence there are none."""
    others = [Span("bridge", place, place + 1) for place in range(10)]
    record = replace(QUOTED, retrieved=tuple([*others[: rank - 1], PARAGRAPH][:10]))
    ranked = (measures.success_at_1, measures.success_at_5, measures.rr_at_10)
    assert tuple(measure(saw(record)) for measure in ranked) == expected
    assert {measure(saw(record, UNANSWERABLE)) for measure in ranked} == {None}


def test_evidence_is_looked_for_in_its_article() -> None:
    """The same words in another article are no evidence, unless the question names none."""
    words = "Hill Road"
    named = replace(QUESTION, evidence=(words,), article="school")
    assert {span.article for span in saw(QUOTED, named).gold_paragraphs} == {"school"}
    unnamed = replace(named, article="")
    assert {span.article for span in saw(QUOTED, unnamed).gold_paragraphs} == {"school", "bridge"}


@given(st.integers(0, len(BRIDGE.text) - 1))
def test_every_place_is_in_a_paragraph(position: int) -> None:
    """The paragraph of a place holds it, unless it lies in the white space behind one."""
    span = paragraph_of(BRIDGE, position)
    assert span in paragraph_spans(BRIDGE)
    assert span.start <= position
    assert position < span.end or not BRIDGE.text[span.end : position + 1].strip()


# Causes


@pytest.mark.parametrize(
    ("record", "question", "expected"),
    [
        (QUOTED, QUESTION, None),
        (DECLINED, UNANSWERABLE, None),
        (replace(QUOTED, status="error"), QUESTION, "error"),
        (replace(DECLINED, citations=(cite(COST),)), UNANSWERABLE, "bad_citation"),
        (said(f"{COST} [1] [9]", cite(COST)), QUESTION, "bad_citation"),
        (said(f"{COST} [1]", cite("The town council")), QUESTION, "bad_citation"),
        (QUOTED, UNANSWERABLE, "should_have_declined"),
        (replace(DECLINED, retrieved=()), QUESTION, "not_retrieved"),
        (replace(said("x [1]", cite("The town")), retrieved=()), QUESTION, "not_retrieved"),
        (replace(DECLINED, retrieved=(PARAGRAPH,)), QUESTION, "wrongly_declined"),
        (said("Nine. [1]", cite("The town council")), QUESTION, "retrieved_not_used"),
        (said("Nine. [1]", cite(COST)), QUESTION, "in_evidence_but_wrong"),
        (said("4.2 million of 17. [1]", cite(COST)), QUESTION, "unsupported"),
    ],
)
def test_each_failure_has_the_first_cause_that_fits(record: Record, question: Question, expected: str | None) -> None:
    """One cause is named, in the order of a question's way to its answer."""
    found = cause(saw(record, question))
    assert found == expected
    assert found is None or found in CAUSES


def test_evidence_below_the_fifth_place_is_not_retrieved() -> None:
    """The model reads five passages, so that a sixth cannot help it."""
    others = paragraph_spans(SCHOOL) + tuple(p for p in paragraph_spans(BRIDGE) if p != PARAGRAPH)
    declined = replace(DECLINED, retrieved=(*others[:5], PARAGRAPH))
    assert cause(saw(declined, QUESTION)) == "not_retrieved"
    assert cause(saw(replace(declined, retrieved=(*others[:4], PARAGRAPH)), QUESTION)) == "wrongly_declined"


# Of the whole run


@given(st.lists(st.tuples(st.integers(0, 5).map(lambda tenths: tenths / 10), st.booleans()), min_size=1, max_size=40))
def test_the_chance_of_the_right_order_is_that_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    """Equal confidences count half, and with one kind alone there is no order."""
    if len({answerable for _, answerable in pairs}) < 2:
        assert auroc(pairs) is None
    else:
        confidences, labels = zip(*pairs, strict=True)
        assert auroc(pairs) == pytest.approx(roc_auc_score(labels, confidences), abs=1e-12)


def test_confidence_is_measured_against_the_gold() -> None:
    """It tells answerable from not; a refusal counts as the quotation that would have stood."""
    sure = saw(replace(QUOTED, confidence=0.9))
    unsure = saw(replace(DECLINED, confidence=0.2), UNANSWERABLE)
    named = {measure.name: measure for measure in MEASURES}
    figures = {name: named[name].of(named[name].scores([sure, unsure])) for name in ("refusal_auroc", "brier", "aurc")}
    assert figures == pytest.approx({"refusal_auroc": 1.0, "brier": (0.01 + 0.04) / 2, "aurc": 0.25})
    assert measures.aurc(saw(replace(DECLINED, confidence=0.5))) == (0.5, True)
    assert {named[name].of([]) for name in figures} == {None}


def test_curves_are_those_of_a_person() -> None:
    """The surest are answered first; bins hold as many questions each."""
    assert risk_coverage([(0.2, False), (0.9, True)]) == [(0.5, 0.0, 0.9), (1.0, 0.5, 0.2)]
    assert bins([(0.8, True), (0.4, False)]) == [[(0.4, False)], [(0.8, True)]]
    assert sorted(len(each) for each in bins((number / 25, True) for number in range(25))) == [2] * 5 + [3] * 5
    assert (risk_coverage([]), bins([])) == ([], [])


def test_quantiles_are_of_what_has_a_value() -> None:
    """The median and the slowest of twenty, without the questions that have no time."""
    some = [saw(replace(QUOTED, total_ms=float(ms))) for ms in range(1, 101)] + [saw(DECLINED, UNANSWERABLE)]
    named = {measure.name: measure for measure in MEASURES}
    assert named["total_p50"].of(named["total_p50"].scores(some)) == 50.5
    assert named["total_p95"].of(named["total_p95"].scores(some)) == pytest.approx(95.05)
    assert named["words_to_read_p90"].of(named["words_to_read_p90"].scores(some)) == 13
    assert named["first_evidence_p50"].of(named["first_evidence_p50"].scores(some)) is None


def test_repeats_of_a_question_are_one_score() -> None:
    """A question that is right every other time is half right, and is still one question."""
    records = [replace(QUOTED, repeat=0), replace(DECLINED, id="q", repeat=1)]
    observed = observe([QUESTION], records, {a.id: a for a in ARTICLES})
    facts = next(measure for measure in MEASURES if measure.name == "facts")
    assert question_scores(facts, observed) == {"q": 0.5}
