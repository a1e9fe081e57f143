"""The writer for a capable model: numbered sentences in, cited sentences out, and a second call that checks them.

What is written is held against the rules, and then checked by the same model, or another, against the sentences that it
cites. Where either objects it is written once more, with the objection. Only what passes both may be shown; else the
sentences that were cited are quoted. A refusal needs no check: it states nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self, TypeVar

from langchain_core.messages import HumanMessage
from pydantic import BaseModel, BeforeValidator, field_validator, model_validator

from assistant.answering import quoting, rules
from assistant.answering.material import Material
from assistant.answering.reply import Answerable, Reply, Statement, cited
from assistant.answering.trace import Trace
from assistant.answering.understanding.question import Question
from assistant.articles.terms import stems
from assistant.errors import ModelError
from assistant.model.limit import Limit
from assistant.model.prompts import recent, render
from assistant.model.provider import Provider
from assistant.types import Turn

MOST_CITED = 6
"""Sentences that one statement may cite, with those that the check adds."""

LocalCheck = Callable[[str], bool]
"""Whether an answer is right, as far as the packaged model can tell."""


def _completed(said: Any, **left_out: object) -> Any:  # noqa: ANN401 - whatever a model says
    """Return an object with what a model left out of it, or said null for: without a schema it may do so."""
    if not isinstance(said, dict):
        return said
    return left_out | {name: value for name, value in said.items() if value is not None}


_Answerable = Annotated[
    Answerable, BeforeValidator(lambda said: said.strip(" .").lower() if isinstance(said, str) else said)
]
"""However it is spelled."""


class Cited(BaseModel):
    """A sentence, and the numbers of the sentences that support it."""

    text: str
    cites: list[int]


class Written(BaseModel):
    """The form of an answer."""

    answerable: _Answerable
    sentences: list[Cited]
    near: Cited | None

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, said: Any) -> Any:  # noqa: ANN401
        return _completed(said, sentences=[], near=None)

    @field_validator("sentences")
    @classmethod
    def _with_words(cls, sentences: list[Cited]) -> list[Cited]:
        return [each for each in sentences if any(map(str.isalnum, each.text))]

    @model_validator(mode="after")
    def _says_what_it_promises(self) -> Self:
        if self.answerable != "no" and not self.sentences:
            raise ValueError("there is an answer, and no sentence of it")
        return self


class Checked(BaseModel):
    """The form of a check."""

    supported: bool
    answers: _Answerable
    wrong_words: list[str]
    should_say: str
    missing_cites: list[int]

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, said: Any) -> Any:  # noqa: ANN401
        return _completed(said, wrong_words=[], should_say="", missing_cites=[])


class Standalone(BaseModel):
    """The form of a question that was written anew."""

    question: str


_Form = TypeVar("_Form", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class CapableWriter:
    """A model that writes, and what checks it."""

    model: Provider
    checker: Provider | LocalCheck | None
    """None where the rules alone decide."""

    def reply(self, question: Question, material: Material, limit: Limit, trace: Trace) -> Reply:
        """Return what the model makes of a question.

        Raises:
            ModelError: the model wrote nothing, so that there is nothing to go on.
        """
        task = _Task(self, question, material, limit, trace)
        first = task.written()
        verdict = task.verdict(first)
        if not verdict.objection:
            return verdict.reply
        try:
            return task.verdict(task.rewritten(first, verdict.objection)).reply
        except ModelError as error:
            return replace(verdict.reply, error=error)

    def standalone(self, question: Question, limit: Limit, trace: Trace) -> str:
        """Return a question so that it can be searched for without the turns before it.

        Raises:
            ModelError: there is none.
        """
        words = render("standalone", turns=_turns(question.turns), question=question.text)
        with trace.step("standalone"):
            written = self.model.ask([HumanMessage(words)], Standalone, limit, trace.used)
        return " ".join(written.question.split())


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What may be shown of what was written, and what is to be said against it."""

    reply: Reply
    objection: str = ""


