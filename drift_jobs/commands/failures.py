"""How a failure is told to an operator: one line, which never quotes a row."""

from socket import gaierror
from ssl import SSLError

from drift_jobs.errors import DriftError
from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.refusals import refusal_line
from sentiment_api.errors import OperatorError, place_of

MENDABLE = (DriftError, OperatorError, *DATABASE_ERRORS)
"""What an operator can mend."""
_OF_POSTGRES = (*(kind for kind in DATABASE_ERRORS if kind is not OSError), ConnectionError, gaierror, SSLError)
"""Of the errors of the system the others are of files."""


def failure_line(error: Exception) -> str:
    """Return what failed: what an operator can mend in words, a defect of ours by its kind and place."""
    if isinstance(error, MENDABLE):
        return _one_line(error)
    if package := _missing_package(error):
        return (
            f"expected the package {package}, found none; run `make install-drift`, or "
            "`pip install 'sentiment-service[drift]'`"
        )
    # The kind and the place, not the message: it may quote a row.
    return f"a defect, {type(error).__name__} at {place_of(error)}"


def _one_line(error: Exception) -> str:
    """Return what an operator may read."""
    if isinstance(error, _OF_POSTGRES):
        return refusal_line(error)
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or 'Postgres or a file cannot be reached'}"
    return " ".join(str(error).split())


def _missing_package(error: Exception) -> str:
    """Return the package of others that is not installed, as after `make serve`; empty when that is not what failed."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return "" if package in ("drift_jobs", "sentiment_api") else package
