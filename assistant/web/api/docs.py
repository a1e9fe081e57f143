"""The description of the HTTP interface for people, as a page without a script, made from the one for programs.

Everything on it is loaded from here. Knows nothing of questions.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from assistant.web.plain.pages import plain_page

Schema = Mapping[str, Any]


def add_docs(app: FastAPI) -> None:
    """Add the page at `/api/docs`; it describes what the application has when it is asked for."""

    @app.get("/api/docs", include_in_schema=False)
    async def show_docs() -> HTMLResponse:
        return plain_page("The article assistant for other programs", docs(app.openapi()))


def docs(description: Schema) -> str:
    """Return an OpenAPI description as HTML."""
    parts = [
        f"<h1>{html.escape(description['info']['title'])}: the interface for programs</h1>",
        _paragraphs(description["info"].get("description", "")),
        '<p>For programs: <a href="/api/openapi.json">the same as OpenAPI</a>.</p>',
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts += _operation(f"{method.upper()} {path}", operation, description)
    return "".join(parts)


def _operation(name: str, operation: Schema, description: Schema) -> Iterator[str]:
    yield f"<h2><code>{html.escape(name)}</code></h2><p>{html.escape(operation['summary'])}.</p>"
    yield _paragraphs(operation.get("description", ""))
    content = operation.get("requestBody", {}).get("content", {})
    schemas = [_named(each["schema"]) for each in content.values()]
    if schemas:
        example = _example(name, description["components"]["schemas"][schemas[0]])
        yield f"<h3>Example</h3><pre>{html.escape(example)}</pre>"
    yield "<h3>Answers</h3><dl>"
    for code, response in sorted(operation["responses"].items()):
        found = [_named(each.get("schema", {})) for each in response.get("content", {}).values()]
        schemas += [schema for schema in found if schema]
        names = ", ".join(_link(schema) for schema in found if schema)
        yield f"<dt>{code}</dt><dd>{html.escape(response['description'])}{f' {names}' if names else ''}</dd>"
    yield "</dl>"
    yield from _fields(schemas, description["components"]["schemas"])


def _fields(wanted: list[str], schemas: Schema) -> Iterator[str]:
    """Yield each schema with its fields, and the ones that these lead to."""
    waiting = list(dict.fromkeys(wanted))
    for name in waiting:
        schema = schemas[name]
        yield f'<h3 id="{html.escape(name)}">{html.escape(name)}</h3>{_paragraphs(schema.get("description", ""))}<dl>'
        for field, kind in schema.get("properties", {}).items():
            leads_to = [part for part in map(_named, _parts(kind)) if part]
            waiting += [part for part in leads_to if part not in waiting]
            required = "" if field in schema.get("required", ()) else ", optional"
            words = html.escape(kind.get("description", ""))
            yield f"<dt><code>{html.escape(field)}</code></dt><dd>{_kind(kind)}{required}. {words}</dd>"
        yield "</dl>"


def _parts(kind: Schema) -> list[Schema]:
    """Return what a value can be, or consists of."""
    return [kind, *kind.get("anyOf", ()), *([kind["items"]] if "items" in kind else ())]


def _kind(kind: Schema) -> str:
    if name := _named(kind):
        return _link(name)
    if "anyOf" in kind:
        return " or ".join(_kind(part) for part in kind["anyOf"])
    if "enum" in kind:
        return " or ".join(f"<code>{html.escape(json.dumps(value))}</code>" for value in kind["enum"])
    if "items" in kind:
        return f"list of {_kind(kind['items'])}"
    return html.escape(str(kind.get("type", "anything")))


def _named(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _link(name: str) -> str:
    return f'<a href="#{html.escape(name)}">{html.escape(name)}</a>'


def _example(name: str, schema: Schema) -> str:
    method, path = name.split(" ")
    body = {field: kind["examples"][0] for field, kind in schema["properties"].items() if "examples" in kind}
    return f"curl -X {method} http://127.0.0.1:7860{path} -H 'content-type: application/json' -d '{json.dumps(body)}'"


def _paragraphs(text: str) -> str:
    """Return running text as paragraphs; what stands between backticks is code."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text.strip()))
    return "".join(f"<p>{' '.join(part.split())}</p>" for part in marked.split("\n\n") if part)
