"""Everything the service raises on purpose, as one tree.

SentimentError
├── StartupError             the service or a command cannot start: one line for the operator, exit code 1
│   ├── SettingsInvalid      a setting is missing or contradicts another
│   ├── BundleInvalid        the model folder is incomplete, damaged or of an unknown format
│   ├── EngineUnavailable    the engine's package is not installed, or it cannot run this bundle
│   ├── SelfCheckFailed      the golden texts do not get the answers recorded at export
│   ├── ExportRefused        there is nothing to export, or no place for it
│   ├── SetAsideInvalid      a record set aside is not there, or not as it must be
│   ├── KeyRefused           an API key cannot be made, or none has the name
│   ├── ReviewFileInvalid    a file of reviews cannot be read, lacks a column, or holds what is no rating or time
│   ├── PackageMissing       a library of an extra is not installed; the message has the command that installs it
│   └── DatabaseNotReady     no embedded server can be started, or the schema is not migrated
└── RequestRefused           one request cannot be answered; `problems` gives each its HTTP status
    ├── Locked               the door stays closed
    │   ├── KeyNeeded        no living key was presented
    │   └── ScopeMissing     the key that was presented does not hold the scope
    ├── HostForeign          a service without keys was asked by a name that is not this machine's
    ├── NotJson              the body is not JSON
    ├── RequestInvalid       the body is JSON that fails the schema
    ├── BodyTooSlow          the body did not arrive in time
    ├── WrongMediaType       the body is not declared as JSON
    ├── PredictionUnknown    no prediction has this id
    ├── DriftReportUnknown   no drift run has this id, or its page was removed, or there is none yet
    ├── Overloaded           more work than the bound allows; try again after `retry_after_s`
    ├── TooManyTokens        the key has asked as much as it may; try again after `retry_after_s`
    ├── DeadlineExceeded     the answer did not come in time
    ├── SpoolFull            the prediction cannot be recorded, so it is not given
    ├── DatabaseAway         Postgres is needed for this answer and does not respond
    ├── Draining             the process is about to stop
    ├── ClientGone           the client hung up before its answer
    └── InferenceFailed      the engine failed on this one text

Messages say what was expected, what was found and the remedy. They never contain a client's text.
"""

from typing import NamedTuple


class SentimentError(Exception):
    """The root of the tree."""


class StartupError(SentimentError):
    """The service or a command cannot start."""


class SettingsInvalid(StartupError):
    """A setting is missing or contradicts another."""


class BundleInvalid(StartupError):
    """The model folder is incomplete, damaged or of an unknown format."""


class EngineUnavailable(StartupError):
    """The engine's package is not installed, or the engine cannot run this bundle."""


class SelfCheckFailed(StartupError):
    """The golden texts do not get the answers recorded at export."""


class DatabaseNotReady(StartupError):
    """No embedded server can be started, or the schema is not migrated."""


class ExportRefused(StartupError):
    """There is nothing to export, or no place for it."""


class SetAsideInvalid(StartupError):
    """A record set aside is not there, or not as it must be."""


class KeyRefused(StartupError):
    """An API key cannot be made, or none has the name."""


class ReviewFileInvalid(StartupError):
    """A file of reviews cannot be read, lacks a column, or holds what is no rating or no time."""


class PackageMissing(StartupError):
    """A library of an extra is not installed; the message has the command that installs it."""


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    path: str
    """Such as `items[3].text`; empty for the body as a whole."""
    message: str
    """What was expected. Never the value that was found."""


class RequestRefused(SentimentError):
    """One request cannot be answered."""


class Locked(RequestRefused):
    """The door stays closed, for one of the two reasons below."""

    def __init__(self, message: str, challenge: str) -> None:
        """Keep what `WWW-Authenticate` says (RFC 6750)."""
        super().__init__(message)
        self.challenge = challenge


class KeyNeeded(Locked):
    """No living key was presented."""


class ScopeMissing(Locked):
    """The key that was presented does not open this."""


class HostForeign(RequestRefused):
    """A service without keys was asked by a name that is not this machine's."""


class NotJson(RequestRefused):
    """The body is not JSON."""


class RequestInvalid(RequestRefused):
    """The body is JSON that fails the schema."""

    def __init__(self, errors: list[FieldError]) -> None:
        """Keep one error for each field that failed."""
        super().__init__("The request does not match the schema; see errors.")
        self.errors = errors


class BodyTooSlow(RequestRefused):
    """The body did not arrive in time."""


class WrongMediaType(RequestRefused):
    """The body is not declared as JSON."""


class PredictionUnknown(RequestRefused):
    """No prediction has this id."""


class DriftReportUnknown(RequestRefused):
    """No drift run has this id, or its page was removed, or there is none yet."""


class Overloaded(RequestRefused):
    """More work waits than the bound allows."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        """Keep after how many seconds a client should try again."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyTokens(RequestRefused):
    """The key has asked as much as it may."""

    def __init__(self, message: str, retry_after_s: float, headers: dict[str, str]) -> None:
        """Keep after how many seconds a client should try again, and the headers that tell of its limit."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.headers = headers


class DeadlineExceeded(RequestRefused):
    """The answer did not come before the request's deadline."""


class SpoolFull(RequestRefused):
    """The prediction cannot be recorded, so it is not given."""


class DatabaseAway(RequestRefused):
    """Postgres is needed for this answer and does not respond."""


class Draining(RequestRefused):
    """The process is about to stop and takes no new work."""


class ClientGone(RequestRefused):
    """The client hung up before its answer."""


class InferenceFailed(RequestRefused):
    """The engine failed on this one text."""

    def __init__(self, kind: str, tokens: int) -> None:
        """`kind` is the error's, for our log: its message may quote the text."""
        super().__init__("The model failed on this text.")
        self.kind = kind
        self.tokens = tokens
