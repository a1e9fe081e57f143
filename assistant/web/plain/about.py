"""What a reader should know about the assistant, in plain words: how it works, what it keeps, and where it fails.

The words stand in `templates/about.html`. Everything that an operator can change is read from the service, so that the
page cannot say otherwise.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from assistant.rendering import BY_RULE, LABELS
from assistant.types import Status
from assistant.web.service import Service


def about(service: Service) -> str:
    """Return the page's body as HTML."""
    environment = Environment(
        loader=PackageLoader("assistant.web.plain"), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    settings = service.settings
    allowed = ((settings.questions_per_minute, "a minute"), (settings.questions_per_hour, "an hour"))
    return environment.get_template("about.html").render(
        articles=len(service.assistant.corpus.articles),
        settings=settings,
        writes=settings.model != "none",
        model_name=service.assistant.model_name if settings.model_file else "",
        limits=[f"{count} questions {span}" for count, span in allowed if count],
        answered=LABELS[Status.ANSWERED],
        quoted=LABELS[Status.QUOTED],
        declined=LABELS[Status.DECLINED],
        by_rule=BY_RULE,
    )
