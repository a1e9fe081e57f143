"""An annotated article: its passages, and of each sentence whom it means and which words it holds, found once.

Search, quoting, grounding and the models read from it, so that no article is analysed twice while it is remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from assistant.articles.passages import passages, statements
from assistant.articles.speakers import Context, bodies_of, contexts_of, people_of
from assistant.articles.terms import names, stems
from assistant.articles.words import Words
from assistant.types import Article, Passage, Sentence

REMEMBERED = 256
"""So many articles; the annotation of one takes some 200 kB."""
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)?")


class Annotated:
    """An article, its passages, and the annotations of its sentences."""

    def __init__(self, article: Article) -> None:
        """Take the article; nothing is found yet."""
        self.article = article
        self._of: dict[tuple[int, int], AnnotatedSentence] = {}

    @cached_property
    def passages(self) -> list[Passage]:
        """The passages in reading order."""
        return passages(self.article)

    @cached_property
    def statements(self) -> list[Sentence]:
        """The sentences that state something, in reading order."""
        return [sentence for passage in self.passages for sentence in statements(passage)]

    @cached_property
    def people(self) -> dict[str, str]:
        """The people whom it names: surname to the fullest name."""
        return people_of(self.article.text)

    @cached_property
    def bodies(self) -> frozenset[str]:
        """The bodies that it names, as "Justice Department"."""
        return bodies_of(self.article.text)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The stems of all its main words."""
        return frozenset(stems(self.article.text))

    @cached_property
    def record(self) -> frozenset[str]:
        """The stems of what is known of it beside its text: title, source, author, section, the year of its date."""
        article = self.article
        year = str(article.date.year) if article.date else ""
        return Words(f"{article.title} {article.source} {article.author} {article.section} {year}").stems

    @cached_property
    def names(self) -> frozenset[str]:
        """The stems of the words that it writes with a capital inside a sentence."""
        return frozenset(names(self.article.text))

    @cached_property
    def contexts(self) -> dict[tuple[int, int], Context]:
        """What each sentence that states something needs to be understood, by its offsets."""
        return contexts_of(self.passages, self.people, self.bodies)

    def of(self, sentence: Sentence) -> AnnotatedSentence:
        """Return the annotation of a sentence."""
        place = sentence.start, sentence.end
        if place not in self._of:
            self._of[place] = AnnotatedSentence(sentence, self)
        return self._of[place]


@dataclass(frozen=True)
class AnnotatedSentence:
    """The annotation of one sentence."""

    sentence: Sentence
    within: Annotated

    @cached_property
    def context(self) -> Context:
        """Who speaks in it, and which earlier sentences say who or what is meant."""
        return self.within.contexts.get((self.sentence.start, self.sentence.end), Context())

    @cached_property
    def words(self) -> Words:
        """What can be compared of it."""
        return Words(self.sentence.text, self.within.names)

    @cached_property
    def aliases(self) -> frozenset[str]:
        """The stems of the full names of the people whom it calls by surname or pronoun, and of who speaks in it."""
        people, said = self.within.people, set(_WORD.findall(self.sentence.text))
        meant = [full for surname, full in people.items() if surname in said]
        if self.context.speaker:
            meant.append(self.context.speaker)
        if self.context.person:
            meant.append(people.get(self.context.person, self.context.person))
        return frozenset().union(*map(stems, meant))

    @cached_property
    def held(self) -> frozenset[str]:
        """The stems of the sentence, of those that it needs to be understood, and of the people whom they mean."""
        needed = (self.within.of(each).words.stems for each in self.context.needs)
        return self.words.stems.union(self.aliases, *needed)


@lru_cache(maxsize=REMEMBERED)
def annotated(article: Article) -> Annotated:
    """Return an article with its annotations; made before, while it is remembered."""
    return Annotated(article)


def annotation(sentence: Sentence) -> AnnotatedSentence:
    """Return the annotation of a sentence of an article."""
    return annotated(sentence.article).of(sentence)
