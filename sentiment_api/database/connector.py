"""Makes one connection: tries the hosts in turn, as libpq does, and refuses a server that cannot be used.

Nothing is said to a server at the start but who wants which database, so that a pooler such as PgBouncer takes it.
"""

import random
from typing import Final

import asyncpg

from sentiment_api.database.parameters import ConnectionInfo
from sentiment_api.database.url import Host

_WANTED: Final = {
    "read-write": ("read_only", False),
    "read-only": ("read_only", True),
    "primary": ("standby", False),
    "standby": ("standby", True),
    "prefer-standby": ("standby", True),
}
"""What a server has to say of itself in `_STATE`, by `target_session_attrs`."""
_STATE: Final = "select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only"


class Connector:
    """Connects by one `ConnectionInfo`. The host that was taken last is tried first."""

    def __init__(self, info: ConnectionInfo, command_timeout_s: float | None) -> None:
        """Nothing is contacted before `connect`."""
        self._info = info
        self._command_timeout_s = command_timeout_s
        self._last: Host | None = None

    async def connect(self) -> asyncpg.Connection:
        """Return a connection to the first host that answers and is what `target_session_attrs` wants.

        Raises:
            DATABASE_ERRORS: there is none; the error is what one of the hosts said, if any said something.
        """
        error: Exception | None = None
        for wanted in self._rounds():
            for host in self._hosts():
                try:
                    connection = await self._connect_to(host)
                    if await _is_wanted(connection, wanted):
                        self._last = host
                        return connection
                except (OSError, asyncpg.PostgresError) as failure:
                    if _is_same_everywhere(failure):
                        raise
                    # What a server says tells more than that another one is away.
                    error = failure if error is None or isinstance(failure, asyncpg.PostgresError) else error
                    continue
                connection.terminate()
        raise error or asyncpg.TargetServerAttributeNotMatched("no host is what target_session_attrs wants")

    def _rounds(self) -> tuple[str, ...]:
        wanted = self._info.session_attributes
        return (wanted, "any") if wanted == "prefer-standby" else (wanted,)

    def _hosts(self) -> list[Host | None]:
        hosts: list[Host | None] = list(self._info.hosts) or [None]
        if self._info.is_shuffled:
            random.shuffle(hosts)
        elif self._last in hosts:
            hosts.sort(key=lambda host: host != self._last)
        return hosts

    async def _connect_to(self, host: Host | None) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=host.name if host else None,
            port=host.port if host else None,
            timeout=self._info.timeout_s,
            command_timeout=self._command_timeout_s,
            statement_cache_size=0,
            target_session_attrs="any",
            **self._info.arguments,
        )


def _is_same_everywhere(failure: Exception) -> bool:
    """Return whether the other hosts need not be tried, as libpq does not: the password or the name is wrong."""
    return (getattr(failure, "sqlstate", None) or "").startswith(("28", "3D"))


async def _is_wanted(connection: asyncpg.Connection, wanted: str) -> bool:
    if wanted == "any":
        return True
    column, value = _WANTED[wanted]
    try:
        async with connection.transaction(isolation="read_committed"):
            state = await connection.fetchrow(_STATE)
    except BaseException:
        connection.terminate()
        raise
    return bool(state[column] == value)
