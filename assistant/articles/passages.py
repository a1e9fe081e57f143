"""Split an article into sentences and passages whose offsets are exact by construction.

Pure functions: an article in, spans out. Offsets are found while cutting, never searched for afterwards, so a span's
text is always the article's own.

A quotation is never cut inside its marks when the paragraph closes it, so that words stay with their speaker. What
states nothing, a heading or a credit, is a sentence too, but no passage by itself. A row of a table is a sentence.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator

from assistant.articles.english import SAID
from assistant.types import Article, Passage, Sentence

MAX_PASSAGE_CHARACTERS = 900
"""About 220 tokens of English: the embedder reads 256."""

MAX_SENTENCE_CHARACTERS = 600
"""A longer "sentence" is mostly a quotation of several, and is cut between these so that it stays readable."""
MOST_CHARACTERS = 3000
"""No sentence that anybody wrote is so long; what is, is a list, and is cut at white space."""

_PARAGRAPH = re.compile(r"\S(?:.*\S)?(?:[^\S\n]*\n[^\S\n]*\S(?:.*\S)?)*")
"""Lines without a blank line between them."""

_BOUNDARY = re.compile(
    r"(?<![.!?…])[.!?…]++(?P<closing>[\"'”’)\]]*(?:\s[\"”])?)(?P<gap>\s+)(?!(?:Inc|Corp|Co|Ltd)\b)"
    r"(?=[\"'“‘(\[]*[A-Z0-9À-Þ])"
)
"""A full stop, what closes after it, white space, and then what may open a sentence; a firm's name may have a mark."""
_SAID_BEHIND = re.compile(rf"[?!][\"”]\s+(?:[^\s\"“”?!]+\s+){{1,6}}?{SAID}\b(?!\s+that\b)")
"""Who spoke the words before, as in “Is it over?” Ms. Marsh asked."""

_SHORT = r"(?<![^\s(\"“'‘—–-])"
"""What is short for something begins a word."""
_BEFORE_A_NAME = re.compile(
    _SHORT
    + r"(?:Mr|Mrs|Ms|Mx|Mme|Messrs|Dr|Prof|Gen|Adm|Maj|Brig|Col|Lt|Cmdr|Capt|Sgt|Cpl|Pvt|Det|Insp|Supt|Sen|Sens|Rep|"
    r"Reps|Gov|Govs|Pres|Atty|Asst|Rev|Fr|Msgr|Hon|Mt|Ft|vs?)\.$"
)
_BEFORE_A_NUMBER = re.compile(_SHORT + r"(?:No|Nos|pop|Art|Ch|Fig|Res|Sec|Vol|pp?)\.$")
_NUMBER = re.compile(r"(?<!\S)\d{1,4}\.$")
_INTRODUCES = re.compile(r"[:;]\s+$")
_SHORTENED = re.compile(
    _SHORT + r"(?:[A-Z]|(?:[A-Z][a-z]{0,3}\.)+[A-Z][a-z]{0,3}|[ap]\.m|e\.g|i\.e|al|approx|cf|etc|Jr|Sr|St|Ave|Blvd|Rd|"
    r"Bros|Co|Corp|Inc|Ltd|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec)\.$"
)
"""What ends in a full stop without ending the sentence, unless the next word can only begin one."""
_SENTENCE_OPENER = re.compile(
    r"[\"“‘(\[]*(?:The|A|An|In|On|At|He|She|It|They|We|You|I|This|That|These|Those|But|And|As|For|When|Where|How|What|Who|Why|If|His|Her|Its|Their|There|Neither|Nobody|Several)(?=\s)"
)

_QUOTATION = re.compile(r"[\"“][^\"“”]*+[\"”]")
_PAIRED = re.compile(rf"(?:[^\"“”]*+{_QUOTATION.pattern})*+[^\"“”]*+")

