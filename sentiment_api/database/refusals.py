"""What Postgres' refusals mean, in one line each with the remedy: for commands, logs, health and the drift job.

A line never quotes the server, whose messages can hold values of rows, nor the URL, which holds a password.
"""

import re
import socket
import ssl
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from sentiment_api.errors import DatabaseUnreachable, DatabaseUnusable

CREATE_DATABASE: Final = "createdb --encoding=UTF8 --template=template0 NAME"
URL: Final = "SENTIMENT_DATABASE_URL"
_PAGE: Final = "docs/postgres.md"
_POOLERS: Final = "08P01"
"""PgBouncer's SQLSTATE for all that it refuses itself."""
_MIGRATE: Final = "run `sentiment-api db upgrade` with the same SENTIMENT_DATABASE settings"
_SQLSTATES: Final = {
    _POOLERS: ("the pooler does not take what it was asked", f"{_PAGE} has the settings that it needs"),
    "25006": (
        "it is read-only",
        "name the primary, or all hosts, in the URL, and set default_transaction_read_only off",
    ),
    "28000": (
        "it does not let this user in",
        "the role must exist and have LOGIN, and pg_hba.conf a rule for it, the database and the address",
    ),
    "28P01": (
        "the password is wrong, or there is no such user",
        f"mend {URL}, or SENTIMENT_DATABASE_PASSWORD_FILE",
    ),
    "3D000": ("there is no database of this name", f"create it with `{CREATE_DATABASE}`, or mend {URL}"),
    "3F000": ("there is no schema for the tables", "create it, or set SENTIMENT_DATABASE_SCHEMA to one of your own"),
    "40001": ("transactions were in each other's way", "try again"),
    "40P01": ("transactions were in each other's way", "try again"),
    "42501": ("the role lacks a right", f"run `sentiment-api check`, which names it; {_PAGE} has the grants"),
    "42703": ("the database is not migrated", _MIGRATE),
    "42P01": ("the database is not migrated", _MIGRATE),
    "53100": ("its disk is full", "make room there"),
    "53200": ("it is out of memory", "look into its log"),
    "53300": (
        "it has no connection left",
        "raise max_connections, or the limit of the role or the database, or set connection_limit in the URL",
    ),
    "55P03": ("another session holds what is needed", "try again"),
    "57014": ("a statement took too long", "raise statement_timeout of this role"),
    "57P01": ("it ended the connection", "try again once it is back"),
    "57P02": ("it crashed", "try again once it is back"),
    "57P03": ("it starts, stops or recovers", "try again once it is up"),
}
_BY_MESSAGE: Final = (
    # What a message tells apart before anybody is logged in, when it holds no values of rows.
    (
        "28000",
        "no encryption|SSL connection is required|connection is insecure",
        "it does not let this user in without TLS, or not at all",
        "write sslmode=require in the URL; else pg_hba.conf needs a rule for the user, the database and the address",
    ),
    (
        "55000",
        "not currently accepting connections",
        "the database takes no connections",
        "run ALTER DATABASE ... ALLOW_CONNECTIONS true",
    ),
    (
        "42501",
        "permission denied for database",
        "the role may not connect to the database",
        "run GRANT CONNECT ON DATABASE ... TO this role, as the database's owner",
    ),
    # PgBouncer's own, which are of one SQLSTATE; it names settings.
    (
        _POOLERS,
        "unsupported startup parameter",
        "the pooler does not take a setting that the URL has",
        "leave it out of the URL, or add it to ignore_startup_parameters in pgbouncer.ini",
    ),
    (_POOLERS, "statement pooling", "the pooler has pool_mode = statement", "set pool_mode = transaction, or session"),
    (
        _POOLERS,
        "SSL required|connection is insecure",
        "the pooler takes connections with TLS alone",
        "write sslmode=require in the URL",
    ),
    (_POOLERS, "no such database", "the pooler knows no database of this name", f"add it there, or mend {URL}"),
    (
        _POOLERS,
        "no such user|authentication failed",
        "the pooler does not know the user or the password",
        f"add them to its auth_file, or mend {URL}",
    ),
    (
        _POOLERS,
        "no more connections allowed",
        "the pooler has no connection left",
        "raise max_client_conn in pgbouncer.ini",
    ),
    (
        _POOLERS,
        "query_wait_timeout",
        "the pooler had no connection free in time",
        "raise default_pool_size in pgbouncer.ini",
    ),
    (
        _POOLERS,
        "server login|cannot connect|server_login_retry",
        "the pooler does not reach Postgres",
        "start Postgres, or mend pgbouncer.ini",
    ),
)
_PASSED_ON: Final = {
    # Postgres' refusals that PgBouncer before 1.21 hands on with a SQLSTATE of its own.
    "^database .* does not exist": "3D000",
    "^role .* does not exist|not permitted to log in|pg_hba.conf": "28000",
    "^too many connections|^sorry, too many clients|^remaining connection slots": "53300",
    "^the database system is": "57P03",
}
_WRONG_NAMES: Final = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""
_EXPIRED: Final = 10


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error that Postgres answered with, None of any other."""
    return getattr(getattr(error, "orig", None) or error, "sqlstate", None)


def is_refusal(error: BaseException) -> bool:
    """Return whether Postgres, or a pooler, answered and refused; False when nothing answers, or it broke off."""
    if isinstance(error, DatabaseUnusable):
        return not isinstance(error, DatabaseUnreachable)
    sqlstate = sqlstate_of(error)
    return sqlstate is not None and (sqlstate == _POOLERS or not sqlstate.startswith("08"))


def refusal_line(error: BaseException) -> str:
    """Return one line that says what an error of `DATABASE_ERRORS` means, and the remedy."""
    cause = _driver_error(error)
    if isinstance(error, DatabaseUnusable):
        return str(error)
    if is_refusal(error):
        return refusal_of(sqlstate_of(error) or "", str(cause))
    if isinstance(cause, asyncpg.PostgresConnectionError) and _is_poolers(str(cause)):
        return refusal_of(_POOLERS, str(cause))  # it hangs up as well
    return str(unreachable(*_unanswered(error, cause)))


def unreachable(found: str, remedy: str) -> DatabaseUnreachable:
    """Return the error for a server that does not answer, or not as Postgres does."""
    return DatabaseUnreachable(f"Postgres cannot be reached: {found}; {remedy}")


def unusable(found: str, remedy: str) -> DatabaseUnusable:
    """Return the error for a server that answers and cannot be used."""
    return DatabaseUnusable(f"Postgres cannot be used: {found}; {remedy}")


def refusal_of(sqlstate: str, message: str = "") -> str:
    """Return the line for a SQLSTATE; `message`, the server's, tells its cases apart."""
    found, remedy = _SQLSTATES.get(sqlstate, ("it does not do what it was asked", "look into its log"))
    if sqlstate == _POOLERS:
        for pattern, passed_on in _PASSED_ON.items():
            if re.search(pattern, message):
                found, remedy = _SQLSTATES[passed_on]
    for of, pattern, found_by_message, its_remedy in _BY_MESSAGE:
        if sqlstate == of and re.search(pattern, message):
            found, remedy = found_by_message, its_remedy
    return f"Postgres refuses: {found} (SQLSTATE {sqlstate}); {remedy}"


