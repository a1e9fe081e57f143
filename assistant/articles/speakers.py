"""What a sentence needs to be understood by itself: who speaks in it, and whom its "he", "she" or "they" stands for.

Rules over the article's own words; nothing is learned and no model is asked. They know
English news style: "…," Smith said · said an official, adding: · “…” – Mayor Jane Smith · the agency wrote: "…".
Where the rules find nothing they say so (None), and the caller quotes more rather than guessing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.articles.english import SAID
from assistant.articles.passages import head_of, is_row, statements
from assistant.types import Passage, Sentence

TITLES = "Dr|Prof|Mrs?|Ms|Gov|Sen|Rep|Capt|Lt|Sgt|Gen|Col|Hon|Rev|St"
"""What is short for something and stands before a name."""
_SHORT = rf"(?:(?:{TITLES}|[A-ZÀ-Þ])\.\s+)"
_WORD = r"[A-ZÀ-Þ][\w'’.-]*\w"
NAME = rf"{_SHORT}{{0,2}}{_WORD}(?:(?:\s+(?:of|de|van|der|al)){{0,2}}\s+{_SHORT}?{_WORD}){{0,6}}"
_GROUP = r"(?:officials?|spokes\w+|officers?|agents?|leaders?|lawyers?|prosecutors?|advocates?|police|staff|authorities|executives?|researchers?)"
_SPEAKER = (
    rf"(?P<speaker>{NAME}(?:\s+{_GROUP})?|he|she|they|(?:[Aa]n?|[Tt]he|[Oo]ne|[Aa]nother)\s+(?:[\w-]+\s+){{0,3}}[\w-]+)"
)

_SPEAKER_SAID = re.compile(rf"{_SPEAKER}(?:,[^,\"“”]{{1,60}},)?\s+{SAID}\b")
_SAID_SPEAKER = re.compile(rf"[\"”]\s*{SAID}\s+{_SPEAKER}")
_DASH_SPEAKER = re.compile(rf"[\"”]\s*[–—-]+\s*(?P<speaker>{NAME})\s*$")
QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|“[^”]*$|\"[^\"]*$")
_ONLY_QUOTED = re.compile(r"^(?:“[^”]*”|\"[^\"]*\")$", re.DOTALL)
_INTRODUCES = re.compile(rf":$|^[^\"“”]*\b{SAID}\s+(?:in|on|to|for|of|at|during|the|an?)\b[^,;\"“”]*\.$")
"""Words that follow in the next paragraph: "The mayor wrote in a letter:", or with a full stop."""

_PERSON_PRONOUN = re.compile(r"\b(?:he|she|him|her|his|hers|himself|herself)\b", re.IGNORECASE)
_LEADING_REFERENCE = re.compile(
    r"^[\"“(]*(?:(?:And|But|Still|If|When|As|While|For|With|In|At|After|Before|Then|So)\b[^.;]{0,60}?\b)?"
    r"(?:he|she|it|they|them|his|her|its|their|this|that|these|those|such|the move|the deal)\b(?!['’]s where)",
    re.IGNORECASE,
)
_RANKS = (
    r"(?:Mayor|President|Governor|Gov\.|Senator|Sen\.|Rep\.|Judge|Justice|Attorney General|District Attorney|Mr\.|Ms\.|Mrs\.|Dr\.|Chief|Commissioner|"
    r"Minister|Secretary|Professor|Prof\.|Officer|Captain|Sheriff|King|Queen|Prince|Pope|Cllr|Councillor|Coach|Sir|Dame|Lord|Lady)"
)
_TITLE = re.compile(rf"{_RANKS}\s+(?P<name>(?:[A-ZÀ-Þ][\w'’-]+\s+)?[A-ZÀ-Þ][\w'’-]+)")
_PAIR = re.compile(rf"\b(?!{_RANKS}\s)([A-ZÀ-Þ][a-zà-ÿ]+)\s+([A-ZÀ-Þ][a-zà-ÿ]+(?:-[A-ZÀ-Þ][a-zà-ÿ]+)?)\b")
_BODY_NOUN = (
    r"(?:agency|department|bureau|company|firm|organi[sz]ation|commission|ministry|union|league|university|authority)"
)
_THE_BODY = re.compile(rf"\b[Tt]he {_BODY_NOUN}\b(?! of\b)")
_LETTERS = re.compile(
    rf"\b([A-Z]{{2,6}})(?:['’]s\b|\s+(?:{_GROUP}|{SAID}|had|has|was|is|does|did|will|would|could|can)\b)"
)
"""ICE's, ICE officials, ICE said."""
_FULL_BODY = re.compile(
    rf"\b(?!(?:The|An?|This|That|Each|Every|No|Our|Its|His|Her|Their|One|Some)\b)[A-ZÀ-Þ][\w'’-]+ (?i:{_BODY_NOUN})\b"
)
_PERHAPS_A_PERSON = re.compile(rf"{_PAIR.pattern}, (?:an?|the|who)\b")
"""Tomas Ibarra, a line cook; but a firm is introduced like that too."""
_GLOSS = re.compile(r"\b(?:[Hh]e|[Ss]he|[Hh]im|[Hh]er)\s+\[(?P<name>[^\]]+)\]")
_REACH = 8
"""How many sentences back the one that names "he" or "the agency" is looked for."""


