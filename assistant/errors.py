"""What can go wrong that a person should read.

    AssistantError              one line: what happened and what to do
    ├── ConfigurationError      a setting, a file or the installation is wrong         (exit code 2)
    │   ├── WeightsError        a model file is missing, damaged or not the official one
    │   └── IndexLockedError    another process uses the index directory
    ├── ModelError              the language model failed while it answered
    │   └── TooLongError        it would have said more than an answer may be
    └── RunInterruptedError     the keyboard ended a run before all was asked

Everything else that is raised is a defect of ours and shows its traceback.
"""


class AssistantError(Exception):
    """Shown to the person as it is: what happened and what to do, in one line."""


class ConfigurationError(AssistantError):
    """The assistant cannot start as it is set up."""


class WeightsError(ConfigurationError):
    """A model file is missing, damaged or not the official one."""


class IndexLockedError(ConfigurationError):
    """Another process holds the index directory."""


class ModelError(AssistantError):
    """The language model failed while it answered; the quotation stands."""


class TooLongError(ModelError):
    """The embedded model was stopped where an answer must end, within its first sentence; nothing is broken."""


class RunInterruptedError(AssistantError):
    """The keyboard ended a run before all was asked; what was answered is kept."""
