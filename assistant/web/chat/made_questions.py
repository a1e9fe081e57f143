"""Questions to begin with, made by rules from the sentences of an article that answer them.

A rule takes a sentence only where its form says what can be asked: who somebody is, what was done, when, why, how much
and how many. So there are few, and all are English. Knows nothing of whether they are answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from assistant.articles.passages import passages, statements
from assistant.articles.speakers import outside_quotations, persons
from assistant.types import Article, Sentence

_MOST_CHARACTERS = 90
"""Of a question: a longer one is not read."""

_PAST = {
    past: base
    for base, past in (
        pair.split(":")
        for pair in """
        announce:announced approve:approved ban:banned buy:bought build:built cost:cost cut:cut demand:demanded
        discover:discovered find:found lose:lost make:made order:ordered pay:paid pass:passed plant:planted
        predict:predicted propose:proposed publish:published raise:raised recommend:recommended reject:rejected
        rule:ruled score:scored sell:sold spend:spent win:won agree:agreed decide:decided offer:offered pledge:pledged
        promise:promised refuse:refused threaten:threatened vote:voted vow:vowed lead:led drill:drilled
        design:designed
        """.split()
    )
}
_DID = rf"(?P<did>{'|'.join(_PAST)})"
_AUXILIARY = r"(?:will|was|were|is|are|can|could|would|has|have|had|did|does|do)"
_WORD = rf"(?!{_AUXILIARY}\b)[\w’'-]+"
_NAME = (
    r"(?!(?:Mr|Mrs|Ms|Dr|The|A|An|In|On|At|But|And|Is|As)\b)[A-ZÀ-Þ][\w’-]+(?:\ [A-ZÀ-Þ]\.)?(?:\ [A-ZÀ-Þ][\w’-]+){1,2}"
)
_SUBJECT = rf"(?P<subject>(?:The|A|An)(?:\ {_WORD}){{1,4}}|{_NAME})"
_REST = r"(?P<rest>(?:[\w’'$%.-]+\ ){1,9}?)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\b"
_TIME = (
    rf"(?:on|in|at|by|until|from|since)\ (?:(?:\d{{1,2}}\ )?{_MONTH}|[A-Z][a-z]{{2,5}}day\b|(?:19|20)\d\d\b|noon\b|"
    r"\d{1,2}[.:]\d\d)"
)
_HEDGE = r"(?:(?:more|fewer|less)\ than\ |about\ |nearly\ |almost\ |at\ least\ )?"
_COUNTED = (
    rf"{_HEDGE}\d[\d,]*\ (?P<counted>(?!minutes|hours|days|weeks|months|years)[a-z]{{3,}}(?<=s)|"
    r"people|men|women|children)\b"
)
_RULES = tuple(
    (re.compile(rf"{_SUBJECT}\ {rule}", re.VERBOSE), question)
    for rule, question in (
        # "The gates will be closed on Friday"
        (rf"(?P<aux>will|was|were|is|are)\ {_REST}{_TIME}", "When {aux} {subject} {rest}?"),
        # "The road is shut because the wall fell"
        (rf"(?P<aux>{_AUXILIARY})\ {_REST}because\b", "Why {aux} {subject} {rest}?"),
        # "The office has assessed more than 200 cases"
        (rf"(?P<aux>has|have|had|will|can)\ (?P<rest>\w+)\ {_COUNTED}", "How many {counted} {aux} {subject} {rest}?"),
        # "The ward has 24 beds"
        (rf"has\ {_COUNTED}", "How many {counted} does {subject} have?"),
        (rf"had\ {_COUNTED}", "How many {counted} did {subject} have?"),
        # "The bridge was built by the army"
        (rf"(?:was|were)\ {_DID}\ by\ (?:an?|the|[A-Z])", "Who {did} {subject}?"),
        # "The goalkeeper made 19 saves"
        (rf"{_DID}\ {_COUNTED}", "How many {counted} did {subject} {base}?"),
        # "The company raised $210m"
        (rf"{_DID}\ {_HEDGE}[$€£]", "How much did {subject} {base}?"),
        # "The owners refused to talk"
        (rf"{_DID}\ to\ [a-z]", "What did {subject} {base} to do?"),
        # "The council approved a budget"
        (rf"{_DID}\ (?:that\ \w|an?\ |the\ |its\ |their\ )", "What did {subject} {base}?"),
    )
)
_WON = re.compile(
    rf"{_NAME}\ (?P<won>{_DID}\ (?:the|an?)(?:\ {_WORD}){{1,4}}?)(?=\ (?:in|on|at|by|for|after|from|with|of)\ |[.,;])",
    re.VERBOSE,
)
_APPOSED = re.compile(
    rf"(?<!\bof\ )(?<!\bat\ )(?<!\bfor\ )(?<!\bin\ )(?P<name>{_NAME}),\ (?:\d\d,\ )?(?:an?\ |the\ |who\ )"
    r"(?!(?:[\w-]+\ ){0,3}(?:company|firm|club|charity|group|town|village|city|agency)\b)[^,;.]{8,},",
    re.VERBOSE,
)
_UNCLEAR = re.compile(
    r"\b(?:who|that|which|he|she|it|they|his|her|its|their|this|these|those|and|but|as|if|not|no)\b", re.IGNORECASE
)


def questions_of(article: Article) -> Iterator[tuple[str, Sentence]]:
    """Yield different questions, each with a sentence that answers it, in reading order; at most one a sentence."""
    people = persons(article.text)
    asked: set[str] = set()
    for passage in passages(article):
        for sentence in statements(passage):
            for question in _asked(sentence.text, people):
                if len(question) <= _MOST_CHARACTERS and question not in asked:
                    asked.add(question)
                    yield question, sentence
                    break


def _asked(sentence: str, people: dict[str, str]) -> Iterator[str]:
    """Yield what may be asked of a sentence, given the people of its article by their surnames."""
    outside = outside_quotations(sentence)
    for apposed in _APPOSED.finditer(outside):
        if apposed["name"] in people.values():
            yield f"Who is {apposed['name']}?"
    if outside != sentence:
        return  # Whose words they are is not what these rules ask.
    if won := _WON.match(sentence):
        yield f"Who {won['won']}?"
    for rule, question in _RULES:
        match = rule.match(sentence)
        if match and not _UNCLEAR.search(f"{match['subject']} {match.groupdict().get('rest', '')}"):
            told = {name: words.strip() for name, words in match.groupdict().items()}
            subject = re.sub(r"^(?:The|A|An)\b", lambda article: article[0].lower(), told["subject"])
            yield question.format(**told | {"subject": subject, "base": _PAST.get(told.get("did", ""), "")})
