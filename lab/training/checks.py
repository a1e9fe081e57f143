"""What the checker learns from: questions about passages, drafts of answers to them, and the verdict on each.

The questions are those of SQuAD's paragraphs, some asked again with a word exchanged, some of paragraphs further on; or
those of reports that were written for it. The drafts are the model's own, or made up of the passages' words, or written
too.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from assistant.articles.passages import sentences
from assistant.articles.terms import share, stems
from assistant.evaluation.questions import line_of, read_text
from assistant.types import Article, Turn
from lab.training.reports import VERDICTS, Report, ReportQuestion

ASKED = 10
"""So many of a paragraph's questions are drawn."""
FAR = 2
"""So many questions come from paragraphs further on."""

Entry = dict[str, Any]
"""An article or a paragraph as it stands in a file in SQuAD's format."""

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+|\d[\d,.]*\d|\d")
_QUESTION_WORD = re.compile(
    r"^(?:in|on|at|of|by|to|from|for|with|under)?\s*"
    r"(?:what|who|whom|whose|when|where|why|which|how(?: many| much| long| often| old)?)\b"
    r"\s*(?:is|was|were|are|did|does|do|has|have|had)?\b",
    re.IGNORECASE,
)
_PHRASE = re.compile(r"(?:[A-Z][\w'-]+(?: (?:of |the )?[A-Z][\w'-]+)*|\d[\d,.]*\d(?: \w+)?|\b\w{5,}(?: \w{4,})?)")
_NOTHING = "It is not known."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about passages, and their words that answer it; none where they do not."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Check:
    """A question, the draft of an answer, and which verdict is right."""

    question: str
    draft: str
    verdict: str
    history: Sequence[Turn] = ()
    """What was asked and answered before."""


@dataclass(frozen=True, slots=True)
class Group:
    """Questions about the same passages, which are read once for all of them."""

    passages: str
    asked: Sequence[Asked]
    written: Sequence[Check] = ()
    """Answers that somebody wrote to the questions, and drafts that were kept; without any, some are made up."""


def read_entries(path: Path) -> list[Entry]:
    """Return the articles of a file in SQuAD's format.

    Raises:
        ConfigurationError: it cannot be read, or is not of that format; the article is named.
    """
    with line_of(path, 1, "of a file in SQuAD's format"):
        entries: list[Entry] = list(json.loads(read_text(path))["data"])
    for number, entry in enumerate(entries, start=1):
        with line_of(path, number, "as in SQuAD", "article"):
            list(map(_questions, entry["paragraphs"]))
    return entries


def groups(entries: Sequence[Entry], generator: random.Random) -> list[Group]:
    """Return one group for each paragraph that is asked about."""
    found = []
    for entry in entries:
        paragraphs = [str(paragraph["context"]) for paragraph in entry["paragraphs"]]
        questions = [_questions(paragraph) for paragraph in entry["paragraphs"]]
        for number, own in enumerate(questions):
            passages = _passages(paragraphs, number, generator)
            far = [
                asked
                for other in range(max(0, number - 6), min(len(paragraphs), number + 7))
                if abs(other - number) > 1
                for asked in questions[other]
                if asked.answer and asked.answer not in passages
            ]
            found.append(Group(passages, _asked(own, far, paragraphs[number], generator)))
    return [group for group in found if group.asked]


def _questions(paragraph: Entry) -> list[Asked]:
    """Return the questions of a paragraph; an answer whose words it does not hold counts as none."""
    found = []
    for row in paragraph["qas"]:
        answer = "" if row.get("is_impossible") else str(row["answers"][0]["text"])
        asked = " ".join(str(row["question"]).split())
        found.append(Asked(asked, answer if answer in str(paragraph["context"]) else ""))
    return found


