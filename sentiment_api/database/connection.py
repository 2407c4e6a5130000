"""How to reach Postgres: one SQLAlchemy engine on asyncpg, for the embedded server or for an external one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sentiment_api.database.embedded import PORT, EmbeddedServer
from sentiment_api.errors import DatabaseNotReady, SettingsInvalid
from sentiment_api.settings import DatabaseSettings

SCHEMA_REVISION = "0006"
"""The oldest schema that this release runs on. Revisions are numbered, so newer ones compare greater."""

DATABASE_ERRORS = (
    *(DBAPIError, NoConnectionFree),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),
    *(OSError, TimeoutError),
)
"""What a database that is away, or refuses, raises through SQLAlchemy or asyncpg."""

_CONNECT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 60.0
_READ_TIMEOUT = "sentiment_read_timeout_s"
_SESSION = {
    # What takes a lock and then looks must see what was committed before it had the lock.
    "default_transaction_isolation": "read committed",
}


@asynccontextmanager
async def connected(
    settings: DatabaseSettings, command_timeout_s: float | None = _COMMAND_TIMEOUT_S
) -> AsyncIterator[AsyncEngine]:
    """Yield an engine and dispose of it at the end; an embedded server is started first.

    An external server is not contacted before the first query. A statement that takes longer than `command_timeout_s`
    raises TimeoutError; with None it may take for ever, as an index on a large table does.

    Raises:
        DatabaseNotReady: the embedded server cannot be started.
        SettingsInvalid: the URL cannot be read.
    """
    if settings.database == "embedded":
        EmbeddedServer(settings.data_dir).start()
    engine = make_engine(settings, command_timeout_s)
    try:
        yield engine
    finally:
        await engine.dispose()


def make_engine(settings: DatabaseSettings, command_timeout_s: float | None = _COMMAND_TIMEOUT_S) -> AsyncEngine:
    """Return an engine that connects on its first query. Disposing of it is the caller's.

    Raises:
        SettingsInvalid: the URL cannot be read.
    """
    connect = partial(
        asyncpg.connect,
        _dsn(settings),
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings=_SESSION,
    )
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        hide_parameters=True,
        execution_options={_READ_TIMEOUT: settings.read_timeout_s},
    )


def read_timeout_s(engine: AsyncEngine) -> float:
    """Return how long a reply may wait for what this engine reads."""
    seconds: float = engine.get_execution_options()[_READ_TIMEOUT]
    return seconds


def _dsn(settings: DatabaseSettings) -> str:
    """Return the URL for asyncpg, which reads `sslmode`, `sslrootcert` and the like as libpq does.

    Raises:
        SettingsInvalid: `SENTIMENT_DATABASE_URL` is no Postgres URL. The message leaves it out: it holds a password.
    """
    if settings.database_url is None:
        # The port is given, too: asyncpg would take it from PGPORT.
        query = {"host": str(EmbeddedServer(settings.data_dir).folder), "port": str(PORT)}
        return _rendered(URL.create("postgresql", username="postgres", database="postgres", query=query))
    try:
        url = make_url(settings.database_url.get_secret_value())
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in ("postgresql", "postgres"):
        raise SettingsInvalid("SENTIMENT_DATABASE_URL: expected postgresql://user:password@host:port/name")
    if settings.database_password is not None:
        url = url.set(password=settings.database_password.get_secret_value())
    # libpq's name for what we bound ourselves; Postgres would take it for a setting of the server's.
    return _rendered(url.difference_update_query(["connect_timeout"]).set(drivername="postgresql"))


def _rendered(url: URL) -> str:
    return url.render_as_string(hide_password=False)


async def check_schema(engine: AsyncEngine) -> None:
    """Do nothing when the schema is at least `SCHEMA_REVISION`.

    Raises:
        DatabaseNotReady: the migrations were not applied, or not all of them.
        DATABASE_ERRORS: Postgres does not answer.
    """
    async with engine.connect() as connection:
        try:
            found = await connection.scalar(text("select version_num from alembic_version"))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != "42P01":  # undefined_table
                raise
            found = None
    if found is None or found < SCHEMA_REVISION:
        raise DatabaseNotReady(
            f"expected the database schema {SCHEMA_REVISION} or newer, found {found or 'an unmigrated database'}; "
            "run `sentiment-api db upgrade`"
        )
