"""Does this passage support this sentence, and is it of the kind that the question asks for?

Deterministic and about words only: numbers and dates in every style, names, negation, who speaks, and the main words.
It compares a claim with *one* piece of evidence; a name that stands elsewhere in the article does not count. It knows
nothing of retrieval or of the model that wrote the claim, and it cannot see a wrong relation between right words: what
it lets through is measured in the README.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

from assistant.context import context_of, outside_quotations, persons
from assistant.types import Sentence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)

_STOP = frozenset(
    """a about above after again against all also am an and any are aren't as at be because been before being below between both but by can can't
    cannot could couldn't did didn't do does doesn't doing don't down during each else ever few for from further get gets got had hadn't has hasn't have
    haven't having he he'd he'll he's her here hers herself him himself his how i i'd i'll i'm i've if in into is isn't it it's its itself just let like
    make made many may me might more most much must my myself no nor not of off on once one only or other our ours out over own please quite rather
    really s same shall she she'd she'll she's should shouldn't so some such t than that that's the their theirs them themselves then there there's
    these they they'd they'll they're they've this those through to too under until up upon us very was wasn't we we'd we'll we're we've were weren't
    what what's when where which while who who's whom whose why will with within without won't would wouldn't yes you you'd you'll you're you've your
    yours article articles according mention mentioned mentions say says said saying state states stated tell tells told give gives given gave name
    named call called exactly regarding concerning kind sort type thing things way happen happened describe described reason""".split()
)
"""Words that carry no fact of their own in a claim or a question. "state" is lost as a noun too: a small price."""

_NEGATIONS = frozenset(
    "not no never neither nor without none nobody nothing cannot unable unaware refused refuses refuse refusing denied denies deny".split()
)
_CLAUSE_END = re.compile(
    r"[,;:.!?—–()\"“”]|\b(?:but|though|although|while|whereas|and|because|since|if|when)\b", re.IGNORECASE
)

_UNITS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    )
} | {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_ORDINALS = {
    "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
    "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20,
}  # fmt: skip
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
    "k": 1_000,
    "m": 1_000_000,
    "bn": 1_000_000_000,
}
_FRACTIONS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}

_NUMBER = re.compile(
    r"(?P<currency>[$€£])?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)?(?:[\s-]?(?P<fraction>[½¼¾⅓⅔]|\b[1-9]/[2-9]\b))?"
    r"(?P<ordinal>st|nd|rd|th)?\b"
    r"|\b(?P<words>(?:"
    + "|".join([*_UNITS, *_ORDINALS, "hundred", "thousand", "million", "billion"])
    + r")(?:(?:[\s-]|\s+and\s+)(?:"
    + "|".join([*_UNITS, *_ORDINALS, "hundred", "thousand", "million", "billion", "a half", "a quarter"])
    + r"))*)\b",
    re.IGNORECASE,
)
_AFTER_NUMBER = re.compile(
    r"[\s-]*(?P<scale>hundred|thousand|million|billion|k|m|bn)?\b\s*(?P<percent>%|per\s?cent\b|pct\b|percentage points?\b)?",
    re.IGNORECASE,
)
_MONTHS = "january february march april may june july august september october november december".split()


@dataclass(frozen=True, slots=True)
class Support:
    """How far one piece of evidence supports one claim."""

    numbers: bool
    """Every number of the claim stands in the evidence, with its unit."""
    names: bool
    """Every name of the claim stands in the evidence."""
    negation: bool
    """No word is denied in one and asserted in the other."""
    speaker: bool
    """Where the claim says who spoke, the evidence says so too."""
    words: float
    """Share of the claim's main words that the evidence holds, 0 to 1."""
    new_words: float
    """The same for the words that the question did not hold already; 1 when there are none."""
    new: tuple[str, ...]
    """The claim's main words that the question did not hold: what the claim tells."""

    @property
    def facts(self) -> bool:
        """Whether all that must never slip is right: numbers, names, negation and speaker."""
        return self.numbers and self.names and self.negation and self.speaker


def support(claim: str, question: str, evidence: Iterable[Sentence]) -> Support:
    """Compare a claim, made in answer to a question, with the sentences of one cited passage taken together."""
    sentences = list(evidence)
    text = " ".join(sentence.text for sentence in sentences)
    held = stems(text) | aliases(sentences)
    claimed = stems(claim)
    asked = stems(question)
    new = sorted(claimed - asked)
    return Support(
        numbers=numbers(claim) <= numbers(text),
        names=all(name in held for name in names(claim)),
        negation=_same_negation(claim, text),
        speaker=_same_speaker(claim, sentences),
        words=_share(claimed, held),
        new_words=_share(set(new), held),
        new=tuple(new),
    )


