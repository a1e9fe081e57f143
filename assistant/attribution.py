"""Who said it? The question itself made a statement, with whoever speaks in the evidence.

A small model often gives words to the wrong person, and the article's own marks ("…," Smith said) tell whose they are.
The statement is made only where the evidence holds all that the question says was said; of other questions, and of who
did something, this module knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assistant import conversation
from assistant.context import SAID, context_of
from assistant.grounding import says_all, stems, support
from assistant.quoting import Window
from assistant.types import Sentence

_SPOKE = (
    rf"(?:{SAID}|called|calls|described|describes|spoke|speaks|referred|refers|compared|compares|commented|remarked|"
    r"labell?ed|declared)"
)
_WHO_SAID = re.compile(
    rf"^\W*(?:(?:and|so|but|then|please|tell me|remind me)\W+)?who\s+(?:was\s+it\s+(?:that|who)\s+)?"
    rf"(?P<verb>{_SPOKE})\b(?P<said>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_WHOSE_WORDS = re.compile(
    r"^\W*whose\s+(?:words?|quotes?|quotation|line|phrase|comment|remark|statement)\s+(?:is|are|was|were)\b"
    r"(?P<said>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_ACCORDING_TO_WHOM = re.compile(r"\baccording to who(?:m|se)?\b", re.IGNORECASE)


def names_the_speaker(question: str, told: str, evidence: Iterable[Sentence]) -> bool:
    """Whether what is told names someone who speaks in the evidence, if that is what the question asks."""
    if not any(pattern.search(question) for pattern in (_WHO_SAID, _WHOSE_WORDS, _ACCORDING_TO_WHOM)):
        return True
    speakers = [speaker for sentence in evidence if (speaker := _speaker(sentence)) is not None]
    return not speakers or any(stems(speaker.split()[-1]) <= stems(told) for speaker in speakers)


def _speaker(sentence: Sentence) -> str | None:
    """Return who speaks in the quotation of the sentence; None where it holds none or nobody knows."""
    return context_of(sentence).speaker if re.search(r"[\"“]", sentence.text) else None


def statement(question: str, window: Window) -> str | None:
    """Return who said what the question asks about, as a whole sentence that the window supports.

    None where the question is another, where the window's sentence holds no quotation or nobody knows who speaks in it,
    or where the question gives the speaker a word that the window does not hold and quotes none that it does.
    """
    match = _WHO_SAID.match(question) or _WHOSE_WORDS.match(question)
    (sentence,) = window.sentences
    speaker = _speaker(sentence)
    if match is None or speaker is None:
        return None
    verb = match.groupdict().get("verb")
    begun = f"{speaker[0].upper()}{speaker[1:]} {verb.lower()}" if verb else f"It was {speaker} who said"
    told = f"{begun}{_closed(match['said'])}"
    quoted = conversation.quoted_words(question)
    if not all(words.lower() in sentence.text.lower() for words in quoted):
        return None
    if says_all(match["said"], window.all) and support(told, question, window.all).facts:
        return told
    # What the question says around the words that it quotes may be its own.
    return f'It was {speaker} who said "{quoted[0]}."' if quoted else None


def _closed(said: str) -> str:
    """Return the words with a full stop for the question mark, inside a quotation that ends them."""
    bare = said.rstrip(" ?")
    mark = bare[-1] if bare.endswith(('"', "”")) else ""
    return f"{bare.removesuffix(mark).rstrip(' .!?')}.{mark}"
