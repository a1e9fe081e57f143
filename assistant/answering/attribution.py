"""Who said it, and what did they say? Read by rule from the article's own marks: "…," Smith said.

A small model often gives words to the wrong person. The rules find who is quoted with the words that the question
itself quotes, or the whole of what somebody is quoted with; not whether the question is about that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from assistant.answering.packaged.grounding import tells_machines
from assistant.answering.quoting import Window
from assistant.answering.understanding.question import SAYS, Question
from assistant.articles.annotated import annotation
from assistant.articles.english import SAID
from assistant.articles.speakers import NAME, QUOTED, body_meant, outside_quotations
from assistant.articles.terms import plain, stems
from assistant.types import Article, Sentence

_TELL = (
    r"(?:say|write|tell|explain|add|complain|announce|ask|argue|warn|insist|note|state|claim|reply|recall|acknowledge|"
    r"admit|concede|testify|call|describe|speak|refer|compare|comment|remark|label|declare|respond|think|feel|believe)"
)
_TELLS_WHO = re.compile(rf"(?P<who>{NAME}), who (?P<says>{SAYS}\b[^,;:]*)(?=[,.;])")
_LEAST_QUOTED = 4
"""Words of a quotation that is somebody's speech; fewer may be a name or a word in doubt."""


@dataclass(frozen=True, slots=True)
class _Speech:
    """What one sentence quotes somebody with."""

    speaker: str
    """As the article names them; "he" and "the agency" are resolved."""
    opening: str
    """Who said it, and where or of whom, as far as the sentence says so: "Kenney said at a news conference"."""
    words: str


def misquotes(question: Question, articles: Iterable[Article]) -> bool:
    """Whether a question asks who said some words, or where they stand, and they stand so in none of the articles.

    Case and punctuation do not matter, nor what stands between the parts of one quotation, as in '"I," he said, "go."'
    What is left out may be marked. Few words may be a name.
    """
    asks = question.asks_who_said or question.asks_where
    parts = [part for words in question.quoted for part in re.split(r"…|\.{3}", words)]
    wanted = [part for part in parts if len(part.split()) >= _LEAST_QUOTED] if asks else []
    held = [plain(text) for article in articles for text in _said(article.text)] if wanted else []
    return not all(any(plain(part) in text for text in held) for part in wanted)


def standing(question: Question, windows: Iterable[Window]) -> list[Window]:
    """Return the pieces of evidence with the words of which a question asks which article has them; else none."""
    words = [plain(words) for words in question.quoted if question.asks_where]
    return [each for each in windows if any(part in plain(s.text) for part in words for s in each.sentences)]


def _said(text: str) -> Iterator[str]:
    """Yield a text, and of each paragraph what it quotes, as one."""
    yield text
    for paragraph in text.split("\n\n"):
        yield " ".join(QUOTED.findall(paragraph))


def statement(question: Question, window: Window) -> str | None:
    """Return who said what the question quotes, as a whole sentence.

    None where the question is another, asks for more or quotes nothing, where the words do not stand in one quotation
    of the window's sentence, and where it is not certain whose quotation that is.
    """
    words = question.quoted
    if not words or not question.asks_who_said or len(window.sentences) != 1:
        return None
    if question.joins_two:
        return None
    (sentence,) = window.sentences
    speaker = _only_speaker(sentence)
    speeches = [quotation for quotation in _quotations(sentence) if len(quotation.split()) >= _LEAST_QUOTED]
    said = all(any(word.lower() in speech.lower() for speech in speeches) for word in words)
    if speaker is None or not said:
        return None
    quoted = " and ".join(f'"{word}"' for word in words)
    return f'It was {speaker} who said {quoted[:-1]}."'


def reported(question: Question, windows: Sequence[Window]) -> list[tuple[str, Window]]:
    """Return what somebody is quoted with, as whole sentences, each with the piece of evidence that it is taken from.

    Empty where the question asks neither who said something nor what somebody said, where it asks for more, and where
    the first piece of evidence quotes nobody, somebody else, or it is not certain whom.
    """
    if question.joins_two:
        return []
    asks_who = question.asks_who_said
    if asks_who and (told := _told_of_who(question.text, windows[0])) is not None:
        return [(told, windows[0])]
    speeches = [(_speech_of(window), window) for window in windows]
    first = speeches[0][0]
    if first is None or not (asks_who or _asks_what_was_said_by(first.speaker, question.text)):
        return []
    same = [(speech, window) for speech, window in speeches if speech is not None and speech.speaker == first.speaker]
    return [
        (f'{speech.opening}: "{speech.words}"', window)
        for speech, window in same
        if not any(speech.words in other.words for other, _ in same if other is not speech)
    ]


