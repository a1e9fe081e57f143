"""What a capable model says that always gives the same answer, in the form that the prompts ask for."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

TEXT = "Violent crime in Philadelphia has fallen by nearly 18 percent since it became a sanctuary city in 2014."
"""The article that ships supports it."""
WORDS = "18 percent"
"""What the sentence holds that it cites."""


PASSES = {"supported": True, "answers": "yes", "wrong_words": [], "should_say": "", "missing_cites": []}
"""A check that finds nothing wrong."""


def told(text: str = "", *cites: int, answerable: str = "yes") -> dict[str, Any]:
    """Return an answer of one sentence, or of none; what does not answer comes nearest."""
    sentence = {"text": text, "cites": list(cites)} if text else None
    if answerable == "no":
        return {"answerable": "no", "sentences": [], "near": sentence}
    return {"answerable": answerable, "sentences": [sentence] if sentence else [], "near": None}


def reply_to(messages: Sequence[Mapping[str, Any]], text: str = TEXT, words: str = WORDS) -> str:
    """Return an answer that cites the first numbered sentence with some words, or a check that finds nothing wrong."""
    if messages[-1]["content"].startswith("TASK CHECK"):
        return json.dumps(PASSES)
    for match in re.finditer(r"^\[(\d+)\] (.*)$", messages[0]["content"], re.MULTILINE):
        if words in match[2]:
            return json.dumps(told(text, int(match[1])))
    return json.dumps(told(answerable="no"))


def completion(content: str, finish: str = "stop", **more: object) -> dict[str, object]:
    """Return a whole reply of OpenAI's protocol."""
    message = {"role": "assistant", "content": content, **more}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    about = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return about | {"choices": [choice], "usage": usage}
