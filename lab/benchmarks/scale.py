"""How the index and the retriever hold up as the articles grow: time, disk, memory, and what a query takes and finds.

The corpus is a file of real paragraphs in SQuAD's format, and articles made of them until there are as many passages as
asked for. What is made has the sentences of a real article, dealt anew into paragraphs, and about a quarter of its
longer words are replaced, each in all articles of one deal, by other words of the file that are as long. So keywords
differ, and few passages are near copies of many others; of such a graph of neighbours misses some. The texts of the
file are embedded for real, by sentence-transformers alone and by the product's embedder, to compare their speed. The
vector of a made passage is the mean of those of its real sentences, moved in a random direction, as far as the real
vectors of some made passages are from that mean. All else is the product's own.

The RAG of tutorials gets the same articles. It embeds the file's pieces for real; its made pieces get vectors in the
same way.
"""

from __future__ import annotations

import bisect
import hashlib
import multiprocessing
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import accumulate, count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sentence_transformers import SentenceTransformer

from assistant.answering.assistant import PASSAGES_FOR_MODEL
from assistant.answering.calibration import rarity_of
from assistant.articles.passages import passages
from assistant.evaluation.questions import Question, read_text
from assistant.evaluation.scoring.statistics import percentile
from assistant.evaluation.squad import read_squad
from assistant.model import weights
from assistant.search.embedder import MAX_TOKENS, SentenceEmbedder
from assistant.search.index import open_index
from assistant.search.retrieval import CANDIDATES, Retriever
from assistant.search.vectors import BATCH, Vectors
from assistant.types import Article, Sentence
from lab.benchmarks import tutorial
from lab.benchmarks.figures import Figure, machine, save
from lab.processes import memory_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUERIES = 200
IN_ARTICLE = 50
"""How many of them are asked of one article as well, and with time to read passages."""
_EMBEDDED = 300
"""How many made passages are embedded to see how far their vectors are from the mean of their sentences."""
_WORD = re.compile(r"\b[A-Z]?[a-z]{4,}\b")
_BEST = 10
_CHUNK = 20_000

Progress = Callable[[str, int, int], None]
Spans = Callable[[Article], Iterable[tuple[int, int]]]
"""Into which slices an article is cut; the ends are exclusive."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a process of its own needs to ask the index that another has built."""

    file: Path
    passages: int
    data: Path
    folder: Path
    """With the index, and in `passages.npy` and `sentences.npy` the vectors of the file's."""
    moved: float
    """How far the vector of a made passage is from the mean of its sentences, which has length 1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What that process measured. Times are in milliseconds where no other unit is named."""

    open_seconds: float
    """Until the first search is answered: Chroma reads its graph then."""
    retriever_seconds: float
    stems_seconds: float
    """Counting the stems of all articles for the first time."""
    stems_again_seconds: float
    """The same when all of them were counted before."""
    memory: int
    """Bytes, with the embedding model, when every query had been asked."""
    query: list[float]
    query_in_article: list[float]
    query_that_reads: list[float]
    """With the passages that are compared word by word, and were not lately, read first; no evidence waits for that."""
    embedding: list[float]
    vectors: list[float]
    keywords_fusion_and_comparing: list[float]
    recall: float
    found: float
    """Share of the questions that read passages first whose answer is among what the language model would be given."""


@dataclass(frozen=True, slots=True)
class TutorialAsked:
    """What the RAG of tutorials took and found. Times are in milliseconds where no other unit is named."""

    rate: float
    """Characters of articles a second, embedded for real and stored: those of the file."""
    pieces: int
    disk: int
    """Bytes."""
    memory: int
    """Bytes, with the embedding model, when every query had been asked."""
    query: list[float]
    found: float
    """As above, of the same questions."""


