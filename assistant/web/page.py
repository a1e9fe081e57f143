"""The page: the conversation, the question box, and the article beside them.

The conversation is kept here on the server. The chat window is an output only, since what a browser sends back can be
forged, and nothing that a stranger wrote reaches it unescaped. Knows nothing of how an answer comes about.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.answering import Assistant
from assistant.conversation import MAX_QUESTION_CHARACTERS
from assistant.rendering import LABELS, article_paragraphs, day, escape, markdown, without_markers
from assistant.types import Answer, Article, Status, Turn

_MAX_EXCHANGES = 50
"""The oldest leave the screen, so that an endless conversation does not fill the memory."""
_AT_ONCE = 2
_WAITING = 60

FAILED = "Something went wrong on our side, and the question was not answered. Please ask it again."
READING = "Reading the article…"

READY = "Ready."
_READY_WITHOUT_MODEL = {
    "none": "Ready. Answers are the article's own words.",
    "loading": "Ready. The language model is still loading; until then, answers are the article's own words.",
    "unavailable": "Ready. The language model is not available: answers are the article's own words.",
}

STYLE = """
#introduction h1 { margin-bottom: 0.25rem; }
#articles { overflow-wrap: anywhere; }
#articles h2 { margin-top: 0; }
#composer { align-items: end; }
#send { min-height: 42px; }
#window .placeholder-content { padding: 1rem; text-align: center; }
@media (max-width: 640px) { #window { height: 55vh !important; } }
@media (min-width: 900px) { #conversation { position: sticky; top: 1rem; align-self: flex-start; } }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.prose .headline { font-weight: 600; font-size: 0.9em; margin-bottom: 0.5rem; }
.prose .note, .prose .source { color: var(--body-text-color-subdued); font-size: 0.9em; margin: 0.25rem 0; }
.prose ol.quotations { list-style: none; padding: 0; margin: 0.75rem 0 0; }
.prose ol.quotations li { margin: 0 0 1rem; padding: 0; overflow-wrap: anywhere; }
.prose ol.quotations li:has(> b) { display: grid; grid-template-columns: 2em 1fr; }
.prose ol.quotations li:has(> b) > :not(b) { grid-column: 2; }
.prose ol.quotations li:focus { outline: 2px solid var(--color-accent); outline-offset: 4px; }
.prose ol.quotations blockquote { border-left: 3px solid var(--color-accent); margin: 0 !important; }
"""

HEAD = """<script>
// Gradio labels each message with its source text, and a line that changes with nothing.
new MutationObserver(() => {
  document.querySelectorAll("[data-testid=bot], [data-testid=user]").forEach(e => e.removeAttribute("aria-label"));
  document.querySelectorAll("#status:not([role])").forEach(e => e.setAttribute("role", "status"));
}).observe(document, {childList: true, subtree: true, attributes: true, attributeFilter: ["aria-label"]});
</script>"""
"""What a screen reader needs and Gradio has no setting for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question, what was shown for it, and what of it the next question may lean on."""

    number: int
    question: str
    shown: str
    """Escaped, ready to be shown."""
    turn: Turn | None = None
    """None where the assistant failed."""


Conversation = tuple[Exchange, ...]


def create_page(assistant: Assistant) -> gr.Blocks:
    """Return the page, with its queue, to be mounted."""
    articles = assistant.corpus.articles

    def answer(question: str | None, so_far: Conversation) -> Iterator[tuple[Any, ...]]:
        yield from _answer(assistant, question or "", so_far)

    page: gr.Blocks
    with gr.Blocks(title="Article assistant", analytics_enabled=False) as page:
        _text(_introduction(articles), "introduction")
        conversation = gr.State(())
        with gr.Row():
            with gr.Column(scale=3, min_width=320, elem_id="conversation"):
                window = _window()
                status = _text(_status(READY), "status")
                with gr.Row(elem_id="composer"):
                    box = _box()
                    send = gr.Button("Ask", variant="primary", scale=0, min_width=96, elem_id="send")
            with gr.Column(scale=2, min_width=320):
                _text(_articles(articles), "articles")
        gr.on(
            [box.submit, send.click],
            answer,
            inputs=[box, conversation],
            outputs=[box, window, conversation, status],
            trigger_mode="once",
            concurrency_limit=_AT_ONCE,
            show_progress="minimal",
            show_progress_on=status,
            api_visibility="private",
        )
        window.clear(
            lambda: ((), _status("The conversation is cleared.")),
            outputs=[conversation, status],
            api_visibility="private",
        )
        page.load(lambda: _status(_ready(assistant.model_state)), outputs=status, api_visibility="private")
    page.queue(max_size=_WAITING)
    return page


def _text(html: str, name: str) -> gr.Markdown:
    # Not gr.HTML: it shows nothing where the content security policy forbids eval.
    return gr.Markdown(html, elem_id=name, latex_delimiters=[])


def _window() -> gr.Chatbot:
    # What could come to life here is switched off, on top of the escaping.
    return gr.Chatbot(
        show_label=False,
        height="60vh",
        min_height=280,
        buttons=[],
        allow_tags=False,
        latex_delimiters=[],
        group_consecutive_messages=False,
        allow_file_downloads=False,
        feedback_options=None,
        placeholder="<p>Ask a question. The article's own words come at once, a written answer after them.</p>",
        elem_id="window",
    )


def _box() -> gr.Textbox:
    # No max_length: the browser would cut a longer question without a word.
    return gr.Textbox(
        label="Your question",
        info=f"At most {MAX_QUESTION_CHARACTERS} characters. Enter sends, Shift+Enter begins a new line.",
        lines=1,
        max_lines=6,
        scale=1,
        elem_id="question",
    )


def _answer(assistant: Assistant, question: str, so_far: Conversation) -> Iterator[tuple[Any, ...]]:
    """Yield what the box, the window, the state and the status line become; never raise, or the page would be stuck."""
    number = so_far[-1].number + 1 if so_far else 1
    exchange = Exchange(number, question, f"<p>{escape(READING)}</p>")
    yield "", _messages((*so_far, exchange)), so_far, _status(READING)
    answer: Answer | None = None
    try:
        turns = [earlier.turn for earlier in so_far if earlier.turn]
        for answer in assistant.stream(question, turns):
            if answer.status is not Status.BLOCKED_INPUT:
                exchange = _exchange(number, answer)
                yield gr.skip(), _messages((*so_far, exchange)), so_far, gr.skip()
    except Exception:  # noqa: BLE001 - whatever it was, the reader must be able to go on
        _log.exception("a question could not be answered")
        answer = None
    if answer is None:
        exchange = Exchange(number, question, f"<p>{escape(FAILED)}</p>")
    elif answer.status is Status.BLOCKED_INPUT:
        # The reader can mend the question, so it goes back into the box.
        reason = f"{LABELS[answer.status]}. {answer.text}"
        yield question, _messages(so_far), so_far, _status(reason)
        return
    conversation = (*so_far, exchange)[-_MAX_EXCHANGES:]
    yield gr.skip(), _messages(conversation), conversation, _status(_outcome(answer))


def _exchange(number: int, answer: Answer) -> Exchange:
    turn = Turn(answer.question, without_markers(answer))
    return Exchange(number, answer.question, markdown(answer, f"answer-{number}"), turn)


def _messages(conversation: Conversation) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = []
    for exchange in conversation:
        question = exchange.question
        if len(question) > MAX_QUESTION_CHARACTERS:
            question = f"{question[:MAX_QUESTION_CHARACTERS]}…"
        messages.append(
            {"role": "user", "content": f'<p><span class="hidden">You asked: </span>{escape(question)}</p>'}
        )
        messages.append({"role": "assistant", "content": exchange.shown})
    return messages


def _outcome(answer: Answer | None) -> str:
    if answer is None:
        return FAILED
    if answer.status in (Status.ANSWERED, Status.QUOTED):
        count = len(answer.citations)
        return f"The answer is complete, with {count} quotation{'' if count == 1 else 's'}."
    return f"{LABELS[answer.status]}."


def _ready(model_state: str) -> str:
    # What stands behind the colon is for the operator.
    return _READY_WITHOUT_MODEL.get(model_state.partition(":")[0], READY)


def _status(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _introduction(articles: tuple[Article, ...]) -> str:
    of_what = "the article on this page" if len(articles) == 1 else f"the {len(articles)} articles listed on this page"
    return (
        "<h1>Article assistant</h1>"
        f"<p>An AI answers your questions from {of_what} and nothing else. <strong>It can be wrong:</strong> "
        "check its answers against the quoted words under them.</p>"
    )


def _articles(articles: tuple[Article, ...]) -> str:
    """Return the article where there is one, else a list of links."""
    if len(articles) == 1:
        return f"<article>{article_header(articles[0], level=2)}{article_paragraphs(articles[0])}</article>"
    items = "".join(
        f'<li><a href="/article/{escape(article.id)}">{escape(article.title)}</a>{_dated(article)}</li>'
        for article in articles
    )
    return f"<h2>The articles</h2><ul>{items}</ul>"


def _dated(article: Article) -> str:
    return f", {escape(day(article.date))}" if article.date else ""


def article_header(article: Article, level: int) -> str:
    """Return the title, date and source of an article as HTML; `level` is that of its heading."""
    title = f"<h{level}>{escape(article.title)}</h{level}>"
    notes = [day(article.date)] if article.date else []
    notes += [f"title by {article.title_by}"] if article.title_by else []
    lines = [escape(" · ".join(notes)), escape(article.source)]
    if article.url:
        lines.append(f'<a href="{escape(article.url)}" rel="noopener noreferrer">The article at its publisher</a>')
    return title + "".join(f'<p class="note">{line}</p>' for line in lines if line)
