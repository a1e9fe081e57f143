"""Turn a reader's input into a clean, standalone question, and recognise what it asks for, as a count or an overview.

Rules only: they cost nothing, so the first evidence is not kept waiting for a model. Joining the history to a follow-up,
or a whole question of it, is measured to be harmful; only the names of the last exchange are added. Knows nothing of
retrieval.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from assistant.articles.reading import normalise
from assistant.articles.terms import names, numbers, quantities, stems_of_words
from assistant.types import Turn

MAX_QUESTION_CHARACTERS = 500

_REFERENCE = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|that|this|those|these|there|one|ones|same|other|else|such)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_DETERMINED = re.compile(r"\b(?:the|an?|this|that|one|every|each|some|any|no|which|whose)\s+\w", re.IGNORECASE)
"""Somebody may be told of: "Does the mayor say that he paid?"."""
_OPENS_AS_FOLLOW_UP = re.compile(
    r"^\s*(?:and|but|so|or|also|why|how|when|where|since when|what about|how about|which one|who else|really|for how long)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*\w(?:\s+(?:of|and|de|the)?\s*[A-ZÀ-Þ][\w'’.-]*\w)*")
_ORDINARY = frozenset(
    """
    the a an he she it they we you i his her its their our your my this that these those there here
    what who whom whose when where why how which do does did is are was were be been has have had can could will would
    should may might must in on at for and but or nor so if as with without from to by of about under over through
    during after before since until because while although though than then once also just only nearly almost about
    yes no not none nobody nothing one two three four five six seven eight nine ten some any most more many much few
    several all both each every another other
    january february march april june july august september october november december
    jan feb mar apr jun jul aug sept sep oct nov dec
    monday tuesday wednesday thursday friday saturday sunday
    """.split()
)
"""What begins with a capital without being a name, or is one that nobody means by "he" or "it": a day, a month."""
_MOST_NAMES = 6
_BARE = frozenset(
    """
    who whom whose what which why when where how come so far long much many often else then exactly really though tho and
    but or not about of for from to in on at by with since until before after he she it they him her them that
    these those there one ones
    """.split()
)
"""A question of nothing else leans on what was said before it. "This" may be the article: "What this about?"."""
_ASKING = r"(?:(?:in|to|from|of|by|for|at|on|with|under|about)\s+)?(?:what|who|whom|whose|how|why|when|where|which)\b"
_DOES_ONE = r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would)\s+(?:he|she|it|they|the|this|that|there|(?-i:[A-ZÀ-Þ])\w*)\b"
_JOINT = re.compile(rf"(?:,?\s+and\s+|\?\s+)(?={_ASKING}|{_DOES_ONE})", re.IGNORECASE)
"""Where one question ends and the next begins."""
_QUOTATION = re.compile(r'[“"][^”"]*[”"]')
_LEAST_OF_A_PART = 3
"""Words: fewer are no question of their own, as in "When and how did it begin?"."""
_ADDED = re.compile(r" \(about [^()]*\)\Z")
"""What `standalone` adds to a question."""
_SHORT = 7
"""A question of fewer words that opens like a follow-up is taken for one."""


def clean(question: str) -> str:
    """Return the question normalised like an article, on one line."""
    return " ".join(normalise(question).split())


def problem(question: str, history: Sequence[Turn]) -> str | None:
    """Return what is wrong with a cleaned question, as a sentence for the reader; None when nothing is."""
    if not any(character.isalnum() for character in question):
        return "Please type a question."
    if len(question) > MAX_QUESTION_CHARACTERS:
        return f"The question has {len(question)} characters; please keep it to {MAX_QUESTION_CHARACTERS}."
    if not history and _BARE.issuperset(re.findall(r"[^\W_]+", question.lower())):
        return "Who or what do you mean? Please ask in a few more words."
    return None


def standalone(question: str, history: Sequence[Turn]) -> str:
    """Return the question with the names of the last exchange that has any, where it may lean on one; else as it is."""
    if not _leans_on_history(question):
        return question
    return _about(question, next(filter(None, (_names(turn.question, turn.answer) for turn in reversed(history))), []))


def queries(question: str, history: Sequence[Turn]) -> list[str]:
    """Return what to search for, one or two questions: as it stands, and as a follow-up, where it may be either."""
    joined = standalone(question, history)
    return [joined] if joined == question or _speaks_of_somebody_unnamed(question) else [question, joined]


def leaned_on(question: str, history: Sequence[Turn], query: str) -> Sequence[Turn]:
    """Return the turns that a question is to be understood with; none where it is answered as if it were the first.

    So it is where it does not lean on any, or where it was surer of an answer as it stands: then that is the `query`.
    """
    stands = query == question and (standalone(question, history) != question or not _leans_on_history(question))
    return () if stands else history


def _about(question: str, topics: Iterable[str]) -> str:
    new = [topic for topic in topics if not re.search(rf"\b{re.escape(topic)}\b", question, re.IGNORECASE)]
    return f"{question} (about {', '.join(new[:_MOST_NAMES])})" if new else question


def _names(*texts: str) -> list[str]:
    """Return each name once, without what stands capitalised before it where a sentence begins: "Did ICE" is ICE."""
    found = (match[0].split() for text in texts for match in _NAME.finditer(text))
    names = (" ".join(itertools.dropwhile(lambda word: word.lower() in _ORDINARY, words)) for words in found)
    return list(dict.fromkeys(name for name in names if name))


def _leans_on_history(question: str) -> bool:
    short = len(question.split()) < _SHORT
    return refers_back(question) or (short and bool(_OPENS_AS_FOLLOW_UP.match(question))) or len(question.split()) < 4


def _speaks_of_somebody_unnamed(question: str) -> bool:
    """Whether it says "he" or "she" of somebody whom it has not told of before: "When did he say that he would go?"."""
    said = _PERSON.search(question)
    before = question[: said.start()] if said else ""
    return said is not None and not _names(before) and not _DETERMINED.search(before)


def joins_two(question: str) -> bool:
    """Whether a question joins two, each of some words; what it quotes is somebody else's."""
    asked = _JOINT.split(_QUOTATION.sub("_", _ADDED.sub("", question)), maxsplit=1)
    return len(asked) == 2 and min(len(part.split()) for part in asked) >= _LEAST_OF_A_PART


