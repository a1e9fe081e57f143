"""The rules that no model may overrule: from the words alone it is certain whether a statement keeps them.

A statement cites something. Words in quotation marks stand so in what it cites, and so does every number, as digits or
in words; a number of the question may be repeated. There is no markup, and no address that the article does not have.
Whether the words are true is for the check to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assistant.answering.material import head
from assistant.answering.reply import Statement
from assistant.articles.terms import numbers, plain

MOST_WORDS = 100
"""Of an answer: a longer one does not keep to what it was asked for."""

_MARKUP = re.compile(r"</?[a-z!]|\*\*|^#+ |\]\(", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+|\b\S+@\S+\.\w+")
_DOUBLE, _SINGLE, _ANGLES, _SINGLE_ANGLES = '"“”„‟〝〞〟＂', "'‘’‚‛＇", "«»", "‹›"
_QUOTED = re.compile(
    "|".join(
        [
            *(rf"[{marks}]([^{marks}]+)[{marks}]" for marks in (_DOUBLE, _ANGLES, _SINGLE_ANGLES)),
            *(f"{left}([^{right}]+){right}" for left, right in ("「」", "『』", "｢｣", "﹁﹂", "﹃﹄")),
            *(
                rf"(?<!\w)[{_SINGLE}](?![\s\d]|(?:em|til|cause|tis|twas|n)\b)"
                rf"((?:(?!(?<!\w)[{_SINGLE}](?=\w)).)+?){end}[{_SINGLE}](?!\w)"
                for end in ("(?<![sS])", "")
            ),
        ]
    )
)
"""What stands in any marks that Unicode calls quotation marks, however a language pairs them. A single one is no
apostrophe where it stands before a word and another behind one, which ends in no "s" if there is such a word."""


def objections(question: str, statements: Sequence[Statement]) -> list[str]:
    """Return what is wrong with some statements, each in a line for the model that wrote them; mostly nothing."""
    found = [objection for statement in statements for objection in _objections(question, statement)]
    if sum(len(statement.text.split()) for statement in statements) > MOST_WORDS:
        found.append(f"It has more than {MOST_WORDS} words.")
    return found


def _objections(question: str, statement: Statement) -> Iterator[str]:
    text = statement.text
    if not any(map(str.isalnum, text)):
        yield "A sentence has no words."
    if not statement.cites:
        yield "A sentence cites no numbered sentence."
        return
    shown = " ".join(sentence.text for sentence in statement.cites)
    if _MARKUP.search(text):
        yield "There is markup in it."
    for address in _ADDRESS.findall(text):
        if address.rstrip(".,;:)") not in shown:
            yield f"The address {address} is not in the cited sentences."
    # An editor's gloss in square brackets may be quoted or left out, but not added.
    bare = plain(shown), plain(_without_brackets(shown))
    for words in filter(str.strip, (part for match in _QUOTED.findall(text) for part in match)):
        if not any(plain(_without_brackets(words)) in each for each in bare):
            yield f"The cited sentences do not have the words “{words}” exactly so."
    known = numbers(shown) | numbers(question)
    for article in dict.fromkeys(sentence.article for sentence in statement.cites):
        known |= numbers(head(article))
    if missing := sorted(numbers(text) - known):
        yield f"Not in the cited sentences: {', '.join(missing)}."


def _without_brackets(words: str) -> str:
    return words.replace("[", "").replace("]", "")
