"""The conversation as it is kept on the server, and what of it is shown in the chat window.

Nothing that a stranger wrote is shown unescaped. The buttons do nothing by themselves: `static/chat.js` gives them
their meaning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.markup import closest_words, escape, html_line, markdown
from assistant.rendering import headline, nearest, note, source_line
from assistant.types import Answer, Article, Citation, Outcome, Status, Turn
from assistant.web.chat.starters import Starter

_MOST = 50
"""The oldest leave the screen, so that an endless conversation does not fill the memory."""

ALSO_ANSWERED = "Also answered here:"
ANSWERED_HERE = "Questions that are answered here:"
EVERYWHERE = "Ask this of all articles"
AS_ABOVE = "These are the same words as above."
STOPPED = "Stopped. There is no complete answer."
GONE = "This answer is gone: an article that it was about is no longer here."
LOST = (
    "Your earlier questions and answers are gone. They are kept for an hour at most, and a restart of the assistant or "
    "a crowd of readers can end that sooner."
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, and what became of it so far."""

    number: int
    question: str
    article: Article | None = None
    """The only one of several that was chosen to answer from; None for all."""
    opened: Article | None = None
    """The one that the reader had opened, where none was chosen to answer from."""
    is_everywhere: bool = False
    """Whether all are to be searched, whichever the question means."""
    stands_alone: bool = False
    """Whether it follows on nothing that was said before."""
    answer: Answer | None = None
    """The newest snapshot."""
    notice: str = ""
    """What is said instead of an answer; what there is of one are then only the closest words."""
    follow_ups: tuple[Starter, ...] = ()
    """Questions that the article is known to answer."""

    @property
    def only(self) -> Article | None:
        """The only article that is searched; None for all, or where that is not known yet."""
        return self.article or (self.answer.searched if self.answer else None)

    @property
    def scope(self) -> tuple[str | None, str | None]:
        """What to answer from, and what the reader had opened, as `Assistant.stream` takes them."""
        return "" if self.is_everywhere else id_of(self.article), id_of(self.opened)

    @property
    def searched(self) -> str:
        """What is said where the answer may stand in another article; nothing where all were searched."""
        if self.only is None:
            return ""
        which = "" if self.answer and self.answer.citations else f": {source_line(self.only)}"
        return f"Only this article was searched{which}."

    @property
    def quoted(self) -> list[Citation]:
        """The quotations that are the whole of a complete answer."""
        answer = self.answer if self.turn and self.answer and self.answer.status is Status.QUOTED else None
        return [*answer.citations] if answer else []

    @property
    def turn(self) -> Turn | None:
        """What the next question may follow on; None where there is no complete answer, or only words of help."""
        if self.answer is None or not self.answer.final or self.answer.outcome is Outcome.HELP:
            return None
        about = next((each.article for each in self.answer.citations), self.only)
        return Turn(self.answer.question, self.answer.words, about.id if about else "")

    def without_gone(self, articles: Collection[str]) -> Exchange:
        """Return the exchange without what it says of articles other than those of these ids."""
        told = {article.id for article in (self.only, *(self.answer.articles if self.answer else ())) if article}
        if not told.issubset(articles):
            return Exchange(self.number, self.question, notice=GONE)
        return replace(self, follow_ups=tuple(each for each in self.follow_ups if each.article in articles))


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said in one tab."""

    exchanges: tuple[Exchange, ...] = ()
    is_editing: bool = False
    """Whether the next question takes the place of the last one."""
    is_lost: bool = False
    """Whether something was said before that is no longer kept."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The complete exchanges that the newest one follows on, oldest first."""
        begin = max((place for place, each in enumerate(self.exchanges) if each.stands_alone), default=0)
        return tuple(exchange.turn for exchange in self.exchanges[begin:] if exchange.turn)

    @property
    def last(self) -> Exchange | None:
        """The newest exchange."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def without_last(self) -> Conversation:
        """The conversation before its last question."""
        return Conversation(self.exchanges[:-1], is_lost=self.is_lost)

    @property
    def before_next(self) -> Conversation:
        """The conversation that the next question follows on."""
        return self.without_last if self.is_editing else self

    def without_gone(self, articles: Collection[str]) -> Conversation:
        """Return the conversation without what it says of articles other than those of these ids."""
        return replace(self, exchanges=tuple(exchange.without_gone(articles) for exchange in self.exchanges))

    def with_next(self, exchange: Exchange) -> Conversation:
        """Return the conversation with one more exchange; too long a one loses its beginning."""
        return Conversation((*self.exchanges, exchange)[-_MOST:], is_lost=self.is_lost)

    def numbered(self, number: int) -> Exchange | None:
        """Return the exchange of that number, where it is still there."""
        return next((exchange for exchange in self.exchanges if exchange.number == number), None)

    @property
    def next_number(self) -> int:
        """The number of the next exchange; never one that is on the screen."""
        return self.last.number + 1 if self.last else 1


def id_of(article: Article | None) -> str | None:
    """Return the id of an article, where there is one."""
    return article.id if article else None


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """Return the conversation as the chat window takes it; with the last exchange comes what can be done next."""
    shown: list[dict[str, str]] = []
    if conversation.is_lost:
        shown.append({"role": "assistant", "content": f'<p class="notice">{escape(LOST)}</p>'})
    before: Exchange | None = None
    for exchange in conversation.exchanges:
        is_last = exchange is conversation.last
        at_last = _at_question(conversation) if is_last else ""
        shown.append({"role": "user", "content": f"{_question(exchange)}{at_last}"})
        shown.append({"role": "assistant", "content": _reply(exchange, before, is_last=is_last)})
        before = exchange
    return shown


def _question(exchange: Exchange) -> str:
    question = exchange.question
    if len(question) > MAX_QUESTION_CHARACTERS:
        question = f"{question[:MAX_QUESTION_CHARACTERS]}…"
    # A heading, so that a screen reader leads from question to question.
    return f'<h2 id="question-{exchange.number}"><span class="hidden">You asked: </span>{escape(question)}</h2>'


def _at_question(conversation: Conversation) -> str:
    """Return the buttons at the last question."""
    if conversation.is_editing:
        return _buttons("", {"keep": ("Keep the answer", "")})
    return _buttons("", {"edit": ("Edit", " the question"), "retry": ("Try again", "")})


def _reply(exchange: Exchange, before: Exchange | None, *, is_last: bool) -> str:
    parts = [f'<p class="notice">{escape(exchange.notice)}</p>'] if exchange.notice else []
    if before and exchange.quoted and exchange.quoted == before.quoted:
        parts.append(f'<p class="note">{AS_ABOVE}</p>')
    if exchange.answer and exchange.notice:
        parts.append(closest_words(exchange.answer.citations))
    elif exchange.answer:
        parts.append(markdown(exchange.answer, f"answer-{exchange.number}"))
    if exchange.turn:
        parts.append(_searched(exchange, is_last=is_last))
        is_declined = exchange.answer is not None and exchange.answer.status is Status.DECLINED
        offered = tuple(starter.question for starter in exchange.follow_ups) if is_last else ()
        others = suggestions(ANSWERED_HERE if is_declined else ALSO_ANSWERED, offered)
        # Who got no answer is offered one before anything else.
        actions = _actions(exchange, is_last=is_last)
        parts += [others, actions] if is_declined else [actions, others]
    elif is_last:
        parts.append(_actions(exchange, is_last=True))
    return f'<div class="reply">{"".join(parts)}</div>'


def read_out(exchange: Exchange) -> str:
    """Return what a screen reader says of a complete answer or a refusal, once, without what stands around it.

    Nothing where a notice took its place: the line above the question box has said it.
    """
    answer = exchange.answer
    if exchange.notice or answer is None:
        return ""
    near = nearest(answer)
    told = f"{headline(answer)}. {near}" if near else f"{answer.words} {headline(answer)}."
    return html_line(" ".join(filter(None, (told, note(answer), exchange.searched))))


def suggestions(words: str, questions: tuple[str, ...]) -> str:
    """Return questions that can be asked with one click, under some words; nothing where there are none."""
    if not questions:
        return ""
    items = "".join(
        f'<li><button type="button" class="suggestion">{escape(question)}</button></li>' for question in questions
    )
    return f'<div class="suggestions"><p class="note">{escape(words)}</p><ul>{items}</ul></div>'


def _searched(exchange: Exchange, *, is_last: bool) -> str:
    if not exchange.searched:
        return ""
    button = f'<button type="button" class="everywhere">{escape(EVERYWHERE)}</button>' if is_last else ""
    return f'<p class="note searched">{escape(exchange.searched)} {button}</p>'


def _actions(exchange: Exchange, *, is_last: bool) -> str:
    """Return the one line of what can be done with an answer, and at the end of the last, with the conversation."""
    value = f"{exchange.number} {exchange.only.id if exchange.only else ''}"
    of_answer = f", answer {exchange.number}"
    names = {"copy": "Copy", "link": "Link", "helpful": "Helpful", "unhelpful": "Not helpful"}
    line = {name: (label, of_answer) for name, label in names.items()} if exchange.turn else {}
    menu = {"listen": ("Listen", of_answer)} if exchange.turn else {}
    menu |= {"save": ("Save as Markdown", ""), "clear": ("Clear", " the conversation")} if is_last else {}
    more = f'<details class="menu"><summary>More</summary>{_buttons(value, menu)}</details>'
    return _buttons(value, line, more)


def _buttons(value: str, labels: Mapping[str, tuple[str, str]], more: str = "") -> str:
    """Return a line of buttons by their names, each with what is seen on it and what is only heard."""
    buttons = "".join(
        f'<button type="button" class="action" name="{name}" value="{escape(value)}">{seen}'
        f'<span class="hidden">{heard}</span></button>'
        for name, (seen, heard) in labels.items()
    )
    return f'<div class="actions">{buttons}{more}</div>'
