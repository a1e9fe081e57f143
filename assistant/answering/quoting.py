"""Which sentences of what was found answer the question best?

A small logistic regression over a few signals of each sentence, fitted by `python -m lab calibrate` to where the
evidence of the questions stands that it is given. What the question shares with a sentence is one half; the other
is what the model wrote: even a draft that may not be shown points to the sentence that it was made from, in words and
in vectors, and that finds what a question asks for in words of its own. Whether there is an answer is decided
elsewhere (`judgement.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from assistant.answering.packaged.calibration import coverage
from assistant.answering.understanding import kinds
from assistant.answering.understanding.question import Question
from assistant.articles import terms
from assistant.articles.annotated import annotated, annotation
from assistant.articles.passages import is_row, statements
from assistant.articles.speakers import TITLES
from assistant.articles.words import Words
from assistant.search.retrieval import Findings, Rarity
from assistant.types import Article, Passage, Sentence

MOST_SENTENCES = 4
"""One is shown, and the others one tap away."""
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_TITLE = re.compile(rf"\b(?:{TITLES})\b\.?\s+")
"""It is no name itself, and its full stop ends no sentence: what stands behind it is one."""
_SUBJECT = re.compile(
    r"^(?:\W|(?:so|and|but|ok|okay|then|wait|please|pls|anyway|well|also|hey|hi|oh|hm+)\b)*+"
    r"((?!(?:any|some|every|no)(?:one|body|thing)\b)[^\W\d_]+)"
    r" (?:is|was|has|had|does|did|will|would|can|could|should|won|lost|took|got|said|made|\w+ed)\b",
    re.IGNORECASE,
)
"""Whom a question tells of that begins like a sentence, where a capital says nothing: "Turkana is how far behind?"."""
_WHO_IS = re.compile(
    r"^\W*who(?:['’]?s| is| was) (?!.*(?:ly|ing|ed)\b)((?:[^\W\d_]+ ){1,2}[^\W\d_]+)\W*$", re.IGNORECASE
)
"""A first name and a surname, however they are spelled, and not "who was badly hurt"."""
_NEARLY = 0.85
"""The similarity of two spellings of one name, as `difflib` has it: "krasener" and "krasner" have .93."""
WORDS = ("score", "similarity", "passage_similarity", "asked", "kind", "length")
DRAFT = (*WORDS, "told", "told_new", "told_similarity")
_OWN = {"words": WORDS, "draft": DRAFT}
SIGNALS = {name: (*own, *(f"{signal}_below" for signal in own)) for name, own in _OWN.items()}
"""The signals of both fits: at once, and with a draft. Each is there twice, the second time as how far it is below that
of the best sentence for this question; of scores, which are shares of the best, both say the same."""


@dataclass(frozen=True, slots=True)
class Window:
    """One citable piece of evidence: a sentence or two, and earlier ones that say who "he" or what "the move" is."""

    leading: tuple[Sentence, ...]
    sentences: tuple[Sentence, ...]

    @property
    def all(self) -> tuple[Sentence, ...]:
        """All its sentences in reading order."""
        return (*self.leading, *self.sentences)


@dataclass(frozen=True, slots=True)
class Told:
    """What of a draft shows which sentence it was made from."""

    text: str
    similarities: Mapping[str, float]
    """Cosine similarity of the draft with the sentences that were found, by id."""


def about_another(query: str, articles: Iterable[Article]) -> set[Article]:
    """Return the articles that do not have somebody, a place or a year that a question names, nor is it known of them.

    A name that is nearly one of an article's is taken for a slip.
    """
    names = [{name} for name in (*Words(_TITLE.sub("", query)).names, *_YEAR.findall(query))]
    for match in filter(None, (_SUBJECT.match(query), _WHO_IS.match(query))):
        name = terms.words(match[1])
        if name and name == terms.main_words(match[1]):
            # The stem of a slip may be further from the name's than the slip itself.
            names.append({*name, *terms.stemmed(name)})
    return {article for article in articles if not all(_holds_any(name, article) for name in names)}


def _holds_any(names: Iterable[str], article: Article) -> bool:
    """Whether an article, or what is known of it, has one of some names, or nearly."""
    noted = annotated(article)
    held = noted.vocabulary | noted.record
    return any(name in held or get_close_matches(name, held, n=1, cutoff=_NEARLY) for name in names)


def candidate_passages(findings: Findings) -> list[Passage]:
    """Return the passages that were found, by themselves or for a sentence of theirs."""
    found = [hit.passage for hit in findings.hits] + [evidence.passage for evidence in findings.evidence]
    return list(dict.fromkeys(found))


def signals(findings: Findings, rarity: Rarity, draft: Told | None = None) -> list[tuple[Sentence, dict[str, float]]]:
    """Return each sentence that may be quoted, with its signals."""
    # Scores count only relative to the best: they may come from ranks, or from late interaction.
    best_score = max((evidence.score for evidence in findings.evidence), default=0.0)
    scores = {evidence.sentence: evidence.score / best_score for evidence in findings.evidence if best_score > 0}
    kind, wanted = kinds.asked_kind(findings.query), Words(findings.query)
    asked = wanted.stems
    told = terms.stems(draft.text) if draft else set()
    new = told - asked
    found = []
    for passage in candidate_passages(findings):
        for sentence in statements(passage):
            noted = annotation(sentence)
            of_passage = findings.similarities.get(passage.id, 0.0)
            own = {
                "score": scores.get(sentence, 0.0),
                # Where there was no time to read the passage, it stands for its sentences.
                "similarity": findings.similarities.get(sentence.id, of_passage),
                "passage_similarity": of_passage,
                "asked": coverage(asked, noted.held, rarity),
                "kind": float(kinds.fits(kind, wanted, noted.words)),
                "length": math.log(len(sentence.text)),
                "told": coverage(told, noted.held, rarity) if told else 0.0,
                "told_new": coverage(new, noted.held, rarity) if new else 0.0,
                "told_similarity": draft.similarities.get(sentence.id, 0.0) if draft else 0.0,
            }
            found.append((sentence, own))
    best = {name: max((own[name] for _, own in found), default=0.0) for name in DRAFT}
    return [(sentence, own | {f"{name}_below": own[name] - best[name] for name in DRAFT}) for sentence, own in found]


def choose(question: Question, likely: Sequence[tuple[Sentence, float]]) -> list[Window]:
    """Return what to quote: the sentence that is likeliest to hold the answer, and the likeliest others after it.

    `likely` are sentences, at least one, with how likely each holds the answer. One that holds words which the question
    itself quotes goes before all others.
    """
    words = [quoted.lower() for quoted in question.quoted]

    def rank(candidate: tuple[Sentence, float]) -> tuple[bool, float]:
        sentence, probability = candidate
        return any(quoted in sentence.text.lower() for quoted in words), probability

    ranked = [sentence for sentence, _ in sorted(likely, key=rank, reverse=True)]
    # Of a table the other rows tell the same of others.
    others = list(filter(is_row, ranked))[1:]
    return list(around([sentence for sentence in ranked if sentence not in others][:MOST_SENTENCES]))


def around(sentences: Iterable[Sentence]) -> tuple[Window, ...]:
    """Return each sentence as a piece of evidence, with those that it needs to be understood."""
    return tuple(map(_window, sentences))


def _window(sentence: Sentence) -> Window:
    context = annotation(sentence).context
    # Who only tells that something was said leaves out what it was.
    return Window((sentence,), (context.announced,)) if context.announced else Window(context.needs, (sentence,))
