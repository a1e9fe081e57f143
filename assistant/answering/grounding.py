"""Does this passage support this sentence, and is it of the kind that the question asks for?

Deterministic and about words only: numbers and dates in every style, names, negation, who speaks, and the main words.
It compares a claim with *one* piece of evidence; a name that stands elsewhere in the article does not count. It knows
nothing of retrieval or of the model that wrote the claim, and it cannot see a wrong relation between right words: what
it lets through is measured in the README.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache

import Stemmer

from assistant.articles.speakers import context_of, outside_quotations, persons
from assistant.types import Sentence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)

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

_NEGATIONS = frozenset("not no never neither nor without none nobody nothing cannot".split())
"""Words such as "refused" or "unaware" carry their denial themselves: they must stand in the evidence like any other."""
_CLAUSE_END = re.compile(
    r"[,;:.!?—–()\"“”]|\b(?:but|though|although|while|whereas|because|since|if|when|that|which|who)\b", re.IGNORECASE
)
_NEGATION_REACH = 6
"""How many words after a negation it is taken to deny, within its clause."""

_UNITS = {
    word: value
    for value, word in enumerate(
        """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen
    """.split()
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

_TO_19 = "|".join(word for word in (*_UNITS, *_ORDINALS) if not word.endswith("ty"))
_TO_99 = rf"(?:(?:{'|'.join(word for word in _UNITS if word.endswith('ty'))})(?:[\s-](?:{_TO_19})\b)?|{_TO_19})"
_TO_999 = rf"(?:(?:{_TO_99}[\s-])?hundred(?:(?:\s+and)?[\s-]{_TO_99}\b)?|{_TO_99})"
_BIG = rf"(?:(?:{_TO_999}[\s-])?(?:thousand|million|billion))"
_NUMBER = re.compile(
    r"(?P<currency>[$€£])?(?:(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:[\s-]?(?P<fraction>[½¼¾⅓⅔]|\b[1-9]/[2-9]\b))?"
    r"|(?P<alone>[½¼¾⅓⅔]))(?:st|nd|rd|th)?"
    rf"|\b(?P<words>(?:half\s+an?\s+)?(?:{_BIG}(?:(?:\s+and)?[\s-]{_BIG})*(?:(?:\s+and)?[\s-]{_TO_999})?|{_TO_999}(?:\s+and\s+a\s+(?:half|quarter))?))\b",
    re.IGNORECASE,
)
_AFTER_NUMBER = re.compile(
    r"(?:[\s-]*(?P<scale>hundred|thousand|million|billion|k|m|bn)\b)?[\s-]*(?P<percent>%|per\s?cent\b|pct\b|percentage points?\b)?",
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
    asked_names: bool
    """Every name of the question does."""
    negation: bool
    """No word is denied in one and asserted in the other."""
    speaker: bool
    """Where the claim says who spoke or did it, the evidence says so too."""
    cause: bool
    """Where the claim says why, the evidence does too."""
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
        cause=not _CAUSE.search(claim) or bool(_CAUSE.search(text)),
        words=share(claimed, held),
        new_words=share(new, held),
        new=tuple(sorted(new)),
        swapped=tuple(sorted((claimed - held) & _vocabulary(article))),
    )


def names_not_held(claim: str, evidence: Sequence[Sentence]) -> frozenset[str]:
    """Return the stems of the names of a claim that stand nowhere in the evidence."""
    text = " ".join(sentence.text for sentence in evidence)
    return _named(claim, evidence[0].article.text) - _held(text, evidence)


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
    return _Words(frozenset(stems(text)), _hedged_numbers(text), frozenset(_negated(text)), frozenset(_turned(text)))


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
        cause=all(found.cause for found in each),
        words=min(found.words for found in each),
        new_words=min(found.new_words for found in each),
    )


@lru_cache(maxsize=256)
def _vocabulary(article: str) -> frozenset[str]:
    return frozenset(stems(article))


@lru_cache(maxsize=256)
def known_names(article: str) -> frozenset[str]:
    """Return the stems of the words that the article writes with a capital inside a sentence."""
    return frozenset(names(article))


def stems(text: str) -> set[str]:
    """Return the stems of the main words, without stop words; numbers in their canonical form."""
    return _stems_of_words(text) | numbers(text)


def _stems_of_words(text: str) -> set[str]:
    return set(_stemmer().stemWords([word for word in _words(text) if word not in _STOP]))


def _words(text: str) -> list[str]:
    plain = text.lower().replace("’", "'")
    return [re.sub(r"'s?$", "", word) for word in _WORD.findall(plain) if not word[0].isdigit() and word not in _UNITS]


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
            value = float((match["digits"] or "0").replace(",", "")) + _value_of_fraction(
                match["fraction"] or match["alone"]
            )
        after = _AFTER_NUMBER.match(text, match.end())
        if after and after["scale"] and not match["words"]:
            value *= _SCALES[after["scale"].lower()]
        end = after.end() if after else match.end()
        percent = "%" if after and after["percent"] else ""
        yield match.start(), f"{match['currency'] or ''}{value:.12g}{percent}"


_HEDGES = (
    re.compile(
        r"\b(?:more than|over|above|upwards? of|at least|no fewer than|exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?)\b[^.;\d]{0,12}$",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:nearly|almost|about|around|roughly|approximately|some|close to|up to|just under|less than|fewer than|under)\b[^.;\d]{0,12}$",
        re.IGNORECASE,
    ),
)


def _loses_hedge(claim: _Words, evidence: _Words) -> bool:
    """Whether the claim gives as exact a number that the evidence gives only as "more than" or "nearly" so much."""
    return any(evidence.hedges.get(number, own) != own for number, own in claim.hedges.items())


def _hedged_numbers(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for start, number in _placed_numbers(text):
        before = text[max(0, start - 30) : start]
        found.setdefault(number, next((kind for kind, hedge in enumerate(_HEDGES, start=1) if hedge.search(before)), 0))
    return found


def _value_of_fraction(text: str | None) -> float:
    if not text:
        return 0.0
    if text in _FRACTIONS:
        return _FRACTIONS[text]
    numerator, denominator = text.split("/")
    return int(numerator) / int(denominator)


def _value_of_words(text: str) -> float:
    total = current = 0.0
    for word in re.findall(r"[a-z]+", text.lower().removeprefix("half")):
        if word in _UNITS or word in _ORDINALS:
            current += _UNITS.get(word, _ORDINALS.get(word, 0))
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
        bare = re.sub(r"['’]s?$", "", word)
        plain = bare.lower().replace("’", "'")
        if bare[0].isupper() and plain not in _STOP and plain not in _UNITS:
            stem = _stemmer().stemWords([plain])[0]
            if not start or (bare.isupper() and len(bare) > 1) or stem in known:
                found.add(stem)
        start = False
    return found


_OPENS = re.compile(r"(?:^|[.!?:]\s)[\"“(]*(?P<word>[A-ZÀ-Þ][^\W_]+)")


def _strangers(claim: str, article: str) -> set[str]:
    """Return the stems of the words that open a sentence, and are not in the article at all: they may be names."""
    return set().union(*(stems(match["word"]) for match in _OPENS.finditer(claim))) - _vocabulary(article)


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
    words = (word for word in _words(text) if word not in _STOP)
    return set(_stemmer().stemWords([word[match.end() :] for word in words if (match := _OPPOSITE.match(word))]))


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


_CAUSE = re.compile(r"\b(?:because|due to|reason)\b", re.IGNORECASE)


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


# What the question asks for ------------------------------------------------------------------------------------------

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


def quantities(found: AbstractSet[str]) -> set[str]:
    """Return those of the numbers that can be a count: no shares and no years."""
    return {number for number in found if "%" not in number and not re.fullmatch(r"(?:19|20)\d\d", number)}


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
        stems=found | _stems_of_words(text),
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


_PART = re.compile(r"[,;:—–]\s")


def is_of_the_article(claim: str, article: str) -> bool:
    """Whether each part of a claim, between commas, that has main words has one of the article: else it is chatter."""
    parts = map(stems, _PART.split(claim))
    return all(not part or part & _vocabulary(article) for part in parts)


_YES_NO = re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b", re.IGNORECASE)


def answers(claim: str, question: str, supported: Support, known: Container[str]) -> bool:
    """Whether the claim ends as a sentence does and tells something of the kind that the question asks for."""
    whole = claim.rstrip("\"'”’)").endswith((".", "!", "?"))
    tells = bool(supported.new) or bool(_YES_NO.match(question))
    return whole and tells and fits_question(question, claim, known)
