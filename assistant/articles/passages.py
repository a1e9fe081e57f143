"""Split an article into sentences and passages whose offsets are exact by construction.

Pure functions: an article in, spans out. Offsets are found while cutting, never searched for afterwards, so a span's
text is always the article's own. Knows nothing of embeddings but their limit of 256 tokens.

A quotation is never cut inside its marks when the paragraph closes it, so that words stay with their speaker. What
states nothing, a heading or a credit, is a sentence too, but no passage by itself.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator

from assistant.types import Article, Passage, Sentence

MAX_PASSAGE_CHARACTERS = 900
"""About 220 tokens of English: the embedder reads 256."""

MAX_SENTENCE_CHARACTERS = 600
"""A longer "sentence" is a list or a table; it is cut at white space so that a quotation stays readable."""

_PARAGRAPH = re.compile(r"\S(?:.*\S)?(?:[^\S\n]*\n[^\S\n]*\S(?:.*\S)?)*")
"""Lines without a blank line between them."""

_BOUNDARY = re.compile(r"(?<![.!?…])[.!?…]++(?P<closing>[\"'”’)\]]*(?:\s[\"”])?)(?P<gap>\s+)(?=[\"'“‘(\[]*[A-Z0-9À-Þ])")
"""A full stop, what closes after it, white space, and then what may open a sentence."""

_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"“'‘])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|Gen|Col|Capt|Lt|Sgt|Sen|Rep|Gov|Rev|Hon|St|Jr|Sr|Mt|Ft|No|vs|etc|cf|approx|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec|(?:[A-Z]\.)+[A-Z]|a\.m|p\.m|e\.g|i\.e)\.$"
)
"""What ends in a full stop without ending the sentence, unless the next word says otherwise."""

_INITIALS = re.compile(r"(?:[A-Z]\.){2,}$")
_SENTENCE_OPENER = re.compile(
    r"[\"“‘(\[]*(?:The|A|An|In|On|At|He|She|It|They|We|You|I|This|That|These|Those|But|And|As|For|When|Where|How|What|Who|Why|If|His|Her|Its|Their|There)\b"
)

_CREDIT = re.compile(
    r"(?<![A-Z.'’-])(?:[A-Z][A-Z.'’-]*+\s+){1,4}[A-Z][A-Z'’-]*\s?/\s?(?:Staff|For)\s+[A-Z]\w+\s+(?=\S)|SOURCE:\s"
)
"""A photographer's credit that runs into its caption, as in "JANE DOE/ Staff Photographer The mayor ..."."""

_HEADING_LINE = re.compile(r"^#{1,6}[^\S\n].*$", re.MULTILINE)
"""A heading of Markdown, which takes no blank line after it."""

MAX_LABEL_CHARACTERS = 100
"""No heading is longer; what is, and ends without a full stop, lost it."""

_ENDS = ".!?…。！？।؟"
_ENDS_A_SENTENCE = re.compile(rf"[{_ENDS}:;,][\"'”’)\]*_\s]*$|[{_ENDS}][\"”]")
"""A mark at its end, or at that of a quotation in it: “We lost.” – Jane Doe"""
_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s")
_ASKS = re.compile(r"[^\"“”]*[?？][)\]*_\s]*")


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of each paragraph: a run of lines without a blank line between them."""
    for match in _PARAGRAPH.finditer(text):
        yield match.span()


def sentences(article: Article) -> list[Sentence]:
    """Return the sentences in reading order; together they hold every character that is not white space."""
    return [sentence for paragraph in _paragraph_sentences(article) for sentence in paragraph]


def passages(article: Article) -> list[Passage]:
    """Return the passages in reading order: paragraphs, the long ones cut between sentences at 900 characters.

    One of labels alone is left out, unless the article has no other.
    """
    found = [passage for paragraph in _paragraph_sentences(article) for passage in _packed(paragraph)]
    return [passage for passage in found if not all(map(is_label, passage.sentences))] or found


def statements(passage: Passage) -> list[Sentence]:
    """Return the sentences of a passage that state something; all of them where none does, as in a list of names."""
    return [sentence for sentence in passage.sentences if not is_label(sentence)] or list(passage.sentences)


def is_label(sentence: Sentence) -> bool:
    """Whether it states nothing, told by its form: a heading, a question, a credit, a byline, a caption cut short."""
    text = sentence.text
    if len(text) > MAX_LABEL_CHARACTERS or _ITEM.match(text):
        return False
    return bool(
        text.isupper() or _HEADING_LINE.match(text) or _ASKS.fullmatch(text) or not _ENDS_A_SENTENCE.search(text)
    )


def _packed(paragraph: list[Sentence]) -> Iterator[Passage]:
    run: list[Sentence] = []
    for sentence in paragraph:
        if run and sentence.end - run[0].start > MAX_PASSAGE_CHARACTERS:
            yield Passage(tuple(run))
            run = []
        run.append(sentence)
    if run:
        yield Passage(tuple(run))


def _paragraph_sentences(article: Article) -> Iterator[list[Sentence]]:
    for start, end in paragraphs(article.text):
        cuts = [start, *_cuts(article.text, start, end), end]
        yield [
            Sentence(article, *span)
            for left, right in itertools.pairwise(cuts)
            for span in _bounded(article.text, *_stripped(article.text, left, right))
        ]


def _cuts(text: str, start: int, end: int) -> list[int]:
    """Return where new sentences begin inside the paragraph `text[start:end]`."""
    quoted = _quoted_spans(text, start, end)
    cuts = set()
    for match in _BOUNDARY.finditer(text, start, end):
        stop = match.start("closing")
        follows = match.end("gap")
        if _is_quoted(quoted, stop, follows):
            continue
        before = text[max(start, stop - 12) : stop]
        if not match["closing"] and _ABBREVIATION.search(before):
            ends_sentence = _INITIALS.search(before) and _SENTENCE_OPENER.match(text, follows, end)
            if not ends_sentence:
                continue
        cuts.add(follows)
    for match in _HEADING_LINE.finditer(text, start, end):
        cuts |= {match.start(), match.end()} - {start, end}
    for match in _CREDIT.finditer(text, start, end):
        boundary = match.start() if match[0].startswith("SOURCE") else match.end()
        if start < boundary < end:
            cuts.add(boundary)
    return sorted(cuts)


def _quoted_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the offsets of quotations; when the marks do not pair up, none is trusted."""
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    for position in range(start, end):
        mark = text[position]
        if mark == "“" or (mark == '"' and opened is None):
            if opened is not None:
                return []
            opened = position
        elif mark in '"”':
            if opened is None:
                return []
            spans.append((opened, position + 1))
            opened = None
    return spans if opened is None else []


def _is_quoted(quoted: list[tuple[int, int]], stop: int, follows: int) -> bool:
    """Whether one of the spans, which rise and do not overlap, opens before `stop` and ends after `follows`."""
    number = bisect.bisect_left(quoted, (stop,)) - 1
    return number >= 0 and follows < quoted[number][1]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span whole, or cut at the last white space before the limit where it is too long."""
    while end - start > MAX_SENTENCE_CHARACTERS:
        window = text[start : start + MAX_SENTENCE_CHARACTERS]
        space = max(window.rfind(" "), window.rfind("\n"))
        cut = start + (space if space > 0 else MAX_SENTENCE_CHARACTERS)
        yield _stripped(text, start, cut)
        start, _ = _stripped(text, cut, end)
    if start < end:
        yield start, end