@dataclass(frozen=True, slots=True)
class Built:
    """What indexing took."""

    bare_rate: float
    """Texts a second of sentence-transformers alone, the texts of the file."""
    embedding_rate: float
    """Texts a second of the product's embedder, the same texts."""
    other: float
    """Seconds of all else, for every text: splitting, Chroma, checksums, verification."""
    changed: float
    """Seconds of another run, after one article had changed, until the first search is answered."""
    passages: int
    characters: int
    """Of all articles."""
    disk: int
    """Bytes."""

    @property
    def rate(self) -> float:
        """Texts a second of the whole, had all of them been embedded for real."""
        return 1 / (1 / self.embedding_rate + self.other / self.passages)


def passage_spans(article: Article) -> Iterator[tuple[int, int]]:
    """Yield where the passages of an article stand."""
    return ((passage.start, passage.end) for passage in passages(article))


class FillingEmbedder:
    """Gives a real passage the vector that it has, and a made one that of its sentences' mean, moved."""

    def __init__(
        self,
        real: SentenceEmbedder,
        originals: Sequence[Article],
        made: Iterable[Article],
        plan: Plan,
        spans: Spans = passage_spans,
    ) -> None:
        """Take what was prepared by the plan, the articles that were made of the originals, and how they are cut."""
        self.name = real.name
        self.seconds = 0.0
        """What finding or making vectors took so far."""
        self._real = real
        self._moved = plan.moved
        self._passages: Vectors = np.load(plan.folder / "passages.npy")
        self._sentences: Vectors = np.load(plan.folder / "sentences.npy")
        texts = (passage.text for article in originals for passage in passages(article))
        self._original = {hash(text): number for number, text in enumerate(texts)}
        self._made: dict[int, list[int]] = {}
        """The numbers of the sentences, by the hash of the passage; a text itself would fill the memory."""
        of_name = {article.id: article for article in originals}
        number_of = {sentence: number for number, sentence in enumerate(_sentences(originals))}
        for article in made:
            original, _, copy = article.id.rpartition("+")
            _, starts, dealt = dealt_anew(of_name[original], int(copy))
            for start, end in spans(article):
                first, last = (bisect.bisect_left(starts, place) for place in (start, end))
                numbers = [number_of[sentence] for sentence in dealt[first:last]]
                self._made.setdefault(hash(article.text[start:end]), numbers)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text, in the order of the texts."""
        started = time.monotonic()
        rows: list[list[float]] = self.vectors(texts).tolist()
        self.seconds += time.monotonic() - started
        return rows

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors, one a row, that these texts have in the index; the same text always has the same."""
        rows = np.zeros((len(texts), self._passages.shape[1]), dtype=np.float32)
        for row, text in enumerate(texts):
            if (key := hash(text)) in self._original:
                rows[row] = self._passages[self._original[key]]
            elif self._made.get(key):
                # A text's own hash differs from one process to the next.
                seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
                direction = np.random.default_rng(seed).standard_normal(rows.shape[1], np.float32)
                rows[row] = _unit(self._sentences[self._made[key]].mean(axis=0)) + self._moved * _unit(direction)
                rows[row] = _unit(rows[row])
            else:  # The splitter cut within a sentence.
                rows[row] = self._real.embed_query(text)
        return rows


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


def measure(file: Path, wanted: int, data: Path, out: Path, progress: Progress) -> list[Figure]:
    """Measure with so many passages, write scale.json and scale.png, and return the figures.

    Raises:
        ConfigurationError: the file is not of the SQuAD format, or the tutorial lacks a package.
        WeightsError: the embedding model is not installed.
    """
    about = machine()
    with tempfile.TemporaryDirectory(dir=data, prefix="scale-") as folder:
        progress("Making articles", 0, 0)
        originals, _ = read_squad(file, read_text(file))
        articles = list(filled(originals, wanted))
        plan, alone = prepared(Plan(file, wanted, data, Path(folder), 0.0), originals, progress)
        progress("Embedding", 0, 0)
        rates = alone, _embedding_rate(plan, originals)
        built = _built(plan, rates, originals, articles, progress)
        progress("Asking", 0, 0)
        # Memory is measured in a process that has done nothing else.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            asked = process.submit(_asked, plan).result()
        progress("Changing an article", 0, 0)
        built = replace(built, changed=_changed(plan, articles))
        progress("Indexing with the tutorial, and asking it", 0, 0)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            rival = process.submit(tutorial_asked, plan).result()
    figures = [*_figures(wanted, len(articles), built, asked), *_tutorial_figures(built, asked, rival)]
    details = {"machine": about, "moved": plan.moved}
    details |= {"built": asdict(built), "asked": asdict(asked), "tutorial": asdict(rival)}
    save(out, "scale", figures, details, lambda axes: _draw(axes, built, asked, rival))
    return figures


