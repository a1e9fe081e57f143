"""What somebody means who asks for nothing that an article tells, in whatever words: told from their vector.

For each meaning a support vector machine compares what was typed with examples. `meaning.npz` was fitted by `python -m
lab fit-meanings`, which also chose how sure each has to be. It sees the words alone, no article: whether a name in them
is that of the whole article's subject, `overview.py` can tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

EXAMPLES = Path(__file__).with_name("meaning.npz")


class Meaning(StrEnum):
    """What is meant, in the order of the file."""

    DISTRESS = "distress"
    """Harm to oneself or to somebody, done, feared or planned, or an emergency."""
    PERSONAL = "personal"
    """Abuse of the assistant, or love for it."""
    GREETING = "greeting"
    """Small talk."""
    CAPABILITY = "capability"
    """What the assistant is, and what can be asked."""
    ELSEWHERE = "elsewhere"
    """What no article answers: sums, jokes, the weather, commands."""
    LIST = "list"
    """Which articles there are."""
    WHOLE = "whole"
    """An article as a whole."""


_DISTRESS = re.compile(
    r"\b(?:kill(?:ing)?|hurt(?:ing)?|harm(?:ing)?|cut(?:ting)?|hang(?:ing)?|shoot(?:ing)?)[ ]my ?self\b"
    r"|\b(?:i|im|ill|id|we)\b.{0,30}\b(?:suicidal|kms|unalive|overdosed|want(?:ed)? to die|end my life)\b"
    r"|\bend(?:ing)? my (?:own )?life\b|\btake my (?:own )?life\b|\bbeen (?:raped|stabbed|shot)\b|\bi was raped\b"
    r"|\b(?:call|need) (?:an ambulance|the police|911|999|112)\b|\b(?:not|stopped) breathing\b",
    re.IGNORECASE,
)
"""What must not be missed, also while the embedding model is loading."""
_DISTRESS_IN_OTHER_LANGUAGES = re.compile(
    r"""(?:quiero|voy\ a)\ (?:morir|suicidarme|matarme)|me\ quiero\ (?:morir|matar|suicidar)
    |no\ quiero\ (?:vivir|seguir\ viviendo)
    |je\ (?:veux|vais)\ (?:mourir|me\ tuer|me\ suicider|en\ finir)|veux\ plus\ vivre
    |ich\ (?:will|möchte)\ (?:sterben|mich\ (?:um|töten)|nicht\ mehr\ leben)|bringe?\ mich\ um
    |voglio\ (?:morire|uccidermi|suicidarmi|ammazzarmi)|non\ voglio\ più\ vivere
    |(?:quero|vou)\ (?:morrer|me\ matar|me\ suicidar)|não\ quero\ mais\ viver
    |ik\ wil\ (?:dood|sterven|niet\ meer\ leven)|jag\ vill\ (?:dö|inte\ leva)|ta\ livet\ av\ mig
    |chcę\ (?:umrzeć|się\ zabić)|nie\ chcę\ (?:już\ )?żyć|ölmek\ istiyorum|kendimi\ öldür
    |хочу\ (?:умереть|покончить)|не\ хочу\ (?:больше\ )?жить|убью\ себя
    |أريد\ (?:أن\ أموت|الموت|الانتحار)|اريد\ ان\ اموت|सुसाइड\ कर|मरना\ चाहत|आत्महत्या\ करन|जीना\ नहीं\ चाहत
    |我(?:想|要)(?:死|自杀|自殺)|不想活|死にたい|自殺したい|죽고\ ?싶|자살하고""",
    re.IGNORECASE | re.VERBOSE,
)
"""The plainest words of the first person: the embedding model knows English alone."""
_TOLD_OF_OTHERS = re.compile(r"\b(?:he|she|they|who|did|does|article|story|says?|said)\b", re.IGNORECASE)


def speaks_of_distress(text: str) -> bool:
    """Whether words alone tell that somebody is in distress."""
    words = re.sub("['’]", "", text)
    is_told = _DISTRESS.search(words) and not _TOLD_OF_OTHERS.search(words)
    return bool(is_told or _DISTRESS_IN_OTHER_LANGUAGES.search(words))


def meant(vector: npt.NDArray[np.float32]) -> Meaning | None:
    """Return what is meant by words of this vector, which the packaged embedding model made; mostly nothing of these.

    Distress goes before all else.
    """
    known = _fitted()
    likeness = np.exp(2 * known["width"] * (known["examples"] @ vector - 1))
    sure = dict(zip(Meaning, known["weights"] @ likeness + known["offsets"], strict=True))
    if sure[Meaning.DISTRESS] > 0:
        return Meaning.DISTRESS
    likeliest = max(sure, key=sure.__getitem__)
    return likeliest if sure[likeliest] > 0 else None


@cache
def _fitted() -> Mapping[str, npt.NDArray[np.float32]]:
    with np.load(EXAMPLES) as kept:
        return {name: kept[name].astype(np.float32) for name in kept.files}