_ASKS_TWO = re.compile(
    r"\band (?:(?:in|to|from|of|by|for) )?(?:whats?|whos?|whom|whose|hows?|why|when|where|which|did|does|is|was|were)\b"
    r"|\b(?:both|compare|two|three|four|each|vs)\b",
    re.IGNORECASE,
)


def asks_two(question: str) -> bool:
    """Whether a question asks for two things or more: it joins two questions, or asks for two of a kind."""
    return bool(_ASKS_TWO.search(question))


_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must|"
    r"(?:is|are|was|were|do|does|did|has|have|had|could|would|should)n['’]?t|(?:ca|wo)n['’]?t)"
)
_YES_OR_NO = re.compile(
    rf"^(?:\W|so|and|but|ok|okay|then|wait|please|pls|anyway|well|also)*\b{_AUXILIARY} (?!(?:you|u|i|we)\b)\w"
    r"|^(?:\W|so|and|but)*any(?:one|body|thing)?\b",
    re.IGNORECASE,
)
_ASKS_MORE = re.compile(
    r"\bor\b(?! (?:not|no|what)\b)|\bhow (?:many|much)\b"
    r"|\b(?:say|says|said|know|tell|mention|explain|idea|clue) (?:who|whom|whose|what|which|why|how|when|where)\b",
    re.IGNORECASE,
)


def asks_yes_or_no(question: str) -> bool:
    """Whether a question wants a yes or a no, and not one of several things, a name or a reason."""
    return bool(_YES_OR_NO.search(question)) and not _ASKS_MORE.search(question)


def refers_back(sentence: str) -> bool:
    """Whether a sentence holds a word such as "he" or "this" that may stand for something said before it."""
    return bool(_REFERENCE.search(sentence))


def quoted_words(question: str) -> list[str]:
    """Return what the question quotes, without the punctuation at its ends; short quotations say too little."""
    return [match.strip(" .,;:!?…") for match in re.findall(r'[“"]([^”"]{8,})[”"]', question)]


_THIS_ARTICLE = r"(?:this|the|that|your)\s+(?:news\s+)?(?:article|story|piece|text|report|excerpt)"
_ABOUT = (
    ("title", re.compile(rf"\b(?:title|headline)\b.*\b(?:{_THIS_ARTICLE}|here|listed|it)\b|{_THIS_ARTICLE}\s*(?:'s|’s)?\s*(?:title|headline|called|titled)|^(?:what|what's|whats)\s*(?:is|was)?\s*the\s+(?:title|headline)\W*$|\bunder (?:what|which) (?:title|headline)\b", re.IGNORECASE)),
    ("length", re.compile(rf"\bhow (?:long|many words|big|large)\b.*\b{_THIS_ARTICLE}|\b{_THIS_ARTICLE}\b.*\b(?:length|word count|how many (?:words|paragraphs|characters))|\b(?:length|word count) of {_THIS_ARTICLE}|\bhow many (?:words|paragraphs|characters|sentences)\b.*\b(?:article|text|story)", re.IGNORECASE)),
    ("date", re.compile(rf"\b(?:when|(?:what|which) (?:date|day|year|month)|from when|how (?:old|recent))\b.{{0,20}}\b{_THIS_ARTICLE}\b.{{0,20}}\b(?:published|publish|written|from|carry|carries|dated|bear|bears|appear|appeared|come out|came out|printed|posted|made)\b|^(?:when|how old|how recent)\s+(?:is|was)\s+{_THIS_ARTICLE}\W*$|\bdate\b.{{0,25}}\b{_THIS_ARTICLE}|\b{_THIS_ARTICLE}(?:['’]s)?\s+(?:publication\s+)?date\b", re.IGNORECASE)),
    ("source", re.compile(rf"\b(?:who wrote|who is the author|who's the author|author of|which (?:newspaper|paper|outlet|site|publisher)|who published|where (?:was|is|does)|source of|byline)\b.*\b{_THIS_ARTICLE}", re.IGNORECASE)),
)  # fmt: skip
_CONTENT_QUESTION = re.compile(
    r"\bdoes\b.*\b(?:say|mention|tell|describe|report)|\baccording to\b|\bmentioned in\b", re.IGNORECASE
)


