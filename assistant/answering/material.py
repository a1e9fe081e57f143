"""What a capable model answers from: the sentences of articles, numbered from 1, each on a line of its own.

Articles stand whole as far as there is room; of more, the passages that were found stand with their neighbours. The
same articles always make the same text, so that a provider can keep what it has read of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assistant.articles.annotated import annotated
from assistant.articles.passages import paragraph_sentences
from assistant.search.retrieval import Findings
from assistant.types import Article, Sentence

_NO_DATE = datetime.date.min
_NEIGHBOURS = 1
"""So many passages before and after each that was found are given too."""


@dataclass(frozen=True, slots=True)
class Material:
    """Numbered sentences as text, and what each number stands for."""

    text: str
    sentences: tuple[Sentence, ...]
    """The sentence of number 1 comes first."""

    def numbered(self, numbers: Iterable[int]) -> tuple[Sentence, ...]:
        """Return the sentences of some numbers, each once; a number that is not there has none."""
        known = (self.sentences[number - 1] for number in numbers if 0 < number <= len(self.sentences))
        return tuple(dict.fromkeys(known))

    def number_of(self, sentence: Sentence) -> int:
        """Return the number of a sentence that is given."""
        return self.sentences.index(sentence) + 1


def fit_whole(articles: Sequence[Article], most_words: int) -> bool:
    """Whether some articles have at most so many words in all."""
    return sum(len(article.text.split()) for article in articles) <= most_words


def of_articles(articles: Sequence[Article]) -> Material:
    """Return the articles as a whole, the newest first."""
    return _material([(article, paragraph_sentences(article)) for article in articles])


def of_findings(findings: Findings, most_words: int) -> Material:
    """Return the passages that were found with their neighbours, of as many articles as have some.

    The likeliest passages go first until there are so many words; they stand in reading order.
    """
    chosen: dict[Article, set[int]] = {}
    words = 0
    for hit in findings.hits:
        article = hit.passage.article
        among = annotated(article).passages
        place = among.index(hit.passage)
        span = range(max(0, place - _NEIGHBOURS), min(len(among), place + _NEIGHBOURS + 1))
        new = set(span) - chosen.get(article, set())
        words += sum(len(among[number].text.split()) for number in new)
        if words > most_words and chosen:
            break
        chosen.setdefault(article, set()).update(new)
    return _material(
        [
            (
                article,
                [
                    list(passage.sentences)
                    for number, passage in enumerate(annotated(article).passages)
                    if number in numbers
                ],
            )
            for article, numbers in chosen.items()
        ]
    )


def _material(parts: Iterable[tuple[Article, Iterable[Sequence[Sentence]]]]) -> Material:
    newest_first = sorted(parts, key=lambda part: part[0].updated or part[0].date or _NO_DATE, reverse=True)
    sentences: list[Sentence] = []
    texts: list[str] = []
    for article, paragraphs in newest_first:
        lines = [head(article)]
        for paragraph in paragraphs:
            lines.append("")
            for sentence in paragraph:
                sentences.append(sentence)
                lines.append(f"[{len(sentences)}] {' '.join(sentence.text.split())}")
        texts.append("\n".join(lines))
    return Material("\n\n".join(texts), tuple(sentences))


def head(article: Article) -> str:
    """Return what stands above an article: its title, days, source, section and corrections."""
    days = [f"{article.date:%-d %B %Y}" if article.date else ""]
    if article.updated and article.updated != article.date:
        days.append(f"updated {article.updated:%-d %B %Y}")
    known = ", ".join(filter(None, (f"“{article.title}”", *days, article.source, article.section)))
    corrected = (
        f"Corrected{f' on {each.date:%-d %B %Y}' if each.date else ''}: {' '.join(each.text.split())}"
        for each in article.corrections
    )
    return "\n".join((f"ARTICLE {known}", *corrected))
