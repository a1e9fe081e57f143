"""What can be compared of a text: its stems, numbers, names, what it denies, and which kinds of thing it holds.

Each is found once, when it is first asked for. The words themselves are `terms.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from assistant.articles.terms import hedged_numbers, main_words, names, stemmed, stems

_NEGATIONS = frozenset("not no never neither nor without none nobody nothing cannot".split())
"""Words such as "refused" or "unaware" carry their denial themselves: they must stand in the evidence like others."""
_CLAUSE_END = re.compile(
    r"[,;:.!?—–()\"“”]|\b(?:but|though|although|while|whereas|because|since|if|when|that|which|who)\b", re.IGNORECASE
)
_NEGATION_REACH = 6
"""How many words after a negation it is taken to deny, within its clause."""
_OPPOSITE = re.compile(r"(?:un|il(?=l)|ir(?=r)|dis|non-?)(?=\w{4})")
"""Prefixes that turn a word into its opposite; "in" and "im" seldom do: inform, impress."""
_VAGUE = re.compile(r"\b(?:hundreds|thousands|dozens|several|few|none|no)\b", re.IGNORECASE)
_DATE = re.compile(
    r"""\b(?:
        1[5-9]\d\d | 20\d\d                                                    # 1968
      | january | february | march | april | may | june | july
      | august | september | october | november | december
      | monday | tuesday | wednesday | thursday | friday | saturday | sunday
      | spring | summer | autumn | fall | winter | yesterday | today | tomorrow
      | ago | hours? | days? | weeks? | months? | years?                       # two years ago
      | before | after | since | early | late | during
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Words:
    """The words of a text; `known` are the stems of names that count also where they open a sentence."""

    text: str
    known: frozenset[str] = frozenset()

    @classmethod
    def joined(cls, parts: Sequence[Words]) -> Words:
        """Return the words of several texts together."""
        if len(parts) == 1:
            return parts[0]
        whole = cls(" ".join(part.text for part in parts), parts[0].known)
        # What is known of each part need not be found again.
        whole.__dict__.update(
            {
                "stems": frozenset().union(*(part.stems for part in parts)),
                "hedges": {n: hedge for part in reversed(parts) for n, hedge in part.hedges.items()},
                "negated": frozenset().union(*(part.negated for part in parts)),
                "turned": frozenset().union(*(part.turned for part in parts)),
            }
        )
        return whole

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of the main words, and the numbers in their canonical form."""
        return frozenset(stems(self.text))

    @cached_property
    def hedges(self) -> Mapping[str, int]:
        """The numbers, and which kind of hedge stands before each: 1 for more than, 2 for nearly, 0 for none."""
        return hedged_numbers(self.text)

    @cached_property
    def names(self) -> frozenset[str]:
        """The stems of the names."""
        return frozenset(names(self.text, self.known))

    @cached_property
    def negated(self) -> frozenset[str]:
        """The stems that stand under a negation; "not" where there is one; empty where nothing is denied."""
        found: set[str] = set()
        for clause in _CLAUSE_END.split(self.text):
            words = [re.sub(r"[^\w'-]", "", word) for word in clause.lower().replace("’", "'").split()]
            for position, word in enumerate(words):
                if word in _NEGATIONS or word.endswith("n't"):
                    found |= stems(" ".join(words[position + 1 : position + 1 + _NEGATION_REACH])) | {"not"}
        return frozenset(found)

    @cached_property
    def turned(self) -> frozenset[str]:
        """The stems of the words whose opposite the text holds: legal for "illegally"."""
        opposites = ((word, _OPPOSITE.match(word)) for word in main_words(self.text))
        return frozenset(stemmed(word[match.end() :] for word, match in opposites if match))

    @cached_property
    def is_vague(self) -> bool:
        """Whether it counts without a number, as in "several"."""
        return bool(_VAGUE.search(self.text))

    @cached_property
    def dates(self) -> frozenset[str]:
        """Its words for a day, a year or a time."""
        return frozenset(match[0].lower() for match in _DATE.finditer(self.text))