def _is_poolers(message: str) -> bool:
    return any(of == _POOLERS and re.search(pattern, message) for of, pattern, *_ in _BY_MESSAGE)


def _driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's error behind SQLAlchemy's."""
    original = getattr(error, "orig", None) or error
    behind = original.__cause__
    return behind if isinstance(error, DBAPIError) and behind is not None else original


def _unanswered(error: BaseException, cause: BaseException) -> tuple[str, str]:  # noqa: PLR0911 - a table of types
    match cause:
        case asyncpg.TargetServerAttributeNotMatched():
            return "no host is what target_session_attrs asks for", "name all hosts, or ask for another kind"
        case ssl.SSLError():
            return _untrusted(cause)
        case socket.gaierror():
            return "the host's name is not known here", f"mend the host in {URL}, or the machine's DNS"
        case ConnectionRefusedError():
            return "nothing listens at its address", f"start it, or mend host and port in {URL}"
        case NoConnectionFree():
            return "all connections of this process are in use", "raise connection_limit in the URL"
        case asyncpg.InterfaceError() if "authentication" in str(cause):
            return "it asks for a kind of authentication that this client has not", "use scram-sha-256 in pg_hba.conf"
        case ConnectionError() | asyncpg.PostgresConnectionError() | asyncpg.InterfaceError():
            return "the connection was closed", f"look into its log, or mend host and port in {URL}"
        case OSError() if not isinstance(cause, TimeoutError):
            return f"{cause.strerror or type(cause).__name__}", f"start it, or mend {URL}"
    if isinstance(error, TimeoutError):
        return "no answer in time", f"start it, or mend host and port in {URL}"
    return f"{type(cause).__name__}", f"look into its log, or mend {URL}"


def _untrusted(error: ssl.SSLError) -> tuple[str, str]:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "TLS failed", "compare the TLS versions, sslcert, sslkey and sslpassword in the URL with the server"
    if error.verify_code in _WRONG_NAMES:
        return "its certificate is for another host name", "name the host as the certificate does, in the URL"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired", "renew it on the server"
    return "its certificate is not trusted", "name the authority's file as sslrootcert in the URL"
