"""What a reader should know about the assistant, in plain words: how it works, what it keeps, and where it fails.

Everything that an operator can change is read from the service, so that the page cannot say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable

from assistant.rendering import BY_RULE, LABELS, escape
from assistant.settings import Settings
from assistant.types import Status
from assistant.web.service import Service

_PACKAGED_MODEL = "Qwen2.5-Coder-1.5B-Instruct, a small open model under the Apache License 2.0"


def about(service: Service) -> str:
    """Return the page's body as HTML."""
    sections = (
        ("What it is", _what(service)),
        ("How an answer is made", _how(service)),
        ("What it cannot do", _limits(service)),
        ("The language model", f"<p>{_model(service)}</p>"),
        ("What is stored", f"<p>{_STORED}</p><p>{_destination(service)}</p>{_cookies(service)}"),
        ("How much you can ask", f"<p>{_allowed(service.settings)}</p>"),
        ("For other programs", _API),
        ("How to report a mistake", f"<p>{_report(service)}</p>"),
        ("Accessibility", _ACCESSIBILITY),
    )
    body = "".join(f"<h2>{title}</h2>{words}" for title, words in sections)
    return f"<h1>About the article assistant</h1>{body}"


def _cookies(service: Service) -> str:
    # Only a proxy before several processes sets one.
    return _ONE_COOKIE if service.settings.trusted_proxies else _NO_COOKIES


def _what(service: Service) -> str:
    count = len(service.assistant.corpus.articles)
    articles = "one news article" if count == 1 else f"{count} news articles"
    return (
        f"<p>It is a computer program (an AI) that answers questions from {articles}, and from nothing else. "
        "It is not a person, and it is not the publisher of what it quotes. It can be wrong.</p>"
        "<p>Under every answer you see the very words of the article that it rests on, and can read them in their "
        "place. An article is as old as its date says: the assistant knows nothing of what happened after it.</p>"
    )


def _how(service: Service) -> str:
    without_model = (_COMPARED, _QUOTED, _ESTIMATED, _WHO_BY_RULE, _NOTHING_WRITTEN)
    with_model = (_COMPARED, _QUOTED, _WRITTEN, _ESTIMATED, _CHECKED, _BY_RULE)
    return f"<ol>{_items(with_model if _writes(service) else without_model)}</ol>{_NO_MODEL_CHANGES}"


def _limits(service: Service) -> str:
    return f"<ul>{_items((_MISSES_THE_POINT, *((_MISLEADS,) if _writes(service) else ()), *_LIMITS))}</ul>"


def _writes(service: Service) -> bool:
    return service.settings.model != "none"


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{text}</li>" for text in texts)


