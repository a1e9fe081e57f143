"""Turn a reader's input into a clean, standalone question, and recognise questions about the article as a whole.

Rules only: they cost nothing, so the first evidence is not kept waiting for a model. Joining the whole history to a
follow-up is measured to be harmful; only the names of the last exchange are added. Knows nothing of retrieval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.articles import normalise
from assistant.types import Turn

MAX_QUESTION_CHARACTERS = 500

_REFERENCE = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|that|this|those|these|there|one|ones|same|other|else|such)\b",
    re.IGNORECASE,
)
_OPENS_AS_FOLLOW_UP = re.compile(
    r"^\s*(?:and|but|so|or|also|why|how|when|where|since when|what about|how about|which one|who else|really|for how long)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-ZÀ-Þ][\w'’.-]*\w(?:\s+(?:of|and|de|the)?\s*[A-ZÀ-Þ][\w'’.-]*\w)*")
_ORDINARY = frozenset(
    """
    the a an he she it they what who whom whose when where why how which did does do is are was were in on at for and
    but with from to by of about under yes no some one
    """.split()
)
_ASKING = r"(?:(?:in|to|from|of|by|for|at|on|with|under|about)\s+)?(?:what|who|whom|whose|how|why|when|where|which)\b"
_DOES_ONE = r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would)\s+(?:he|she|it|they|the|this|that|there|(?-i:[A-ZÀ-Þ])\w*)\b"
_JOINT = re.compile(rf"(?:,?\s+and\s+|\?\s+)(?={_ASKING}|{_DOES_ONE})", re.IGNORECASE)
"""Where one question ends and the next begins."""
_QUOTATION = re.compile(r'[“"][^”"]*[”"]')
_LEAST_OF_A_PART = 3
"""Words: fewer are no question of their own, as in "When and how did it begin?"."""
_ABOUT_WHAT = re.compile(r"(.*?)((?: \(about [^()]*\))?)\Z", re.DOTALL)
"""A question, and what `standalone` added to it."""
_SHORT = 7
"""A question of fewer words that opens like a follow-up is taken for one."""


def clean(question: str) -> str:
    """Return the question normalised like an article, on one line."""
    return " ".join(normalise(question).split())


def problem(question: str) -> str | None:
    """Return what is wrong with a cleaned question, as a sentence for the reader; None when nothing is."""
    if not any(character.isalnum() for character in question):
        return "Please type a question."
    if len(question) > MAX_QUESTION_CHARACTERS:
        return f"The question has {len(question)} characters; please keep it to {MAX_QUESTION_CHARACTERS}."
    return None


def standalone(question: str, history: Sequence[Turn]) -> str:
    """Return the question with the names of the last exchange added, where it leans on that; else as it is."""
    if not history or not _leans_on_history(question):
        return question
    last = history[-1]
    names = dict.fromkeys(
        name
        for text in (last.question, last.answer)
        for name in (match[0] for match in _NAME.finditer(text))
        if name.lower() not in _ORDINARY and name.lower() not in question.lower()
    )
    topic = ", ".join(list(names)[:6]) or last.question.rstrip("?")
    return f"{question} (about {topic})"


def _leans_on_history(question: str) -> bool:
    short = len(question.split()) < _SHORT
    return refers_back(question) or (short and bool(_OPENS_AS_FOLLOW_UP.match(question))) or len(question.split()) < 4


def parts(question: str) -> list[str]:
    """Return the two questions that a standalone one joins, each standing by itself; else the one as it is."""
    asked, about = _ABOUT_WHAT.findall(question)[0]
    # What the question quotes is somebody else's.
    joint = _JOINT.search(_QUOTATION.sub(lambda quoted: "_" * len(quoted[0]), asked))
    if joint is None:
        return [question]
    first, second = asked[: joint.start()].rstrip(" .,;?!"), asked[joint.end() :]
    if min(len(first.split()), len(second.split())) < _LEAST_OF_A_PART:
        return [question]
    return [f"{first}?{about}", second + about if about else standalone(second, [Turn(first, "")])]


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
