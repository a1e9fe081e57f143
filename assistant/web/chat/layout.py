"""What the chat consists of: its components and its fixed words."""

from __future__ import annotations

from typing import Any

import gradio as gr
from jinja2 import PackageLoader

from assistant.answering.understanding.question import MAX_QUESTION_CHARACTERS
from assistant.markup import article_list, article_paragraphs, escape, html_line, in_section
from assistant.rendering import source_line
from assistant.types import Article
from assistant.web.chat.feedback_form import ReportForm, Update
from assistant.web.plain.pages import TEMPLATES, article_whole, switched_off
from assistant.web.service import TEXTS, Reason, Service

CONNECTING = "Connecting…"
"""Until the server has greeted."""
NOTHING_YET = "There is no answer yet."
OFFLINE = "This device is offline. What was said stays here."

NAME = "Article assistant"
HEAD = '<link rel="stylesheet" href="/site/chat.css"><script type="module" src="/site/chat.js"></script>'
"""Added to the head by Gradio's script."""
_TEMPLATES = TEMPLATES.overlay(loader=PackageLoader("assistant.web.chat"))
TAGS = _TEMPLATES.get_template("head.html").render(
    name=NAME,
    limit=MAX_QUESTION_CHARACTERS,
    connecting=CONNECTING,
    offline=OFFLINE,
    nothing_yet=NOTHING_YET,
    busy=TEXTS[Reason.BUSY].partition("{wait}")[0],
)
"""In the head from the beginning, as a part of Gradio's own template."""

_SKIP_TO_BOX = '<p class="skip"><a href="#question">Skip to the question box</a></p>'
_SKIP_TO_ARTICLE = '<p class="skip"><a href="#reading">Skip to the article</a></p>'
_TO_LIST = '<p><a class="open" href="/articles">All articles</a></p>'
_TO_ANSWER = '<p class="skip"><a href="#window">Go to the newest answer</a></p>'
"""The way back from the box by the keyboard alone: Shift+Tab and Enter."""


