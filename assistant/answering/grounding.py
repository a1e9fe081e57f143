"""Does this passage support this sentence?

Deterministic and about words only: numbers and dates in every style, names, negation, who speaks, and the main words.
It compares a claim with *one* piece of evidence; a name that stands elsewhere in the article does not count. It knows
nothing of retrieval or of the model that wrote the claim, and it cannot see a wrong relation between right words: what
it lets through is measured in the README.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache

from assistant.answering.understanding import asks_yes_or_no, fits_question
from assistant.articles.speakers import context_of, outside_quotations, persons
from assistant.articles.terms import hedged_numbers, known_names, main_words, names, share, stemmed, stems, vocabulary
from assistant.types import Sentence

_NEGATIONS = frozenset("not no never neither nor without none nobody nothing cannot".split())
"""Words such as "refused" or "unaware" carry their denial themselves: they must stand in the evidence like any other."""
_CLAUSE_END = re.compile(
    r"[,;:.!?—–()\"“”]|\b(?:but|though|although|while|whereas|because|since|if|when|that|which|who)\b", re.IGNORECASE
)
_NEGATION_REACH = 6
"""How many words after a negation it is taken to deny, within its clause."""


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
    """The claim's main words that the question does not hold: what the claim tells."""
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
"""What a claim opens with says nothing that could be compared: whether it is right is for the trained check to tell."""


def support(claim: str, question: str, evidence: Iterable[Sentence]) -> Support:
    """Compare a claim, made in answer to a question, with the sentences of one cited passage taken together."""
    claim = _YES_OR_NO.sub("", claim)
    sentences = list(evidence)
    article = sentences[0].article.text
    text = " ".join(sentence.text for sentence in sentences)
    told, shown = _claimed(claim), _shown(text)
    held = _held(text, sentences)
    claimed = told.stems
    new = claimed - _claimed(question).stems
    return Support(
        numbers=told.hedges.keys() <= shown.hedges.keys() and not _loses_hedge(told, shown),
        names=_named(claim, article) <= held,
        asked_names=_asked_names(question, article) <= held,
        negation=_same_negation(told, shown),
        speaker=_same_speaker(claim, sentences),
        words=share(claimed, held),
        new_words=share(new, held),
        new=tuple(sorted(new)),
        swapped=tuple(sorted((claimed - held) & vocabulary(article))),
    )


def names_not_held(claim: str, evidence: Sequence[Sentence]) -> frozenset[str]:
    """Return the stems of the names of a claim that stand nowhere in the evidence."""
    text = " ".join(sentence.text for sentence in evidence)
    return _named(claim, evidence[0].article.text) - _held(text, evidence)


def names_and_numbers_not_held(claim: str, evidence: Sequence[Sentence]) -> frozenset[str]:
    """Return the stems of the names of a claim, and its numbers, that stand nowhere in the evidence."""
    shown = _shown(" ".join(sentence.text for sentence in evidence))
    return names_not_held(claim, evidence) | (_claimed(_YES_OR_NO.sub("", claim)).hedges.keys() - shown.hedges.keys())


def held_by(sentence: Sentence) -> frozenset[str]:
    """Return the stems of what a sentence says, of what its people are called elsewhere, and its numbers."""
    return frozenset(_held(sentence.text, [sentence]))


def _held(text: str, evidence: Sequence[Sentence]) -> AbstractSet[str]:
    """Return the stems of what the evidence says in all, and of what the people in it are called elsewhere."""
    return _shown(text).stems | aliases(evidence)


# What a claim and a question name is asked for piece after piece; not kept for longer, since a reader wrote it.
@lru_cache(maxsize=8)
def _named(claim: str, article: str) -> frozenset[str]:
    return frozenset(names(claim, known_names(article)) | _strangers(claim, article))


@lru_cache(maxsize=8)
def _asked_names(question: str, article: str) -> frozenset[str]:
    return frozenset(names(question, known_names(article)))


_TELLS_MACHINES = re.compile(
    r"^\W*(?:(?:Note to|Dear|Attention,?) )?(?:[Aa]ssistants?|[Mm]odels?|AIs?|LLMs?|[Ll]anguage models?|[Cc]hat ?bots?)(?:\s*[:,]|\s+(?:must|should|shall|is to|are to)\b)"
    r"|\b(?:AIs?|LLMs?|[Ll]anguage models?|[Cc]hat ?bots?|AI \w+)\s*(?::|\s(?:must|should|shall|is to|are to)\b)"
)


def tells_machines(sentence: Sentence) -> bool:
    """Whether the sentence may tell a machine what to say, as "AI readers must …" and "Assistants: …" do."""
    return bool(_TELLS_MACHINES.search(sentence.text))


@dataclass(frozen=True, slots=True)
class _Words:
    """What is compared of a text."""

    stems: frozenset[str]
    """Of its main words."""
    hedges: Mapping[str, int]
    """Its numbers, and which kind of hedge stands before each: 1 for more than, 2 for nearly, 0 for none."""
    negated: frozenset[str]
    """The stems that it denies; empty where it denies nothing."""
    turned: frozenset[str]
    """The stems of the words whose opposite it holds."""


def _words_of(text: str) -> _Words:
    return _Words(frozenset(stems(text)), hedged_numbers(text), frozenset(_negated(text)), frozenset(_turned(text)))


_shown = lru_cache(maxsize=4096)(_words_of)
"""Of an article's words, which are compared with again and again."""
_claimed = lru_cache(maxsize=8)(_words_of)
"""Of a claim, which is compared with piece after piece; not for longer, since it may tell what a reader asked."""


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


