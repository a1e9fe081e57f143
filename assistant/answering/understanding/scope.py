"""Which article a question means, where there are several: decided here alone, whoever asks.

At hand is the article that the reader opened, or else the one that the conversation is about. A question means it where
it asks for "this article" or for a whole one, where it leans on what was said, or where the reader has it open; unless
it names another one by its title, or has a word that another answers to and this one does not. Any other question is
asked of all articles, and follows on nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from assistant.answering.understanding.meaning import Meaning, meant
from assistant.answering.understanding.overview import own_words
from assistant.answering.understanding.question import Question
from assistant.articles.reading import Corpus
from assistant.articles.terms import stemmed
from assistant.search.retrieval import Retriever
from assistant.types import Article

MOST_LACKING = 0.35
"""By how much another article may have a liker word to one of the question's. Of steps of .05 the one with which most
questions of `fit.jsonl` and `choose.jsonl` go where they should (lab/LOG.md, 2026-12-03)."""
_OPENING = 60
"""So many characters of an answer tell best which article it is from: further on it may quote another one."""


def scoped(
    question: Question, opened: str | None, corpus: Corpus, retriever: Retriever
) -> tuple[Question, Article | None]:
    """Return a question as it is to be searched for, and the only article that it means; None for all.

    `opened` is the id of the article that the reader chose to have before them, while all are searched.
    """
    alone = replace(question, turns=())
    by_title, at_hand = named(question, corpus), corpus.by_id.get(opened or "")
    vector = retriever.vector(question.text)
    asks_for_whole = vector is not None and meant(vector) is Meaning.WHOLE
    is_whole = asks_for_whole or question.overview(by_title or at_hand) is not None
    if by_title and (is_whole or question.says_article) and not question.says_this:
        return alone, by_title
    # How one fits beside another is not known without vectors.
    is_open = at_hand is not None and vector is not None
    if not (is_whole or question.says_article or question.leans or is_open):
        return alone, None
    at_hand = at_hand or _talked_about(question, corpus, retriever)
    if at_hand is None or question.says_article or question.is_of_somebody or vector is None:
        return question, at_hand
    other = _other(question, at_hand, retriever)
    return (alone, other if is_whole else None) if other else (question, at_hand)


def named(question: Question, corpus: Corpus) -> Article | None:
    """Return the article that a question names by words of its title; None where several fit as well, or none."""
    titled = corpus.by_title_stem
    fitting = Counter(each for stem in stemmed(own_words(question.naming)) for each in titled.get(stem, ()))
    (best, most), (_, next_most) = (*fitting.most_common(2), ("", 0), ("", 0))[:2]
    return corpus.by_id[best] if most > next_most else None


def _talked_about(question: Question, corpus: Corpus, retriever: Retriever) -> Article | None:
    """Return the article that the last answer is from; where nobody says which that is, its words tell."""
    for turn in reversed(question.turns):
        if turn.article:
            return corpus.by_id.get(turn.article)
        if turn.answer and (found := retriever.search(turn.answer[:_OPENING], 1, may_read=False).evidence):
            return found[0].sentence.article
    return None


def _other(question: Question, at_hand: Article, retriever: Retriever) -> Article | None:
    """Return the article that fits a question best, where it answers to a word of it and the one at hand does not."""
    words = own_words(question.text)
    found = retriever.search(question.text, 1, may_read=False).evidence if words else ()
    if not found or found[0].sentence.article == at_hand:
        return None
    best = found[0].sentence.article
    return best if retriever.lacking(question.text, words, at_hand, best) > MOST_LACKING else None