def groups_of_reports(reports: Sequence[Report], generator: random.Random) -> list[Group]:
    """Return one group for each report: the questions to draft for, and the checks that are there already.

    Half of the questions are drafted for, but none about two things: whether a draft that has the words of both gives
    each to the right one cannot be told from its words. Where drafts were kept nothing is drafted, and of what was
    written to the questions as much is drawn, once, as there are drafts.
    """
    found = []
    for report in reports:
        kept = [Check(each.question, each.draft, each.verdict) for each in report.questions if each.draft]
        checks = [check for each in report.questions for check in _written(each, generator)]
        if kept:
            found.append(Group(report.text, (), kept + generator.sample(checks, min(len(kept), len(checks)))))
            continue
        simple = [each for each in report.questions if not each.about_two]
        drawn = generator.sample(simple, math.ceil(len(simple) / 2))
        asked = [Asked(each.question, "".join(each.answers)) for each in drawn]
        found.append(Group(report.text, asked, checks))
    return found


def _written(asked: ReportQuestion, generator: random.Random) -> list[Check]:
    """Return the checks of what was written to a question, drawn, once, from short answers and full sentences."""
    wrong = generator.choice([each for each in (asked.wrong, asked.near_miss) if each])
    if not asked.answers:
        return [Check(asked.question, wrong, "no")]
    right = generator.choice([each for each in (asked.right, asked.sentence) if each])
    return [Check(asked.question, right, "yes"), Check(asked.question, wrong, "wrong")]


def _passages(paragraphs: Sequence[str], number: int, generator: random.Random) -> str:
    """Return the paragraph, sometimes with a neighbour."""
    if generator.random() < 0.25 and number + 1 < len(paragraphs):
        return "\n\n".join(paragraphs[number : number + 2])
    if generator.random() < 0.15 and number > 0:
        return "\n\n".join(paragraphs[number - 1 : number + 1])
    return paragraphs[number]


def _asked(own: Sequence[Asked], far: Sequence[Asked], paragraph: str, generator: random.Random) -> list[Asked]:
    drawn, further = list(own), list(far)
    generator.shuffle(drawn)
    drawn = drawn[:ASKED]
    again = [
        other
        for asked in drawn
        if asked.answer and generator.random() < 0.3 and (other := _asked_of_another(asked, paragraph, generator))
    ]
    generator.shuffle(further)
    return [*drawn, *(Asked(question, "") for question in [*again, *(asked.question for asked in further[:FAR])])]


def _asked_of_another(asked: Asked, paragraph: str, generator: random.Random) -> str | None:
    """Return the question with a word of the paragraph exchanged for another of its words, of the same form.

    None where there is none. That the paragraph does not answer it is nearly always true.
    """
    held, words = stems(paragraph), stems(asked.question)
    others = [
        word
        for word in _WORD.findall(paragraph)
        if word not in asked.answer and stems(word) and words.isdisjoint(stems(word))
    ]
    found = [(match, other) for match, other in _exchanges(asked.question, others) if stems(match[0]) <= held]
    return _exchanged(asked.question, *generator.choice(found)) if found else None


def _exchanges(text: str, others: Sequence[str]) -> list[tuple[re.Match[str], str]]:
    """Return each content word of a text beside each of the others that has its form."""
    return [
        (match, other)
        for match in _WORD.finditer(text)
        if stems(match[0])
        for other in others
        if _form(other) == _form(match[0])
    ]


def _exchanged(text: str, match: re.Match[str], other: str) -> str:
    return text[: match.start()] + other + text[match.end() :]


def _form(word: str) -> str:
    """Return what tells numbers, names and the endings of other words apart."""
    return "number" if word[0].isdigit() else "name" if word[0].isupper() else word[-2:]


def own_checks(group: Group, drafts: Sequence[str], generator: random.Random) -> list[Check]:
    """Return the checks of the model's own drafts, and of those that were written or made up.

    A right draft comes again with a word exchanged, now and then, since the model itself errs in a few drafts only.
    """
    found = []
    for asked, draft in zip(group.asked, drafts, strict=True):
        verdict = _verdict(draft, asked.answer)
        if verdict is not None:
            found.append(Check(asked.question, draft, verdict))
        slipped = _slipped(draft, group.passages, generator) if generator.random() < 0.3 else None
        if slipped and verdict == "yes" and _verdict(slipped, asked.answer) != "yes":
            found.append(Check(asked.question, slipped, "wrong"))
    if group.written:
        found += group.written
    else:
        some = [asked for asked in group.asked if generator.random() < (0.5 if asked.answer else 0.2)]
        found += made_checks(Group(group.passages, some), generator)
    generator.shuffle(found)
    return found


