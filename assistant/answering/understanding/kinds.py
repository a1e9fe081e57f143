"""What kind of thing a question asks for, as a count, a date or a name, and whether a text holds one."""

from __future__ import annotations

import re

from assistant.articles.terms import quantities
from assistant.articles.words import Words

_PERSON = """(?:judge|man|men|woman|women|boy|girl|person|people|lawyer|official|victim|defendant|prosecutor|officer
    |spokes\\w+|mother|father|wife|husband|child|guy)"""
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for kind, pattern in (
        (
            "percent",
            r"""\bwhat\ (?:share|percentage|percent|proportion)\b         # what share of the voters
              | \bhow\ (?:much|far)\ (?:has|have|did)\ .*              # how much has crime fallen
                \b(?:fall|fell|fallen|drop|dropped|rise|rose|risen|grown|gone)""",
        ),
        (
            "money",
            r"""\bhow\ much\ (?:money|did\ .*\ (?:cost|pay|earn)      # how much did it cost
                |does\ .*\ (?:cost|earn|make|get\ paid)               # how much does she earn
                |is\ .*\ paid|was\ .*\ paid)                         # how much is she paid
              | \bsalary\b | \bprice\b | \bbudget\b""",
        ),
        (
            "count",
            r"""\bhow\ (?:many|old|long|often|tall|far|big|large)\b      # how many of them
              | \bwhat\ (?:number|age)\b                               # at what age""",
        ),
        (
            "date",
            r"""^\W*(?:and|so|but|then)?\W*(?:since\ |from\ |until\ |by\ )?when\b   # and since when
              | \b(?:what|which)\ (?:date|day|year|month|season|time)\b            # in which year""",
        ),
        (
            "spelled",
            rf"""^\W*(?:please\s+)?name\ (?:the|a|an)\b                # name the judge
              | \bwhat(?:['’]s|\ is|\ was|\ are|\ were)?\ (?:the|its|their)\ names?\b   # what was its name
              | \bwhat\ (?:is|was|are|were)\ .+\ called\W*(?:\(|$)   # what is the ship called
              | \bstands?\ for\b                                     # what does ICE stand for
              | \b(?:full|first|last)\ name\b | \bnames\b
              | \bname\ of\ .*\b{_PERSON}\b                          # the name of the lawyer
              | \b{_PERSON}['’]?s?\ name\b                           # the lawyer's name
              | \b(?:his|her)\ name\b | \b(?:was|is)\ (?:he|she)\ called\b""",
        ),
        ("person", r"\bwho(?:m|se|'s)?\b"),
    )
)


def asked_kind(question: str) -> str:
    """Return what the question asks for: percent, money, count, date, spelled (a name), person, or other."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "other")


def fits(kind: str, asked: Words, told: Words) -> bool:  # noqa: PLR0911 - one answer for each kind of question
    """Whether a text holds something of the kind that is asked for, and that the question does not hold itself."""
    fresh = told.hedges.keys() - asked.hedges.keys()
    match kind:
        case "percent":
            return any("%" in number for number in fresh)
        case "money":
            return any(number[0] in "$€£" for number in fresh)
        case "count":
            return bool(quantities(fresh) or told.is_vague)
        case "date":
            return bool(told.dates - asked.dates)
        case "spelled":
            return bool(told.names - asked.stems)
        case "person":
            return bool(told.stems - asked.stems)
        case _:
            return True


def fits_question(question: str, told: Words) -> bool:
    """Whether a text holds something of the kind that the question asks for and does not hold itself."""
    return fits(asked_kind(question), Words(question), told)


_AUXILIARY = "(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will)"
_HOW_MANY = re.compile(
    rf"""\b(?:how\ many|what\ number\ of)\s+(?:(?!{_AUXILIARY}\b)[\w'-]+\s+){{0,3}}?[\w'-]+   # how many old ships
    (?=\s+(?:{_AUXILIARY}|of|in|a|per|from|to|for|that|which|who|with)\b|\W*$)                # ... were there""",
    re.IGNORECASE | re.VERBOSE,
)


def counts(question: str, told: Words) -> bool:
    """Whether a text holds a number that can be a count; True when the question counts nothing."""
    return not _HOW_MANY.search(question) or bool(quantities(told.hedges.keys()))
