"""What can be compared of a text: the stems of its main words, its numbers in every style, and its names.

Deterministic.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from collections.abc import Set as AbstractSet
from fractions import Fraction

import Stemmer

_STEMMER = Stemmer.Stemmer("english")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_POSSESSIVE = re.compile(r"['’]s?$")

_STOP = frozenset(
    """
    a about above after again against all also am an and any are aren't as at be because been before being below
    between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during each
    else ever few for from further get gets got had hadn't has hasn't have haven't having he he'd he'll he's her
    here hers herself him himself his how i i'd i'll i'm i've if in into is isn't it it's its itself just let
    like make made many may me might more most much must my myself no nor not of off on once one only or other
    our ours out over own please quite rather really s same shall she she'd she'll she's should shouldn't so
    some such t than that that's the their theirs them themselves then there there's these they they'd they'll
    they're they've this those through to too under until up upon us very was wasn't we we'd we'll we're we've
    were weren't what what's when where which while who who's whom whose why will with within without won't
    would wouldn't yes you you'd you'll you're you've your yours article articles according mention mentioned
    mentions say says said saying state states stated tell tells told give gives given gave name named call
    called exactly regarding concerning kind sort type thing things way happen happened describe described
    reason
    """.split()
)
"""Words that carry no fact of their own in a claim or a question. "state" is lost as a noun too: a small price."""

_TO_NINETEEN = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
    """.split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_UNITS = dict(zip(_TO_NINETEEN + _TENS, [*range(20), *range(20, 100, 10)], strict=True))
_THIRD_TO_TWENTIETH = """
    third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
    seventeenth eighteenth nineteenth twentieth
    """.split()
_ORDINALS = dict(zip(_THIRD_TO_TWENTIETH, range(3, 21), strict=True))
_SMALL = _UNITS | _ORDINALS
_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "k": 1e3, "m": 1e6, "bn": 1e9}

_TO_19 = "|".join(word for word in _SMALL if not word.endswith("ty"))
_TO_99 = rf"(?:(?:{'|'.join(word for word in _UNITS if word.endswith('ty'))})(?:[\s-](?:{_TO_19})\b)?|{_TO_19})"
_TO_999 = rf"(?:(?:{_TO_99}[\s-])?hundred(?:(?:\s+and)?[\s-]{_TO_99}\b)?|{_TO_99})"
_BIG = rf"(?:(?:{_TO_999}[\s-])?(?:thousand|million|billion))"
_OPENS = "|".join(sorted({word[:3] for word in (*_SMALL, "hundred", "thousand", "million", "billion", "half")}))
"""How a number in words begins. Looked at first, it makes the search three times as fast."""
_NUMBER = re.compile(
    r"(?P<currency>[$€£])?(?:(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[\s-]?(?P<fraction>[½¼¾⅓⅔]|\b[1-9]/[2-9]\b))?"
    r"|(?P<alone>[½¼¾⅓⅔]))(?:st|nd|rd|th)?"
    rf"|\b(?={_OPENS})(?P<words>(?:half\s+an?\s+)?(?:{_BIG}(?:(?:\s+and)?[\s-]{_BIG})*(?:(?:\s+and)?[\s-]{_TO_999})?|{_TO_999}(?:\s+and\s+a\s+(?:half|quarter))?))\b",
    re.IGNORECASE,
)
_AFTER_NUMBER = re.compile(
    r"(?:[\s-]*(?P<scale>hundred|thousand|million|billion|k|m|bn)\b)?[\s-]*(?P<percent>%|per\s?cent\b|pct\b|percentage points?\b)?",
    re.IGNORECASE,
)


def stems(text: str) -> set[str]:
    """Return the stems of the main words, without stop words; numbers in their canonical form."""
    return stems_of_words(text) | numbers(text)


def stems_of_words(text: str) -> set[str]:
    """Return the same without the numbers."""
    return stemmed(main_words(text))


def main_words(text: str) -> list[str]:
    """Return the words that are no stop words."""
    return [word for word in words(text) if word not in _STOP]


def stemmed(some: Iterable[str]) -> set[str]:
    """Return the stems of some words."""
    return set(_STEMMER.stemWords(list(some)))


def words(text: str) -> list[str]:
    """Return the words in lower case, without what marks a possessive or a plural; numbers are left out."""
    plain = text.lower().replace("’", "'")
    found = _WORD.findall(plain)
    return [_bare(word) for word in found if not word[0].isdigit() and word not in _UNITS]


