"""What the model wrote, beside the evidence: which piece supports each sentence, and whether anything in it slips.

Asks no model, and does not decide whether a draft is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.answering import attribution, quoting
from assistant.answering.packaged import calibration
from assistant.answering.packaged.grounding import (
    Claim,
    Support,
    answers,
    is_of_the_article,
    may_say_yes,
    names_not_held,
    speaks,
    support,
    tells_machines,
    weakest,
)
from assistant.answering.quoting import Told, Window
from assistant.answering.reply import Statement, cited
from assistant.answering.understanding.follow_ups import refers_back
from assistant.answering.understanding.question import Question
from assistant.articles.annotated import annotated, annotation
from assistant.articles.passages import is_label, sentences, statements
from assistant.articles.terms import stems
from assistant.articles.words import Words
from assistant.model.chat import Draft
from assistant.search.retrieval import Findings
from assistant.types import Article, Passage, Sentence

_MARKUP = re.compile(r"</?[a-z!]", re.IGNORECASE)
"""An answer is words: a tag in it is what somebody else wants to have there."""


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """What the model wrote, checked."""

    statements: tuple[Statement, ...]
    """Its whole sentences, at most two, as one statement or each by itself; one without words where it has none."""
    support: Support
    signals: Mapping[str, float]
    """From these follows whether it may be shown."""
    told: Told
    """From this follows which sentences are quoted where it is not shown."""
    is_clear: bool = True
    """Whether it is clear that it opens with yes, or with no, where that is asked."""

    @property
    def text(self) -> str:
        """All its words."""
        return " ".join(statement.text for statement in self.statements)

    @property
    def evidence(self) -> tuple[Sentence, ...]:
        """The sentences that are to be cited for it."""
        return cited(self.statements)


def check(
    draft: Draft,
    findings: Findings,
    signals: Mapping[str, float],
    similarities: Callable[[str], Mapping[str, float]],
) -> CheckedDraft:
    """Return the draft beside the evidence that supports it best.

    `signals` are those without the draft; `similarities` returns how like it the found sentences are, by id.
    """
    draft = replace(draft, text=_without_heading(draft.text, findings))
    whole = _complete_sentences(draft)
    claims, windows, supported = _supported(whole or [draft.text], findings)
    text = " ".join(whole)
    shown = tuple(
        Statement(claim.text if whole else "", window.all) for claim, window in zip(claims, windows, strict=True)
    )
    told = calibration.draft_signals(findings.query, Words(draft.text, _known_names(shown)), supported)
    behind = max(_behind(window, findings) for window in windows)
    written = calibration.written_signals(draft.text, draft.log_probabilities, supported, behind)
    hint = Told(text, similarities(text) if text else {})
    return CheckedDraft(shown if whole else shown[:1], supported, {**signals, **told, **written}, hint)


def slips(draft: CheckedDraft, question: Question, query: str) -> list[str]:
    """Return what forbids the draft to be shown, however likely it is, each in a few words; mostly nothing."""
    if not draft.text:
        return ["it has no whole sentence"]
    support, claim = draft.support, Claim(draft.text, query)
    kept = {
        "it may be yes or no": draft.is_clear,
        "it has markup": not _MARKUP.search(draft.text),
        "a number is not in its evidence": support.numbers,
        "a name is not in its evidence": support.names,
        "it denies what its evidence asserts, or the other way round": support.negation,
        "another one speaks in its evidence": support.speaker,
        "it shares no word with its evidence": support.words > 0,
        "a part of it has no word of the article": all(
            is_of_the_article(each.text, annotated(each.cites[0].article)) for each in draft.statements
        ),
        "it does not tell what is asked for": answers(claim, support, _known_names(draft.statements)),
        "its Yes does not keep to the question": may_say_yes(claim, draft.evidence),
        "it does not name the speaker": attribution.names_the_speaker(question, draft.text, draft.evidence),
    }
    return [slip for slip, is_kept in kept.items() if not is_kept]


def _known_names(statements: Sequence[Statement]) -> frozenset[str]:
    return frozenset().union(*(annotated(statement.cites[0].article).names for statement in statements))


def _strength(supported: Support) -> float:
    """Return how far evidence supports a claim, 0 to 3: that nothing slips counts as much as all its words.

    What slips in the evidence that a claim comes from must not send it to another piece, where nothing is compared.
    """
    return supported.kept + supported.new_words + supported.words


def _behind(window: Window, findings: Findings) -> float:
    """Return how much less like the question the evidence's passage is than the passage that is most like it."""
    likeness = {passage: findings.similarities.get(passage.id, 0.0) for passage in quoting.candidate_passages(findings)}
    own = (value for passage, value in likeness.items() if not set(window.sentences).isdisjoint(passage.sentences))
    return max(likeness.values()) - max(own)