class Layout:
    """The components. What needs no server, as jumping to the quoted words and copying, is `static/chat.js`'s."""

    def __init__(self, service: Service) -> None:
        """Lay them out within a page: the conversation and the question box, and the article beside them."""
        self._service = service
        with gr.Row(elem_id="panes"):
            with gr.Column(min_width=0, elem_id="conversation"):
                self._lay_out_conversation(service)
            with gr.Column(min_width=0, elem_id="reading"):
                self._lay_out_reading()
        self.renew()

    def renew(self) -> None:
        """Begin with the articles as they are now, for those who open the page from now on."""
        articles = len(self._service.articles)
        self.introduction.value = self._introduce(None)
        self.window.elem_classes = ["one-article"] if articles == 1 else []
        self.picker.choices, self.picker.visible = self._choices(), articles > 1
        self._to_list.value = _TO_LIST if articles > 1 else ""
        self.pane.value = self._reading(None)

    def _lay_out_conversation(self, service: Service) -> None:
        self.introduction = _text("", "introduction")
        # What could come to life here is switched off, on top of the escaping.
        self.window = gr.Chatbot(
            show_label=False,
            height=None,
            autoscroll=False,
            buttons=[],
            allow_tags=False,
            latex_delimiters=[],
            group_consecutive_messages=False,
            allow_file_downloads=False,
            feedback_options=None,
            elem_id="window",
        )
        # Not Gradio's state, whose key is new each time the page is loaded. The script remembers the token for the tab,
        # and writes it into the other box when the page was loaded again.
        self.token = gr.Textbox(visible="hidden", elem_id="token", label="Which conversation")
        self.returning = gr.Textbox(visible="hidden", elem_id="returning", label="Which conversation before")
        self.report = ReportForm(service)
        self.spoken = _text("", "spoken")
        # The buttons that a reader sees are drawn where they belong; the script presses these.
        self.retry, self.edit, self.keep, self.clear, self.undo, self.everywhere = (
            gr.Button(name, visible="hidden", elem_id=name)
            for name in ("retry", "edit", "keep", "clear", "undo", "everywhere")
        )
        with gr.Column(min_width=0, elem_id="dock"):
            with gr.Row(elem_id="state"):
                self.status = _text(html_line(CONNECTING), "status")
                self.progress = _text("", "progress")
                _text(_TO_ANSWER, "to-answer")
            with gr.Row(elem_id="composer") as self.composer:
                # No max_length: the browser would cut a longer question without a word.
                self.box = gr.Textbox(label="Your question", lines=1, max_lines=6, scale=1, elem_id="question")
                self.send = gr.Button("Ask", variant="primary", min_width=0, elem_id="send")
                self.stop = gr.Button("Stop", min_width=0, visible=False, elem_id="stop")
            _text(_TEMPLATES.get_template("note.html").render(days=service.settings.keep_questions), "note")
        self.suggested = _text("", "starters")

    def _lay_out_reading(self) -> None:
        self.picker = gr.Dropdown(self._choices(), value="", label="Answer from", elem_id="picker")
        self.picked = gr.Textbox(visible="hidden", elem_id="picked", label="Which article was chosen before")
        # The script writes here which article of the list the reader has opened beside the conversation.
        self.opened = gr.Textbox(visible="hidden", elem_id="opened", label="Which article is open")
        self._to_list = _text("", "to-list")
        self.pane = _text("", "pane")

    def _choices(self) -> list[tuple[Any, ...]]:
        articles = self._service.articles.values()
        return [("All articles", ""), *((source_line(article), article.id) for article in articles)]

    def choosing(self, article: Article | None) -> Update:
        """Return what makes the answers come from an article, or from all, and shows it.

        The page may be older than the articles: it gets them as they are now.
        """
        articles = self._service.articles
        article = articles.get(article.id) if article else None
        value = article.id if article else ""
        picker = gr.update(choices=self._choices(), visible=len(articles) > 1, value=value)
        return {self.picker: picker} | self.showing(article)

    def showing(self, article: Article | None) -> Update:
        """Return the same where the reader has chosen."""
        shown = {self.introduction: self._introduce(article), self.pane: self._reading(article)}
        return shown | {self.picked: article.id if article else ""} | self.asking(article)

    def asking(self, article: Article | None) -> Update:
        """Return what shows the question box, unless an editor switched the chat about the article off."""
        return {self.composer: gr.update(visible="hidden" if self._off(article) else True)}

    def _off(self, article: Article | None) -> str:
        """Return what is said where the chat about the article is off; as it was known last, for nobody may wait."""
        only = self._only(article)
        return self._service.rulebook.last.off.get(only.id, "") if only else ""

    def _only(self, article: Article | None) -> Article | None:
        """Return the article that was chosen, or else the only one that there is."""
        articles = self._service.articles
        return next(iter(articles.values())) if article is None and len(articles) == 1 else article

    def _introduce(self, article: Article | None) -> str:
        """Return what this is, and what can be asked about: on a phone the article itself is farther down."""
        only = self._only(article)
        these = f"“{only.title}”" if only else f"any of these {len(self._service.articles):,} articles"
        if self._off(article):
            return f"{_SKIP_TO_ARTICLE}<h1>{NAME}</h1><p>The chat about {escape(these)} is switched off.</p>"
        return f'{_SKIP_TO_BOX}{_SKIP_TO_ARTICLE}<h1>{NAME}</h1><p class="lead">Ask about {escape(these)}</p>'

    def _reading(self, article: Article | None) -> str:
        """Return the article, or a list of all."""
        article = self._only(article)
        if article is None:
            return in_section(article_list(self._service.articles.values(), 2))
        off = switched_off(self._off(article))
        return in_section(article_whole(article, 2, off, article_paragraphs(article)), article)


def _text(html: str, name: str) -> gr.Markdown:
    # Not gr.HTML: it shows nothing where the content security policy forbids eval.
    return gr.Markdown(html, elem_id=name, latex_delimiters=[])