def filled(originals: Sequence[Article], wanted: int) -> Iterator[Article]:
    """Yield the articles, and others made of them until there are so many passages; an id says of which."""
    shapes: dict[tuple[int, bool], list[str]] = {}
    for word in sorted({word for article in originals for word in _WORD.findall(article.text)}):
        shapes.setdefault((len(word), word[0].isupper()), []).append(word)
    total = 0
    for copy in count():
        edited = _edits(copy, shapes)
        for article in originals:
            if total >= wanted:
                return
            made = article
            if copy:
                text, _, _ = dealt_anew(article, copy)
                made = replace(article, id=f"{article.id}+{copy}", text=_WORD.sub(edited, text))
            total += len(passages(made))
            yield made


def dealt_anew(article: Article, copy: int) -> tuple[str, list[int], list[Sentence]]:
    """Return the text of an article's sentences in another order, where each starts, and which it is.

    It has as many paragraphs as the article has passages, and each of them as many sentences.
    """
    dealt = list(_sentences([article]))
    random.Random(f"{article.id}+{copy}").shuffle(dealt)  # noqa: S311 - any order does
    ends = {end - 1 for end in accumulate(len(passage.sentences) for passage in _passages(article))}
    text, starts = "", []
    for number, sentence in enumerate(dealt):
        starts.append(len(text))
        text += sentence.text + ("\n\n" if number in ends else " ")
    return text.rstrip(), starts, dealt


_passages = lru_cache(maxsize=1000)(passages)
"""Of the articles of the file, of which others are made again and again."""


def _sentences(articles: Iterable[Article]) -> Iterator[Sentence]:
    return (sentence for article in articles for passage in _passages(article) for sentence in passage.sentences)


def _edits(copy: int, shapes: dict[tuple[int, bool], list[str]]) -> Callable[[re.Match[str]], str]:
    words = random.Random(copy)  # noqa: S311 - any words do
    chosen: dict[str, str] = {}

    def edited(match: re.Match[str]) -> str:
        word = match[0]
        if word not in chosen:
            replaced = words.random() < 0.25
            chosen[word] = words.choice(shapes[len(word), word[0].isupper()]) if replaced else word
        return chosen[word]

    return edited


# Indexing


def prepared(plan: Plan, originals: Sequence[Article], progress: Progress) -> tuple[Plan, float]:
    """Embed the file as sentence-transformers does alone; return how far made passages are moved, and its rate."""
    progress("Embedding with sentence-transformers alone", 0, 0)
    model = SentenceTransformer(str(weights.embedder_folder(plan.data)), device="cpu", local_files_only=True)
    model.max_seq_length = MAX_TOKENS

    def embedded(texts: list[str]) -> Vectors:
        return model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    texts = [passage.text for article in originals for passage in passages(article)]
    embedded(texts[:64])  # The first batch prepares what the others use.
    started = time.monotonic()
    np.save(plan.folder / "passages.npy", embedded(texts))
    seconds = time.monotonic() - started
    np.save(plan.folder / "sentences.npy", embedded([sentence.text for sentence in _sentences(originals)]))
    made = list(islice(filled(originals, 2 * len(texts)), len(originals), None))
    several = [passage.text for article in made for passage in passages(article)]
    several = random.Random(0).sample(several, min(_EMBEDDED, len(several)))  # noqa: S311 - any do
    means = FillingEmbedder(_embedder(plan), originals, made, plan).vectors(several)
    cosine = float(np.median(np.sum(embedded(several) * means, axis=1)))
    return replace(plan, moved=float(np.sqrt(1 / cosine**2 - 1))), len(texts) / seconds


