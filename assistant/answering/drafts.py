"""What the model wrote, beside the evidence: which piece supports each sentence, and whether anything in it slips.

Asks no model, and does not decide whether a draft is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.answering import attribution, calibration, quoting, understanding
from assistant.answering.grounding import (
    Support,
    answers,
    held_by,
    is_of_the_article,
    may_say_yes,
    names_and_numbers_not_held,
    names_not_held,
    speaks,
    support,
    tells_machines,
    weakest,
)
from assistant.answering.quoting import Told, Window
from assistant.articles.passages import is_label, sentences, statements
from assistant.articles.speakers import context_of, persons
from assistant.articles.terms import known_names, stems
from assistant.errors import ModelError, TooLongError
from assistant.model.chat import Draft
from assistant.search.retrieval import Findings
from assistant.types import Article, Passage, Sentence

_MARKUP = re.compile(r"</?[a-z!]", re.IGNORECASE)
"""An answer is words: a tag in it is what somebody else wants to have there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a draft says, a sentence or two, beside the piece of evidence that supports it best."""

    text: str
    window: Window


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """What the model wrote, checked."""

    claims: tuple[Claim, ...]
    """Its whole sentences, at most two, beside one piece of evidence or each beside its own; one without words where it
    has none."""
    support: Support
    signals: Mapping[str, float]
    """What tells whether it may be shown."""
    told: Told
    """What tells which sentences are quoted where it is not shown."""

    @property
    def text(self) -> str:
        """All its words."""
        return " ".join(claim.text for claim in self.claims)

    @property
    def evidence(self) -> tuple[Sentence, ...]:
        """The sentences that are to be cited for it."""
        return evidence_of(self.claims)


def finished(drafts: Iterator[Draft]) -> Draft:
    """Return the last draft.

    Raises:
        ModelError: it was cut off within its first sentence. Half a sentence says nothing, not even that there is no
            answer.
        TooLongError: likewise, where an answer must end.
    """
    *_, draft = drafts
    if not draft.complete and not _complete_sentences(draft):
        cut_off = "The model was cut off within its first sentence"
        raise TooLongError(cut_off) if draft.too_long else ModelError(cut_off)
    return draft


def check(
    draft: Draft,
    findings: Findings,
    signals: Mapping[str, float],
    similarities: Callable[[str], Mapping[str, float]],
    places: int = 1,
) -> CheckedDraft:
    """Return the draft beside the evidence that supports it best.

    `signals` are those that there were without it; `similarities` tells how like it the sentences are that were found,
    by id. Its names and numbers may stand in so many `places` of the article.
    """
    draft = replace(draft, text=_without_heading(draft.text, findings))
    whole = _complete_sentences(draft)
    claims, supported = _claims(whole or [draft.text], findings, places)
    known = _known_names(claims)
    told = calibration.draft_signals(findings.query, draft.text, supported, known)
    written = calibration.written_signals(
        draft.text,
        draft.log_probabilities,
        supported,
        max(_behind(claim.window, findings) for claim in claims),
    )
    text = " ".join(whole)
    shown = claims if whole else (Claim("", claims[0].window),)
    return CheckedDraft(
        shown, supported, {**signals, **told, **written}, Told(text, similarities(text) if text else {})
    )


def holds(draft: CheckedDraft, question: str) -> bool:
    """Whether the draft answers the question, and nothing in it slips that must not, however likely it is."""
    return (
        bool(draft.text)
        and not _MARKUP.search(draft.text)
        and draft.support.facts
        and draft.support.words > 0  # A sentence that shares no word with what is cited for it came from elsewhere.
        and all(is_of_the_article(claim.text, claim.window.sentences[0].article.text) for claim in draft.claims)
        and answers(draft.text, question, draft.support, _known_names(draft.claims))
        and may_say_yes(draft.text, question, draft.evidence)
        and attribution.names_the_speaker(question, draft.text, draft.evidence)
    )


def evidence_of(claims: Iterable[Claim]) -> tuple[Sentence, ...]:
    """Return the sentences that are cited for some claims, each once."""
    return tuple(dict.fromkeys(sentence for claim in claims for sentence in claim.window.all))


def _known_names(claims: Sequence[Claim]) -> frozenset[str]:
    return frozenset().union(*(known_names(claim.window.sentences[0].article.text) for claim in claims))


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


def _claims(told: Sequence[str], findings: Findings, places: int) -> tuple[tuple[Claim, ...], Support]:
    """Return what was told beside the evidence that supports it best: one piece, or one for each sentence."""
    everything = " ".join(told)
    window, supported = _best_window(everything, findings, places)
    supported = weakest(supported, [support(each, findings.query, window.all) for each in told])
    # A "he" stands for whom the sentence before names, and its own evidence may speak of another.
    if len(told) > 1 and not any(understanding.refers_back(each) for each in told[1:]):
        apart = [_best_window(each, findings, places) for each in told]
        each_own = replace(
            weakest(supported, [own for _, own in apart], alone=True),
            asked_names=supported.asked_names or any(own.asked_names for _, own in apart),
            swapped=tuple(sorted({word for _, own in apart for word in own.swapped})),
        )
        if _strength(each_own) > _strength(supported):
            return tuple(Claim(each, own) for each, (own, _) in zip(told, apart, strict=True)), each_own
    return (Claim(everything, window),), supported


def _best_window(claim: str, findings: Findings, places: int) -> tuple[Window, Support]:
    """Return the piece of evidence that supports the claim best, and how far it does."""
    found = [
        (window, support(claim, findings.query, window.all))
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
    if named is None and places > 1:
        named = _in_places(claim, window, findings, places)
    if named is not None:
        supported_so = support(claim, findings.query, named.all)
        if supported_so.facts:
            return named, supported_so
    return window, supported


def _in_places(claim: str, window: Window, findings: Findings, places: int) -> Window | None:
    """Return the window with further sentences, so that all names and numbers of the claim stand in so many places.

    Who sums up tells what stands apart. None where that does not do.
    """
    there = [each for passage in quoting.candidate_passages(findings) for each in statements(passage)]
    added: list[Sentence] = []
    while missing := names_and_numbers_not_held(claim, [*window.all, *added]):
        best = max(there, key=lambda each: (len(missing & held_by(each)), len(stems(claim) & stems(each.text))))
        if len(added) + 1 == places or tells_machines(best) or not missing & held_by(best):
            return None
        added.append(best)
    told = sorted({*window.sentences, *added}, key=lambda each: each.start)
    return Window(window.leading, tuple(told)) if added else None


_SOMEBODY = re.compile(r"\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_FULL_NAME = re.compile(r"[A-ZÀ-Þ][\w.'’-]*(?: [A-ZÀ-Þ][\w.'’-]*)+")


def _named_before(claim: str, window: Window) -> Window | None:
    """Return the piece behind the nearest earlier sentence with all the names that the claim has and it has not.

    It may call them "the move", "he" or by the surname alone, and whoever reads it needs to see who or what that is.
    None where no earlier sentence does. Whoever speaks or is a person must be the one whom the piece means: it has
    another part of the name, or says "he" or "she" and names nobody.
    """
    article = window.sentences[0].article
    names = names_not_held(claim, window.all)
    told = " ".join(sentence.text for sentence in window.sentences)
    held, everybody = stems(told), persons(article.text)
    is_somebody = speaks(claim, names) or bool(names & stems(" ".join(everybody.values())))
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
    """Yield each sentence and each two neighbours of the passage, with what they lean on; none that states nothing."""
    stating = set(statements(passage))
    for first in range(len(passage.sentences)):
        for last in range(first + 1, min(first + 2, len(passage.sentences)) + 1):
            run = passage.sentences[first:last]
            if stating.isdisjoint(run):
                continue
            leading = [s for sentence in run for s in context_of(sentence).needs if s not in run]
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
