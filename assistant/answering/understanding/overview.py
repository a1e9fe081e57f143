"""Questions for an article as a whole, and the article's own sentences that answer them, chosen without a model.

Such a question asks for a summary, for the news or for the people, and names nothing that the title does not name. The
sentences that answer it hold the words of the title, and those that the article keeps coming back to.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from typing import NamedTuple

from assistant.articles import terms
from assistant.articles.annotated import annotated, annotation
from assistant.articles.english import SAID
from assistant.articles.passages import is_row, paragraphs, sentences
from assistant.articles.speakers import outside_quotations
from assistant.types import Article, Sentence


class Wanted(Enum):
    """What is asked of an article as a whole."""

    POINTS = "points"
    GIST = "gist"
    PEOPLE = "people"


_MOST_SENTENCES, _ROOM, _MORE_ROOM = 3, 60, 90
"""How many sentences are shown, and words; two sentences alone, and the items of a list, may have more."""
_LEAST = 0.05
"""What share of what the first one tells a further one must tell."""
_MOST_PEOPLE = 5
_SHORT = 7
"""No sentence of so few words tells much by itself."""
_LEAST_OWN = 0.75
"""A sentence of which less is the article's own words tells what somebody says of the news."""

_MAIN = r"(?:key|main|top|most-important|important|big|biggest|essential|quick|basic)"
_WHAT = r"what-(?:is|was|are|were|has)"
_THIS = r"(?:this|(?:this-|the-)?(?:one|article|story|piece|text|report|page|interview|case|list|study|news))"
_REQUESTS: dict[Wanted | None, str] = {
    Wanted.POINTS: rf"""{_MAIN}-(?:points?|facts|takeaways?|things|stuff|bits|findings)|bullet-points?|highlights
        |takeaways?|essentials|basics|what-(?:should-i|do-i-need-to)-know|{_WHAT}-important|what-matters""",
    Wanted.GIST: rf"""tldr|gist|summary|summari[sz]e|recap|overview|rundown|outline|condense|bottom-line|up-to-speed
        |(?:short|quick|shortest|brief|nutshell)-(?:version|story|take)|sum-up|(?:sum|boil|break)-(?:it|this)
        |cliff-notes|{_MAIN}-finding|(?:brief|catch|fill)-me|(?:run|walk)-me-through
        |who-(?:is|was)-this-(?:guy|man|lady|woman|person)|{_WHAT}-(?:it|{_THIS})-(?:\w+-)?(?:about|say)|{_WHAT}-{_THIS}$
        |what-(?:does-{_THIS}-(?:say|tell|cover|report)|happens-in-{_THIS})$""",
    Wanted.PEOPLE: rf"""who-is-who|who-(?:is-|are-|all-)*(?:involved|in-(?:this|it|here))
        |(?:{_MAIN}|who-are-(?:the|all|these)(?:-the|-these)?)-(?:people|figures|names|players|voices)""",
    None: rf"""what-happened|{_WHAT}-(?:happening|going-on|up)|what-do-we-know|explain|in-the-news|{_WHAT}-th(?:is|ese)
    |{_WHAT}-the-(?:deal|fuss|row|story|news|latest|outcome|result)|{_WHAT}-(?=(?:\w+-){{1,4}}about\b)
    |(?:and|about)-the-(?=(?:\w+-){{1,4}}(?:one|article|story|piece|thing)$)
    |in-(?:short|brief|(?:an?|one|two|few)-(?:sentences?|lines?|words?|nutshell))""",
}
"""What asks for an overview, in words joined by hyphens, the first that fits; and last what asks for the news, which is
the whole where nothing else is asked for or named."""
_ASKED = {wanted: re.compile(rf"\b(?:{words})\b", re.VERBOSE) for wanted, words in _REQUESTS.items()}
_ELSE = re.compile(r"\b(?:s?he|hi[ms]|her|the(?:y|m|ir|re|n)|that|those|next|other|wh(?:y|o|en)|how|did|does|will)\b")
_CHAT = frozenset(
    """
    actually basically bits briefly day english even fast go going hello here hey hi incl including line lines long main
    mess need new news now ok okay overall plain pls plz plus quick quickly real short simple simply story stuff today u
    ur version w want well word words yet piece text report page interview case list study read sentence sentences
    column feature obituary post profile review everything anything half minute minutes seconds time learn worth
    """.split()
)
_SPELLED = _CHAT | {*re.findall(r"[a-z]{3,}", " ".join(_REQUESTS.values())), "summarise", "summarize"}

