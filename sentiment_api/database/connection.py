"""How to reach Postgres: one SQLAlchemy engine on asyncpg, for the embedded server or for an external one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Connection, ExceptionContext, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sentiment_api.database.connector import Connector
from sentiment_api.database.embedded import PORT, EmbeddedServer
from sentiment_api.database.parameters import ConnectionInfo, connection_info
from sentiment_api.database.url import Host, parse_url
from sentiment_api.errors import DatabaseNotReady, DatabaseUnusable
from sentiment_api.settings import DatabaseSettings

SCHEMA_REVISION = "0006"
"""The oldest schema that this release runs on. Revisions are numbered, so newer ones compare greater."""

DATABASE_ERRORS = (
    *(DBAPIError, NoConnectionFree),
    *(asyncpg.PostgresError, asyncpg.InterfaceError),
    *(OSError, TimeoutError, DatabaseUnusable),
)
"""What a database that is away, or refuses, raises through SQLAlchemy or asyncpg."""

READ_ONLY = "25006"
"""The SQLSTATE of a write where none is taken: by a standby, or by `default_transaction_read_only`."""

_COMMAND_TIMEOUT_S = 60.0
_READ_TIMEOUT = "sentiment_read_timeout_s"
_CONNECTIONS = "sentiment_connections"
_SEARCH_PATH = "sentiment_search_path"
_MOST_CONNECTIONS = 15
"""Of one process, unless the URL has a `connection_limit`."""
_KEPT_CONNECTIONS = 5
_LEAST_CONNECTIONS = 2
"""Dropping old months takes two."""


_UNNAMED: dict[str, Any] = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
"""Statements are parsed each time and have no name: behind a pooler the next transaction has another connection, which
knows none of them, or another one of that name."""


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
    info = _connection_info(settings)
    most = max(info.max_connections or _MOST_CONNECTIONS, _LEAST_CONNECTIONS)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        connect_args=_UNNAMED | {"async_creator_fn": Connector(info, command_timeout_s).connect},
        # In each BEGIN: a pooler refuses it as a setting of the session. What takes a lock and then looks must see what
        # was committed before it had the lock.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=min(most, _KEPT_CONNECTIONS),
        max_overflow=max(0, most - _KEPT_CONNECTIONS),
        hide_parameters=True,
        execution_options={_READ_TIMEOUT: settings.read_timeout_s, _CONNECTIONS: most, _SEARCH_PATH: info.search_path},
    )
    event.listen(engine.sync_engine, "handle_error", _leave_read_only)
    if info.search_path:
        _use_search_path(engine, info.search_path)
    return engine


def _leave_read_only(context: ExceptionContext) -> None:
    """Close the connection to a server that takes no writes any more: another host may be the primary now."""
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


def _use_search_path(engine: AsyncEngine, path: tuple[str, ...]) -> None:
    """Have each transaction look for tables in these schemas, of which there is one as a rule.

    For the transaction alone: a pooler hands the server's connection to others afterwards.
    """
    quote = engine.dialect.identifier_preparer.quote_identifier
    statement = f"set local search_path = {', '.join(map(quote, path))}"

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def read_timeout_s(engine: AsyncEngine) -> float:
    """Return how long a reply may wait for what this engine reads."""
    seconds: float = engine.get_execution_options()[_READ_TIMEOUT]
    return seconds


def most_connections(engine: AsyncEngine) -> int:
    """Return how many connections this engine makes at most."""
    most: int = engine.get_execution_options()[_CONNECTIONS]
    return most


def own_schema(engine: AsyncEngine) -> str | None:
    """Return the schema that the tables are to be in; None leaves it to the role's search path."""
    path: tuple[str, ...] = engine.get_execution_options()[_SEARCH_PATH]
    return path[0] if path and path[0] != "$user" else None  # Postgres' word for a schema that need not exist


def _connection_info(settings: DatabaseSettings) -> ConnectionInfo:
    """Return how to connect.

    Raises:
        SettingsInvalid: `SENTIMENT_DATABASE_URL` cannot be read.
    """
    if settings.database_url is None:
        # The port is given, too: asyncpg would take it from PGPORT.
        folder = str(EmbeddedServer(settings.data_dir).folder)
        return ConnectionInfo(
            hosts=(Host(folder, PORT),),
            search_path=(settings.database_schema,) if settings.database_schema else (),
            arguments={"user": "postgres", "database": "postgres", "ssl": False},
        )
    password = settings.database_password.get_secret_value() if settings.database_password is not None else None
    return connection_info(parse_url(settings.database_url.get_secret_value()), password, settings.database_schema)


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
