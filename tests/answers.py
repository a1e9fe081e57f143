"""An assistant of real parts with a scripted model, and what each of its answers is held to.

The fits are the tests' own. By the words of a question alone it has an answer with the probability 0.5, and each test
sets the threshold below that, so that all is answered, or above it, so that all is declined; with a model it is as
likely as that is sure.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from scripted_engine import SURE, Reply, ScriptedModel, StubEngine, packaged

from assistant.answering.assistant import Assistant
from assistant.answering.packaged.calibration import Calibration, Fits, Regression
from assistant.answering.packaged.grounding import Claim, support
from assistant.articles.passages import sentences
from assistant.articles.reading import Corpus
from assistant.model.holder import ModelHolder, Models
from assistant.model.provider import Provider
from assistant.model.usage import Ledger
from assistant.search.retrieval import Retriever
from assistant.settings import Settings
from assistant.types import Answer, Article, Citation, Outcome, Sentence, Turn

CRIME = "How much has violent crime fallen?"
TRUE = "Violent crime has fallen by nearly 18 percent since 2014."
LEAST_WORDS = 0.6
"""A draft is shown that the model is sure of, where its evidence holds so much of it."""


def fits(threshold: float = 0.4) -> Fits:
    """Return fits that decline what is less likely to have an answer."""
    certain = Calibration({}, {}, {}, 0.0, threshold)
    answered = Calibration({"answers": 0.0}, {"answers": 1.0}, {"answers": 1.0}, 0.0, threshold)
    shown = {"words": LEAST_WORDS, "right": SURE[1]}, {"words": 0.01, "right": 0.1}, {"words": 1.0, "right": 1.0}
    # What was found first is quoted, or what the draft was made from.
    none, one = {"score": 0.0, "told": 0.0}, {"score": 1.0, "told": 1.0}
    quoted = Regression(none, one, {"score": 7.0, "told": 4.0}, -3.0)
    return Fits(
        {"keywords": certain, "words": certain, "check": answered},
        Calibration(*shown, 0.0, 0.5),
        {"words": quoted, "draft": quoted},
    )


def assemble(
    models: Callable[[], Models | None] | None,
    articles: Sequence[Article],
    search: Retriever | None = None,
    threshold: float = 0.4,
    seconds: float = 10.0,
) -> Assistant:
    """Return an assistant that is asked at once; without a search of its own, keywords alone find."""
    opened = (lambda *_: models()) if models else None
    holder = ModelHolder(Settings(model="scripted:test" if models else "none"), articles, open_them=opened)
    retriever = search or Retriever(articles, None, None)
    return Assistant(Corpus(tuple(articles)), retriever, None, holder, seconds, fits=fits(threshold))


def says(folder: Path, *said: object) -> Provider:
    """Return a capable model that says one thing after the other, as text or as an object."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in said]
    chat = GenericFakeChatModel(messages=iter(AIMessage(text) for text in texts))
    return Provider(chat, "scripted", Ledger(folder / "tokens.sqlite3"))


class Packaged:
    """An assistant whose packaged model says what the test tells it."""

    def __init__(
        self,
        articles: Sequence[Article],
        search: Retriever | None = None,
        threshold: float = 0.4,
        seconds: float = 10.0,
    ) -> None:
        """Wait until the model is there."""
        self.model, self.engine = ScriptedModel(), StubEngine()
        self.assistant = assemble(lambda: packaged(self.model, self.engine), articles, search, threshold, seconds)
        self.assistant.wait_until_loaded()
        self.snapshots: list[Answer] = []
        """Of the last question."""

    def ask(
        self,
        *drafts: Reply | str,
        question: str = CRIME,
        turns: Sequence[Turn] = (),
        article: str | None = None,
        sure: tuple[float, float, float] | None = SURE,
    ) -> Answer:
        """Return the final answer where the model writes this, and is so sure."""
        self.model.sure, self.model.replies = sure, []
        self.model.enqueue(*drafts)
        self.snapshots = list(self.assistant.stream(question, turns, article))
        return checked(self.snapshots)

    @property
    def drafted(self) -> list[list[str]]:
        """The messages of each draft that was asked for so far."""
        asked = zip(self.model.prompts, self.model.options, strict=True)
        others = {"tells_state", "reads_article"}
        return [[str(each.content) for each in prompt] for prompt, options in asked if not others & options.keys()]


def checked(stream: Iterable[Answer]) -> Answer:
    """Hold every snapshot to what no question, model or mishap may break, and return the last one."""
    *earlier, last = stream
    assert [snapshot.final for snapshot in (*earlier, last)] == [False] * len(earlier) + [True]
    for snapshot in (*earlier, last):
        assert all(citation.quote.strip() for citation in (*snapshot.citations, *snapshot.closest))
        assert [citation.number for citation in snapshot.citations] == list(range(1, len(snapshot.citations) + 1))
        match snapshot.outcome:
            case Outcome.QUOTED:
                assert all(part.is_verbatim for part in snapshot.parts)
                assert " ".join(part.words for part in snapshot.parts).split() == [
                    word for each in snapshot.citations for word in each.quote.split()
                ]
                assert [part.is_context for part in snapshot.parts] in ([False], [True, False])
                numbers = [each.number for each in (*snapshot.citations, *snapshot.more)]
                assert numbers == list(range(1, len(numbers) + 1))
            case Outcome.WRITTEN | Outcome.PARTLY | Outcome.SPEECH:
                for words, evidence in claims(snapshot):
                    assert is_supported(Claim(words, snapshot.query), evidence)
            case Outcome.OVERVIEW:
                told = {words for words, _ in claims(snapshot)}
                assert told <= {each.text for citation in snapshot.citations for each in _within(citation)}
            case _:
                assert snapshot.citations == ()
    return last


def written(answer: Answer) -> str:
    """Return the words of a written answer, without its markers."""
    return " ".join(words for words, _ in claims(answer))


def claims(answer: Answer) -> list[tuple[str, list[Sentence]]]:
    """Return each part of a written answer beside the sentences that it cites."""
    assert all(part.citations for part in answer.parts)
    return [(part.words, [each for citation in part.citations for each in _within(citation)]) for part in answer.parts]


def is_supported(claim: Claim, evidence: Sequence[Sentence]) -> bool:
    """Whether some of the sentences that were cited for it support the claim: one citation may serve two claims."""
    found = (support(claim, part) for part in _parts(evidence))
    return any(supported.facts and supported.words >= LEAST_WORDS for supported in found)


def _parts(evidence: Sequence[Sentence]) -> Iterator[tuple[Sentence, ...]]:
    for size in range(len(evidence), 0, -1):
        yield from itertools.combinations(evidence, size)


def _within(citation: Citation) -> list[Sentence]:
    every = sentences(citation.article)
    return [sentence for sentence in every if citation.start <= sentence.start and sentence.end <= citation.end]