_CONTRACTED = frozenset("whats whos wheres whens whys hows dont doesnt didnt isnt arent wasnt werent cant wont".split())
"""As readers type what is no word of their own."""

_TITLES = "Attorney|General|President|Director|Chief|Judge|Justice|Commissioner|Minister|Secretary|Member|County|City"
_NAME = rf"(?!(?:{_TITLES})\b)[A-ZÀ-Þ][\w’'-]*[a-zß-ÿ]"
_WHO = re.compile(
    rf"""(?:\b(?P<role>[\w’'-]*(?:or|er|ey|ge|ce|nt|ry|ef|m[ae]n|ff|ch|ain|rk|[is]t|ian|ral)|[A-Z]\w{{1,4}}\.|Dr),?[ ])?
    (?P<name>{_NAME}(?:[ ][A-Z]\.)?(?:[ ](?:[Dd]e|[Vv]an|[Vv]on|der|la|al|bin))*(?:[ ]{_NAME}){{1,2}}+)(?![ ][A-Z]{{2}})
    (?P<told>,[ ](?:(?P<age>\d\d\b|whos?e?\b)|(?:an?|the)\b|(?!{SAID}\b)[a-z]+[ ](?:of|at|for|in)\b
        |[\w’'][\w’' ]{{1,39}}['’]s?\b)
    |[ ](?:is|was)[ ]an?\b)?""",
    re.VERBOSE,
)
"""A name with what says who that is: Judge Ann Doe; Ann Doe, 47; Ann Doe, who runs it; Ann Doe, a baker."""
_BEFORE_A_ROLE = re.compile(
    r"(?:\b(?:[Tt]he|[Aa]n?|[Ii]ts|[Tt]heir|[Oo]ur|[Hh]is|[Hh]er|[\w-]+['’]s)\s(?:[\w’'-]+\s){0,3}|(?:[A-ZÀ-Þ][\w’'-]*\s)+)$"
)
_APPOSED = re.compile(
    rf"(?:,\s(?:\d\d\b|(?:(?:an?|the|whose?|(?!{SAID}\b)[a-z]+\s(?:of|at|for|in))\b|[\w’']+['’]s?\s)[^,.;:()—–]*))*"
)
"""What stands behind a name: , 47, a baker, who runs it"""
_MOST_WORDS = 8
"""Of what stands behind a name."""
_CAPITALS = re.compile(r"[A-ZÀ-Þ][\w-]*(?: [A-ZÀ-Þ][\w-]*)*")
_UPDATED = re.compile(r"\b(?:updat(?:ed|ing)|we update|refreshed|as it happened)\b|^live\b", re.IGNORECASE)
_FIGURES = re.compile(r"\d|^[^a-z]+$")
_OWN = re.compile(r"\?|\b(?:I|we|my|our|me|us|you|your)\b", re.IGNORECASE)
_LEANS = re.compile(r"(?i)(?:but|and|so|then|yet|also|its?|they|their|th[oe]se|this|that|s?he|his|her)\b(?! week)")
"""How a sentence begins that needs the one before it."""


