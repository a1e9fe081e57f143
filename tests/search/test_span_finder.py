"""The span finder: where it points to, and how sure it is; with the real weights."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from assistant.answering.assistant import Assistant
from assistant.answering.calibration import likeness, reading_signals
from assistant.answering.steps import PASSAGES_TO_READ
from assistant.articles.passages import passages
from assistant.articles.reading import Corpus
from assistant.model import weights
from assistant.model.holder import ModelHolder
from assistant.search.embedder import SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import Retriever
from assistant.search.span_finder import Reading, Span, SpanFinder, load
from assistant.settings import Settings
from assistant.types import Article, Passage, Sentence, Status

ANSWERED = [
    ("Who was hired to a newly created immigration counsel position?", "Arnold"),
    ("How much has violent crime fallen in Philadelphia?", "18 percent"),
    ("How many cases has Arnold's office assessed?", "200"),
]


@pytest.fixture(scope="module")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedding model that the span finder's weights belong to."""
    return weights.embedder_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def reader(embedder_folder: Path) -> SpanFinder:
    """The span finder as it is shipped."""
    return SpanFinder.from_files(weights.span_finder_file(), embedder_folder)


@pytest.fixture(scope="module")
def of_article(article: Article) -> list[Passage]:
    """The passages of the article that ships."""
    return passages(article)


def best_of(readings: Iterable[Reading]) -> Span:
    """Return the likeliest words of all."""
    return max((span for reading in readings for span in reading.spans.values()), key=lambda span: span.score)


def test_it_points_to_the_words_that_answer(reader: SpanFinder, of_article: list[Passage], article: Article) -> None:
    """Of all passages, the best words of the likeliest one are the answer."""
    for question, answer in ANSWERED:
        best = best_of(reader.read(question, of_article))
        assert answer in article.text[best.start : best.end]


def test_it_is_surer_of_an_answer_than_of_none(reader: SpanFinder, of_article: list[Passage]) -> None:
    """A question that the article has nothing of gets lower log-odds than those it answers."""

    def odds(question: str) -> float:
        return max(reading.score for reading in reader.read(question, of_article))

    assert odds("Which team won the cup in the final?") < min(odds(question) for question, _ in ANSWERED)


@settings(max_examples=15)
@given(question=st.text(min_size=1, max_size=500), first=st.integers(0, 25))
def test_what_it_points_to_stands_in_that_sentence(
    reader: SpanFinder, of_article: list[Passage], question: str, first: int
) -> None:
    """Whatever is asked, each span is some words of its own sentence, and passages keep their order."""
    chosen = of_article[first : first + 3]
    readings = reader.read(question, chosen)
    assert [reading.passage for reading in readings] == chosen
    for reading in readings:
        assert reading.spans
        assert set(reading.spans) <= set(reading.passage.sentences)
        for sentence, span in reading.spans.items():
            assert sentence.start <= span.start < span.end <= sentence.end


def test_a_passage_is_read_the_same_beside_others(reader: SpanFinder, of_article: list[Passage]) -> None:
    """What else is read at the same time changes nothing but the last digits."""
    question = ANSWERED[0][0]
    for passage, beside in zip(of_article, reader.read(question, of_article), strict=True):
        alone = reader.read(question, [passage])[0]
        assert {s: span.score for s, span in alone.spans.items()} == pytest.approx(
            {s: span.score for s, span in beside.spans.items()}, abs=1e-3
        )


def test_passages_in_one_row_are_read_as_the_model_reads_each(
    reader: SpanFinder, of_article: list[Passage], embedder_folder: Path
) -> None:
    """The log-odds of the words are those of the model as it comes, given the question and one passage."""
    model = load(weights.span_finder_file(), embedder_folder).train(mode=False)
    tokenizer = AutoTokenizer.from_pretrained(embedder_folder, local_files_only=True)
    question = ANSWERED[0][0]
    for reading in reader.read(question, of_article[:5]):
        read = tokenizer(question, reading.passage.text, return_offsets_mapping=True, return_tensors="pt")
        offsets = read.pop("offset_mapping")[0].tolist()
        with torch.inference_mode():
            logits = model(**read)
        start, end = logits.start_logits[0], logits.end_logits[0]
        begin_of_passage = read["token_type_ids"][0].tolist().index(1)
        for span in reading.spans.values():
            first, last = span.start - reading.passage.start, span.end - reading.passage.start
            row = [place for place in range(begin_of_passage, len(offsets)) if offsets[place][1] > 0]
            at = next(place for place in row if offsets[place][0] == first)
            to = next(place for place in row if offsets[place][1] == last)
            assert span.score == pytest.approx(float(start[at] + end[to] - start[0] - end[0]), abs=1e-3)


