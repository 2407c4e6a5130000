"""Everything that the service and its commands raise on purpose, as one tree.

SentimentError
├── OperatorError            the service or a command cannot go on; an operator can mend it: one line, exit code 1
│   ├── SettingsInvalid      a setting is missing or contradicts another
│   ├── BundleInvalid        the model folder is incomplete, damaged, unreadable or of an unknown format
│   ├── EngineUnavailable    the engine's package is not installed, or it cannot run this bundle
│   ├── SelfCheckFailed      the golden texts do not get the answers recorded at export
│   ├── DatabaseNotReady     no embedded server can be started, the schema is not migrated, or a month is in use
│   ├── DatabaseUnusable     Postgres is not what it must be
│   │   ├── DatabaseUnreachable  no Postgres answers at its address
│   │   └── CommitUnconfirmed  a commit may not be on the standby that Postgres is told to wait for
│   ├── DiskUnusable         the disk of the data folder is full, or does not answer
│   ├── ExportRefused        there is nothing to export, or no place for it
│   ├── SetAsideInvalid      a record set aside is not there, or not as it must be
│   ├── ReviewFileInvalid    a file of reviews cannot be read, lacks a column, or holds what is no rating or time
│   ├── PackageMissing       a library of an extra is not installed; the message has the command that installs it
│   └── KeyNameInvalid       the name of an API key is taken, or no key has it
├── RequestRefused           one request cannot be answered; `http.problems` gives each its HTTP status
│   ├── AccessDenied         the request may not come in
│   │   ├── ApiKeyRequired   no living key was presented
│   │   └── ScopeMissing     the key that was presented does not hold the scope
│   ├── HostNotAllowed       a service without keys was asked by a name that is not this machine's
│   ├── NotJson              the body is not JSON
│   ├── RequestInvalid       the body is JSON that fails the schema
│   ├── BodyTooSlow          the body did not arrive in time
│   ├── BodyTooLarge         the body is larger than its route takes
│   ├── BodyDamaged          the body does not unpack as its Content-Encoding says
│   ├── EncodingUnsupported  the body's Content-Encoding is none that the service reads
│   ├── WrongMediaType       the body is not declared as JSON
│   ├── PredictionUnknown    no prediction has this id
│   ├── DriftReportUnknown   no drift run has this id, or its page was removed, or there is none yet
│   ├── Overloaded           more work than the bound allows; try again after `retry_after_s`
│   │   ├── LookUpsOverloaded  more look-ups than the bound allows, or the spool was not read in time for one
│   │   └── BodiesFull       more bytes of bodies than the bound allows
│   ├── RateLimited          the key has asked as much as it may; try again after `retry_after_s`
│   ├── DeadlineExceeded     the answer did not come in time
│   ├── SpoolFull            the prediction cannot be recorded, so it is not given
│   ├── DatabaseAway         Postgres is needed for this answer and does not respond
│   ├── Draining             the process is about to stop
│   ├── ClientGone           the client hung up before its answer
│   └── InferenceFailed      the engine failed on this one text
└── BackgroundError          work behind the replies failed; it is logged and counted, and no request sees it
    ├── FilesFailed          files of the spool cannot be read or written
    ├── RecordNewer          a newer release wrote the record
    └── ShadowFailed         the shadow model gives no more answers

Messages say what was expected, what was found and the remedy. They never contain a client's text.
"""

import traceback
from pathlib import Path
from typing import Final, NamedTuple

_PROJECT: Final = Path(__file__).parents[1]
_PACKAGES: Final = ("sentiment_api", "sentiment_train", "drift_jobs")


def place_of(error: BaseException) -> str:
    """Return the innermost line of this project that the error came through, such as `sentiment_api/app.py:12`.

    For logs: unlike the error's message it cannot quote a text.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if any(_PROJECT / package in path.parents for package in _PACKAGES):
            return f"{path.relative_to(_PROJECT)}:{frame.lineno}"
    return "outside the project"


class SentimentError(Exception):
    """The root of the tree."""


class OperatorError(SentimentError):
    """The service or a command cannot go on, and an operator can mend it: one line, exit code 1."""


class SettingsInvalid(OperatorError):
    """A setting is missing or contradicts another."""


class BundleInvalid(OperatorError):
    """The model folder is incomplete, damaged, unreadable or of an unknown format."""


class EngineUnavailable(OperatorError):
    """The engine's package is not installed, or the engine cannot run this bundle."""


class SelfCheckFailed(OperatorError):
    """The golden texts do not get the answers recorded at export."""


class DatabaseNotReady(OperatorError):
    """No embedded server can be started, the schema is not migrated, or a month is in use."""


class DatabaseUnusable(OperatorError):
    """Postgres is not what it must be. The shipper waits for another."""


class DatabaseUnreachable(DatabaseUnusable):
    """No Postgres answers at its address."""


class CommitUnconfirmed(DatabaseUnusable):
    """A commit is on the primary's disk, and may not be on that of the standby which Postgres is told to wait for."""

    def __init__(self) -> None:
        super().__init__(
            "Postgres cannot be used: the standby that it waits for did not confirm a commit; start the standby, or "
            "mend synchronous_standby_names"
        )


class DiskUnusable(OperatorError):
    """The disk of the data folder is full, or does not answer."""


class ExportRefused(OperatorError):
    """There is nothing to export, or no place for it."""


class SetAsideInvalid(OperatorError):
    """A record set aside is not there, or not as it must be."""


class KeyNameInvalid(OperatorError):
    """The name of an API key is taken, or no living key has it."""


class ReviewFileInvalid(OperatorError):
    """A file of reviews cannot be read, lacks a column, or holds what is no rating or no time."""


class PackageMissing(OperatorError):
    """A library of an extra is not installed; the message has the command that installs it."""


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    path: str
    """Such as `items[3].text`; empty for the body as a whole."""
    message: str
    """What was expected. Never the value that was found."""


class RequestRefused(SentimentError):
    """One request cannot be answered."""


class AccessDenied(RequestRefused):
    """The request may not come in, for one of the two reasons below."""

    def __init__(self, message: str, challenge: str) -> None:
        """Keep what `WWW-Authenticate` says (RFC 6750)."""
        super().__init__(message)
        self.challenge = challenge


class ApiKeyRequired(AccessDenied):
    """No living key was presented."""


class ScopeMissing(AccessDenied):
    """The key that was presented does not open this."""


class HostNotAllowed(RequestRefused):
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


class BodyTooLarge(RequestRefused):
    """The body is larger than its route takes."""


class BodyDamaged(RequestRefused):
    """The body does not unpack as its Content-Encoding says."""


class EncodingUnsupported(RequestRefused):
    """The body's Content-Encoding is none that the service reads."""

    def __init__(self, message: str, headers: dict[str, str]) -> None:
        """Keep the headers that tell what the service reads."""
        super().__init__(message)
        self.headers = headers


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


class LookUpsOverloaded(Overloaded):
    """More predictions are looked up than the bound allows, or the spool was not read in time for one."""


class BodiesFull(Overloaded):
    """The process holds as many bytes of bodies as it may."""


class RateLimited(RequestRefused):
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


class BackgroundError(SentimentError):
    """Work behind the replies failed."""


class FilesFailed(BackgroundError):
    """Files of the spool cannot be read or written. Not an OSError, as a database that is away may raise one."""


class RecordNewer(BackgroundError):
    """A newer release wrote the record, in a format that this release does not know."""


class ShadowFailed(BackgroundError):
    """The shadow model gives no more answers; the message says why and quotes no text."""