def wanted(question: str, title: str) -> Wanted | None:
    """Return what a question wants of an article as a whole; None where it asks for something in the article."""
    plain = re.sub(r"\btl[;,:/]? ?dr\b", "tldr", re.sub(r"['’]", "", question.lower()))
    longer = {"whats": "what-is", "whos": "who-is", "ppl": "people", "abt": "about", "thru": "through"}
    words = [longer.get(word, word) for word in re.findall(r"[^\W_]+", plain)]
    said = "-".join(word if word in _SPELLED else _close(word, _SPELLED) or word for word in words)
    requests = [wanted for wanted in Wanted if _ASKED[wanted].search(said)]
    if not requests and (not _ASKED[None].search(said) or _ELSE.search(said)):
        return None
    rest = re.sub(r"\b(?:at|about|in|of|on|with|w)-(?:this|these)-\w+(?:-\w+)?$", "", said)
    for asked in _ASKED.values():
        rest = asked.sub(" ", rest)
    named = terms.words(title)
    own = {*terms.main_words(rest.replace("-", " "))} - _CHAT
    own = {word for word in own if not (terms.stemmed([word]) & terms.stemmed(named) or _close(word, named))}
    if not requests:
        return None if own else Wanted.GIST
    # "The gist of his speech" is not of the whole; "the gist, and who is against it" is.
    part = rf"\b(?:of|about|on|from|behind|did|does|which|that)-(?:\w+-)?(?:{'|'.join(own)})\b"
    return None if len(own) > 2 or (own and re.search(part, said)) else requests[0]


def own_words(question: str) -> set[str]:
    """Return a question's main words but for those in which any overview is asked for."""
    return {*terms.main_words(question)} - _SPELLED - _CONTRACTED


def _close(word: str, words: Iterable[str]) -> str:
    """Return which of the words a long one is but for a letter; empty where it is none of them."""
    long = [each for each in words if len(each) > 5] if len(word) > 4 else []
    return next(iter(get_close_matches(word, long, 1, 0.83)), "")


class Person(NamedTuple):
    """Somebody whom an article names, with what it calls them."""

    name: str
    words: str
    """As they stand in the sentence: the mayor, Tom Vale."""
    sentence: Sentence
    """The first one that says who that is."""


def sentences_of(article: Article, wanted: Wanted) -> list[Sentence]:
    """Return the sentences to show, in reading order; none only where the article has none."""
    if wanted is Wanted.PEOPLE and (people := main_people(article)):
        return list(dict.fromkeys(person.sentence for person in people))
    return _listed(article) or _telling(article, wanted)


def main_people(article: Article) -> list[Person]:
    """Return whom the article names most, five at most, in the order in which it says who they are."""
    people = {last: each for last, each in _people(annotated(article).statements).items() if each.words != each.name}
    most = sorted(people, key=article.text.count, reverse=True)[:_MOST_PEOPLE]
    return [person for last, person in people.items() if last in most]


def _people(said: list[Sentence]) -> dict[str, Person]:
    """Return each person, by surname."""
    found: dict[str, Person] = {}
    for sentence in said:
        for match in _WHO.finditer(outside_quotations(sentence.text).replace("\n", " ")):
            first, *_, last = match["name"].split()
            is_told = match["told"] and (match["age"] or last in annotated(sentence.article).people)
            # A firm, a court or a feast is not called by its last word alone.
            is_person = match["age"] or sentence.article.text.count(last) > sentence.article.text.count(match["name"])
            if is_person and (is_told or terms.main_words(match["role"] or "")) and terms.main_words(first):
                found.setdefault(last, Person(match["name"], _called(sentence.text, match), sentence))
    return found


def _called(text: str, match: re.Match[str]) -> str:
    """Return a name in a sentence with what is said beside it of who that is, no longer than needed."""
    start, name_end = match.start(), match.end("name")
    if match["role"] and (before := _BEFORE_A_ROLE.search(text, 0, start)):
        start = before.start()
    apposed = _APPOSED.match(text, name_end)
    behind = apposed[0].split()[:_MOST_WORDS] if apposed else []
    end = name_end
    for word in behind:
        end = text.index(word, end) + len(word)
    return text[start:end]


def _words(some: Iterable[Sentence]) -> int:
    return sum(len(sentence.text.split()) for sentence in some)