def _embedding_rate(plan: Plan, originals: Sequence[Article]) -> float:
    """Embed the same texts as the index does, longest first and so many at once; return how many that is a second."""
    texts = sorted((passage.text for article in originals for passage in passages(article)), key=len, reverse=True)
    embedder = _embedder(plan)
    embedder.embed_documents(texts[-64:])
    started = time.monotonic()
    for start in range(0, len(texts), BATCH):
        embedder.embed_documents(texts[start : start + BATCH])
    return len(texts) / (time.monotonic() - started)


def _built(
    plan: Plan,
    rates: tuple[float, float],
    originals: Sequence[Article],
    articles: Sequence[Article],
    progress: Progress,
) -> Built:
    embedder = _filling(plan, originals, articles)
    started = time.monotonic()
    index = open_index(
        articles, embedder, plan.folder / "index", progress=lambda done, total: progress("Indexing", done, total)
    )
    seconds = time.monotonic() - started
    index.close()
    return Built(
        bare_rate=rates[0],
        embedding_rate=rates[1],
        other=seconds - embedder.seconds,
        changed=0.0,
        passages=index.report.passages,
        characters=sum(len(article.text) for article in articles),
        disk=_size(plan.folder / "index"),
    )


def _changed(plan: Plan, articles: Sequence[Article]) -> float:
    """Return the seconds that the index takes to follow a change of one article, and to answer from it."""
    first, *rest = articles
    more = replace(first, text=f"{first.text}\n\nThe council will meet again in the old town hall on 3 May 2027.")
    embedder = _embedder(plan)
    asked = embedder.embed_query("When will the council meet?")
    started = time.monotonic()
    with closing(open_index([more, *rest], embedder, plan.folder / "index")) as index:
        index.search(asked, _BEST)
        return time.monotonic() - started


def _filling(plan: Plan, originals: Sequence[Article], articles: Sequence[Article]) -> FillingEmbedder:
    return FillingEmbedder(_embedder(plan), originals, islice(articles, len(originals), None), plan)


def _embedder(plan: Plan) -> SentenceEmbedder:
    return SentenceEmbedder.from_folder(weights.embedder_folder(plan.data), weights.EMBEDDER_SHA256)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# Asking


def _asked(plan: Plan) -> Asked:
    originals, questions = read_squad(plan.file, read_text(plan.file))
    articles = list(filled(originals, plan.passages))
    embedder = _embedder(plan)
    first = embedder.embed_query("Who was it?")
    started = time.monotonic()
    with closing(open_index(articles, embedder, plan.folder / "index")) as index:
        index.search(first, _BEST)
        opened = time.monotonic()
        retriever = Retriever(articles, index, embedder)
        ready = time.monotonic()
        stems = [_milliseconds(lambda: rarity_of(articles, plan.folder / "stems.txt")) for _ in range(2)]
        questions = _drawn(questions)
        texts = [question.question for question in questions]
        retriever.search("Who was it?")  # The first query prepares what the others use.
        query = [_milliseconds(lambda text=text: retriever.search(text, may_read=False)) for text in texts]  # type: ignore[misc]
        within = [
            _milliseconds(lambda text=text, of=of.id: retriever.search(f"{text} ", article=of, may_read=False))  # type: ignore[misc]
            for text, of in zip(texts[:IN_ARTICLE], articles, strict=False)
        ]
        reads, given = [], []
        for question in questions[:IN_ARTICLE]:
            before = time.monotonic()
            hits = retriever.search(f" {question.question}").hits[:PASSAGES_FOR_MODEL]
            reads.append(1000 * (time.monotonic() - before))
            given.append(is_among(question, ((hit.passage.article.id, hit.passage.text) for hit in hits)))
        embedding = [_milliseconds(lambda text=text: embedder.embed_query_and_tokens(text)) for text in texts]  # type: ignore[misc]
        asked = np.array([embedder.embed_query(text) for text in texts], dtype=np.float32)
        found, searching = [], []
        for vector in asked.tolist():
            before = time.monotonic()
            found.append(index.search(vector, CANDIDATES))
            searching.append(1000 * (time.monotonic() - before))
        memory = memory_bytes([os.getpid()])
    return Asked(
        open_seconds=opened - started,
        retriever_seconds=ready - opened,
        stems_seconds=stems[0] / 1000,
        stems_again_seconds=stems[1] / 1000,
        memory=memory,
        query=query,
        query_in_article=within,
        query_that_reads=reads,
        embedding=embedding,
        vectors=searching,
        keywords_fusion_and_comparing=[a - b - c for a, b, c in zip(query, embedding, searching, strict=True)],
        recall=_recall(plan, originals, articles, asked, [list(hits.values())[:_BEST] for hits in found]),
        found=sum(given) / len(given),
    )