@pytest.mark.parametrize("question", ["漢" * 500, "a " * 250, "?"])
def test_a_question_of_many_tokens_is_cut_and_read(
    reader: SpanFinder, of_article: list[Passage], question: str
) -> None:
    """A question that is longer than what the span finder takes leaves room for the passage."""
    assert all(reading.spans for reading in reader.read(question, of_article[:5]))


def test_what_cannot_be_read_is_no_answer() -> None:
    """A passage without a span is as far from answering as can be."""
    sentence = Sentence(Article("a", "…", "A"), 0, 1)
    assert likeness(Reading(Passage((sentence,)), {}).score) == likeness()


def test_nothing_is_read_of_nothing(reader: SpanFinder) -> None:
    """Without a passage there is no reading."""
    assert reader.read("Who?", []) == []


def test_the_weights_are_small() -> None:
    """What comes with the code is at most 25 MB."""
    assert weights.SPAN_FINDER_FILE.stat().st_size <= 25_000_000


# What a draft tells of it


def test_a_draft_is_measured_by_the_part_that_it_tells_least_of(of_article: list[Passage], article: Article) -> None:
    """Of two questions in one, telling the answer to the first alone is telling nothing of the second."""
    passage = next(p for p in of_article if len(p.sentences) > 1)
    first, second = passage.sentences[:2]
    spans = [Span(s.start, s.end, odds) for s, odds in ((first, 3.0), (second, -2.0))]
    readings = [[Reading(passage, {first: spans[0]})], [Reading(passage, {second: spans[1]})]]
    both = article.text[first.start : second.end]
    assert reading_signals(both, [first, second], readings) == {"read_there": -2.0, "read_told": 1.0}
    assert reading_signals(first.text, [first, second], readings)["read_told"] < 1.0
    assert reading_signals(both, [first], readings)["read_there"] == reading_signals(both, [], [[]])["read_there"]


def test_each_of_two_questions_is_read_by_itself(
    article: Article, real_embedder: SentenceEmbedder, reader: SpanFinder, tmp_path: Path
) -> None:
    """A question that joins two has the span finder's best words for each of them."""
    question = "How old was Jose Ramirez-Disla, and who leads the district attorney's office?"
    index = open_index([article], real_embedder, tmp_path)
    holder = ModelHolder(Settings(model="none"), [article], lambda what, done, total: None)
    search = Retriever([article], index, real_embedder)
    with closing(Assistant(Corpus((article,)), search, index, holder, 1.0, span_finder=reader)) as assistant:
        judgement = assistant.steps.judge(question, (), assistant.steps.search(question), deadline=0.0)
    best = [best_of(readings) for readings in judgement.readings]
    words = [article.text[span.start : span.end] for span in best]
    assert len(words) == 2
    assert "19" in words[0]
    assert "Krasner" in words[1]


def test_without_the_embedding_model_keywords_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages are missing, what the article answers is quoted, and what it has no word of is declined."""
    monkeypatch.setattr(weights, "embedder_is_packaged", lambda: False)
    with closing(Assistant.open(Settings(data=tmp_path, model="none"))) as assistant:
        assert assistant.ask("How old was Jose Ramirez-Disla?").status == Status.QUOTED
        assert assistant.ask("What is the capital of France?").status == Status.DECLINED


def test_a_question_outlives_a_search_that_fails_for_its_parts(
    article: Article, reader: SpanFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a second search fails, what was found for the whole question is read."""
    question = "How old was Jose Ramirez-Disla, and who leads the district attorney's office?"
    holder = ModelHolder(Settings(model="none"), [article], lambda what, done, total: None)
    search = Retriever([article], None, None)
    with closing(Assistant(Corpus((article,)), search, None, holder, 1.0, span_finder=reader)) as assistant:
        findings = assistant.steps.search(question)
        monkeypatch.setattr(search, "search", lambda *_: 1 / 0)
        judgement = assistant.steps.judge(question, (), findings, deadline=0.0)
    assert [len(readings) for readings in judgement.readings] == [min(PASSAGES_TO_READ, len(findings.hits))]