_CREDIT = re.compile(
    r"(?<![A-Z.'’-])(?:[A-Z][A-Z.'’-]*+\s+){1,4}[A-Z][A-Z'’-]*\s?/\s?(?:Staff|For)\s+[A-Z]\w+\s+(?=\S)|SOURCE:\s"
)
"""A photographer's credit that runs into its caption, as in "JANE DOE/ Staff Photographer The mayor ..."."""

_DATELINE = re.compile(
    r"[A-ZÀ-Þ][A-ZÀ-Þ .'’-]{3,}(?P<more>(?:,\s[^—–()\n]{1,40}?)?(?:\s\([^()\n]{1,40}\))?)"
    r"\s(?:[—–-]|--)\s(?=[\"“‘]?[A-ZÀ-Þ0-9])"
)
"""Where a report was written, as in "MILLBROOK, Ohio (AP) — The mayor ...": no part of its first sentence."""

_SMALL = r"(?:an?|and|as|at|but|by|for|from|in|into|nor|of|off|on|or|out|over|per|than|the|to|up|via|vs|with)\b"
_LARGE = r"[A-ZÀ-Þ0-9][\w'’-]*"
_HEADLINE = rf"{_LARGE}(?: (?:{_LARGE}|{_SMALL}))*"
"""Words in title case, as no sentence has them."""
_HEADLINE_LINE = re.compile(rf"{_HEADLINE.replace(' ', '[,:;]? ')} {_LARGE}\n(?=[\"“‘]?[A-ZÀ-Þ])")
_HEADLINE_BEFORE = re.compile(rf"({_HEADLINE} {_LARGE}) (?=({_LARGE}?)(?:['’]s)? (?!{_SMALL})[a-zß-ÿ])")
"""Words in title case, and a word with which the sentence that ran into them may begin."""
_ENLARGED = re.compile(rf" (?!{_SMALL})(?i:{_SMALL})")
"""A small word in large letters, as stands in headlines and in no sentence."""

MAX_LABEL_CHARACTERS = 100
"""No heading is longer; what is, and ends without a full stop, lost it."""

_ENDS = ".!?…。！？।؟"
_ENDS_A_SENTENCE = re.compile(rf"[{_ENDS}:;,][\"'”’)\]*_\s]*$|[{_ENDS}][\"”]")
"""A mark at its end, or at that of a quotation in it: “We lost.” – Jane Doe"""
_ITEM = re.compile(r"(?:[-*+•]|\d+[.)])\s")
_ITEM_LINE = re.compile(rf"^[^\S\n]*(?P<item>{_ITEM.pattern})", re.MULTILINE)
_BETWEEN_CELLS = "| "
_CELL = re.compile(r"(?:^|(?<=\|))[^|\n]*", re.MULTILINE)
_NUMBER_IN_CELL = re.compile(r"\|[^|\n]*\d")
_YEAR_IN_CELL = re.compile(r"(?<=\| )[^|\d\n]*\b(?:1[5-9]|20)\d\d\b[^|\d\n]*(?= \||$)", re.MULTILINE)
"""With words beside it, as in "2026 (tonnes)"."""
_ASKS = re.compile(r"[^\"“”]*[?？][)\]*_\s]*")


def paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield the offsets of each paragraph: a run of lines without a blank line between them."""
    for match in _PARAGRAPH.finditer(text):
        yield match.span()


def sentences(article: Article) -> list[Sentence]:
    """Return the sentences in reading order; together they hold every character that is not white space."""
    return [sentence for paragraph in paragraph_sentences(article) for sentence in paragraph]


def passages(article: Article) -> list[Passage]:
    """Return the passages in reading order: paragraphs, the long ones cut between sentences at 900 characters.

    One of labels alone is left out, unless the article has no other.
    """
    found = [passage for paragraph in paragraph_sentences(article) for passage in _packed(paragraph)]
    return [passage for passage in found if not all(map(is_label, passage.sentences))] or found


def statements(passage: Passage) -> list[Sentence]:
    """Return the sentences of a passage that state something; all of them where none does, as in a list of names."""
    return [sentence for sentence in passage.sentences if not is_label(sentence)] or list(passage.sentences)


def is_label(sentence: Sentence) -> bool:
    """Whether it states nothing: a heading, and, known by its form, a question, a credit, a byline, a cut caption."""
    if sentence.start in sentence.article.headings:
        return True
    text = sentence.text
    if is_row(sentence):
        return head_of(sentence) == sentence
    if len(text) > MAX_LABEL_CHARACTERS or _ITEM.match(text):
        return False
    return bool(text.isupper() or _ASKS.fullmatch(text) or not _ENDS_A_SENTENCE.search(text))


def is_row(sentence: Sentence) -> bool:
    """Whether it is a row of a table: it has several cells, and so has the line above or below it."""
    if _BETWEEN_CELLS not in sentence.text:
        return False
    text = sentence.article.text
    above, below = text[: sentence.start].rsplit("\n", 2)[:-1], text[sentence.end :].split("\n", 2)[1:]
    return any(_BETWEEN_CELLS in line for line in (*above[-1:], *below[:1]))


def head_of(row: Sentence) -> Sentence | None:
    """Return the row that names the columns of a row's table, which may be itself; None where the first one does not.

    It holds no numbers but years behind its first cell.
    """
    text = row.article.text
    before = text.rfind("\n\n", 0, row.start)
    start = 0 if before < 0 else before + 2
    head = Sentence(row.article, *_stripped(text, start, text.find("\n", start)))
    return None if _NUMBER_IN_CELL.search(_YEAR_IN_CELL.sub("", head.text)) else head


def rows_of(text: str, start: int, end: int) -> list[list[tuple[int, int]]]:
    """Return the offsets of the cells of each row of a table, and no row of any other paragraph.

    The end of an empty cell is not behind its start.
    """
    if not _is_table(text, start, end):
        return []
    lines = re.compile(".+").finditer(text, start, end)
    return [[_stripped(text, *cell.span()) for cell in _CELL.finditer(text, *line.span())] for line in lines]


def _is_table(text: str, start: int, end: int) -> bool:
    return sum(_BETWEEN_CELLS in line for line in text[start:end].split("\n")) > 1


def _packed(paragraph: list[Sentence]) -> Iterator[Passage]:
    run: list[Sentence] = []
    for sentence in paragraph:
        if run and sentence.end - run[0].start > MAX_PASSAGE_CHARACTERS:
            yield Passage(tuple(run))
            run = []
        run.append(sentence)
    yield Passage(tuple(run))


def paragraph_sentences(article: Article) -> Iterator[list[Sentence]]:
    """Yield the sentences of each paragraph in reading order."""
    for number, (start, end) in enumerate(paragraphs(article.text)):
        cuts = {start, *_cuts(article.text, start, end), end}
        bounded = _cut_in_words if _is_table(article.text, start, end) else _bounded
        dateline = _DATELINE.match(article.text, start, end)
        # A caption may stand above it; but a name alone may stand before a dash for any reason.
        if dateline and (number == 0 or dateline["more"]):
            cuts.add(dateline.end())
        yield [
            Sentence(article, *span)
            for left, right in itertools.pairwise(sorted(cuts))
            for span in bounded(article.text, *_stripped(article.text, left, right))
        ]


def _cuts(text: str, start: int, end: int) -> set[int]:
    """Return where new sentences begin inside the paragraph `text[start:end]`."""
    if _is_table(text, start, end):
        return {start + place + 1 for place, sign in enumerate(text[start:end]) if sign == "\n"}
    cuts = {start, _headline_end(text, start, end)}
    if _ITEM.match(text, start, end):
        cuts |= {match.start("item") for match in _ITEM_LINE.finditer(text, start, end)}
    cuts |= _beginnings(text, start, end, cuts, _quoted_spans(text, start, end))
    for match in _CREDIT.finditer(text, start, end):
        cuts.add(match.start() if match[0].startswith("SOURCE") else match.end())
    return {cut for cut in cuts if start < cut < end}


def _beginnings(text: str, start: int, end: int, known: set[int], quoted: list[tuple[int, int]]) -> set[int]:
    """Return where sentences begin behind a full stop, but for those inside a quotation; `known` begin anyway."""
    cuts = set(known)
    for match in _BOUNDARY.finditer(text, start, end):
        stop = match.start("closing")
        follows = match.end("gap")
        if _is_quoted(quoted, stop, follows) or _SAID_BEHIND.match(text, stop - 1, end):
            continue
        number = _NUMBER.search(text, max(start, stop - 5), stop)
        if number and (
            number.start() in cuts or _INTRODUCES.search(text, max(start, number.start() - 3), number.start())
        ):
            continue  # It numbers what follows, as in "There are two: 1. This. 2. That."
        if match["closing"] or not _goes_on(text, max(start, stop - 16), stop, follows):
            cuts.add(follows)
    return cuts


def _goes_on(text: str, begin: int, stop: int, follows: int) -> bool:
    """Whether the full stop before `stop` ends no sentence, by the word before it and the one that follows."""
    if _BEFORE_A_NAME.search(text, begin, stop):
        return True
    if _BEFORE_A_NUMBER.search(text, begin, stop):
        return text[follows].isdigit()
    return bool(_SHORTENED.search(text, begin, stop)) and not _SENTENCE_OPENER.match(text, follows)


def _headline_end(text: str, start: int, end: int) -> int:
    """Return where a headline ends that runs into the paragraph below it, and `start` where there is none."""
    if line := _HEADLINE_LINE.match(text, start, end):
        lines = text[start:end].split("\n")
        is_wrapped = len(f"{lines[0]} {lines[1].split()[0]}") > max(map(len, lines))
        return start if is_wrapped else line.end()
    match = _HEADLINE_BEFORE.match(text, start, end)
    if match is None:
        return start
    begins_anew = match[2] in match[1].split() and _ENLARGED.search(match[1])
    return match.end() if begins_anew or _SENTENCE_OPENER.match(text, match.end(), end) else start


def _quoted_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the offsets of quotations; when the marks do not pair up, none is trusted."""
    if _PAIRED.fullmatch(text, start, end) is None:
        return []
    return [match.span() for match in _QUOTATION.finditer(text, start, end)]