def even(checks: Sequence[Check], verdicts: Sequence[str] = VERDICTS) -> list[Check]:
    """Return the checks, those of each verdict in turn, so that the first of them have as many of each as may be."""
    by_verdict = [[check for check in checks if check.verdict == verdict] for verdict in verdicts]
    return [check for of_turn in zip_longest(*by_verdict) for check in of_turn if check is not None]


def _verdict(draft: str, answer: str) -> str | None:
    """Return which verdict is right, None where it is in doubt: a draft is right that holds the words of the answer."""
    if not answer:
        return "no"
    words = stems(answer)
    held = share(words, stems(draft)) if words else 0.5
    return "yes" if held == 1 else "wrong" if held < 0.5 else None


def made_checks(group: Group, generator: random.Random) -> list[Check]:
    """Return a check of a draft that is made up, for each question of the group."""
    held = [sentence.text for sentence in sentences(Article("passages", group.passages, ""))]
    return [_made(asked, group.passages, held, generator) for asked in group.asked]


def _made(asked: Asked, passages: str, held: Sequence[str], generator: random.Random) -> Check:
    """Return the check of the answer in its own words, its sentence or a statement, or of something wrong.

    The wrong ones are what a small model writes: a sentence beside the point, the question's own words with something
    else in the answer's place, and the right sentence with one word exchanged.
    """
    question, answer = asked.question, asked.answer
    kind = generator.random()
    home = next((sentence for sentence in held if answer and answer in sentence), None)
    if answer and generator.random() < 0.45:
        right = answer if kind < 0.15 or home is None else home if kind < 0.6 else _statement(question, answer)
        return Check(question, right, "yes")
    if kind < 0.12:
        wrong = _other_words(question, answer, passages, generator)
    elif kind < 0.45:
        wrong = _beside(question, answer, held, generator)
    elif kind < 0.75:
        wrong = _statement(question, _other_words(question, answer, passages, generator) or "unknown")
    else:
        slipped = _slipped(home, passages, generator) if home else None
        wrong = slipped or _beside(question, answer, held, generator)
    return Check(question, wrong or _NOTHING, "wrong" if answer else "no")


def _statement(question: str, answer: str) -> str:
    """Return a clumsy sentence of the question's words and an answer."""
    told = _QUESTION_WORD.sub("", question.rstrip("?")).strip()
    if not told:
        return answer
    return f"{_capital(answer)} {told}." if len(question) % 2 else f"{_capital(told)} {answer}."


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _other_words(question: str, gold: str, passages: str, generator: random.Random) -> str | None:
    """Return other words of the passages, of the answer's form where there are any."""
    asked = stems(question)
    found = [
        phrase
        for phrase in _PHRASE.findall(passages)
        if not (gold and (phrase in gold or gold in phrase)) and not stems(phrase) <= asked
    ]
    alike = [phrase for phrase in found if gold and _form(phrase) == _form(gold)]
    chosen: str | None = generator.choice(alike or found) if found else None
    return chosen


def _beside(question: str, gold: str, held: Sequence[str], generator: random.Random) -> str | None:
    """Return the sentence without the answer that is most like the question."""
    asked = stems(question)
    found = [sentence for sentence in held if not (gold and gold in sentence)]
    return max(found, key=lambda sentence: float(len(stems(sentence) & asked) + generator.random()), default=None)


def _slipped(sentence: str, passages: str, generator: random.Random) -> str | None:
    """Return the sentence with a word, rather a name or a number, exchanged for another of its form."""
    others = [word for word in _WORD.findall(passages) if word not in sentence and stems(word)]
    choices = _exchanges(sentence, others)
    if not choices:
        return None
    weighty = [(match, other) for match, other in choices if match[0][0].isupper() or match[0][0].isdigit()]
    return _exchanged(sentence, *generator.choice(weighty if weighty and generator.random() < 0.6 else choices))
