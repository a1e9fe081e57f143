"""Questions about an article's exact words, and about the same words altered in one way, made from any articles.

Who is quoted saying them, and which article has them? A speaker is read from the plainest form alone: the words in
quotation marks, and right behind them "said" with a name. One seed makes the same questions of the same articles, and
what is drawn of an article depends on no other one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, zip_longest

from assistant.articles.annotated import annotated
from assistant.articles.english import SAID
from assistant.articles.passages import passages, statements
from assistant.articles.speakers import NAME
from assistant.evaluation.questions import Question
from assistant.types import Article

SPEAKER, SOURCE = "speaker", "source"
"""The kinds of the questions whose words stand in the article; of the others, "altered" and that."""

_LONGEST = 220
"""Characters of an excerpt: a paragraph is no excerpt, and a question may not be longer than 500."""
_SHORTEST = 6
"""Words: fewer may stand anywhere."""

_FORM = r"(?:(?:Prof|Dr|Mrs?|Ms|Capt|Sgt|Gov|Sen|Rep)\.?\s+)?"
_PRONOUN = r"(?!(?:He|She|It|They|We|The)\b)"
_SPOKEN = re.compile(
    rf'["“](?P<words>[^"“”\n]+)["”]\s+(?:{SAID}\s+{_FORM}{_PRONOUN}(?P<after>{NAME})|{_PRONOUN}(?P<before>{NAME})\s+{SAID}\b)'
)
_NUMBER = re.compile(r"(?<![\w.,:])\d+(?:,\d{3})*(?![\w:/])")
_BEFORE, _AFTER = re.compile(r"(?:\S+\s+){0,2}\S*$"), re.compile(r"\S*(?:\s+\S+){0,2}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DOES = r"\b(?:is|are|was|were|am|will|would|can|could|should|must|do|does|did)\b"
_DOES_NOT, _DOES_SO = re.compile(rf"{_DOES}(?P<no> not)\b"), re.compile(rf"{_DOES}(?! not\b)")

Change = tuple[int, int, str]
"""Offsets of what is replaced in an excerpt, and by what."""


def quotations(articles: Sequence[Article], count: int, seed: int) -> list[Question]:
    """Return questions about so many excerpts of each of the two kinds, fewer where the articles have no more.

    The articles take turns, in an order by the seed. An excerpt makes two questions of one group: as it stands, and
    altered.
    """
    ordered = sorted(articles, key=lambda article: article.id)
    by(seed, "order").shuffle(ordered)
    found: list[Question] = []
    for excerpts in (_spoken, _written):
        turns = zip_longest(*(_pairs(article, articles, excerpts, seed) for article in ordered))
        found += chain.from_iterable(islice(filter(None, chain.from_iterable(turns)), count))
    return found


def by(seed: int, what: str) -> random.Random:
    """Return chance that is the same for the same seed and what is drawn."""
    return random.Random(f"{seed} {what}")  # noqa: S311 - no secret


Excerpt = tuple[str, str, str, str]
"""The kind of question, the words that it is about, what of the article answers it, and who speaks if it asks that."""


def _spoken(article: Article) -> Iterator[Excerpt]:
    for match in _SPOKEN.finditer(article.text):
        name = (match["after"] or match["before"]).split(" of")[0]
        # "Mill Town's coach" is nobody's name, and behind a full stop somebody else may speak.
        if not re.search(r"['’]s\b", name) and (match["after"] or match["words"][-1] in ",?!"):
            yield SPEAKER, match["words"].rstrip(" ,.;?!"), match[0], name.split()[-1]


def _written(article: Article) -> Iterator[Excerpt]:
    for sentence in chain.from_iterable(map(statements, passages(article))):
        if not re.search(r"[\"“”|\n]", sentence.text):
            yield SOURCE, sentence.text.rstrip(" ."), sentence.text, ""


_ASKED = {
    SPEAKER: 'Who is quoted saying "{}"?',
    SOURCE: 'Which article has the words "{}", and when is it from?',
}


def _pairs(
    article: Article, articles: Iterable[Article], excerpts: Callable[[Article], Iterable[Excerpt]], seed: int
) -> Iterator[tuple[Question, Question]]:
    """Yield the two questions about each excerpt of the article that can be altered, in an order by the seed."""
    drawn, texts = sorted(set(excerpts(article))), [other.text for other in articles]
    chance = by(seed, article.id)
    chance.shuffle(drawn)
    people = sorted(annotated(article).people)
    for number, (kind, words, source, speaker) in enumerate(drawn, start=1):
        ways = [way for way in (_numbers(words), _negations(words), _names(words, people)) if way]
        if len(words) > _LONGEST or len(words.split()) < _SHORTEST or not ways:
            continue
        start, end, instead = chance.choice(chance.choice(ways))
        altered = words[:start] + instead + words[end:]
        if sum(text.count(words) for text in texts) != 1 or any(altered in text for text in texts):
            continue  # It is not certain where the words stand, or that they do not.
        exact = Question(
            f"{article.id} {kind} {number}",
            _ASKED[kind].format(words),
            kind=kind,
            answerable=True,
            must_have=((speaker,),) if speaker else (),
            must_not=tuple(other for other in people if speaker and other != speaker),
            evidence=(source,),
            article=article.id,
            group=f"excerpt {article.id} {kind} {number}",
        )
        yield (
            exact,
            replace(
                exact,
                id=f"{exact.id} altered",
                question=_ASKED[kind].format(altered),
                kind=f"altered {kind}",
                answerable=False,
                must_have=((_around(words, start, end),),),
                must_not=exact.must_have[0] if speaker else (),
            ),
        )


def _around(words: str, start: int, end: int) -> str:
    """Return what stands there, with two words on each side, so that it differs from the like elsewhere."""
    before, after = _BEFORE.search(words[:start]), _AFTER.match(words[end:])
    return words[before.start() if before else 0 : end + (after.end() if after else 0)]


def _numbers(words: str) -> list[Change]:
    """Return how each number may become another: the first digit of it, or the last one of a year, is one more."""
    found = []
    for match in _NUMBER.finditer(words):
        place = len(match[0]) - 1 if _YEAR.fullmatch(match[0]) else 0
        digit = str(int(match[0][place]) % 9 + 1)
        found.append((match.start(), match.end(), match[0][:place] + digit + match[0][place + 1 :]))
    return found


def _negations(words: str) -> list[Change]:
    """Return how the excerpt may say the opposite: without its "not", or with one where it has none."""
    without = [(*match.span("no"), "") for match in _DOES_NOT.finditer(words)]
    return without or [(match.end(), match.end(), " not") for match in _DOES_SO.finditer(words)]


def _names(words: str, people: Sequence[str]) -> list[Change]:
    """Return how each surname may become the one of somebody else in the article."""
    return [
        (match.start(), match.end(), other)
        for name in people
        for match in re.finditer(rf"\b{re.escape(name)}\b", words)
        for other in people
        if other not in words
    ]
