"""A decision in words: an answer that is written, quoted, declined, an overview, or from an article's record."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.answering.quoting import Window
from assistant.answering.reply import Statement, cited
from assistant.answering.understanding.overview import Wanted, main_people, sentences_of
from assistant.articles import passages
from assistant.search.retrieval import Findings
from assistant.types import Answer, Article, Citation, Outcome, Part, Sentence

CLOSEST = 2
"""How many of the closest passages a refusal offers."""
MOST_LISTED = 20
"""Articles; the list of all is a page of its own."""
MOST_ON_TOPIC = 5
ALL = "These articles can be asked about:"
ON_TOPIC = "These articles come closest:"
WHICH = "Which article do you mean? Open one of these, or name it in your question:"


def written(base: Answer, statements: Sequence[Statement], outcome: Outcome) -> Answer:
    """Return the statements with their citations."""
    citations = _citations(cited(statements))
    parts = tuple(_part(statement.text, _holding(statement.cites, citations)) for statement in statements)
    return replace(base, outcome=outcome, parts=parts)


def quoted(base: Answer, windows: Sequence[Window]) -> Answer:
    """Return the sentence that answers best, after the one that it needs to be understood; the rest is told as more."""
    best = windows[0].sentences[0]
    context = windows[0].leading[-1:]
    citations = _citations([*context, best])
    before = tuple(Part(each.text, citations[:1], is_verbatim=True, is_context=True) for each in context)
    shown = (*context, best)
    further = dict.fromkeys(each for window in windows[1:] for each in window.all if each not in shown)
    return replace(
        base,
        outcome=Outcome.QUOTED,
        parts=(*before, Part(best.text, citations[-1:], is_verbatim=True)),
        more=_citations([*further], len(citations) + 1),
    )


def declined(base: Answer, findings: Findings, near: Statement | None = None) -> Answer:
    """Return that there is no answer, and what comes closest: what a model says of it, else the passages found.

    Where the model could not be asked, nobody knows whether there is one.
    """
    if near is not None:
        citations = _citations(near.cites)
        return replace(base, outcome=Outcome.DECLINED, parts=(Part(near.text, citations),), closest=citations)
    closest = tuple(
        Citation(number, hit.passage.article, hit.passage.start, hit.passage.end)
        for number, hit in enumerate(findings.hits[:CLOSEST], start=1)
    )
    return replace(base, outcome=Outcome.UNWRITTEN if base.error else Outcome.DECLINED, closest=closest)


def told(base: Answer, outcome: Outcome, words: str) -> Answer:
    """Return words of ours alone."""
    return replace(base, outcome=outcome, parts=(Part(words),), model="none")


def listed(base: Answer, words: str, articles: Sequence[Article]) -> Answer:
    """Return words of ours, and a list of articles, the newest first."""
    newest = sorted(articles, key=lambda article: article.date or datetime.date.min, reverse=True)[:MOST_LISTED]
    parts = (Part(words), *(Part(article.title) for article in newest))
    return replace(base, outcome=Outcome.LIST, parts=parts, records=tuple(newest), model="none")


def about(base: Answer, topic: str, article: Article) -> Answer:
    """Answer from the front matter; it is not part of the text, so there is nothing to cite."""
    words = _record(article, topic)
    return replace(told(base, Outcome.RECORD, words), records=(article,)) if words else base


def overview(base: Answer, article: Article, wanted: Wanted) -> Answer:
    """Return an overview in the article's own words: a few sentences behind its title, or what it calls its people."""
    people = main_people(article) if wanted is Wanted.PEOPLE else []
    told = [(each.words, each.sentence) for each in people] or [
        (sentence.text, sentence) for sentence in sentences_of(article, wanted)
    ]
    citations = _citations(list(dict.fromkeys(sentence for _, sentence in told)))
    parts = tuple(Part(words, _holding((sentence,), citations), is_verbatim=True) for words, sentence in told)
    if parts and not people:
        parts = (replace(parts[0], lead=f"{article.title}:"), *parts[1:])
    return replace(base, outcome=Outcome.OVERVIEW, parts=parts, model="none")


def _part(words: str, citations: tuple[Citation, ...]) -> Part:
    """Return a statement as a part; where it says what it cites and no more, in the article's own words."""
    quote = citations[0].quote if len(citations) == 1 else ""
    said = re.findall(r"\w+", words.casefold())
    is_copied = bool(said) and said == re.findall(r"\w+", quote.casefold())
    return Part(quote if is_copied else words, citations, is_verbatim=is_copied)


def _holding(sentences: Sequence[Sentence], citations: Sequence[Citation]) -> tuple[Citation, ...]:
    """Return the citations that hold any of the sentences."""
    return tuple(each for each in citations if any(map(each.holds, sentences)))


def _citations(sentences: Sequence[Sentence], first: int = 1) -> tuple[Citation, ...]:
    """Number the sentences from the `first` on; neighbours in the article become one citation."""
    spans: list[tuple[Article, int, int]] = []
    for sentence in sentences:
        if spans and spans[-1][0] == sentence.article and _are_neighbours(spans[-1][2], sentence):
            spans[-1] = (sentence.article, spans[-1][1], sentence.end)
        else:
            spans.append((sentence.article, sentence.start, sentence.end))
    return tuple(Citation(number, *span) for number, span in enumerate(spans, first))


def _are_neighbours(end: int, sentence: Sentence) -> bool:
    """Whether nothing stands between that offset and a sentence after it."""
    return end <= sentence.start and not sentence.article.text[end : sentence.start].strip()


def _record(article: Article, topic: str) -> str:
    """Return what the front matter says; empty where it does not."""
    match topic:
        case "title":
            own = f" The title was given by {article.title_by}; the source has no headline." if article.title_by else ""
            return f"The title is “{article.title}”.{own}"
        case "date":
            date = article.date
            return f"The article is dated {date.day} {date:%B %Y} ({date.isoformat()})." if date else ""
        case "length":
            paragraphs = len([*passages.paragraphs(article.text)])
            # Where no blank line stands between its paragraphs, lines may be paragraphs or not.
            counted = f" in {paragraphs} paragraphs" if paragraphs > 1 else ""
            return f"The article has {len(article.text.split()):,} words{counted}."
        case "author" if article.author:
            return f"The article is by {article.author}."
        case _:
            return f"About its source the article’s record says: {article.source}" if article.source else ""
