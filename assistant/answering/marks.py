"""Which words of a quoted sentence answer the question, and who is meant where it begins with "he"?

Marked are a number, a date or a name that is asked for, what decides between yes and no, and who said something. Of
all other questions, as of those for a reason, readers are misled by a mark as often as they are helped. The words are a
phrase, or a run of whole clauses, that begins and ends where a reader would pause. Three things speak for them: the
draft holds them and the question does not, the span finder points to them, they are of the kind that is asked for.
Where these say too little nothing is marked. Asks no language model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations, pairwise

from assistant.answering.understanding.kinds import asked_kind, fits
from assistant.answering.understanding.question import Question
from assistant.articles.annotated import annotated, annotation
from assistant.articles.speakers import NAME, SAID, outside_quotations
from assistant.articles.terms import main_words
from assistant.articles.words import Words
from assistant.search.span_finder import Span
from assistant.types import Part, Sentence

# Chosen by hand on fit.jsonl, development.jsonl and hard.jsonl: where a sentence answers, fewer than one mark in twenty
# is wrong.
LEAST = 0.9
"""What must speak for words that are marked; the draft alone gives at most 1, and so does the span finder."""
MOST_WORDS = 18
"""A longer mark is not seen at a glance."""
_NO_FACT = frozenset({"other", "person"})
"""The kinds of question that no one phrase answers."""
_KIND = 0.5
"""What speaks for words of the kind that is asked for."""
_HALF, _SLOPE = -6.0, 3.0
"""At these log-odds the span finder counts half: of a sentence that answers, its words are right oftener than not."""
_WORD_OF_PHRASE, _WORD_OF_CLAUSES = 0.04, 0.015
"""What a word more costs."""

_CLAUSE_OPENS = (
    r"(?:because|while|although|though|but(?! not\b)|after|before|when|until|since|if|unless|so that|whether|"
    r"and (?:that|then|he|she|it|they|is|was|has|had|will|would|are|were))\s"
)
_CLAUSE = re.compile(
    r"(?<=[,;:—–)])\s+(?!\d{4}\b|(?:but|and) not\b)"  # "in May, 2025" and "liked, but not loved" are not cut.
    r"|(?<=[,.?!;][”\"])\s+"
    r"|(?<=[a-z]{4}[.?!])\s+(?=(?-i:[A-Z]))"  # Between the sentences of a quotation, not after "Prof.".
    rf"|\s+(?=[(—–]|{_CLAUSE_OPENS})|\b{SAID}(?:\s+\w+){{0,4}}\s+that\s+",
    re.IGNORECASE,
)
"""Where a clause begins."""
_PHRASE = re.compile(
    r"\s+(?=(?:in|at|on|by|for|from|with|without|over|under|into|during|against|between|through|despite|about"
    r"|who|which|where|is|are|was|were|has|have|had|will|would|could|can|may|might|should|must|did|does|do"
    rf"|{SAID})\b|[“\"])",
    re.IGNORECASE,
)
_IN_ONE = re.compile(r"[A-ZÀ-Þ][\w'’.-]*\s(?:for|in|at|on|by|from|with)\s[A-ZÀ-Þ]")
"""A name, as in "Center for Criminal Justice": no phrase begins in it."""
_DANGLING = re.compile(
    r"(?:[\s,;:—–]|[-.]\s|\d\.\s|(?:and|but|or|nor|that|which|who|whom|whose|where|of|than|is|are|was|were|has|have|had|be"
    r"|been|so|while|although|though|said|says)\b(?=\s))+",
    re.IGNORECASE,
)
"""With these no mark begins."""
_ENDS = " \n,;:—–.-?!"
_SOMEBODY = re.compile(r"\b(?:he|she|him|his|hers?)\b", re.IGNORECASE)
_IS_OF_ANOTHER = re.compile(r"['’]|, [A-ZÀ-Þ]")
"""Behind these words comes who is meant: "the study's author", "its head for Canada, Ann Lee"."""


Find = Callable[[str, Sentence], Span | None]
"""Finds the words of a sentence that answer a question best."""


def marked(part: Part, sentences: Iterable[Sentence], question: str, draft: str, find: Find) -> Part:
    """Return a quotation with the words that answer marked, in the first of these sentences that it holds and has such.

    `question` stands by itself; `draft` is what a model wrote, right or not.
    """
    citation = part.citations[0]
    for sentence in sentences if _may_be_marked(Question.of(question)) else ():
        if citation.holds(sentence):
            words = answering(question, sentence, draft, find(question, sentence))
            if words is not None:
                return replace(part, citations=(replace(citation, answering=words),))
    return part


def _may_be_marked(asked: Question) -> bool:
    return asked_kind(asked.text) not in _NO_FACT or asked.is_yes_or_no or asked.asks_who_said


def answering(question: str, sentence: Sentence, draft: str = "", span: Span | None = None) -> tuple[int, int] | None:
    """Return where the words that answer begin and end, as offsets of the article's text; None where none are sure.

    `question` stands by itself; `draft` is what a model wrote, right or not; `span` is what the span finder found in
    this sentence.
    """
    asked = Question.of(question)
    if asked.asks_who_said and (speaker := _speaker(sentence)):
        return speaker
    text, held_by_question, kind = sentence.article.text, Words(question), asked_kind(question)
    # What decides between yes and no repeats the question's words.
    old = frozenset() if asked.is_yes_or_no else held_by_question.stems
    told = (Words(draft).stems - old) & annotation(sentence).words.stems
    of_kind = kind not in _NO_FACT
    is_phrase = of_kind and not asked.is_yes_or_no and not asked.asks_two

    def weight(start: int, end: int) -> float:
        words = Words(text[start:end], annotated(sentence.article).names)
        new = words.stems - old
        tells = (words.names if asked.asks_who_said else words.stems) - held_by_question.stems
        if (told and new.isdisjoint(told)) or not (asked.is_yes_or_no or tells):
            return -math.inf
        of_draft = 2 * len(new & told) / (len(new) + len(told) or 1)
        is_of_kind = of_kind and fits(kind, held_by_question, words)
        cost = (_WORD_OF_PHRASE if is_phrase else _WORD_OF_CLAUSES) * len(words.text.split())
        return of_draft + _pointed_to(span, start, end) + _KIND * is_of_kind - cost

    weighed = {piece: weight(*piece) for piece in _pieces(sentence, phrases=is_phrase)}
    best = max(weighed, key=lambda piece: weighed[piece], default=None)
    return best if best is not None and weighed[best] >= LEAST else None


def lead_in(sentence: Sentence) -> str:
    """Return at most seven words to stand before a quoted sentence that does not name whom it means: "Ann Lee said:".

    Empty where that is not certain: the sentence right before must name them, and nobody else who may be meant.
    """
    context, text = annotation(sentence).context, sentence.article.text
    if not context.needs or text[context.needs[-1].end : sentence.start].strip():
        return ""
    before = context.needs[-1]
    speaker = annotation(before).context.speaker or ""
    if sentence.text[0] in '“"':
        name = _name_in(before, speaker) if speaker == context.speaker else ""
        return f"{name} said:" if name else ""
    person = context.person or ""
    comes_first = re.match(rf"(?:\S+ ){{0,2}}{re.escape(person)}\b", before.text) or person == speaker.split(" ")[-1]
    if not person or not comes_first or not sentence.text.startswith(("He ", "She ")) or _SOMEBODY.search(before.text):
        return ""
    name = _name_in(before, person)
    return f"On {name}:" if name else ""


def _name_in(sentence: Sentence, part: str) -> str:
    """Return the name in a sentence that has this part, as it stands there; empty where it has none."""
    outside = outside_quotations(sentence.text)
    found = (match for match in re.finditer(NAME, outside) if not _IS_OF_ANOTHER.match(outside, match.end()))
    name = next((re.sub(r"^.*['’]s\s+", "", match[0]) for match in found if part and part in match[0]), "")
    # "On Monday Ann Lee" is more than a name.
    is_name = bool(main_words(name.split(" ")[0])) and not Words(name).dates
    is_known = Words(name).stems <= annotated(sentence.article).names and not name.endswith(("'s", "’s"))
    return name if is_name and is_known and len(name.split()) <= 6 else ""


def _speaker(sentence: Sentence) -> tuple[int, int] | None:
    """Return where a sentence names who speaks in it; None where it says "he" or its speaker is told otherwise."""
    text, speaker = sentence.article.text, annotation(sentence).context.speaker
    # What has no capital is a "he", or no speaker at all.
    if speaker is None or speaker.islower() or (start := text.find(speaker, sentence.start, sentence.end)) < 0:
        return None
    end = start + len(speaker)
    return None if _IS_OF_ANOTHER.match(text, end) else (start, end)


def _pointed_to(span: Span | None, start: int, end: int) -> float:
    """Return how far the span finder points to the words, 0 to 1."""
    if span is None:
        return 0.0
    inside = max(0, min(end, span.end) - max(start, span.start)) / (span.end - span.start)
    return inside / (1 + math.exp((_HALF - span.score) / _SLOPE))


def _pieces(sentence: Sentence, *, phrases: bool) -> Iterator[tuple[int, int]]:
    """Yield what may be marked: runs of clauses, or `phrases` within one; these too where a clause is too long."""
    text = sentence.article.text
    spots = (sentence.start, sentence.end)
    clauses = sorted({*spots, *(match.end() for match in _CLAUSE.finditer(text, *spots))})
    in_one = [match.span() for match in _IN_ONE.finditer(text, *spots)]
    found = {match.end() for match in _PHRASE.finditer(text, *spots)}
    phrases_begin = sorted(each for each in found if not any(first < each < last for first, last in in_one))
    runs = [] if phrases else list(combinations(clauses, 2))
    for first, last in pairwise(clauses):
        if phrases or len(text[first:last].split()) > MOST_WORDS:
            runs += combinations([first, *(each for each in phrases_begin if first < each < last), last], 2)
    yield from filter(None, (_trimmed(text, *run) for run in dict.fromkeys(runs)))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the run without what dangles at its ends, and without half a pair of marks; None where nothing is left."""
    if dangling := _DANGLING.match(text, start, end):
        start = dangling.end()
    end = start + len(text[start:end].rstrip(_ENDS))
    if start == end or len(text[start:end].split()) > MOST_WORDS:
        return None
    if text[start] == "(" and text.find(")", start, end) == end - 1:
        return _trimmed(text, start + 1, end - 1)
    if _is_paired(text[start:end]):
        return start, end
    if text[start] in '“"' and _is_paired(text[start + 1 : end]):
        return _trimmed(text, start + 1, end)
    return _trimmed(text, start, end - 1) if text[end - 1] in '”"' and _is_paired(text[start : end - 1]) else None


def _is_paired(words: str) -> bool:
    return words.count('"') % 2 == 0 and all(
        words.count(opens) == words.count(closes) for opens, closes in ("“”", "()", "[]")
    )
