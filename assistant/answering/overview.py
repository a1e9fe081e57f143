"""A question for an article as a whole, and the article's own sentences that tell it.

Such a question holds no words of its own: only words that ask for a summary, for what happened or for who is who, and
words that mean the article. What it names beside them must stand in the title. The sentences are chosen when somebody
asks, without a model: those nearest to all others and to the title, early ones first, none that is a quotation or needs
a sentence before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from assistant.articles.terms import stems

_WORD = re.compile(r"tl[;,]? ?dr|[^\W_]+(?:['’][^\W_]+)?")

_ASKS = frozenset(
    """
    tldr summary summarise summarize sum gist recap overview nutshell rundown highlights takeaways takeaway basics
    essentials outline condense brief briefly version latest story news fuss row deal drama matter happened happend
    happening happens about points facts findings finding result outcome
    """.split()
)
"""Words of which one asks for the whole."""
_PEOPLE = frozenset("people ppl persons names players figures voices characters involved".split())
"""Words of which one asks who is who."""
_LISTED = frozenset("points facts highlights takeaways takeaway findings bits basics essentials".split())
"""Words of which one asks for a list."""
_QUICK = frozenset(
    """
    key main top most important big biggest short shortest quick quickly real fast bottom line lines few couple sentence
    sentences two words bullet bullets stuff thing things bit bits one gimme
    """.split()
)
_MEANS_IT = frozenset(
    """
    this that it its here article story piece text report page interview case thing study list news one these all whole
    everything today now then there in
    """.split()
)
_PLAIN = frozenset(
    """
    what whats what's what’s whos who's who’s who is are was were does did do going go on up down with w the a an and or of
    to in for from by at me us you u ur your can could would will please pls plz plss give tell explain get got just so ok
    okay hi hey hello let know need want should i we my some any about abt really actually even again then out catch fill
    boil break lay run walk through thru plain simple simply english terms they them him her his incl plus not too long read
    that's that’s it's it’s
    """.split()
)


class Wanted(Enum):
    """What is told of an article as a whole."""

    GIST = "gist"
    POINTS = "points"
    PEOPLE = "people"


def wanted(question: str, title: str = "") -> Wanted | None:
    """Return what a question wants of an article as a whole; None where it asks for something in the article.

    It may name what the `title` names: "whats going on with the wheat".
    """
    words = [_plain(word) for word in _WORD.findall(question.lower())]
    said = frozenset(words)
    who = bool(said & {"who", "whos", "who's", "who’s"})
    asks_people = bool(said & _PEOPLE) or (words.count("who") + words.count("whos") >= 2) or {"whos", "who"} <= said
    means_it = bool(said & _MEANS_IT - {"in", "one", "then", "there", "now"})
    asks = bool(said & _ASKS) or asks_people or (means_it and {"going", "on"} <= said) or _is_bare(said)
    own = said - _ASKS - _PEOPLE - _LISTED - _QUICK - _MEANS_IT - _PLAIN
    if not asks or (who and not asks_people):
        return None
    if own and not set().union(*map(stems, own)) <= stems(title):
        return None
    if asks_people:
        return Wanted.PEOPLE
    return Wanted.POINTS if said & _LISTED else Wanted.GIST


def _plain(word: str) -> str:
    return "tldr" if word.startswith("tl") and word.endswith("dr") else word.replace("'", "").replace("’", "")


def _is_bare(said: Iterable[str]) -> bool:
    """Whether it is "what is this"."""
    return {"what", "whats"} & set(said) != set() and {"this"} <= set(said) and len(set(said)) <= 4