def stems(text: str) -> set[str]:
    """Return the stems of the main words, without stop words; numbers in their canonical form."""
    words = [word for word in _words(text) if word not in _STOP]
    return set(_stemmer().stemWords(words)) | numbers(text)


def _words(text: str) -> list[str]:
    plain = text.lower().replace("’", "'")
    return [re.sub(r"'s?$", "", word) for word in _WORD.findall(plain) if not word[0].isdigit() and word not in _UNITS]


def _share(wanted: set[str], held: set[str]) -> float:
    return sum(word in held for word in wanted) / len(wanted) if wanted else 1.0


def numbers(text: str) -> set[str]:
    """Return the numbers in a canonical form: "nine" and 9 are "9", 5½ is "5.5", 18 percent is "18%", $2 million "$2000000".

    "one", "first" and "second" are left out: they are rarely numbers.
    """
    found: set[str] = set()
    for match in _NUMBER.finditer(text):
        if match["words"]:
            value = _value_of_words(match["words"])
            if match["words"].lower() == "one" or value is None:
                continue
        elif match["digits"] or match["fraction"]:
            value = float((match["digits"] or "0").replace(",", "")) + _value_of_fraction(match["fraction"])
        else:
            continue
        after = _AFTER_NUMBER.match(text, match.end())
        scale = after["scale"] if after else None
        if scale and not (match["words"] and scale.lower() in match["words"].lower()):
            value *= _SCALES[scale.lower()]
        percent = "%" if after and after["percent"] else ""
        found.add(f"{match['currency'] or ''}{value:.12g}{percent}")
    return found


def _value_of_fraction(text: str | None) -> float:
    if not text:
        return 0.0
    if text in _FRACTIONS:
        return _FRACTIONS[text]
    numerator, denominator = text.split("/")
    return int(numerator) / int(denominator)


def _value_of_words(text: str) -> float | None:
    total = current = 0.0
    lowered = text.lower()
    half = 0.5 if "a half" in lowered else 0.25 if "a quarter" in lowered else 0.0
    for word in re.findall(r"[a-z]+", lowered.replace("a half", "").replace("a quarter", "")):
        if word in _UNITS or word in _ORDINALS:
            current += _UNITS.get(word, _ORDINALS.get(word, 0))
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total += (current or 1) * _SCALES[word]
            current = 0.0
    return total + current + half


def names(text: str) -> list[str]:
    """Return the stems of the words that are names: capitalised inside a sentence, or in capitals or digits anywhere."""
    found: list[str] = []
    start = True
    for match in re.finditer(r"[^\W_]+(?:['’][^\W_]+)?|[.!?:\"“]\s", text):
        word = match[0]
        if not word[0].isalnum():
            start = True
            continue
        bare = re.sub(r"['’]s?$", "", word)
        plain = bare.lower().replace("’", "'")
        is_name = (
            bare[0].isupper()
            and (not start or (bare.isupper() and len(bare) > 1))
            and plain not in _STOP
            and plain not in _UNITS
        )
        if is_name and plain != "i":
            found.extend(_stemmer().stemWords([plain]))
        start = False
    return found


def aliases(sentences: list[Sentence]) -> set[str]:
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


def _negated(text: str) -> tuple[set[str], set[str]]:
    """Return the stems that stand under a negation, and those that stand free, each up to the end of its clause."""
    negated: set[str] = set()
    free: set[str] = set()
    for clause in _CLAUSE_END.split(text):
        words = clause.lower().replace("’", "'").split()
        bare = [re.sub(r"[^\w'-]", "", word) for word in words]
        cue = next((i for i, word in enumerate(bare) if word in _NEGATIONS or word.endswith("n't")), None)
        before, after = (clause, "") if cue is None else (" ".join(words[:cue]), " ".join(words[cue + 1 :]))
        free |= stems(before)
        negated |= stems(after)
    return negated, free


def _same_negation(claim: str, evidence: str) -> bool:
    claim_negated, claim_free = _negated(claim)
    evidence_negated, evidence_free = _negated(evidence)
    denied_only_there = (evidence_negated - evidence_free) & (claim_free - claim_negated)
    denied_only_here = (claim_negated - claim_free) & (evidence_free - evidence_negated)
    # A word or two under the negation is often its bystander ("has not said when"); most of them is a contradiction.
    here = len(denied_only_here) > len(claim_negated & evidence_negated)
    there = len(denied_only_there) > len(claim_free & evidence_free) / 2
    claim_has = any(_is_negation(word) for word in claim.lower().replace("’", "'").split())
    evidence_has = any(_is_negation(word) for word in evidence.lower().replace("’", "'").split())
    return not here and not there and not (claim_has and not evidence_has)