def _items(article: Article) -> list[Sentence]:
    """Return the heads of the items of a list whose title counts them; none of any other article."""
    counts = {int(number) for number in terms.numbers(article.title) if number in map(str, range(3, 16))}
    if not counts:
        return []
    starts = {start for start, _ in paragraphs(article.text)}
    heads = [each for each in sentences(article) if each.start in starts]
    numbered = [each for each in heads if re.match(r"\d+[.)] ", each.text)]
    headings = [each for each in heads if each.start in article.headings]
    short = [each for each in heads if _words([each]) <= _SHORT and each.text.endswith(".")]
    return next((items for items in (numbered, headings, short) if len(items) in counts), [])


def _listed(article: Article) -> list[Sentence]:
    """Return the items of a list, or the first figures of a page that is kept up to date."""
    if items := _items(article):
        found = list(dict.fromkeys([*annotated(article).statements[:1], *items]))
    elif _UPDATED.search(f"{article.title}\n{article.text[:200]}"):
        some = [each for each in sentences(article) if not ("?" in each.text or _UPDATED.search(each.text))]
        title = terms.stems(article.title)
        found = [each for each in some if _FIGURES.search(each.text) or len(terms.stems(each.text) & title) > 1]
    else:
        return []
    room = _MORE_ROOM if items else _ROOM
    shown = [each for number, each in enumerate(found, 1) if _words(found[:number]) <= room]
    return shown if len(shown) > _MOST_SENTENCES else []


def _telling(article: Article, wanted: Wanted) -> list[Sentence]:
    """Return the sentences that tell most of what the article comes back to, with those that they need."""
    said = annotated(article).statements
    stems = [terms.stems_of_words(sentence.text) for sentence in said]
    times, title = Counter(itertools.chain.from_iterable(stems)), terms.stems_of_words(article.title)
    often = max(times.values(), default=1) - 1
    weight = {stem: count - 1 + often * (stem in title) for stem, count in times.items()}
    units = _units(said) or {number: {number} for number in range(len(said))}
    chosen: set[int] = set()
    near, least = 0, 0.0
    while True:
        known = set[str]().union(*(stems[number] for number in chosen))
        best, most_told = set[int](), least
        for number, unit in units.items():
            together = chosen | unit
            room = _MORE_ROOM if len(together) == 2 else _ROOM
            has_room = len(together) == 1 or _words(said[each] for each in together) <= room
            # A summary reads on: a sentence from further down takes for known what stands between.
            follows = wanted is Wanted.POINTS or not chosen or unit - chosen == {max(chosen) + 1}
            if together == chosen or len(together) > _MOST_SENTENCES or not (has_room and follows):
                continue
            others = set[str]().union(*(stems[each] for each in unit - {number})) - known
            own = sum(weight[stem] for stem in stems[number] - others - known)
            told = (own + sum(weight[stem] for stem in others)) * (1 - abs(number - near) / len(said))
            if told > most_told and own > _LEAST * told:
                best, most_told = unit, told
        if not best:
            return [said[number] for number in sorted(chosen)] or said[:1]
        if not chosen:
            near, least = max(best), _LEAST * most_told
        chosen |= best


def _units(said: list[Sentence]) -> dict[int, set[int]]:
    """Return which sentences tell something, each with those that say what "it" is, and who somebody is."""
    numbers, people = {sentence: number for number, sentence in enumerate(said)}, _people(said)
    found: dict[int, set[int]] = {}
    for number, sentence in enumerate(said):
        needs = {number} | {numbers[each] for each in annotation(sentence).context.needs if each in numbers}
        if len(needs) == 1 and number and _LEANS.match(sentence.text):
            needs.add(number - 1)
        runs = ([word for word in run.split() if terms.main_words(word)] for run in _CAPITALS.findall(sentence.text))
        needs |= {numbers[people[run[0]].sentence] for run in runs if len(run) == 1 and run[0] in people}
        if all(_tells(said[each]) for each in needs):
            found[number] = needs
    return found


def _tells(sentence: Sentence) -> bool:
    """Whether it is long enough, hardly a quotation and no row, and nobody asks or speaks of himself in it."""
    outside = outside_quotations(sentence.text)
    own = len("".join(outside.split())) / len("".join(sentence.text.split()))
    is_told = own > _LEAST_OWN and not is_row(sentence)
    return is_told and _words([sentence]) > _SHORT and not _OWN.search(outside)