_COMPARED = (
    "Your question is compared with every passage, by its words and by its meaning, and then word by "
    "word with the sentences of the best ones."
)
_QUOTED = "The sentences that fit best are quoted at once."
_WRITTEN = "A language model writes an answer from the passages that fit best."
_ESTIMATED = (
    "It is estimated whether there is an answer to the question. If there is none, the assistant says so: "
    f"“{escape(LABELS[Status.DECLINED])}”. The closest words that are then offered are not an answer."
)
_CHECKED = (
    "Each sentence that the model wrote is checked by fixed rules against one passage: numbers, dates, names, who said "
    f"it, and whether it is denied. What passes is shown as “{escape(LABELS[Status.ANSWERED])}”. What fails is not "
    f"shown, and the quoted words stand alone: “{escape(LABELS[Status.QUOTED])}”."
)
_BY_RULE = (
    "Asked who said something, or what somebody said, a rule may tell it from the article's own marks: "
    f"“{escape(BY_RULE)}”."
)
_WHO_BY_RULE = (
    f"Asked who said words that you quote, a rule may tell it from the article's own marks: “{escape(BY_RULE)}”."
)
_NOTHING_WRITTEN = f"Else the quoted words are the answer: “{escape(LABELS[Status.QUOTED])}”."
_NO_MODEL_CHANGES = (
    "<p>A quotation is cut from the article by the program. No model can change a letter of it. "
    "Before a question is suggested to you, it is checked that the words which answer it are found.</p>"
)
_MISSES_THE_POINT = "It can misunderstand a question, and quote words that are true but do not answer it."
_MISLEADS = "A written sentence can pass the checks and still leave out what matters, or put it in a wrong light."
_LIMITS = (
    "It can say that the article does not answer although it does, in other words than yours.",
    "It repeats what the article says. Whether that is true it does not know.",
    "It does not count, compare or calculate beyond what is written.",
    "Do not use it for decisions about your health, money, rights or safety: read the article.",
)
_STORED = (
    "Questions and answers are not stored. Your conversation is held in memory for an hour after its last question, so "
    "that you find it when you load the page again, or until you clear it; a restart of the assistant ends it sooner. "
    "Only your tab knows the key to it, and forgets the key when you close the tab. With it is held your address, so "
    "that nobody can take the place of everybody else. The latest thousand answers are held too, for whoever asks the "
    "very same question; who asked is not held with them. For each question the log has a time, its length, how it "
    "ended and which passages were quoted, but neither your words nor your address. If you report an answer, that "
    "question, its answer and what you write about it are stored."
)
_NO_TRACKERS = "There are no advertisements and no trackers, and the page loads nothing from other sites."
_NO_COOKIES = f"<p>There are no cookies. {_NO_TRACKERS}</p>"
_ONE_COOKIE = (
    "<p>At most one cookie is set, which your browser forgets after the visit: it leads you back to the process that "
    f"has your conversation, and says nothing else. Without it, each question stands alone. {_NO_TRACKERS}</p>"
)
_API = '<p>Programs can ask too: <a href="/api/docs">the interface for programs</a>.</p>'
_ACCESSIBILITY = (
    "<p>The pages are meant to meet level AA of the Web Content Accessibility Guidelines 2.2. Each version is checked "
    "in a browser by an automatic test (axe) and by a test that asks, follows a citation, returns and reports with the "
    "keyboard alone, in the light and the dark colours, at 320 pixels and at 400 % zoom.</p>"
    "<ul><li>Enter sends a question, Shift+Enter begins a new line, Escape leads from the article to the answer, "
    "and closes a report. Shift+Tab in the question box reaches a link to the newest answer.</li>"
    "<li>Light or dark colours and reduced motion follow what your system is set to.</li>"
    "<li>A screen reader hears an answer once, when it is complete. Each question is a heading.</li></ul>"
    "<p>What we know to lack: it has not been tested by people who use screen readers; the chat needs JavaScript, "
    "the article and this page do not; the page says that it is in English, also where an article is not.</p>"
)


def _model(service: Service) -> str:
    settings = service.settings
    if not _writes(service):
        return "None is used here: answers are the article's own words, which a rule may put into a sentence."
    if settings.model == "local":
        own = settings.model_file and f"a model of the operator's ({escape(service.assistant.model_name)})"
        return f"Answers are written by {own or _PACKAGED_MODEL}, on this machine."
    return (
        f"Answers are written by {escape(settings.model)}, a model that the operator has chosen; "
        "its provider's terms apply to it."
    )


def _allowed(settings: Settings) -> str:
    per = ((settings.questions_per_minute, "a minute"), (settings.questions_per_hour, "an hour"))
    allowed = " and ".join(f"{count} questions {span}" for count, span in per if count)
    return f"You can ask up to {allowed}." if allowed else "You can ask as many questions as you like."


def _destination(service: Service) -> str:
    model = service.settings.model
    if model in ("local", "none"):
        return "Your question does not leave the machine that this page comes from."
    return (
        f"Your question and the passages that were found are sent to the provider of {escape(model)}, who may keep "
        "them. Please ask nothing that is private."
    )


def _report(service: Service) -> str:
    words = "Press “Helpful” or “Not helpful” under the answer, and say why."
    contact = service.settings.contact
    if not contact:
        return words
    name = escape(contact.removeprefix("mailto:"))
    return f'{words} For anything else, you reach the operator at <a href="{escape(contact)}">{name}</a>.'