def _is_negation(word: str) -> bool:
    bare = re.sub(r"[^\w'-]", "", word)
    return bare in _NEGATIONS or bare.endswith("n't")


_ATTRIBUTION = re.compile(
    r"\b(?:said|says|told|wrote|writes|explained|complained|argued|stated|claimed|asked|added|warned|described|called|referred|according to)\b",
    re.IGNORECASE,
)


def _same_speaker(claim: str, sentences: list[Sentence]) -> bool:
    """Whether the claim attributes words to the one who speaks in the evidence, where it attributes any."""
    match = _ATTRIBUTION.search(outside_quotations(claim))
    speakers = [context_of(sentence).speaker for sentence in sentences if context_of(sentence).speaker]
    quoted = any(re.search(r"[\"“]", sentence.text) for sentence in sentences)
    if match is None or not speakers or not quoted:
        return True
    subject = claim[match.end() :] if match[0].lower() == "according to" else claim[: match.start()]
    named = set(names("x " + subject)) & {
        stem for surname in persons(sentences[0].article.text) for stem in stems(surname)
    }
    if not named:
        return True
    held = {stem for speaker in speakers if speaker for stem in stems(speaker)}
    return bool(named & held)


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


# What the question asks for ------------------------------------------------------------------------------------------

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "percent",
        re.compile(
            r"\bwhat (?:share|percentage|percent|proportion)\b|\bhow (?:much|far) (?:has|have|did) .*\b(?:fall|fell|fallen|drop|dropped|rise|rose|risen|grown|gone)",
            re.I,
        ),
    ),
    (
        "money",
        re.compile(
            r"\bhow much (?:money|does .* (?:cost|earn|make|get paid)|did .* (?:cost|pay|earn)|is .* paid|was .* paid)|\bsalary\b|\bprice\b|\bbudget\b",
            re.I,
        ),
    ),
    ("count", re.compile(r"\bhow (?:many|old|long|often|tall|far|big|large)\b|\bwhat number\b|\bwhat age\b", re.I)),
    (
        "date",
        re.compile(
            r"\bwhen\b|\b(?:what|which|on what|in what|in which) (?:date|day|year|month|season|time)\b|\bsince when\b",
            re.I,
        ),
    ),
    (
        "spelled",
        re.compile(
            r"\bstands? for\b|\bfull name\b|\bfirst name\b|\blast name\b|\b(?:what|which|whats|what's) .*\bnames?\b|\bnames? (?:of|please)\b|\bwhat (?:was|is) (?:he|she|it) called\b",
            re.I,
        ),
    ),
    ("person", re.compile(r"\bwho(?:m|se|'s)?\b", re.I)),
)
_DATE_WORD = re.compile(
    r"\b(?:1[5-9]\d\d|20\d\d|" + "|".join(_MONTHS) + r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|spring|summer|autumn|fall|winter|"
    r"yesterday|today|tomorrow|ago|week|month|year|years|before|after|since|early|late|during)\b",
    re.IGNORECASE,
)  # fmt: skip


def asked_kind(question: str) -> str:
    """Return what the question asks for: percent, money, count, date, spelled (a name), person, or other."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "other")


def fits_question(question: str, text: str) -> bool:
    """Whether the text holds something of the kind that the question asks for and does not hold itself."""
    fresh = numbers(text) - numbers(question)
    match asked_kind(question):
        case "percent":
            return any("%" in number for number in fresh)
        case "money":
            return any(number[0] in "$€£" for number in fresh)
        case "count":
            return any("%" not in number and not re.fullmatch(r"(?:19|20)\d\d", number) for number in fresh) or bool(
                re.search(r"\b(?:hundreds|thousands|dozens|several|few|none|no)\b", text, re.IGNORECASE)
            )
        case "date":
            return any(match[0].lower() not in question.lower() for match in _DATE_WORD.finditer(text))
        case "spelled" | "person":
            return bool(set(names(text)) - stems(question)) or bool(
                re.search(r"\b(?:officials?|advocates?|protesters?|judge|prosecutors?|lawyer|police|mayor)\b", text)
            )
        case _:
            return True