@dataclass(frozen=True, slots=True)
class _Task:
    """One question on its way to a reply."""

    writer: CapableWriter
    question: Question
    material: Material
    limit: Limit
    trace: Trace

    def written(self) -> Written:
        """Return what the model writes."""
        with self.trace.step("write"):
            return self._noted(self._ask(self.writer.model, Written, "capable_answer"))

    def rewritten(self, before: Written, objection: str) -> Written:
        """Return what the model writes after an objection."""
        self.trace.note(objection=objection)
        answer = _with_numbers(before.sentences)
        with self.trace.step("write"):
            return self._noted(
                self._ask(self.writer.model, Written, "capable_repair", answer=answer, objection=objection)
            )

    def _noted(self, written: Written) -> Written:
        near = [written.near] if written.near else []
        self.trace.note(written=_with_numbers([*written.sentences, *near]))
        return written

    def verdict(self, written: Written) -> _Verdict:
        """Return what the rules, and then the check, let through."""
        if written.answerable == "no":
            return _Verdict(Reply("no", near=self._near(written.near)))
        statements = tuple(map(self._statement, written.sentences))
        refused = Reply(written.answerable, quoted=quoting.around(cited(statements)), thrown_out=True)
        if found := rules.objections(self.question.text, statements):
            return _Verdict(refused, " ".join(found))
        if self.writer.checker is None:
            return _Verdict(Reply(written.answerable, statements))
        try:
            checked = self._checked(self.writer.checker, written.sentences)
        except ModelError as error:
            # What is not checked is not shown.
            return _Verdict(replace(refused, error=error))
        if checked.supported and checked.answers != "no":
            answerable: Answerable = "partly" if "partly" in (written.answerable, checked.answers) else "yes"
            return _Verdict(Reply(answerable, self._completed(statements, checked.missing_cites)))
        refused = replace(refused, answerable="no") if checked.answers == "no" else refused
        return _Verdict(refused, _objection(checked))

    def _near(self, written: Cited | None) -> Statement | None:
        """Return what comes nearest, where the rules and the check let it through."""
        if written is None:
            return None
        near = self._statement(written)
        if rules.objections(self.question.text, [near]):
            return None
        try:
            passes = self.writer.checker is None or self._checked(self.writer.checker, [written]).supported
        except ModelError:
            return None
        return near if passes else None

    def _checked(self, checker: Provider | LocalCheck, sentences: Sequence[Cited]) -> Checked:
        with self.trace.step("check"):
            if isinstance(checker, Provider):
                return self._ask(checker, Checked, "capable_check", answer=_with_numbers(sentences))
            is_right = checker(" ".join(each.text for each in sentences))
            return Checked(supported=is_right, answers="yes", wrong_words=[], should_say="", missing_cites=[])

    def _statement(self, written: Cited) -> Statement:
        return Statement(" ".join(written.text.split()), self.material.numbered(written.cites))

    def _completed(self, statements: Sequence[Statement], missing: Sequence[int]) -> tuple[Statement, ...]:
        """Return the statements with the sentences that are to be cited besides, each where it shares most words."""
        completed = list(statements)
        for sentence in self.material.numbered(missing):
            if any(sentence in statement.cites for statement in completed):
                continue
            shared = [len(stems(sentence.text) & stems(statement.text)) for statement in completed]
            place = shared.index(max(shared))
            cites = (*completed[place].cites, sentence)[:MOST_CITED]
            completed[place] = replace(completed[place], cites=tuple(sorted(cites, key=self.material.number_of)))
        return tuple(completed)

    def _ask(self, model: Provider, form: type[_Form], prompt: str, **values: str) -> _Form:
        """Ask with what is the same in all calls first, so that a provider can keep it."""
        task = render(prompt, turns=_turns(self.question.turns), question=self.question.text, **values)
        messages = [model.kept(render("capable", material=self.material.text)), HumanMessage(task)]
        return model.ask(messages, form, self.limit, self.trace.used)


def _objection(checked: Checked) -> str:
    wrong = "; ".join(f"“{words}”" for words in checked.wrong_words)
    told = [
        f"Not supported: {wrong or 'what it says'}." if not checked.supported else "",
        "It does not answer what was asked." if checked.answers == "no" else "",
        f"Right would be: {checked.should_say}" if checked.should_say else "",
    ]
    return " ".join(filter(None, told))


def _with_numbers(sentences: Sequence[Cited]) -> str:
    """Return sentences with the numbers that they cite, as a prompt has them."""
    return " ".join(
        f"{' '.join(each.text.split())} {''.join(f'[{number}]' for number in each.cites)}" for each in sentences
    )


def _turns(turns: Sequence[Turn]) -> str:
    lines = [f"Reader: {turn.question}\nAnswer: {turn.answer}\n" for turn in recent(turns)]
    return "".join(["Earlier in this conversation:\n", *lines]) if lines else ""