def _drawn(questions: Sequence[Question]) -> list[Question]:
    """Return the questions that are asked: some of those that have an answer."""
    answerable = [question for question in questions if question.answerable]
    return random.Random(0).sample(answerable, min(QUERIES, len(answerable)))  # noqa: S311 - no secret


def is_among(question: Question, texts: Iterable[tuple[str, str]]) -> bool:
    """Whether one of the texts, each with the id of its article, has the answer's words.

    It is of the right article or of one that was made of it, which has the same sentences with some other words.
    """
    wordings = question.must_have[0]
    return any(
        of.partition("+")[0] == question.article and any(wording in text for wording in wordings) for of, text in texts
    )


def _recall(
    plan: Plan, originals: Sequence[Article], articles: Sequence[Article], asked: Vectors, found: list[list[float]]
) -> float:
    """Return the share of the ten nearest, by comparing with every vector, that the index has found."""
    filling = _filling(plan, originals, articles)
    best = np.full((len(asked), _BEST), -1.0, dtype=np.float32)
    texts = (passage.text for article in articles for passage in passages(article))
    while chunk := list(islice(texts, _CHUNK)):
        best = _best(best, asked @ filling.vectors(chunk).T)
    nearest = best.min(axis=1)
    hits = sum(
        sum(similarity > tenth - 1e-5 for similarity in hits) for hits, tenth in zip(found, nearest, strict=True)
    )
    return float(hits / best.size)


def _best(best: Vectors, similarities: Vectors) -> Vectors:
    return -np.partition(-np.hstack([best, similarities]), _BEST - 1, axis=1)[:, :_BEST]


def _milliseconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return 1000 * (time.monotonic() - started)


# The tutorial


def tutorial_asked(plan: Plan) -> TutorialAsked:
    """Index the articles of the plan as tutorials do, and ask."""
    originals, questions = read_squad(plan.file, read_text(plan.file))
    made = list(islice(filled(originals, plan.passages), len(originals), None))
    embedder = _embedder(plan)
    folder = plan.folder / "tutorial"
    real = tutorial.chunks(originals)
    embedder.embed_documents([document.page_content for document in real[:64]])
    started = time.monotonic()
    client = tutorial.client(folder)
    stored = tutorial.store(real, embedder, client)
    seconds = time.monotonic() - started
    collection = client.get_collection(tutorial.COLLECTION)
    filling = FillingEmbedder(embedder, originals, made, plan, _piece_spans)
    pieces = tutorial.chunks(made)
    for start in range(0, len(pieces), BATCH):
        batch = pieces[start : start + BATCH]
        texts = [piece.page_content for piece in batch]
        collection.add(
            ids=[f"made {start + number}" for number in range(len(batch))],
            embeddings=filling.vectors(texts),
            documents=texts,
            metadatas=[piece.metadata for piece in batch],
        )
    retriever = tutorial.retriever(stored)
    retriever.invoke("Who was it?")  # The first query prepares what the others use.
    query, given = [], []
    for question in _drawn(questions):
        before = time.monotonic()
        documents = retriever.invoke(question.question)
        query.append(1000 * (time.monotonic() - before))
        given.append(is_among(question, ((each.metadata["article"], each.page_content) for each in documents)))
    return TutorialAsked(
        rate=sum(len(article.text) for article in originals) / seconds,
        pieces=collection.count(),
        disk=_size(folder),
        memory=memory_bytes([os.getpid()]),
        query=query,
        found=sum(given[:IN_ARTICLE]) / len(given[:IN_ARTICLE]),
    )