def _supported(told: Sequence[str], findings: Findings) -> tuple[list[Claim], list[Window], Support]:
    """Return the claims of a draft with the evidence that supports them best: one piece, or one for each sentence."""
    everything = Claim(" ".join(told), findings.query)
    claims = [Claim(each, findings.query) for each in told]
    window, supported = _best_window(everything, findings)
    supported = weakest(supported, [support(each, window.all) for each in claims])
    # A "he" stands for whom the sentence before names, and its own evidence may speak of another.
    if len(told) > 1 and not any(refers_back(each) for each in told[1:]):
        apart = [_best_window(each, findings) for each in claims]
        each_own = replace(
            weakest(supported, [own for _, own in apart], alone=True),
            asked_names=supported.asked_names or any(own.asked_names for _, own in apart),
            swapped=tuple(sorted({word for _, own in apart for word in own.swapped})),
        )
        if _strength(each_own) > _strength(supported):
            return claims, [own for own, _ in apart], each_own
    return [everything], [window], supported


def _best_window(claim: Claim, findings: Findings) -> tuple[Window, Support]:
    """Return the piece of evidence that supports the claim best, and how far it does."""
    found = [
        (window, support(claim, window.all))
        for passage in quoting.candidate_passages(findings)
        for window in _windows(passage)
    ]
    # A command to machines is the last thing to rest on.
    window, supported = max(
        found, key=lambda pair: (not any(map(tells_machines, pair[0].all)), _strength(pair[1]), -len(pair[0].all))
    )
    # A sentence that brings in a name may bring in a number or a "not" too, which the claim has from nowhere.
    only_names_slip = not supported.names and replace(supported, names=True).facts
    named = _named_before(claim, window) if only_names_slip else None
    if named is not None:
        supported_so = support(claim, named.all)
        if supported_so.facts:
            return named, supported_so
    return window, supported


_SOMEBODY = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_FULL_NAME = re.compile(r"[A-ZÀ-Þ][\w.'’-]*(?: [A-ZÀ-Þ][\w.'’-]*)+")


def _named_before(claim: Claim, window: Window) -> Window | None:
    """Return the piece behind the nearest earlier sentence with all the names that the claim has and it has not.

    The piece may say "the move", "he" or a surname alone, and a reader needs to see who or what that is. None where no
    earlier sentence has the names. A speaker or a person must be the one whom the piece means: it has another part of
    the name, or says "he" or "she" and names nobody.
    """
    article = window.sentences[0].article
    names = names_not_held(claim, window.all)
    told = " ".join(sentence.text for sentence in window.sentences)
    held, everybody = stems(told), annotated(article).people
    is_somebody = speaks(claim.text, names) or bool(names & stems(" ".join(everybody.values())))
    may_be_meant = _SOMEBODY.search(told) and not held & stems(" ".join(everybody))
    for sentence in reversed([each for each in sentences(article) if each.end <= window.sentences[0].start]):
        if not names <= stems(sentence.text) or tells_machines(sentence):
            continue
        has_another_part = any(
            names <= (full := stems(name)) and full & held for name in _FULL_NAME.findall(sentence.text)
        )
        if has_another_part or may_be_meant or not is_somebody:
            leading = {sentence, *window.leading}
            return Window(tuple(sorted(leading, key=lambda each: each.start)), window.sentences)
    return None


def _windows(passage: Passage) -> Iterator[Window]:
    """Yield each sentence and each two neighbours of the passage with their leading ones; none that states nothing."""
    stating = set(statements(passage))
    for first in range(len(passage.sentences)):
        for last in range(first + 1, min(first + 2, len(passage.sentences)) + 1):
            run = passage.sentences[first:last]
            if stating.isdisjoint(run):
                continue
            leading = [s for sentence in run for s in annotation(sentence).context.needs if s not in run]
            yield Window(tuple(dict.fromkeys(leading)), run)


def _without_heading(draft: str, findings: Findings) -> str:
    """Return a draft without the heading that it begins with: the model copies what stands above a sentence too."""
    labels = (s.text for passage in quoting.candidate_passages(findings) for s in passage.sentences if is_label(s))
    rests = (draft[len(each) + 1 :] for each in labels if " " in each and draft.startswith(f"{each} "))
    # Where the sentence goes on, its first words only look like a heading.
    return next((rest for rest in rests if rest[:1].isupper()), draft)


def _complete_sentences(draft: Draft) -> list[str]:
    """Return the first two sentences of a draft, without one that was cut off."""
    whole = [sentence.text for sentence in sentences(Article("draft", draft.text, ""))]
    while not draft.complete and whole and not whole[-1].rstrip("\"'”’").endswith((".", "!", "?")):
        whole.pop()
    return whole[:2]
