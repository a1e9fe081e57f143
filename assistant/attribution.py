"""Who said these words? Told without a model, because the article's own marks ("…," Smith said) tell.

A small model often gives words to the wrong person. Only what the question itself quotes is told of somebody, and only
where it stands in what that one person is quoted with; whether anybody said the same in other words, this module does
not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assistant import conversation
from assistant.context import QUOTED, SAID, context_of, outside_quotations
from assistant.grounding import stems, tells_machines
from assistant.quoting import Window
from assistant.types import Sentence

_SAYS = (
    rf"(?:{SAID}|called|calls|described|describes|spoke|speaks|referred|refers|compared|compares|commented|remarked|"
    r"labell?ed|declared)"
)
_ASKS_WHO_SAID = re.compile(
    rf"^\W*(?:(?:and|so|but|then|please|tell me|remind me)\W+)?"
    rf"(?:who\s+(?:was\s+it\s+(?:that|who)\s+)?{_SAYS}\b"
    r"|whose\s+(?:words?|quotes?|quotation|line|phrase|comment|remark|statement)\s+(?:is|are|was|were)\b)"
    r"|\baccording to who(?:m|se)?\b",
    re.IGNORECASE,
)
_LEAST_QUOTED = 4
"""Words of a quotation that is somebody's speech; fewer may be a name or a word in doubt."""


def statement(question: str, window: Window) -> str | None:
    """Return who said what the question quotes, as a whole sentence.

    None where the question is another, asks for more or quotes nothing, where the words do not stand in one quotation
    of the window's sentence, and where it is not certain whose quotation that is.
    """
    words = conversation.quoted_words(question)
    if not words or not _ASKS_WHO_SAID.search(question) or len(window.sentences) != 1:
        return None
    if len(conversation.parts(question)) > 1:
        return None
    (sentence,) = window.sentences
    speaker = context_of(sentence).speaker
    speeches = [match[0] for match in QUOTED.finditer(sentence.text) if len(match[0].split()) >= _LEAST_QUOTED]
    said = all(any(word.lower() in speech.lower() for speech in speeches) for word in words)
    marks = [mark for mark in re.findall(rf"\b{SAID}\b", outside_quotations(sentence.text)) if mark != "adding"]
    if speaker is None or not said or len(marks) > 1 or tells_machines(sentence):
        return None
    quoted = " and ".join(f'"{word}"' for word in words)
    return f'It was {speaker} who said {quoted[:-1]}."'


def names_the_speaker(question: str, told: str, evidence: Iterable[Sentence]) -> bool:
    """Whether what is told names someone who is quoted in the evidence, if that is what the question asks."""
    if not _ASKS_WHO_SAID.search(question):
        return True
    speakers = [speaker for s in evidence if QUOTED.search(s.text) and (speaker := context_of(s).speaker) is not None]
    return not speakers or any(stems(_surname(speaker)) <= stems(told) for speaker in speakers)


def _surname(speaker: str) -> str:
    """Return the last word of a name or of what stands for one, without "of Boston"."""
    return re.split(r"\s(?:of|from|at|for)\s", speaker)[0].split()[-1]