def _asks_what_was_said_by(speaker: str, question: str) -> bool:
    """Whether it is the speaker of whom the question asks what they said, and not somebody else about them."""
    surname = re.escape(_surname(speaker))
    no_other = rf"(?:(?!{_TELL}\b)[\w'’.-]+ ){{0,4}}"
    return any(
        re.search(pattern, question, re.IGNORECASE)
        for pattern in (
            rf"\b(?:do|does|did) {no_other}{surname}(?:['’]s?(?: \w+){{1,2}})? (?:\w+ly |also |then )?{_TELL}\b",
            rf"^\W*(?:(?:tell me|quote|and|so|but)\W+)?(?:what|how) {no_other}{surname} (?:has |have |had )?{SAYS}\b",
            rf"^\W*what (?:was|were|is|are) {no_other}{surname}['’]s? (?:\w+ )?(?:words?|comments?|remarks?)\b",
            rf"\baccording to {no_other}{surname}\b",
        )
    )


def _told_of_who(question: str, window: Window) -> str | None:
    """Return what a clause such as "Trump, who called them crooks," says, if that is all the question asks about."""
    asked = stems(re.sub(rf"\b{SAYS}\b", "", question, flags=re.IGNORECASE))
    for sentence in window.sentences:
        match = _TELLS_WHO.search(sentence.text)
        if match and asked and asked <= stems(match["says"]) and not tells_machines(sentence):
            return f"{match['who']} {match['says'].strip()}."
    return None


def _speech_of(window: Window) -> _Speech | None:
    """Return what is quoted in a piece of evidence of one sentence, with the words that it goes on from."""
    (*_, sentence) = window.sentences
    speech = _speech(sentence, window.leading)
    if speech is None or len(window.sentences) > 1:
        return None
    if window.leading and not outside_quotations(sentence.text).strip():
        before = window.leading[-1]
        earlier = _speech(before, annotation(before).context.needs)
        between = sentence.article.text[before.end : sentence.start]
        if earlier is not None and earlier.speaker == speech.speaker and between.isspace() and "\n" not in between:
            return _Speech(speech.speaker, earlier.opening, f"{earlier.words} {speech.words}")
    return speech


def _speech(sentence: Sentence, leading: Sequence[Sentence]) -> _Speech | None:
    """Return what the sentence quotes somebody with; None where it is not certain whom, or it does more than that."""
    named, quotations = _only_speaker(sentence), _quotations(sentence)
    if named is None or all(len(quotation.split()) < _LEAST_QUOTED for quotation in quotations):
        return None
    speaker = (
        body_meant(named, leading, annotation(sentence).within.bodies) if named.lower().startswith("the ") else named
    )
    if speaker is None:
        return None
    words = re.sub(r"(?:\s*,)?\s*$", "", " ".join(quotation.strip(' "“”') for quotation in quotations))
    opening = _opening(named, speaker, outside_quotations(sentence.text))
    if opening is None:
        return None
    return _Speech(speaker, opening, words if re.search(r"[.?!…]['’]?$", words) else f"{words}.")


def _only_speaker(sentence: Sentence) -> str | None:
    """Return who is quoted in the sentence; None where several may be, or where it commands a machine."""
    marks = [mark for mark in re.findall(rf"\b{SAID}\b", outside_quotations(sentence.text)) if mark != "adding"]
    return None if len(marks) > 1 or tells_machines(sentence) else annotation(sentence).context.speaker


def _quotations(sentence: Sentence) -> list[str]:
    return [match[0] for match in QUOTED.finditer(sentence.text)]


def _opening(named: str, speaker: str, outside: str) -> str | None:
    """Return who said it and what else the sentence says outside of its quotation, None where that has another form."""
    who = rf"(?:{re.escape(named)}|he|she|they)"
    said = rf"(?:{who}(?:,[^,]*,)? (?P<said>{SAID})|(?P<says>{SAID}) {who})\b(?P<more>[^,]*)(?:, adding)?\s*[.:]?"
    begins = speaker[0].upper() + speaker[1:]
    if not outside.strip(" –—-.").replace(named, ""):
        return f"{begins} said"
    if after := re.fullmatch(said, outside.strip(), re.IGNORECASE):
        return f"{begins} {after['said'] or after['says']}{after['more'].rstrip(' .:')}"
    if before := re.fullmatch(rf"(?P<where>[^:]*)\b{who} (?P<said>{SAID})\s*:\s*", outside, re.IGNORECASE):
        return f"{before['where']}{speaker if before['where'] else begins} {before['said']}"
    return None


def names_the_speaker(question: Question, told: str, evidence: Iterable[Sentence]) -> bool:
    """Whether the answer names someone who is quoted in the evidence, if that is what the question asks."""
    if not question.asks_who_said:
        return True
    speakers = [
        speaker for s in evidence if QUOTED.search(s.text) and (speaker := annotation(s).context.speaker) is not None
    ]
    return not speakers or any(stems(_surname(speaker)) <= stems(told) for speaker in speakers)


def _surname(speaker: str) -> str:
    """Return the last word of a name or of what stands for one, without "of Boston"."""
    return re.split(r"\s(?:of|from|at|for)\s", speaker)[0].split()[-1]
