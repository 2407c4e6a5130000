"""Transactions whose commit counts only once disk and standbys have it: of what is then removed, or told, elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sentiment_api.errors import CommitUnconfirmed

COMMIT_TIMEOUT_S: Final = 60.0
_WARNING: Final = "01000"
_SETTINGS: Final = (
    # A machine that loses its power in the middle of a transaction would keep its locks for hours.
    "set local idle_in_transaction_session_timeout = '60s'",
    # Or the server does not send the warning.
    "set local client_min_messages = warning",
)
_WAIT_AT_COMMIT: Final = text(
    "select current_setting('synchronous_standby_names') <> '' from current_setting('synchronous_commit') as given, "
    "set_config('synchronous_commit', case when given in ('off', 'local') then 'on' else given end, true)"
)
"""Returns whether there are standbys to wait for."""


@contextlib.asynccontextmanager
async def durable_transaction(
    connection: AsyncConnection, commit_timeout_s: float = COMMIT_TIMEOUT_S
) -> AsyncIterator[asyncpg.Connection]:
    """Run the block in one transaction, on the connection that it yields, and commit it.

    When it ends, what was written is on the disk of the primary, and of each standby that Postgres is told to wait for:
    also where the database is told not to wait for them (`synchronous_commit`), and where all rows were stored before.

    Raises:
        CommitUnconfirmed: the commit did not wait for the standby. Postgres reports that as a success with a warning,
            where somebody cancels the wait (`pg_cancel_backend`, or a time-out of the client).
    """
    driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    async with connection.begin():
        await _require_durable_commit(connection)
        yield driver
        if not await _is_committed(connection, driver, commit_timeout_s):
            raise CommitUnconfirmed


async def _require_durable_commit(connection: AsyncConnection) -> None:
    for setting in _SETTINGS:
        await connection.execute(text(setting))
    if await connection.scalar(_WAIT_AT_COMMIT):
        # A transaction that finds all its rows stored writes nothing, and its commit would wait for nobody. This writes
        # a message to the write-ahead log, which nobody reads.
        await connection.execute(text("select pg_logical_emit_message(true, 'sentiment', '')"))


async def _is_committed(connection: AsyncConnection, driver: asyncpg.Connection, timeout_s: float) -> bool:
    """Commit, and return whether the commit waited for all that it has to wait for."""
    warned = False

    def listen(_: object, message: asyncpg.PostgresLogMessage) -> None:
        nonlocal warned
        warned = warned or message.sqlstate == _WARNING

    driver.add_log_listener(listen)
    try:
        async with asyncio.timeout(timeout_s):
            await connection.commit()
    except TimeoutError:
        await connection.invalidate()
        return False
    finally:
        driver.remove_log_listener(listen)
    return not warned