def _is_quoted(quoted: list[tuple[int, int]], stop: int, follows: int) -> bool:
    """Whether one of the spans, which rise and do not overlap, opens before `stop` and ends after `follows`."""
    number = bisect.bisect_left(quoted, (stop,)) - 1
    return number >= 0 and follows < quoted[number][1]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    words = text[start:end]
    return end - len(words.lstrip()), start + len(words.rstrip())


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span whole; where it is too long, cut between the sentences of a quotation in it."""
    if end - start <= MAX_SENTENCE_CHARACTERS:
        if start < end:
            yield start, end
        return
    last = start
    for place in (*sorted(_beginnings(text, start, end, {start}, [])), end):
        if place - start > MAX_SENTENCE_CHARACTERS and last > start:
            yield from _cut_in_words(text, *_stripped(text, start, last))
            start = last
        last = place
    yield from _cut_in_words(text, start, end)


def _cut_in_words(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the span whole, or cut at the last white space before the limit that no sentence reaches; none if empty."""
    while end - start > MOST_CHARACTERS:
        window = text[start : start + MOST_CHARACTERS]
        space = max(window.rfind(" "), window.rfind("\n"))
        cut = start + (space if space > 0 else MOST_CHARACTERS)
        yield _stripped(text, start, cut)
        start, _ = _stripped(text, cut, end)
    if start < end:
        yield start, end
