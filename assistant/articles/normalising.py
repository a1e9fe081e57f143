"""Normalise text: articles, and all that is compared with their text or points into it."""

from __future__ import annotations

import re
import unicodedata

_KEPT_CONTROLS = "\n\t"
_LINE_ENDS = str.maketrans({"\r": "\n", "\v": "\n", "\f": "\n\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n\n"})
"""Left out like other controls they would join the last word of a line or page with the first of the next."""
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Soft hyphen, zero-width and bidirectional controls, interlinear marks and tag characters: they can hide text."""


def normalise(text: str) -> str:
    """Return the text in NFC, without control, bidirectional, zero-width and tag characters, line ends as line feeds.

    Applying it twice changes nothing.
    """
    text = text.replace("\r\n", "\n").translate(_LINE_ENDS)
    text = _INVISIBLE.sub("", text)
    text = "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co"))
    return unicodedata.normalize("NFC", text)