@dataclass(frozen=True, slots=True)
class Context:
    """What one sentence needs to be understood by itself."""

    speaker: str | None = None
    """Who speaks in it, as the article names them, where it holds a quotation or reports speech."""
    needs: tuple[Sentence, ...] = ()
    """Earlier sentences that name the speaker, what its pronouns stand for or its columns, in reading order; at most two."""
    person: str | None = None
    """The surname that its leading "he" or "she" stands for."""
    announced: Sentence | None = None
    """The quotation in the next paragraph that it announces and does not have."""


def outside_quotations(text: str) -> str:
    """Return the text with its quotations blanked, so that offsets stay."""
    return QUOTED.sub(lambda match: " " * len(match[0]), text)


def contexts_of(
    passages: Sequence[Passage], people: Mapping[str, str], bodies: frozenset[str]
) -> dict[tuple[int, int], Context]:
    """Return the context of every sentence that states something, by its offsets.

    `people` and `bodies` are those that the article of the passages names.
    """
    found: list[tuple[Sentence, int, Context]] = []
    for paragraph, passage in enumerate(passages):
        for sentence in statements(passage):
            if is_row(sentence):
                head = head_of(sentence)
                context = Context(needs=(head,) if head else ())
            else:
                context = _context(sentence, paragraph, found[: -_REACH - 1 : -1], people, bodies)
                if found and context.needs[-1:] == (found[-1][0],) and _is_announced(sentence, found[-1][0]):
                    before, its_paragraph, its_context = found[-1]
                    found[-1] = before, its_paragraph, replace(its_context, announced=sentence)
            found.append((sentence, paragraph, context))
    return {(sentence.start, sentence.end): context for sentence, _, context in found}


def _is_announced(sentence: Sentence, before: Sentence) -> bool:
    """Whether the sentence before it says only that it was said, and of whom."""
    is_quotation = _ONLY_QUOTED.match(sentence.text) is not None
    return is_quotation and _INTRODUCES.search(before.text) is not None and not QUOTED.search(before.text)


def bodies_of(text: str) -> frozenset[str]:
    """Return the bodies that a text names: "Justice Department", or letters such as ICE that own or do something."""
    return frozenset(_LETTERS.findall(text)) | frozenset(_FULL_BODY.findall(text))


def people_of(text: str) -> dict[str, str]:
    """Return the people whom a text names: surname to the fullest name."""
    names = [match["name"] for match in _TITLE.finditer(text)]
    names += [match["speaker"] for match in _SPEAKER_SAID.finditer(text)]
    names += [match["name"] for match in _GLOSS.finditer(text)]
    people: dict[str, str] = {}
    for name in map(_without_possessive, names):
        words = name.split()
        if len(words) <= 2 and all(
            word[0].isupper() and not word.isupper() and word.lower() not in _NOT_NAMES for word in words
        ):
            people.setdefault(words[-1], name)
    for first, last in dict.fromkeys(_PAIR.findall(text)):
        if " " in people.get(last, "") or {first.lower(), last.lower()} & _NOT_NAMES:
            continue
        if last in people or (_acts(last, text) and not _is_place_or_body(first, last, text)):
            people[last] = f"{first} {last}"
    return people


_ACTS = re.compile(rf"['’]s\b|\s+(?:{SAID}|had|was|is|has)\b|, (?:whos?e?\b|\d\d,)")


def _acts(name: str, text: str) -> bool:
    """Whether the name owns, says or is something, or is described as only a person is: "Vail, who voted no"."""
    return any(_ACTS.match(text, start + len(name)) for start in _places(name, text))


def _places(name: str, text: str) -> Iterator[int]:
    """Yield where a name stands in a text, as whole words.

    To compile a pattern for each name takes longer than all else that is done with an article.
    """
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        before, after = text[max(0, start - 1) : start], text[end : end + 1]
        if not any(each.isalnum() or each == "_" for each in (before, after)):
            yield start
        start = text.find(name, start + 1)


_THE_OR_IN = re.compile(r"\b(?:the|in)\s+$")


def _is_place_or_body(first: str, last: str, text: str) -> bool:
    """Whether "the" or "in" stands before the name somewhere, as before no person's."""
    lower = text.lower()
    names = (f"{first} {last}".lower(), last.lower())
    return any(_THE_OR_IN.search(lower, max(0, at - 9), at) for name in names for at in _places(name, lower))