def _bare(word: str) -> str:
    """Return a word without what marks a possessive or a plural."""
    return _POSSESSIVE.sub("", word) if word[-1] in "s'’" else word


def share(wanted: AbstractSet[str], held: AbstractSet[str]) -> float:
    """Return the share of the wanted words that are held, 0 to 1; 1 when none are wanted."""
    return sum(word in held for word in wanted) / len(wanted) if wanted else 1.0


def numbers(text: str) -> set[str]:
    """Return the numbers in a canonical form: "nine" and 9 are "9", 5½ is "5.5", 18 percent is "18%", $2 million "$2000000".

    "one", "first" and "second" are left out: they are rarely numbers.
    """
    return {number for _, number in _placed_numbers(text)}


def _placed_numbers(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each number begins, and its canonical form."""
    end = 0
    for match in _NUMBER.finditer(text):
        if match.start() < end:
            continue  # The "million" of "2 million", which was read with the 2.
        if match["words"]:
            value = _value_of_words(match["words"])
            if match["words"].lower() == "one":
                continue
        else:
            fraction = match["fraction"] or match["alone"]
            value = float((match["digits"] or "0").replace(",", "")) + (_value_of_fraction(fraction) if fraction else 0)
        after = _AFTER_NUMBER.match(text, match.end())
        if after and after["scale"] and not match["words"]:
            value *= _SCALES[after["scale"].lower()]
        end = after.end() if after else match.end()
        percent = "%" if after and after["percent"] else ""
        yield match.start(), f"{match['currency'] or ''}{value:.12g}{percent}"


_HEDGES = tuple(
    re.compile(rf"\b(?:{words})\b[^.;\d]{{0,12}}$", re.IGNORECASE)
    for words in (
        "more than|over|above|upwards? of|at least|no fewer than|exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?",
        "nearly|almost|about|around|roughly|approximately|some|close to|up to|just under|less than|fewer than|under",
    )
)


def hedged_numbers(text: str) -> dict[str, int]:
    """Return the numbers, and which kind of hedge stands before each: 1 for more than, 2 for nearly, 0 for none."""
    found: dict[str, int] = {}
    for start, number in _placed_numbers(text):
        before = text[max(0, start - 30) : start]
        found.setdefault(number, next((kind for kind, hedge in enumerate(_HEDGES, start=1) if hedge.search(before)), 0))
    return found


def _value_of_fraction(text: str) -> float:
    return float(Fraction(text)) if "/" in text else unicodedata.numeric(text)


def _value_of_words(text: str) -> float:
    total = current = 0.0
    for word in re.findall(r"[a-z]+", text.lower().removeprefix("half")):
        if word in _SMALL:
            current += _SMALL[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total += (current or 1) * _SCALES[word]
            current = 0.0
        elif word in ("half", "quarter"):
            current += 0.5 if word == "half" else 0.25
    return (total + current) * (0.5 if text.lower().startswith("half") else 1.0)


def names(text: str, known: Container[str] = ()) -> set[str]:
    """Return the stems of the names: words with a capital inside a sentence, in capitals, or known ones that open it."""
    found: set[str] = set()
    start = True
    for match in re.finditer(r"[^\W_]+(?:['’][^\W_]+)?|(?:[.!?:“/]|(?<!,)\")\s", text):
        word = match[0]
        if not word[0].isalnum():
            start = True
            continue
        bare = _bare(word)
        plain = bare.lower().replace("’", "'")
        if bare[0].isupper() and plain not in _STOP and plain not in _UNITS:
            stem = _STEMMER.stemWords([plain])[0]
            if not start or (bare.isupper() and len(bare) > 1) or stem in known:
                found.add(stem)
        start = False
    return found


def quantities(found: AbstractSet[str]) -> set[str]:
    """Return those of the numbers that can be a count: no shares and no years."""
    return {number for number in found if "%" not in number and not re.fullmatch(r"(?:19|20)\d\d", number)}


def plain(text: str) -> str:
    """Return words in lower case with a space on each side, without punctuation: what a quotation is compared by."""
    text = re.sub(r"(?<=\w)['’.](?=\w)", "", re.sub(r"\[[^\]]*\]", " ", text).casefold())
    return " ".join(["", *re.findall(r"[^\W_]+", text), ""])
