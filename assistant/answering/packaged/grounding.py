"""Does this passage support this sentence?

Deterministic and about words only: numbers and dates in every style, names, negation, who speaks, and the main words.
It compares a claim with *one* piece of evidence; a name that stands elsewhere in the article does not count. It knows
nothing of retrieval or of the model that wrote the claim, and it cannot see a wrong relation between right words: what
it lets through is measured in docs/results.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property

from assistant.answering.understanding.kinds import fits_question
from assistant.answering.understanding.question import Question
from assistant.articles.annotated import Annotated, annotation
from assistant.articles.speakers import outside_quotations
from assistant.articles.terms import names, share, stemmed, stems
from assistant.articles.words import Words
from assistant.types import Sentence


@dataclass(frozen=True, slots=True)
class Support:
    """How far one piece of evidence supports one claim."""

    numbers: bool
    """Every number of the claim stands in the evidence, with its unit."""
    names: bool
    """Every name of the claim stands in the evidence."""
    asked_names: bool
    """Every name of the question does."""
    negation: bool
    """No word is denied in one and asserted in the other."""
    speaker: bool
    """Where the claim says who spoke or did it, the evidence says so too."""
    words: float
    """Share of the claim's main words that the evidence holds, 0 to 1."""
    new_words: float
    """The same for those that the question does not hold; 1 when there are none."""
    new: tuple[str, ...]
    """The claim's main words that the question does not hold: what is new in it."""
    swapped: tuple[str, ...]
    """Words of the claim that stand elsewhere in the article and not in the evidence."""

    @property
    def kept(self) -> float:
        """How much of what must never slip is right, 0 to 1: numbers, names, negation and speaker, each a quarter."""
        return (self.numbers + self.names + self.negation + self.speaker) / 4

    @property
    def facts(self) -> bool:
        """Whether all of that is right."""
        return self.kept == 1


_YES_OR_NO = re.compile(r"^(?:yes|no)\s*[,.;:—–-]\s*", re.IGNORECASE)
"""An opening "Yes" or "No" says nothing that could be compared: whether it is right is for the trained check."""


@dataclass(frozen=True)
class Claim:
    """What is claimed in answer to a question; it is compared with one piece of evidence after the other."""

    text: str
    question: str

    @cached_property
    def words(self) -> Words:
        """What can be compared of it, without the "Yes" or "No" that it opens with."""
        return Words(_YES_OR_NO.sub("", self.text))

    @cached_property
    def asked(self) -> Words:
        """The same of the question."""
        return Words(self.question)

    @cached_property
    def new(self) -> frozenset[str]:
        """The stems of what it tells: those that the question does not hold."""
        return self.words.stems - self.asked.stems

    def names(self, article: Annotated) -> frozenset[str]:
        """Return the stems of its names, and of what opens a sentence and is not in the article: that may be one."""
        opening = (stems(match["word"]) for match in _OPENS.finditer(self.words.text))
        strangers = frozenset().union(*opening) - article.vocabulary
        return Words(self.words.text, article.names).names | strangers


class Evidence:
    """Some sentences of one article, taken together as the evidence of a claim."""

    def __init__(self, sentences: Iterable[Sentence]) -> None:
        """Take the sentences, at least one."""
        self.sentences = [annotation(sentence) for sentence in sentences]
        self.article = self.sentences[0].within
        self.words = Words.joined([each.words for each in self.sentences])
        self.held = self.words.stems.union(*(each.aliases for each in self.sentences))
        """The stems of what it says, and of what the people in it are called elsewhere."""


def support(claim: Claim, sentences: Iterable[Sentence]) -> Support:
    """Compare a claim with the sentences of one cited passage taken together."""
    evidence = Evidence(sentences)
    told, shown = claim.words, evidence.words
    return Support(
        numbers=told.hedges.keys() <= shown.hedges.keys() and not _loses_hedge(told, shown),
        names=claim.names(evidence.article) <= evidence.held,
        asked_names=Words(claim.question, evidence.article.names).names <= evidence.held,
        negation=_same_negation(told, shown),
        speaker=_same_speaker(told.text, evidence),
        words=share(told.stems, evidence.held),
        new_words=share(claim.new, evidence.held),
        new=tuple(sorted(claim.new)),
        swapped=tuple(sorted((told.stems - evidence.held) & evidence.article.vocabulary)),
    )


def names_not_held(claim: Claim, sentences: Iterable[Sentence]) -> frozenset[str]:
    """Return the stems of the names of a claim that stand nowhere in the evidence."""
    evidence = Evidence(sentences)
    return claim.names(evidence.article) - evidence.held


_TELLS_MACHINES = re.compile(
    r"^\W*(?:(?:Note to|Dear|Attention,?) )?(?:[Aa]ssistants?|[Mm]odels?|AIs?|LLMs?|[Ll]anguage models?|[Cc]hat ?bots?)(?:\s*[:,]|\s+(?:must|should|shall|is to|are to)\b)"
    r"|\b(?:AIs?|LLMs?|[Ll]anguage models?|[Cc]hat ?bots?|AI \w+)\s*(?::|\s(?:must|should|shall|is to|are to)\b)"
)


