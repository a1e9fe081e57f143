"""A reader's question, cleaned once, and everything that its own words say about it.

Rules only. What kind of thing it asks for is `kinds.py`'s, what it means after other turns `follow_ups.py`'s, whether
it asks for an article as a whole `overview.py`'s, and what is no question at all `small_talk.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from assistant.answering.understanding import follow_ups, small_talk
from assistant.answering.understanding.meaning import speaks_of_distress
from assistant.answering.understanding.overview import Wanted, own_words, wanted
from assistant.articles.english import SAID
from assistant.articles.reading import normalise
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


_ARTICLE = frozenset("article story piece text page post read write writeup".split())
_RECORD: Mapping[str, tuple[AbstractSet[str], AbstractSet[str]]] = {
    topic: (frozenset(asked.split()), frozenset(beside.split()))
    for topic, asked, beside in (
        ("title", "title headline heading titled headlined called name", "put reading"),
        (
            "date",
            "when date day year month old recent dated ago",
            (
                "published posted printed written publication publish post released release online appear come came go went "
                "up new earlier long carry bear"
            ),
        ),
        (
            "length",
            "long length lengthy words wordcount count paragraphs characters sentences",
            "short number big over",
        ),
        (
            "source",
            "newspaper newspapers outlet site website publisher publication source magazine agency where published",
            "come ran run news appear reading",
        ),
        ("author", "wrote author authored writer journalist reporter byline penned by whom", "written person people"),
    )
}
"""What the record of an article tells: words that ask for it, and words that may stand beside them."""
_ALONE = frozenset("when where day year month old recent long ago by whom come called name count".split())
"""Without a word for an article these ask for something in it: "And when was that?"."""
_PLAIN = frozenset(
    """
    a again am an and are at can could did do does exactly first for from full give has have hello hey hi how i im in is it
    its know many me much no now of ok okay on one or original originally please pls plz quick repeat s say show
    so sorry tell thanks that the there this to under wait was were what whats when where which who whos whose with you
    your u ur here like want would total whole actual actually
    """.split()
)
"""Words that ask for nothing by themselves."""
_NAMED = re.compile(
    r"\b(?:the|that|your) (?:(?!of\b|in\b|by\b)[\w'’-]+ ){1,3}(?=(?:article|story|piece)\b)"
    r"|\b(?<=article )(?:about|on) .+|\b(?<=story )(?:about|on) .+|\b(?<=piece )(?:about|on) .+",
    re.IGNORECASE,
)
"""Which article is meant: "the ferry story", "the piece about the dam"."""


_LISTING = frozenset(
    """
    archive articles ask browse contents covered every full headlines index newest pieces publish published recent see
    show stories table titles todays topics find
    """.split()
)
"""In which a list of articles is asked for, whatever they are about."""
_AT_HAND = re.compile(
    r"\b(?:(?P<this>this|your)|that) (?:news )?(?:article|story|piece|text|report|excerpt)\b|\bthe article\b",
    re.IGNORECASE,
)


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
        """Return the question that was typed; nothing follows on small talk, or on words of distress."""
        told = (
            turn
            for turn in turns
            if small_talk.reply_to(turn.question) is None and not speaks_of_distress(turn.question)
        )
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

    @cached_property
    def is_of_somebody(self) -> bool:
        """Whether it is of a person whom it does not name: it means nobody but who was spoken of."""
        return follow_ups.speaks_of_somebody_unnamed(self.text)

    @cached_property
    def leans(self) -> bool:
        """Whether it says so: by "it", by "and", or by naming nothing of its own."""
        return bool(self.turns) and (follow_ups.leans(self.text) or not own_words(self.text))

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
        """`title`, `length`, `date`, `source` or `author`, where it asks for that of an article, and for nothing else."""
        # The report of an institution is none of ours.
        said = _NAMED.sub(" ", self.text.lower().replace("this report", "this article"))
        said = re.sub("['’]s\\b", " is", said)
        # A paper may be a study too.
        said = re.sub(r"\b(?:what|which) paper\b", "which newspaper", said)
        words = {*re.findall(r"[^\W_]+", said)}
        rest = words - _PLAIN - _ARTICLE
        if not (words & _ARTICLE or rest - _ALONE):
            return None
        topics = (topic for topic, (asked, beside) in _RECORD.items() if words & asked and rest <= asked | beside)
        return next(topics, None)

    @cached_property
    def names_article(self) -> bool:
        """Whether it says which article it means, as "the ferry story"."""
        return bool(_NAMED.search(self.text))

    @cached_property
    def naming(self) -> str:
        """The words by which it may name an article: where it asks for a title or a date, not those that ask for it."""
        return " ".join(match[0] for match in _NAMED.finditer(self.text)) if self.about_article else self.text

    @cached_property
    def names_topic(self) -> bool:
        """Whether it says what the articles are about that it asks for."""
        return bool(own_words(self.text) - _LISTING)

    @cached_property
    def says_article(self) -> bool:
        """Whether it speaks of an article that its reader has before them: of "the article", of its date."""
        return bool(_AT_HAND.search(self.text) or self.about_article)

    @cached_property
    def says_this(self) -> bool:
        """Whether it can be no other, as in "this article"."""
        said = _AT_HAND.search(self.text)
        return said is not None and said["this"] is not None

    def overview(self, article: Article | None) -> Wanted | None:
        """Return what it wants of an article as a whole; None where it asks for something in it.

        It may name what the title or the opening of the article names, or have the whole title.
        """
        if article is None:
            return wanted(self.text, "")
        titled = rf"(?:\bthe (?:article|story|piece) )?\W?{re.escape(article.title)}(?:[^\w\s](?!$))?"
        text = re.sub(titled, "this article", self.text, flags=re.IGNORECASE) if article.title else self.text
        return wanted(text, f"{article.title} {article.text[:_OPENING]}")
