"""The parts of an answer, written in tests as a reader sees them: words, and behind them the numbers of citations."""

import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.types import Answer, Citation, Part


def told(text: str, citations: Sequence[Citation] = ()) -> tuple[Part, ...]:
    """Return the parts of "It fell. [1] It rose. [2][3]"; words that their citation holds are quoted from it.

    Words before such a quotation, ended by a colon, are ours.
    """
    by_number = {citation.number: citation for citation in citations}
    *ended, rest = re.split(r" ((?:\[\d+\])+)(?: |$)", text)
    pairs = [*zip(ended[::2], ended[1::2], strict=True), *([(rest, "")] if rest else [])]
    cited = ((words, [by_number[int(number)] for number in re.findall(r"\d+", numbers)]) for words, numbers in pairs)
    return tuple(_part(words, tuple(behind)) for words, behind in cited)


def citing(answer: Answer, citations: Sequence[Citation]) -> Answer:
    """Return the answer with these citations in the place of its own, one behind each part."""
    pairs = zip(answer.parts, citations, strict=True)
    return replace(answer, parts=tuple(replace(part, citations=(each,)) for part, each in pairs))


def _part(words: str, citations: tuple[Citation, ...]) -> Part:
    lead, quoted = ("", words)
    if citations and words not in citations[0].quote and ": " in words:
        lead, _, quoted = words.partition(": ")
    if not citations or quoted not in citations[0].quote:
        return Part(words, citations)
    return Part(quoted, citations, is_verbatim=True, lead=f"{lead}:" if lead else "")