_IN_ARTICLE = re.compile(rf"\bin\s+{_THIS_ARTICLE}", re.IGNORECASE)
_MEASURE = re.compile(r"\b(?:words|paragraphs|characters|sentences)\b", re.IGNORECASE)


def asks_about_article(question: str) -> str | None:
    """Return `title`, `date`, `length` or `source` for a question about the article itself; None for any other."""
    if _CONTENT_QUESTION.search(question) or (_IN_ARTICLE.search(question) and not _MEASURE.search(question)):
        return None
    return next((topic for topic, pattern in _ABOUT if pattern.search(question)), None)


_WHATS = r"what(?:['’]?s| is| was| has)?"
_IT = rf"(?:{_THIS_ARTICLE}|this|it|here)\b"
_OF_ALL = rf"(?! (?:about|on|for|against|of|in|from|behind)\b(?! {_IT}))"
"""Not of something in the article: "the gist of his speech"."""
_ASKS = r"^(?:\W|so|ok|hi|hey|please|pls|just|(?:can|could|would) you|give me)*\b"
_ONE = r"(?:this|these) \w+(?: (?:today|now|then))?"
_OVERVIEW = re.compile(
    rf"\btl[;,]? ?dr\b|\bgist\b{_OF_ALL}|\b(?:quick|short|brief) (?:summary|version|overview|recap|rundown)\b{_OF_ALL}"
    rf"|\b(?:key|main|top|most important) (?:points?|facts|takeaways?|idea|message)\b{_OF_ALL}"
    rf"|{_ASKS}(?:summari[sz]e|sum)(?: up)?(?: {_IT})?(?: up)?(?: (?:for me|briefly|quickly|in .{{1,20}}))?\W*$"
    rf"|{_ASKS}(?:a |the )?(?:summary|overview|recap|highlights|in a nutshell)(?: of {_IT})?(?: please| pls)?\W*$"
    rf"|{_WHATS} (?:{_IT}|this \w+) (?:(?:\w+ )?thing )?(?:(?:all|really|actually|even) )*about(?: in .{{1,20}}| then)?\W*$"
    rf"|{_ASKS}{_WHATS} (?:happened|happening|going on|(?:the|this) (?:story|news|latest|row|fuss|deal|drama|matter))"
    rf"(?: about| here| in {_THIS_ARTICLE})?(?: (?:today|now|then))?\W*$"
    rf"|{_ASKS}{_WHATS} (?:happened (?:in|with|at)|(?:happening|going on|the deal|the story) (?:with|at)) {_ONE}\W*$"
    rf"|{_ASKS}{_WHATS} (?:this|the) (?:list|piece|case|study|report)(?: (?:say|find|tell(?: us)?))?\W*$"
    rf"|{_ASKS}{_WHATS} the (?:main|big|key) (?:finding|news|thing|story)\W*$",
    re.IGNORECASE,
)


def asks_for_overview(question: str) -> bool:
    """Whether a question asks what the article tells as a whole, or wants its answer as a summary of it."""
    return bool(_OVERVIEW.search(question))


# What a question asks for

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
    r"\b(?:how many|what number of)\s+(?:(?!(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will)\b)[\w'-]+\s+){0,3}?[\w'-]+"
    r"(?=\s+(?:did|do|does|were|was|are|is|has|have|had|could|can|would|will|of|in|a|per|from|to|for|that|which|who|with)\b|\W*$)",
    re.IGNORECASE,
)


def counts(question: str, text: str) -> bool:
    """Whether the text holds a number that can be a count; True when the question counts nothing."""
    return not _HOW_MANY.search(question) or bool(quantities(numbers(text)))