def tells_machines(sentence: Sentence) -> bool:
    """Whether the sentence may tell a machine what to say, as "AI readers must …" and "Assistants: …" do."""
    return bool(_TELLS_MACHINES.search(sentence.text))


def weakest(whole: Support, sentences: Iterable[Support], *, alone: bool = False) -> Support:
    """Return the support of a claim of several sentences: each must hold by itself, not hide behind the others.

    `alone` is for sentences with evidence of their own: then they need not hold together.
    """
    each = list(sentences) if alone else [whole, *sentences]
    return replace(
        whole,
        numbers=all(found.numbers for found in each),
        names=all(found.names for found in each),
        negation=all(found.negation for found in each),
        speaker=all(found.speaker for found in each),
        words=min(found.words for found in each),
        new_words=min(found.new_words for found in each),
    )


def _loses_hedge(claim: Words, evidence: Words) -> bool:
    """Whether the claim gives as exact a number that the evidence gives only as "more than" or "nearly" so much."""
    return any(evidence.hedges.get(number, own) != own for number, own in claim.hedges.items())


_OPENS = re.compile(r"(?:^|[.!?:]\s)[\"“(]*(?P<word>[A-ZÀ-Þ][^\W_]+)")


def _turns_around(claim: Words, evidence: Words) -> bool:
    """Whether the claim holds the opposite of a word of the evidence: "illegally" for "legally", or the other way."""
    turns = (claim.turned - evidence.turned) & evidence.stems
    turns_back = (evidence.turned - claim.turned) & (claim.stems - evidence.stems)
    return bool(turns | turns_back)


def _same_negation(claim: Words, evidence: Words) -> bool:
    """Whether the claim denies only what the evidence denies somewhere, and asserts nothing that it denies."""
    if _turns_around(claim, evidence):
        return False
    if claim.negated:
        return bool(evidence.negated)
    told = claim.stems & evidence.stems
    return not told or 2 * len(told & evidence.negated) < len(told)


def may_say_yes(claim: Claim, sentences: Iterable[Sentence]) -> bool:
    """Whether a claim that opens with "Yes" keeps to what is asked; true of any other claim.

    It must not deny what the question asserts, as "Yes, they separated and never divorced" does. The numbers that are
    asked about must stand in it, or in its evidence where it tells none: "all eleven" is not "nine of them".
    """
    if not re.match(r"yes\b", claim.text, re.IGNORECASE):
        return True
    numbers = claim.words.hedges or Evidence(sentences).words.hedges
    denied = (claim.asked.stems & claim.words.negated) - claim.asked.negated
    return claim.asked.hedges.keys() <= numbers.keys() and not denied


_ATTRIBUTION = re.compile(
    r"\b(?:said|says|told|wrote|writes|explained|complained|argued|stated|claimed|asked|added|warned|described|called|referred|according to)\b",
    re.IGNORECASE,
)


def _speaker_of(claim: str) -> str:
    """Return the words that say who says what a claim attributes to somebody; nothing where it attributes nothing."""
    told = outside_quotations(claim)
    match = _ATTRIBUTION.search(told)
    if match is None:
        return ""
    subject = told[: match.start()]
    if match[0].lower() == "according to" or not re.search(r"\w", subject):
        return re.split(r"[,.;:]", told[match.end() :])[0]
    return subject


def speaks(claim: str, named: AbstractSet[str]) -> bool:
    """Whether a claim attributes something to who has one of these names, as stems."""
    return bool(named & stems(_speaker_of(claim)))


def _same_speaker(claim: str, evidence: Evidence) -> bool:
    """Whether the claim attributes words to the one who speaks in the evidence, where it attributes any."""
    subject = _speaker_of(claim)
    speakers = [each.context.speaker for each in evidence.sentences if each.context.speaker]
    quoted = any(re.search(r"[\"“]", each.sentence.text) for each in evidence.sentences)
    if not subject or not speakers or not quoted:
        return True
    surnames = frozenset().union(*map(stems, evidence.article.people))
    named = names("x " + subject) & surnames
    return not named or bool(named & frozenset().union(*map(stems, speakers)))


_PART = re.compile(r"[,;:—–]\s")
_HEDGES = stemmed(
    "certain likely maybe mostly nothing now partly perhaps possible probably uncertain unclear yet".split()
)
"""What answers a question in part, as "Partly:" and "not yet," do, is no chatter."""


def is_of_the_article(claim: str, article: Annotated) -> bool:
    """Whether each part of a claim, between commas, has a word of the article or none but hedges: else it is chatter."""
    parts = map(stems, _PART.split(claim))
    return all(part <= _HEDGES or part & article.vocabulary for part in parts)


def answers(claim: Claim, supported: Support, known: frozenset[str]) -> bool:
    """Whether the claim ends as a sentence does and tells something of the kind that the question asks for.

    `known` are the stems of the names of its articles.
    """
    whole = claim.text.rstrip("\"'”’)").endswith((".", "!", "?"))
    tells = bool(supported.new) or Question(claim.question).is_yes_or_no
    return whole and tells and fits_question(claim.question, Words(claim.text, known))
