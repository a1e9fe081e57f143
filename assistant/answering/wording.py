"""A decision in words: an answer that is written, quoted, declined, an overview, or from an article's record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from assistant.answering.marks import lead_in
from assistant.answering.quoting import Window
from assistant.answering.reply import Statement, cited
from assistant.answering.understanding.overview import Wanted, main_people, sentences_of
from assistant.articles.passages import is_row
from assistant.search.retrieval import Findings
from assistant.types import Answer, Article, Citation, Outcome, Part, Sentence

CLOSEST = 2
"""How many of the closest passages a refusal offers."""


def written(base: Answer, statements: Sequence[Statement], outcome: Outcome) -> Answer:
    """Return the statements with their citations."""
    citations = _citations(cited(statements))
    parts = tuple(_part(statement.text, _holding(statement.cites, citations)) for statement in statements)
    return replace(base, outcome=outcome, parts=parts)


def quoted(base: Answer, windows: Sequence[Window]) -> Answer:
    """Return the article's own sentences, the best one first.

    One that says "he" comes with the sentences that say who he is, or with a few words of ours that do.
    """
    leads = {begin: lead for window in windows if (lead := lead_in(begin := window.sentences[0]))}
    short = [replace(each, leading=()) if each.sentences[0] in leads else each for each in windows]
    by_place = {(sentence.article.id, sentence.start): lead for sentence, lead in leads.items()}
    parts = tuple(
        Part(each.quote, (each,), is_verbatim=True, lead=by_place.get((each.article.id, each.start), ""))
        for each in _citations(best_first(short))
    )
    return replace(base, outcome=Outcome.QUOTED, parts=parts)


def in_one_piece(answer: Answer, windows: Sequence[Window]) -> Answer:
    """Return of the quotations of some windows only those that are the best one's, or stand beside it."""
    kept = (part for part in answer.parts if any(map(part.citations[0].holds, windows[0].all)))
    numbered = ((part, replace(part.citations[0], number=number)) for number, part in enumerate(kept, start=1))
    return replace(answer, parts=tuple(replace(part, citations=(citation,)) for part, citation in numbered))


def declined(base: Answer, findings: Findings, near: Statement | None = None) -> Answer:
    """Return that there is no answer, and what comes closest: what a model says of it, else the passages found."""
    if near is not None:
        citations = _citations(near.cites)
        return replace(base, outcome=Outcome.DECLINED, parts=(Part(near.text, citations),), closest=citations)
    closest = tuple(
        Citation(number, hit.passage.article, hit.passage.start, hit.passage.end)
        for number, hit in enumerate(findings.hits[:CLOSEST], start=1)
    )
    return replace(base, outcome=Outcome.DECLINED, closest=closest)


def about(base: Answer, topic: str, articles: Sequence[Article]) -> Answer:
    """Answer from the front matter; it is not part of the text, so there is nothing to cite.

    Of several articles those are named that have it, each with its title before.
    """
    of_each = [(article, _record(article, topic)) for article in articles[:10]]
    known = [(article, told) for article, told in of_each if told]
    if not known:
        return base
    lines = [told if len(articles) == 1 else f"{article.title}: {told}" for article, told in known]
    records = tuple(article for article, _ in known)
    parts = tuple(map(Part, lines))
    return replace(base, outcome=Outcome.RECORD, parts=parts, model="none", records=records)


def overview(base: Answer, article: Article, wanted: Wanted) -> Answer:
    """Return an overview in the article's own sentences: a few in a row, in lines, or each behind a name."""
    people = main_people(article) if wanted is Wanted.PEOPLE else []
    told = people or [("", sentence) for sentence in sentences_of(article, wanted)]
    citations = _citations(list(dict.fromkeys(sentence for _, sentence in told)))
    parts = tuple(
        Part(sentence.text, _holding((sentence,), citations), is_verbatim=True, lead=f"{name}:" if name else "")
        for name, sentence in told
    )
    return replace(base, outcome=Outcome.OVERVIEW, parts=parts, model="none")


def best_first(windows: Sequence[Window]) -> list[Sentence]:
    """Return the sentences of the windows in reading order from the best one on, and then those before it.

    The best one begins with its leading sentences where they stand directly before it; a row with its table's head.
    """
    begin = windows[0].sentences[0]
    heads = [each for each in windows[0].leading if is_row(each)]
    for leading in reversed(windows[0].leading):
        if _are_neighbours(leading.end, begin):
            begin = leading
    article = begin.article.id
    others = sorted(
        {sentence for window in windows for sentence in window.all}.difference(heads),
        key=lambda sentence: (sentence.article.id != article, sentence.start < begin.start, sentence.start),
    )
    return [*heads, *others]


def _part(words: str, citations: tuple[Citation, ...]) -> Part:
    """Return a statement as a part; where it says what it cites and no more, in the article's own words."""
    quote = citations[0].quote if len(citations) == 1 else ""
    is_copied = re.findall(r"\w+", words.casefold()) == re.findall(r"\w+", quote.casefold())
    return Part(quote if is_copied else words, citations, is_verbatim=is_copied)


def _holding(sentences: Sequence[Sentence], citations: Sequence[Citation]) -> tuple[Citation, ...]:
    """Return the citations that hold any of the sentences."""
    return tuple(each for each in citations if any(map(each.holds, sentences)))


def _citations(sentences: Sequence[Sentence]) -> tuple[Citation, ...]:
    """Number the sentences; neighbours in the article become one citation."""
    spans: list[tuple[Article, int, int]] = []
    for sentence in sentences:
        if spans and spans[-1][0] == sentence.article and _are_neighbours(spans[-1][2], sentence):
            spans[-1] = (sentence.article, spans[-1][1], sentence.end)
        else:
            spans.append((sentence.article, sentence.start, sentence.end))
    return tuple(Citation(number, *span) for number, span in enumerate(spans, start=1))


def _are_neighbours(end: int, sentence: Sentence) -> bool:
    """Whether nothing stands between that offset and a sentence after it."""
    return end <= sentence.start and not sentence.article.text[end : sentence.start].strip()


def _title(article: Article) -> str:
    return f"The title is “{article.title}”."


def _record(article: Article, topic: str) -> str:
    match topic:
        case "title":
            own = f" The title was given by {article.title_by}; the source has no headline." if article.title_by else ""
            return f"{_title(article)}{own}"
        case "date":
            return (
                f"The article is dated {article.date.day} {article.date:%B %Y} ({article.date.isoformat()})."
                if article.date
                else ""
            )
        case "length":
            paragraphs = article.text.count("\n\n") + 1
            return f"The article has {len(article.text.split()):,} words in {paragraphs} paragraphs."
        case _:
            return f"About its source the article’s record says: {article.source}" if article.source else ""
