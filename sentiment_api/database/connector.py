"""Makes one connection: tries the hosts in turn, as libpq does, and refuses a server that cannot be used.

Nothing is said to a server at the start but who wants which database, so that a pooler such as PgBouncer takes it.
"""

import asyncio
import random
import ssl
from socket import AF_UNIX, gaierror
from typing import Final

import asyncpg

from sentiment_api.database.parameters import ConnectionInfo
from sentiment_api.database.refusals import CREATE_DATABASE, URL, is_refusal, sqlstate_of, unreachable, unusable
from sentiment_api.database.url import Host
from sentiment_api.errors import DatabaseUnusable

OLDEST_MAJOR: Final = 14
"""The oldest PostgreSQL that detaches partitions while others read."""
_ENCODING: Final = "UTF8"
_OF_SETTINGS: Final = ("22", "42")
"""Classes of SQLSTATE that a session's start is refused with for nothing but its settings."""
_NO_RIGHT: Final = "42501"
_SAME_EVERYWHERE: Final = ("28", "3D")
"""The password or the name is wrong: the other hosts need not be tried, and libpq does not."""

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
                    async with asyncio.timeout(self._info.timeout_s):
                        is_wanted = await _is_wanted(connection, wanted)
                    if is_wanted:
                        self._last = host
                        return connection
                except (OSError, asyncpg.PostgresError, DatabaseUnusable) as failure:
                    if (sqlstate_of(failure) or "").startswith(_SAME_EVERYWHERE):
                        raise
                    # What a server says tells more than that another one is away.
                    error = failure if error is None or is_refusal(failure) else error
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
        """Return a connection that can be used.

        Raises:
            DatabaseUnusable: no Postgres answers, or one that is not what it must be.
            Exception: what asyncpg and the system raise otherwise.
        """
        try:
            connection = await asyncpg.connect(
                host=(host.name or None) if host else None,
                port=host.port if host else None,
                timeout=self._info.timeout_s,
                command_timeout=self._command_timeout_s,
                statement_cache_size=0,
                target_session_attrs="any",
                **{**self._info.arguments, "password": self._info.password_for(host)},
            )
        except (OSError, ValueError, asyncpg.ClientConfigurationError, asyncpg.PostgresError) as error:
            explained = _refused_setting(error) or _explained(error, self._info)
            if explained is None:
                raise
            raise explained from error
        self._keep_alive(connection)
        return _usable(connection)

    def _keep_alive(self, connection: asyncpg.Connection) -> None:
        """Set what the URL says of the socket, so that a connection whose other end has gone is found out."""
        socket = connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg gives it to nobody
        for level, option, value in self._info.socket_options if socket.family != AF_UNIX else ():
            socket.setsockopt(level, option, value)


def _refused_setting(error: Exception) -> DatabaseUnusable | None:
    sqlstate = sqlstate_of(error) or ""
    if not sqlstate.startswith(_OF_SETTINGS) or sqlstate == _NO_RIGHT:
        return None
    found = f"it does not take a setting that the URL has (SQLSTATE {sqlstate})"
    return unusable(found, f"mend options, or the other settings of the server's, in {URL}")


def _explained(error: Exception, info: ConnectionInfo) -> DatabaseUnusable | None:
    """Return what it means that no connection came about, None where `refusal_line` knows it by the error's kind."""
    if isinstance(error, (TimeoutError, gaierror, ConnectionRefusedError, ssl.SSLError)) or is_refusal(error):
        return None
    restart = f"start it (`sentiment-api db start` where it is embedded), or mend host and port in {URL}"
    match error:
        case FileNotFoundError() | NotADirectoryError() | PermissionError():
            return unreachable("there is no socket that this user can open", restart)
        case ConnectionError() | asyncpg.PostgresConnectionError():
            return _broken_off(error, info)
        case OSError():  # such as no route; of a name with several addresses asyncio has one without a number
            return unreachable(error.strerror or "nothing listens at any of its addresses", restart)
        case asyncpg.ClientConfigurationError():
            # Other messages than of certificates may quote the URL, which holds a password.
            message = str(error).splitlines()[0]
            found = message if "certificate file" in message else "a parameter, or a variable like PGSSLMODE, is wrong"
            return unreachable(found, f"mend {URL}, and name a root certificate as sslrootcert, or sslrootcert=system")
    return unreachable("the host's name cannot be one", f"mend {URL}")  # as Python has those: ValueError


def _broken_off(error: Exception, info: ConnectionInfo) -> DatabaseUnusable:
    """Return what it means that the other side does not go on, which asyncpg tells by a message alone."""
    if "rejected SSL upgrade" not in str(error):
        return unreachable("what answers closes the connection", f"mend host and port in {URL}, or look into its log")
    if info.insists_on_tls:
        return unreachable("it has no TLS, which sslmode insists on", "turn ssl on there, or write sslmode=prefer")
    return unreachable("what answers is no Postgres", f"mend host and port in {URL}")


def _usable(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Return the connection if the server is what it must be, by what it says at the start; else close it.

    Raises:
        DatabaseUnusable: it is too old, or the database is not in UTF-8, so that texts would be refused as data.
    """
    version = connection.get_server_version()
    encoding = getattr(connection.get_settings(), "server_encoding", _ENCODING)
    if version.major >= OLDEST_MAJOR and encoding == _ENCODING:
        return connection
    connection.terminate()
    if version.major < OLDEST_MAJOR:
        found, remedy = f"expected PostgreSQL {OLDEST_MAJOR} or newer, found {version.major}", "upgrade the server"
    else:
        found = f"expected a database in UTF8, found {encoding}"
        remedy = f"create another with `{CREATE_DATABASE}` and name that one in {URL}"
    raise unusable(found, remedy)


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