def _loses_hedge(claim: _Words, evidence: _Words) -> bool:
    """Whether the claim gives as exact a number that the evidence gives only as "more than" or "nearly" so much."""
    return any(evidence.hedges.get(number, own) != own for number, own in claim.hedges.items())


_OPENS = re.compile(r"(?:^|[.!?:]\s)[\"“(]*(?P<word>[A-ZÀ-Þ][^\W_]+)")


def _strangers(claim: str, article: str) -> set[str]:
    """Return the stems of the words that open a sentence, and are not in the article at all: they may be names."""
    return set().union(*(stems(match["word"]) for match in _OPENS.finditer(claim))) - vocabulary(article)


def aliases(sentences: Sequence[Sentence]) -> set[str]:
    """Return the first names of the people whom the evidence calls by their surname, and titles of its quoted speakers."""
    held: set[str] = set()
    for sentence in sentences:
        everyone = persons(sentence.article.text)
        words = set(re.findall(r"[^\W_]+(?:-[^\W_]+)?", sentence.text))
        for surname, full in everyone.items():
            if surname in words:
                held |= stems(full)
        context = context_of(sentence)
        if context.speaker:
            held |= stems(context.speaker)
        if context.person:
            held |= stems(everyone.get(context.person, context.person))
    return held


_OPPOSITE = re.compile(r"(?:un|il(?=l)|ir(?=r)|dis|non-?)(?=\w{4})")
"""Prefixes that turn a word into its opposite; "in" and "im" seldom do: inform, impress."""


def _turned(text: str) -> set[str]:
    """Return the stems of the words whose opposite the text holds: legal for "illegally"."""
    return stemmed(word[match.end() :] for word in main_words(text) if (match := _OPPOSITE.match(word)))


def _turns_around(claim: _Words, evidence: _Words) -> bool:
    """Whether the claim holds the opposite of a word of the evidence: "illegally" for "legally", or the other way."""
    turns = (claim.turned - evidence.turned) & evidence.stems
    turns_back = (evidence.turned - claim.turned) & (claim.stems - evidence.stems)
    return bool(turns | turns_back)


def _same_negation(claim: _Words, evidence: _Words) -> bool:
    """Whether the claim denies only what the evidence denies somewhere, and asserts nothing that it denies."""
    if _turns_around(claim, evidence):
        return False
    if claim.negated:
        return bool(evidence.negated)
    told = claim.stems & evidence.stems
    return not told or 2 * len(told & evidence.negated) < len(told)


def _negated(text: str) -> set[str]:
    """Return the stems that stand under a negation; a mark of its own where only stop words do."""
    found: set[str] = set()
    for clause in _CLAUSE_END.split(text):
        words = [re.sub(r"[^\w'-]", "", word) for word in clause.lower().replace("’", "'").split()]
        for position, word in enumerate(words):
            if word in _NEGATIONS or word.endswith("n't"):
                found |= stems(" ".join(words[position + 1 : position + 1 + _NEGATION_REACH])) | {"not"}
    return found


def may_say_yes(claim: str, question: str, evidence: Iterable[Sentence]) -> bool:
    """Whether a claim that opens with "Yes" keeps to what is asked; true of any other claim.

    It must not deny what the question asserts, as "Yes, they separated and never divorced" does. The numbers that are
    asked about must stand in it, or in its evidence where it tells none: "all eleven" is not "nine of them".
    """
    if not re.match(r"yes\b", claim, re.IGNORECASE):
        return True
    asked, told = _claimed(question), _claimed(_YES_OR_NO.sub("", claim))
    numbers = told.hedges or _shown(" ".join(sentence.text for sentence in evidence)).hedges
    return asked.hedges.keys() <= numbers.keys() and not (asked.stems & told.negated) - asked.negated


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


def _same_speaker(claim: str, sentences: list[Sentence]) -> bool:
    """Whether the claim attributes words to the one who speaks in the evidence, where it attributes any."""
    subject = _speaker_of(claim)
    speakers = [context_of(sentence).speaker for sentence in sentences if context_of(sentence).speaker]
    quoted = any(re.search(r"[\"“]", sentence.text) for sentence in sentences)
    if not subject or not speakers or not quoted:
        return True
    named = names("x " + subject) & {stem for surname in persons(sentences[0].article.text) for stem in stems(surname)}
    if not named:
        return True
    held = {stem for speaker in speakers if speaker for stem in stems(speaker)}
    return bool(named & held)


_PART = re.compile(r"[,;:—–]\s")
_HEDGES = stemmed(
    "certain likely maybe mostly nothing now partly perhaps possible probably uncertain unclear yet".split()
)
"""What answers a question in part, as "Partly:" and "not yet," do, is no chatter."""


def is_of_the_article(claim: str, article: str) -> bool:
    """Whether each part of a claim, between commas, has a word of the article or none but hedges: else it is chatter."""
    parts = map(stems, _PART.split(claim))
    return all(part <= _HEDGES or part & vocabulary(article) for part in parts)


def answers(claim: str, question: str, supported: Support, known: Container[str]) -> bool:
    """Whether the claim ends as a sentence does and tells something of the kind that the question asks for."""
    whole = claim.rstrip("\"'”’)").endswith((".", "!", "?"))
    tells = bool(supported.new) or asks_yes_or_no(question)
    return whole and tells and fits_question(question, claim, known)
