"""What kind of thing does a question ask for, and does a text hold something of that kind?

Regular expressions over the question's words. Knows nothing of claims or evidence.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from assistant.answering.terms import names, numbers, quantities, stems, stems_of_words

_MONTHS = "january february march april may june july august september october november december".split()


_PERSON_NOUN = r"(?:judge|man|men|woman|women|boy|girl|person|people|lawyer|official|victim|defendant|prosecutor|officer|spokes\w+|mother|father|wife|husband|child|guy)"
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("percent", r"\bwhat (?:share|percentage|percent|proportion)\b|\bhow (?:much|far) (?:has|have|did) .*\b(?:fall|fell|fallen|drop|dropped|rise|rose|risen|grown|gone)"),
        ("money", r"\bhow much (?:money|does .* (?:cost|earn|make|get paid)|did .* (?:cost|pay|earn)|is .* paid|was .* paid)|\bsalary\b|\bprice\b|\bbudget\b"),
        ("count", r"\bhow (?:many|old|long|often|tall|far|big|large)\b|\bwhat (?:number|age)\b"),
        ("date", r"^\W*(?:and|so|but|then)?\W*(?:since |from |until |by )?when\b|\b(?:what|which) (?:date|day|year|month|season|time)\b"),
        ("spelled", rf"^\W*(?:please\s+)?name (?:the|a|an)\b|\bwhat(?:['’]s| is| was| are| were)? (?:the|its|their) names?\b|\bwhat (?:is|was|are|were) .+ called\W*(?:\(|$)|\bstands? for\b|\b(?:full|first|last) name\b|\bnames\b|\bname of .*\b{_PERSON_NOUN}\b|\b{_PERSON_NOUN}['’]?s? name\b|\b(?:his|her) name\b|\b(?:was|is) (?:he|she) called\b"),
        ("person", r"\bwho(?:m|se|'s)?\b"),
    )
)  # fmt: skip
_DATE_WORD = re.compile(
    r"\b(?:1[5-9]\d\d|20\d\d|" + "|".join(_MONTHS) + r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|fall|winter|"
    r"yesterday|today|tomorrow|ago|hours?|days?|weeks?|months?|years?|before|after|since|early|late|during)\b",
    re.IGNORECASE,
)  # fmt: skip


def asked_kind(question: str) -> str:
    """Return what the question asks for: percent, money, count, date, spelled (a name), person, or other."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "other")


_VAGUE = re.compile(r"\b(?:hundreds|thousands|dozens|several|few|none|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Kinds:
    """What a text holds of each kind that a question may ask for."""

    stems: frozenset[str]
    numbers: frozenset[str]
    vague: bool
    """Whether it counts without a number, as in "several"."""
    dates: frozenset[str]
    names: frozenset[str]


def kinds(text: str, known: Container[str] = ()) -> Kinds:
    """Return what the text holds; `known` are the names of the article, which count also where they open a sentence."""
    found = frozenset(numbers(text))  # Once: a reader waits for this.
    return Kinds(
        stems=found | stems_of_words(text),
        numbers=found,
        vague=bool(_VAGUE.search(text)),
        dates=frozenset(match[0].lower() for match in _DATE_WORD.finditer(text)),
        names=frozenset(names(text, known)),
    )


def fits(kind: str, asked: Kinds, told: Kinds) -> bool:  # noqa: PLR0911 - one answer for each kind of question
    """Whether what is told holds something of the kind that is asked for, and that the question does not hold itself."""
    fresh = told.numbers - asked.numbers
    match kind:
        case "percent":
            return any("%" in number for number in fresh)
        case "money":
            return any(number[0] in "$€£" for number in fresh)
        case "count":
            return bool(quantities(fresh) or told.vague)
        case "date":
            return bool(told.dates - asked.dates)
        case "spelled":
            return bool(told.names - asked.stems)
        case "person":
            return bool(told.stems - asked.stems)
        case _:
            return True


def fits_question(question: str, text: str, known: Container[str] = ()) -> bool:
    """Whether the text holds something of the kind that the question asks for and does not hold itself.

    `known` are the names of the article, which count also where they open a sentence.
    """
    return fits(asked_kind(question), kinds(question), kinds(text, known))


_HOW_MANY = re.compile(
    r"\b(?:how many|what number of)\s+(?:(?!(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will)\b)[\w'-]+\s+){0,3}?(?P<thing>[\w'-]+)"
    r"(?=\s+(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will|of|in|a|per|from|to|for|that|which|who|with)\b|\W*$)",
    re.IGNORECASE,
)


def count_found(question: str, sentences: Iterable[str]) -> bool:
    """Whether a sentence that names what the question counts holds a number of it; True when it counts nothing."""
    match = _HOW_MANY.search(question)
    thing = stems(match["thing"]) if match else set()
    return not thing or any(thing & stems(sentence) and _counts(sentence) for sentence in sentences)


def counts(question: str, text: str) -> bool:
    """Whether the text holds a number that can be a count; True when the question counts nothing."""
    return not _HOW_MANY.search(question) or _counts(text)


def _counts(text: str) -> bool:
    return bool(quantities(numbers(text)))