def _piece_spans(article: Article) -> Iterator[tuple[int, int]]:
    for piece in tutorial.chunks([article]):
        start = piece.metadata["start_index"]
        yield start, start + len(piece.page_content)


# Telling


def _figures(wanted: int, articles: int, built: Built, asked: Asked) -> list[Figure]:
    slowest = 60 if wanted <= 100_000 else 250
    return [
        Figure("passages", built.passages),
        Figure("articles", articles),
        Figure("sentence-transformers alone", built.bare_rate, "texts/s"),
        Figure("indexing, had every text been embedded for real", built.rate, "texts/s"),
        Figure("indexing, of the speed of sentence-transformers alone", built.rate / built.bare_rate, at_least=0.9),
        Figure("of it without embedding", built.other, "s"),
        Figure("on disk", built.disk / 1e9, "GB"),
        Figure("opening the index that fits, to its first answer", asked.open_seconds, "s"),
        Figure("splitting the articles and indexing their words", asked.retriever_seconds, "s"),
        Figure("counting their stems for the first time", asked.stems_seconds, "s"),
        Figure("when all were counted before", asked.stems_again_seconds, "s"),
        Figure("memory of the process that searches", asked.memory / 1e9, "GB", at_most=12),
        Figure("one article changed, until it can be searched", built.changed, "s", at_most=5),
        Figure("query p50", percentile(asked.query, 0.5), "ms"),
        Figure("query p95", percentile(asked.query, 0.95), "ms", at_most=slowest),
        Figure("of it embedding the question, p50", percentile(asked.embedding, 0.5), "ms"),
        Figure("of it vectors, p50", percentile(asked.vectors, 0.5), "ms"),
        Figure("of it keywords, fusion and comparing, p50", percentile(asked.keywords_fusion_and_comparing, 0.5), "ms"),
        Figure("query in one article p50", percentile(asked.query_in_article, 0.5), "ms"),
        Figure("query in one article p95", percentile(asked.query_in_article, 0.95), "ms", at_most=slowest),
        Figure("query that reads passages first p50", percentile(asked.query_that_reads, 0.5), "ms"),
        Figure("query that reads passages first p95", percentile(asked.query_that_reads, 0.95), "ms"),
        Figure("recall@10 against comparing with every vector", asked.recall, at_least=0.99),
    ]


def _tutorial_figures(built: Built, asked: Asked, rival: TutorialAsked) -> list[Figure]:
    characters = built.rate * built.characters / built.passages
    return [
        Figure("answer among the five passages that the model is given", asked.found),
        Figure("the tutorial: answer among its four pieces", rival.found),
        Figure("the tutorial: pieces", rival.pieces),
        Figure("the tutorial: query p50", percentile(rival.query, 0.5), "ms"),
        Figure("the tutorial: query p95", percentile(rival.query, 0.95), "ms"),
        Figure("the tutorial: memory of the process that searches", rival.memory / 1e9, "GB"),
        Figure("the tutorial: on disk", rival.disk / 1e9, "GB"),
        Figure("indexing, of the tutorial's speed for the same text", characters / rival.rate, "times"),
    ]


def _draw(axes: Sequence[Axes], built: Built, asked: Asked, rival: TutorialAsked) -> None:
    queries, time_of_text = axes
    of_each = (("all articles", asked.query), ("one article", asked.query_in_article), ("the tutorial", rival.query))
    for name, milliseconds in of_each:
        queries.ecdf(milliseconds, label=name)
    queries.set(xlabel="a query takes, ms", ylabel="share of the queries", xlim=(0, None))
    queries.legend()
    parts = {
        "sentence-transformers alone": 1 / built.bare_rate,
        "embedding": 1 / built.embedding_rate,
        "all else": built.other / built.passages,
    }
    time_of_text.barh(list(parts), [1000 * seconds for seconds in parts.values()])
    time_of_text.set(xlabel="indexing one text takes, ms")