_PRONOUNS = frozenset({"he", "she", "they"})
_NOT_NAMES = frozenset(
    """
    he she they it the this that these those a an in on at for with when while if but and as under after before
    still one some many all our we you i city state district attorney justice department general office
    administration official officials agency court university street police immigration federal national social
    security violent crime under since
    """.split()
)


def _without_possessive(name: str) -> str:
    return re.sub(r"['’]s?$", "", name)


_Earlier = Sequence[tuple[Sentence, int, Context]]
"""The sentences before one, the nearest first, each with the number of its paragraph and its context."""


def _context(
    sentence: Sentence, paragraph: int, earlier: _Earlier, people: Mapping[str, str], bodies: frozenset[str]
) -> Context:
    text = sentence.text
    previous = [earlier[0][0]] if earlier and earlier[0][1] == paragraph else []
    speaker = _named_speaker(text)
    needs: list[Sentence] = []
    person: str | None = None
    if speaker is not None and speaker.lower() in _PRONOUNS:
        needs, speaker = _antecedent(earlier, people)
        person = speaker
    elif speaker is None and _ONLY_QUOTED.match(text):
        speaker, needs = _continued(paragraph, earlier)
    if not needs and _LEADING_REFERENCE.match(outside_quotations(text).strip() or text):
        found, name = _antecedent(earlier, people) if _PERSON_PRONOUN.search(text) else ([], None)
        if found and not _names_someone_first(text, people):
            needs, person = found, name
        elif not found:
            needs = previous
    elif not needs and previous and text.startswith(("That's", "That’s")):
        needs = previous
    elif not needs:
        needs = _body_before(sentence, earlier, bodies)
    return Context(speaker, tuple(needs[-2:]), person)


def _named_speaker(text: str) -> str | None:
    if match := _DASH_SPEAKER.search(text):
        return match["speaker"]
    if match := _SAID_SPEAKER.search(text):
        return _without_possessive(match["speaker"])
    found = [match["speaker"] for match in _SPEAKER_SAID.finditer(outside_quotations(text))]
    found = [name for name in found if name.lower() not in _NOT_NAMES - _PRONOUNS]
    return _without_possessive(found[-1]) if found else None


def _continued(paragraph: int, earlier: _Earlier) -> tuple[str | None, list[Sentence]]:
    """Return whose words go on in a sentence that is nothing but a quotation, and the sentences that say so."""
    for sentence, its_paragraph, context in earlier[:4]:
        if context.speaker and (its_paragraph == paragraph or _INTRODUCES.search(sentence.text)):
            return context.speaker, [*context.needs, sentence]
    return None, []


def _antecedent(earlier: _Earlier, people: Mapping[str, str]) -> tuple[list[Sentence], str | None]:
    """Return the nearest earlier sentence that names a person outside its quotations, and the surname if it is clear."""
    for sentence, _, _ in earlier:
        outside = outside_quotations(sentence.text)
        names = sorted(
            (start, surname)
            for surname in people
            for start in _places(surname, outside)
            if not outside.startswith(("'s", "’s"), start + len(surname))
        )
        if names and not _LEADING_REFERENCE.match(outside.strip()):
            clear = names[0][0] == 0 or len({surname for _, surname in names}) == 1
            return [sentence], names[0][1] if clear else None
        if not names and _PERHAPS_A_PERSON.search(outside):
            return [sentence], None
    return [], None


def _body_before(sentence: Sentence, earlier: _Earlier, bodies: frozenset[str]) -> list[Sentence]:
    """Return the nearest earlier sentence that says which body "the agency" of this one is, if it has one."""
    outside = outside_quotations(sentence.text)
    match = _THE_BODY.search(outside)
    if match is None or _holds_any(bodies, outside[: match.start()]):
        return []
    return [each for each, _, _ in earlier if _holds_any(bodies, outside_quotations(each.text))][:1]


def body_meant(words: str, leading: Iterable[Sentence], bodies: Iterable[str]) -> str | None:
    """Return the body that "the agency" or the like means: the only one that the leading sentences name."""
    if not _THE_BODY.fullmatch(words):
        return None
    found = {body for sentence in leading for body in bodies if _holds_any([body], outside_quotations(sentence.text))}
    return found.pop() if len(found) == 1 else None


def _holds_any(names: Iterable[str], text: str) -> bool:
    return any(next(_places(name, text), None) is not None for name in names)


def _names_someone_first(text: str, people: Mapping[str, str]) -> bool:
    pronoun = _PERSON_PRONOUN.search(text)
    return pronoun is not None and any(surname in text[: pronoun.start()] for surname in people)
