"""A reader's question, cleaned once, and everything that its own words say about it.

Rules only. What kind of thing it asks for is `kinds.py`'s, what it means after other turns `follow_ups.py`'s, whether
it asks for an article as a whole `overview.py`'s, and what is no question at all `small_talk.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from assistant.answering.understanding import follow_ups, small_talk
from assistant.answering.understanding.overview import Wanted, wanted
from assistant.articles.reading import normalise
from assistant.articles.speakers import SAID
from assistant.types import Article, Turn

MAX_QUESTION_CHARACTERS = 500
_OPENING = 250
"""Characters."""

_BARE = frozenset(
    """
    who whom whose what which why when where how come so far long much many often else then exactly really though tho
    and but or not about of for from to in on at by with since until before after he she it they him her them that
    these those there one ones
    """.split()
)
"""A question of nothing else needs what was said before it. "This" may be the article: "What this about?"."""
_ASKING = r"(?:(?:in|to|from|of|by|for|at|on|with|under|about)\s+)?(?:what|who|whom|whose|how|why|when|where|which)\b"
_DOES_ONE = (
    r"(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would)\s+"
    r"(?:he|she|it|they|the|this|that|there|(?-i:[A-ZÀ-Þ])\w*)\b"
)
_JOINT = re.compile(rf"(?:,?\s+and\s+|\?\s+)(?={_ASKING}|{_DOES_ONE})", re.IGNORECASE)
"""Where one question ends and the next begins."""
_QUOTATION = re.compile(r'[“"][^”"]*[”"]')
_QUOTED = re.compile(r'[“"]([^”"]{8,})[”"]')
_LEAST_OF_A_PART = 3
"""Words: fewer are no question of their own, as in "When and how did it begin?"."""

_ASKS_TWO = re.compile(
    r"\band (?:(?:in|to|from|of|by|for) )?(?:whats?|whos?|whom|whose|hows?|why|when|where|which|did|does|is|was|were)\b"
    r"|\b(?:both|compare|two|three|four|each|vs)\b",
    re.IGNORECASE,
)

_AUXILIARY = (
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|might|must|"
    r"(?:is|are|was|were|do|does|did|has|have|had|could|would|should)n['’]?t|(?:ca|wo)n['’]?t)"
)
_YES_OR_NO = re.compile(
    rf"^(?:\W|so|and|but|ok|okay|then|wait|please|pls|anyway|well|also)*\b{_AUXILIARY} (?!(?:you|u|i|we)\b)\w"
    r"|^(?:\W|so|and|but)*any(?:one|body|thing)?\b",
    re.IGNORECASE,
)
_ASKS_MORE = re.compile(
    r"\bor\b(?! (?:not|no|what)\b)|\bhow (?:many|much)\b"
    r"|\b(?:say|says|said|know|tell|mention|explain|idea|clue) (?:who|whom|whose|what|which|why|how|when|where)\b",
    re.IGNORECASE,
)


_THIS_ARTICLE = r"(?:this|the|that|your)\s+(?:news\s+)?(?:article|story|piece|text|report|excerpt)"
_ABOUT = tuple(
    (topic, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for topic, pattern in (
        (
            "title",
            rf"""\b(?:title|headline)\b.*\b(?:{_THIS_ARTICLE}|here|listed|it)\b             # the title of this article
              | {_THIS_ARTICLE}\s*(?:'s|’s)?\s*(?:title|headline|called|titled)            # this article's headline
              | ^(?:what|what's|whats)\s*(?:is|was)?\s*the\s+(?:title|headline)\W*$        # what's the title
              | \bunder\ (?:what|which)\ (?:title|headline)\b                              # under which title
            """,
        ),
        (
            "length",
            rf"""\bhow\ (?:long|many\ words|big|large)\b.*\b{_THIS_ARTICLE}                # how long is this article
              | \b{_THIS_ARTICLE}\b.*\b(?:length|word\ count                              # this article: word count
                  |how\ many\ (?:words|paragraphs|characters))
              | \b(?:length|word\ count)\ of\ {_THIS_ARTICLE}                              # the length of the story
              | \bhow\ many\ (?:words|paragraphs|characters|sentences)\b.*\b(?:article|text|story)
            """,
        ),
        (
            "date",
            rf"""\b(?:when|(?:what|which)\ (?:date|day|year|month)|from\ when|how\ (?:old|recent))\b
                  .{{0,20}}\b{_THIS_ARTICLE}\b.{{0,20}}                                   # when was the article
                  \b(?:published|publish|written|from|carry|carries|dated|bear|bears      # published
                  |appear|appeared|come\ out|came\ out|printed|posted|made)\b
              | ^(?:when|how\ old|how\ recent)\s+(?:is|was)\s+{_THIS_ARTICLE}\W*$          # how old is this story
              | ^when\s+was\s+this\s+(?:published|posted|printed|written)\W*$             # when was this published
              | \bdate\b.{{0,25}}\b{_THIS_ARTICLE}                                        # the date of the article
              | \b{_THIS_ARTICLE}(?:['’]s)?\s+(?:publication\s+)?date\b                   # the article's date
            """,
        ),
        (
            "source",
            rf"""\b(?:who\ wrote|who\ is\ the\ author|who's\ the\ author|author\ of          # who wrote this piece
                  |which\ (?:newspaper|paper|outlet|site|publisher)|who\ published          # which paper is it from
                  |where\ (?:was|is|does)|source\ of|byline)\b.*\b{_THIS_ARTICLE}
            """,
        ),
    )
)
_CONTENT_QUESTION = re.compile(
    r"\bdoes\b.*\b(?:say|mention|tell|describe|report)|\baccording to\b|\bmentioned in\b", re.IGNORECASE
)


_IN_SIGHT = re.compile(
    r"\b(?:(?:this|that|your) (?:news )?(?:article|story|piece|text|report|excerpt)|the article)\b", re.IGNORECASE
)
_IN_ARTICLE = re.compile(rf"\bin\s+{_THIS_ARTICLE}", re.IGNORECASE)
_MEASURE = re.compile(r"\b(?:words|paragraphs|characters|sentences)\b", re.IGNORECASE)


SAYS = (
    rf"(?:{SAID}|called|calls|described|describes|spoke|speaks|referred|refers|compared|compares|commented|remarked|"
    r"labell?ed|declared)"
)
_WHO_SAID = re.compile(
    rf"^\W*(?:(?:and|so|but|then|please|tell me|remind me)\W+)?"
    rf"(?:who\s+(?:was\s+it\s+(?:that|who)\s+)?{SAYS}\b"
    r"|who\s+(?:is|was)\s+(?:quoted|cited)\s+(?:as\s+)?saying\b"
    r"|whose\s+(?:words?|quotes?|quotation|line|phrase|comment|remark|statement)\s+(?:is|are|was|were)\b)"
    r"|\baccording to who(?:m|se)?\b",
    re.IGNORECASE,
)
_WHERE_STANDS = re.compile(
    r"\b(?:(?:which|what) (?:article|story) (?:has|contains|includes)|where are) the (?:words|sentence|quotation)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Question:
    """What a reader asks, and the turns before it."""

    text: str
    """Normalised like an article, on one line."""
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of(cls, typed: str, turns: Sequence[Turn] = ()) -> Question:
        """Return the question that was typed; nothing follows on small talk."""
        told = (turn for turn in turns if small_talk.reply_to(turn.question) is None)
        return cls(" ".join(normalise(typed).split()), tuple(told))

    @cached_property
    def problem(self) -> str | None:
        """What is wrong with it, as a sentence for the reader; None when nothing is."""
        if not any(character.isalnum() for character in self.text):
            return "Please type a question."
        if len(self.text) > MAX_QUESTION_CHARACTERS:
            return f"The question has {len(self.text)} characters; please keep it to {MAX_QUESTION_CHARACTERS}."
        if not self.turns and _BARE.issuperset(re.findall(r"[^\W_]+", self.text.lower())):
            return "Who or what do you mean? Please ask in a few more words."
        return None

    @cached_property
    def reply_to_small_talk(self) -> str | None:
        """What is said to it, where it is a greeting, thanks or the like; None where it asks something."""
        return small_talk.reply_to(self.text)

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """What to search for, one or two questions: as it stands, and as a follow-up, where it may be either."""
        return follow_ups.forms(self.text, self.turns)

    @cached_property
    def may_follow(self) -> bool:
        """Whether it may mean something of the turns before it."""
        return bool(self.turns) and follow_ups.may_follow(self.text)

    def turns_for(self, form: str) -> tuple[Turn, ...]:
        """Return the turns that it is to be understood with, where this form of it was surer of an answer.

        There are none where it is answered as if it were the first.
        """
        stands_alone = form == self.text and (len(self.forms) > 1 or not follow_ups.may_follow(self.text))
        return () if stands_alone else self.turns

    @cached_property
    def is_yes_or_no(self) -> bool:
        """Whether it wants a yes or a no, and not one of several things, a name or a reason."""
        return bool(_YES_OR_NO.search(self.text)) and not _ASKS_MORE.search(self.text)

    @cached_property
    def asks_two(self) -> bool:
        """Whether it asks for two things or more: it joins two questions, or asks for two of a kind."""
        return bool(_ASKS_TWO.search(self.text))

    @cached_property
    def joins_two(self) -> bool:
        """Whether it joins two questions, each of some words; what it quotes is somebody else's."""
        asked = _JOINT.split(_QUOTATION.sub("_", self.text), maxsplit=1)
        return len(asked) == 2 and min(len(part.split()) for part in asked) >= _LEAST_OF_A_PART

    @cached_property
    def quoted(self) -> tuple[str, ...]:
        """What it quotes, without the punctuation at its ends; short quotations say too little."""
        return tuple(match.strip(" .,;:!?…") for match in _QUOTED.findall(self.text))

    @cached_property
    def asks_who_said(self) -> bool:
        """Whether it asks whose words something is."""
        return bool(_WHO_SAID.search(self.text))

    @cached_property
    def asks_where(self) -> bool:
        """Whether it asks where some words stand."""
        return bool(_WHERE_STANDS.search(self.text))

    @cached_property
    def about_article(self) -> str | None:
        """`title`, `date`, `length` or `source` for a question about the article itself; None for any other."""
        # "This report" is an article; "does it report" asks for what it tells.
        without_article = re.sub(_THIS_ARTICLE, "it", self.text, flags=re.IGNORECASE)
        is_in_article = _IN_ARTICLE.search(self.text) and not _MEASURE.search(self.text)
        if _CONTENT_QUESTION.search(without_article) or is_in_article:
            return None
        return next((topic for topic, pattern in _ABOUT if pattern.search(self.text)), None)

    @cached_property
    def means_article_in_sight(self) -> bool:
        """Whether it is about an article that its reader has before them: "this article", or an overview of it."""
        return bool(_IN_SIGHT.search(self.text) or self.about_article or wanted(self.text, ""))

    def overview(self, article: Article) -> Wanted | None:
        """Return what it wants of an article as a whole; None where it asks for something in it.

        It may name what the title or the opening of the article names.
        """
        return wanted(self.text, f"{article.title} {article.text[:_OPENING]}")
