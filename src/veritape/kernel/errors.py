"""The tree of expected errors, by whose fault they are and what to do.

::

    VeritapeError           expected: one line for a person, never a traceback
    ├── PeerError           somebody outside broke the protocol or sent bad bytes
    ├── MisuseError         the caller or the configuration is wrong; change it and try again
    ├── UnavailableError    a resource cannot be had now (busy port, full disk, held lock); try later
    └── CheckFailedError    a check ran to its end and the answer is no

Anything else that escapes is a bug and stops the process. A refusal is a *reason*: a ``StrEnum`` member of the part that
refuses, which is at once the API's error code, the metric label, the log field and the test's expectation.
"""

from enum import StrEnum


class VeritapeError(Exception):
    """An expected error: its message names the cause and what to do."""

    exit_code = 1
    """Exit status of a command that this error ends."""

    def __init__(self, message: str, reason: StrEnum | None = None) -> None:
        super().__init__(message)
        self.message = message
        """One line for a person."""
        self.reason = reason
        """Machine-readable cause, or None where the message is all there is."""


class PeerError(VeritapeError):
    """Somebody outside broke the protocol or sent bytes that cannot be read."""


class MisuseError(VeritapeError):
    """The caller or the configuration is wrong."""

    exit_code = 2


class UnavailableError(VeritapeError):
    """A resource cannot be had now; the same call may succeed later."""


class CheckFailedError(VeritapeError):
    """A check ran to its end and the answer is no."""
