"""What is said for politeness, or to find out what one talks to, and what is said to it: nothing is searched for it.

Only whole utterances count: "hi, who won?" is a question.
"""

from __future__ import annotations

import re

_MACHINE = "(?:human|person|real|real_person|robot|bot|chatbot|machine|program|computer|ai|chatgpt)"
_SMALL_TALK = re.compile(
    rf"""(?:(?:
        (?P<greeting> (?:hi|hiya|hello|hey|howdy|greetings|good_(?:morning|afternoon|evening|day))(?:_(?:there|all))?
            |(?:hows_it_going|how_(?:are|r)_(?:you|u)(?:_doing)?|whats_up)(?:_today)?)
      | (?P<thanks> (?:many_|much_)?(?:thanks|thankyou|thank_(?:you|u)|thx|ty|cheers|appreciated)
            (?:_(?:a_lot|so_much|very_much|again|for_(?:that|this|(?:the|your)_(?:help|answer))))*)
      | (?P<farewell> bye|goodbye|cya|good_night|see_(?:you|ya|u)(?:_later)?|thats_all)
      | (?P<assent> ok|okay|k|yes|yeah|yep|no|nope|sure|fine|alright|great|cool|nice|good|perfect|wow|lol|haha|oh
            |interesting|got_it|i_see|i_understand|understood|well_done|good_(?:answer|job|bot)|never_?mind|sorry|test)
      | (?P<capability> wh(?:o|at)_(?:are|r)_(?:you|u)|what(?:s|_is)_your_name|what_(?:can|do)_you_do|who_made_you
            |(?:(?:are|r)_(?:you|u)|is_this)_(?:an?_)?{_MACHINE}|am_i_talking_to_an?_{_MACHINE}
            |how_do_you_work|(?:can_you_)?help(?:_me)?)
    )(?:_|$))+""",
    re.VERBOSE,
)
PROGRAM = "This is a program, not a person. It answers questions about the articles here, and shows their words."
REPLIES = {
    "greeting": "Hello. What would you like to know?",
    "thanks": "You are welcome. Is there anything else that you would like to know?",
    "farewell": "Goodbye.",
    "assent": "What would you like to know?",
    "capability": PROGRAM,
    "personal": PROGRAM,
}


def reply_to(text: str) -> str | None:
    """Return what is said to small talk, by the last thing in it; None for anything else."""
    words = "_".join(re.findall(r"[^\W_]+", re.sub("['’]", "", text.lower())))
    match = _SMALL_TALK.fullmatch(words)
    return REPLIES[str(match.lastgroup)] if match else None
