"""How a failure is told to an operator: one line, which never quotes a row."""

from sqlalchemy.exc import DBAPIError

from drift_jobs.errors import DriftError
from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.errors import OperatorError, place_of

MENDABLE = (DriftError, OperatorError, *DATABASE_ERRORS)
"""What an operator can mend."""


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
    """Return what an operator may read. The server's own messages are left out: they can carry values of rows."""
    sqlstate = getattr(getattr(error, "orig", None) or error, "sqlstate", None)
    if sqlstate in ("42P01", "42703"):  # undefined_table, undefined_column
        return "the database is not migrated; run `sentiment-api db upgrade` with the same SENTIMENT_DATABASE settings"
    if sqlstate is not None or isinstance(error, DBAPIError):
        return f"Postgres refused, SQLSTATE {sqlstate or 'unknown'}"
    if isinstance(error, ConnectionError | TimeoutError):
        return (
            f"Postgres cannot be reached ({error.strerror or 'no answer in time'}); start it, or mend "
            "SENTIMENT_DATABASE_URL"
        )
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or 'Postgres or a file cannot be reached'}"
    return " ".join(str(error).split())


def _missing_package(error: Exception) -> str:
    """Return the package of others that is not installed, as after `make serve`; empty when that is not what failed."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return "" if package in ("drift_jobs", "sentiment_api") else package
