"""Quoted words are found in a publisher's page, however it is set."""

import html
import re
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from browser import needs_chromium
from playwright.sync_api import Browser

from assistant.articles.passages import sentences
from assistant.types import Article
from assistant.web import embedding

pytestmark = needs_chromium

SCRIPT = Path(embedding.__file__).parent / "match.js"


def nodes(text: str) -> str:
    """Return each word in an element of its own."""
    return re.sub(r"\S+", lambda word: f"<span>{word[0]}</span>", text)


def curly(text: str) -> str:
    """Return the text as a typesetter would have it."""
    return re.sub(r'(^|\s)"', r"\1“", text).replace('"', "”").replace("'", "’").replace(" — ", "—").replace("...", "…")


ADVERTISEMENT = (
    '<aside>Advertisement</aside><figure><img loading="lazy" alt=""><figcaption>A street.</figcaption></figure>'
)
MARKUPS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: f"<p>{text}</p>",
    "links": lambda text: "<p>" + re.sub(r"(\w+ \w{5,})", r'<a href="#">\1</a>', text) + "</p>",
    "drop cap": lambda text: f'<p><span style="float: left">{text[:1]}</span>{text[1:]}</p>',
    "soft hyphens": lambda text: "<p>" + re.sub(r"(\w{4})(?=\w{3})", "\\1\u00ad", text) + "</p>",
    "typography": lambda text: "<p>" + curly(text).replace(" of ", " of\u00a0").replace("fi", "ﬁ") + "</p>",
    "things between": lambda text: f"<p>{text}</p>{ADVERTISEMENT}",
    "things within": lambda text: "<div>" + re.sub(r"(?<=[a-z]\. )", "<div>Read more: a story</div>", text) + "</div>",
    "a word a node": lambda text: f"<div>{nodes(text)}</div>",
    "hidden": lambda text: re.sub(
        r"(\w+,)(?= )",
        r"\1<i hidden>not seen</i><b style='position:absolute;width:1px;height:1px;overflow:hidden'>(new tab)</b>",
        f"<p>{text}</p>",
    ),
    "notes and lines": lambda text: "<table><td>" + re.sub(r",(?= )", ",<sup>2</sup><br>\n\n  ", text) + "</table>",
}
"""Ten ways in which publishers set a paragraph, which is HTML already."""


def test_quotations_are_found_whatever_the_markup(browser: Browser, article: Article) -> None:
    """Of 60 and more, in each of ten pages; what is lit is the quotation and no more. Changed words are not found."""
    paragraphs = list(re.finditer(r"[^\n]+", article.text))
    spans = [(each.start, each.end) for each in sentences(article)]
    spans += [(one.start(), other.end()) for one, other in pairwise(paragraphs)][::3]
    wanted = [
        {"quote": article.text[start:end], "before": article.text[:start][-100:], "after": article.text[end:][:100]}
        for start, end in spans
    ]
    assert len(wanted) >= 60
    bodies = {
        name: "<h1>A title</h1><p>Of something else.</p>"
        + "".join(markup(html.escape(match[0], quote=False)) for match in paragraphs)
        for name, markup in MARKUPS.items()
    }
    with closing(browser.new_context()) as context:
        page = context.new_page()
        page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
        missed = page.evaluate(
            """([bodies, wanted]) => Object.entries(bodies).flatMap(([name, body]) => {
                document.body.innerHTML = body;
                const lit = each => rangesOf(each).map(range => plain(String(range))).join("");
                const other = each => ({ ...each, quote: each.quote.replace(/\\w+(?=\\W*$)/, "otherwise") });
                return wanted.filter(each => lit(each) !== plain(each.quote) || lit(other(each)))
                    .map(each => `${name}: ${each.quote}`);
            })""",
            [bodies, wanted],
        )
    assert missed == []
