"""How to reach Postgres: one SQLAlchemy engine on asyncpg, for the embedded server or for an external one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sentiment_api.database.embedded import PORT, EmbeddedServer
from sentiment_api.errors import DatabaseNotReady, SettingsInvalid
from sentiment_api.settings import DatabaseSettings

SCHEMA_REVISION = "0001"
"""The oldest schema that this release runs on. Revisions are numbered, so newer ones compare greater."""

DATABASE_ERRORS = (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a database that is away, or refuses, raises through SQLAlchemy or asyncpg."""

_CONNECT_TIMEOUT_S = 5.0
_COMMAND_TIMEOUT_S = 60.0


@asynccontextmanager
async def connected(settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """Yield an engine and dispose of it at the end; an embedded server is started first.

    An external server is not contacted before the first query.

    Raises:
        DatabaseNotReady: the embedded server cannot be started.
        SettingsInvalid: the URL cannot be read.
    """
    if settings.database == "embedded":
        EmbeddedServer(settings.data_dir).start()
    engine = make_engine(settings)
    try:
        yield engine
    finally:
        await engine.dispose()


def make_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine that connects on its first query. Disposing of it is the caller's.

    Raises:
        SettingsInvalid: the URL cannot be read.
    """
    return create_async_engine(
        database_url(settings),
        pool_pre_ping=True,
        connect_args={"timeout": _CONNECT_TIMEOUT_S, "command_timeout": _COMMAND_TIMEOUT_S},
    )


def database_url(settings: DatabaseSettings) -> URL:
    """Return the URL for SQLAlchemy.

    Raises:
        SettingsInvalid: `SENTIMENT_DATABASE_URL` is no Postgres URL. The message leaves it out: it holds a password.
    """
    if settings.database_url is None:
        server = EmbeddedServer(settings.data_dir)
        # The port is given, too: asyncpg would take it from PGPORT.
        query = {"host": str(server.folder), "port": str(PORT)}
        return URL.create("postgresql+asyncpg", username="postgres", database="postgres", query=query)
    try:
        url = make_url(settings.database_url.get_secret_value())
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        raise SettingsInvalid("SENTIMENT_DATABASE_URL: expected postgresql://user:password@host:port/name")
    options = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=options)


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
