"""A JSON Schema as a grammar of llama.cpp (GBNF), so that a model of our own engine can write nothing else.

Known are objects, arrays, strings, integers, booleans, null, enumerations, `anyOf` and `$ref`; an object has all of its
properties, in their order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_BASICS = r"""
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,8})
boolean ::= "true" | "false"
null ::= "null"
"""


def grammar_of(schema: Mapping[str, Any]) -> str:
    """Return the grammar of the texts that a schema allows, without white space but one space after a mark.

    Raises:
        ValueError: the schema has something else than is known.
    """
    return f"root ::= {_rule(schema, schema.get('$defs', {}))}\n{_BASICS}"


def _rule(schema: Mapping[str, Any], defined: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": str(name)}:
            return _rule(defined[name.rpartition("/")[2]], defined)
        case {"enum": list(values)}:
            return f"({' | '.join(_literal(json.dumps(value)) for value in values)})"
        case {"anyOf": list(some)}:
            return f"({' | '.join(_rule(each, defined) for each in some)})"
        case {"type": "object", "properties": dict(properties)}:
            members = [f"{_literal(json.dumps(name) + ': ')} {_rule(of, defined)}" for name, of in properties.items()]
            return " ".join(['"{"', ' ", " '.join(members), '"}"'])
        case {"type": "array", "items": dict(items)}:
            item = _rule(items, defined)
            return f'"[" ({item} (", " {item})*)? "]"'
        case {"type": "string" | "integer" | "boolean" | "null" as kind}:
            return str(kind)
    raise ValueError(f"a schema with {sorted(schema)} is not known")


def _literal(text: str) -> str:
    return json.dumps(text)
