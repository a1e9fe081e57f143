"""What can go wrong that a person should read.

    AssistantError              what happened, and what to do about it, in one line
    ├── ConfigurationError      a setting, a file or the installation is wrong         (exit code 2)
    │   ├── WeightsError        a model file is missing, damaged or not the official one
    │   ├── IndexLockedError    another process uses the index directory
    │   └── BadLinesError       lines of a file are not what they should be; it has a line for each
    ├── ModelError              the language model gave no answer; its `fault` says which way
    └── RunInterruptedError     the keyboard ended a run before all was asked

Everything else that is raised is a defect of ours and shows its traceback.
"""

from __future__ import annotations

from enum import StrEnum


class AssistantError(Exception):
    """Shown to the person as it is."""

    def __init__(self, what: str, cure: str = "") -> None:
        """Take what happened, and what to do about it where somebody can do something."""
        super().__init__(f"{what}: {cure}" if cure else what)
        self.what = what
        self.cure = cure


class ConfigurationError(AssistantError):
    """The assistant cannot start as it is set up."""


class WeightsError(ConfigurationError):
    """A model file is missing, damaged or not the official one."""


class IndexLockedError(ConfigurationError):
    """Another process holds the index directory."""


class BadLinesError(ConfigurationError):
    """Lines of a file are not what they should be; the message has one line for each."""


class Fault(StrEnum):
    """Why a language model gave no answer."""

    LOADING = "loading"
    """It is not ready yet, or is being started again."""
    BUSY = "busy"
    """Others had it until the time was up."""
    TIME_UP = "time_up"
    """It said nothing, or not enough, before the deadline."""
    BUDGET = "budget"
    """The tokens of the day are spent."""
    AWAY = "away"
    """It failed again and again, and is not asked for a while."""
    KEY = "key"
    """The provider does not take the key."""
    FORBIDDEN = "forbidden"
    """The provider lets this request not in; mostly for what the question says."""
    UNKNOWN_MODEL = "unknown_model"
    """The provider has no such model, or none for this key."""
    CREDIT = "credit"
    """The account has no credit left."""
    RATE = "rate"
    """The provider asks to wait."""
    CONTEXT = "context"
    """The prompt is longer than the model reads."""
    REQUEST = "request"
    """The provider does not take the request."""
    SERVER = "server"
    """The provider failed, or answered in another protocol."""
    CONNECTION = "connection"
    """There is no connection, or it broke."""
    REFUSED = "refused"
    """The model, or a filter, refuses to answer this."""
    CUT_OFF = "cut_off"
    """The reply ended before it was whole."""
    EMPTY = "empty"
    """The reply has no words."""
    MALFORMED = "malformed"
    """The reply is not in the form that was asked for."""
    ENGINE = "engine"
    """The embedded engine could not start, or could not go on."""


class ModelError(AssistantError):
    """The language model gave no answer; the quotation stands."""

    def __init__(self, fault: Fault, what: str, cure: str = "") -> None:
        """Take the fault, its message and its cure."""
        super().__init__(what, cure)
        self.fault = fault


class RunInterruptedError(AssistantError):
    """The keyboard ended a run before all was asked; what was answered is kept."""
