"""Take out of a question what shows who asks: addresses, numbers and a name of the asker's own.

It goes by how such things are written, and takes out too much rather than too little: what it cannot know is a name
that nobody says is theirs ("Thanks, Ann").
"""

from __future__ import annotations

import re

from assistant.articles.reading import normalise

ADDRESS, NUMBER, NAME = "[address]", "[number]", "[name]"
_AN = r"(?:[@＠﹫]|[(\[{]\s*at\s*[)\]}])"
_MAIL = re.compile(rf"\S*\s?{_AN}\s?\S*|\S+\s+at\s+\S+\s+dot\s+\S+", re.IGNORECASE)
_HOME = re.compile(r"\b(I(?:\s+am|['’]m)?\s+liv(?:e|ing)|my\s+(?:home\s+)?address\s+is)\s+[^.?!;]+", re.IGNORECASE)
_DATE = re.compile(r"(?:19|20)\d\d(?:\s?[-–/]\s?(?:19|20)\d\d|-\d\d-\d\d)|\d\d?[./]\d\d?[./](?:19|20)\d\d")
"""Of an article, most often."""
_LONG = re.compile(r"\w*\+?\(?\d(?:[\s()./–—-]{0,3}\d){5,}\w*")
"""Six digits and more in a row, however they are set apart; a comma stands within sums of money and counts alone."""
_OWN = re.compile(r"\b(?:my|I\s*['’]?\s*a?m|I\s+was\s+born|(?:call|reach|text)\s+me)\b[^.?!]*", re.IGNORECASE)
_WITH_DIGITS = re.compile(r"\w*\d[\w./-]*")
_WORD = r"(?:[^\W\d_]\.|[^\W\d_][\w'’-]*)"
_CAPITAL = r"(?:[^\W\d_a-z](?:\.|[\w'’-]*)|de|van|von|der|la|bin)"
_END = r"(?=\s*(?:[,.!?;:–—-]|$|(?:and|from|but|with)\b))"
_SAYS_NAME = (
    re.compile(rf"\b(?:my|our)\s+(?:\w+\s+)?name(?:\s+is|['’]?s)\s+({_WORD}(?:\s+{_WORD}){{0,2}})", re.IGNORECASE),
    re.compile(rf"(?i:\b(?:call\s+me|I(?:\s+am|['’]m)\s+called))\s+({_WORD}(?:\s+{_CAPITAL}){{0,3}})"),
    re.compile(rf"(?i:\b(?:I\s*['’]?\s*a?m|this\s+is))\s+({_CAPITAL}(?:\s+{_CAPITAL}){{0,3}})"),
    re.compile(rf"\bI\s*['’]?\s*a?m\s+({_WORD}){_END}", re.IGNORECASE),
)


def stripped(question: str) -> str:
    """Return the question in one line without what shows who asks.

    No sign that makes an address of mail is left, and no six digits in a row but in a date.
    """
    text = " ".join(normalise(question).split())
    names = {word for pattern in _SAYS_NAME for said in pattern.findall(text) for word in said.split()}
    for pattern in _SAYS_NAME:
        text = pattern.sub(lambda match: match[0][: match.start(1) - match.start()] + NAME, text)
    for name in (name.strip(".,'’-") for name in names):
        if name[:1].isupper():
            text = re.sub(rf"\b{re.escape(name)}\b", NAME, text)
    text = _MAIL.sub(ADDRESS, text)
    text = _HOME.sub(rf"\1 {ADDRESS}", text)
    text = _LONG.sub(lambda match: match[0] if _DATE.fullmatch(match[0]) else NUMBER, text)
    return _OWN.sub(lambda match: _WITH_DIGITS.sub(NUMBER, match[0]), text)
