"""What the parameters of a Postgres URL mean here: those of libpq, and those that other clients' URLs have.

Each is either heeded, or without a meaning for this client, or refused by its name. docs/postgres.md has the table.
"""

import configparser
import difflib
import os
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sentiment_api.database.refusals import URL
from sentiment_api.database.url import DatabaseUrl, Host, parse_hosts, password_in, system_user
from sentiment_api.errors import SettingsInvalid

_CONNECT_TIMEOUT_S: Final = 5.0
_LONGEST_CONNECT_TIMEOUT_S: Final = 60
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_CHECKING: Final = ("verify-ca", "verify-full")
_INSISTING: Final = ("require", *_CHECKING)
_TLS_VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SESSION_ATTRIBUTES: Final = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
_TLS: Final = (
    *("sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
"""What asyncpg reads from a URL, and from nowhere else, as libpq does."""
_FILES: Final = ("passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl")
_SOCKET: Final = {
    "keepalives": (socket.SOL_SOCKET, "SO_KEEPALIVE"),
    "keepalives_idle": (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
    "keepalives_interval": (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
    "keepalives_count": (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
    "tcp_user_timeout": (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"),
}
_OF_OTHERS: Final = 0o077
"""What a password file may not permit."""
_SERVER_SETTINGS: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
"""Settings of the server's that may stand in the URL without `options`, as asyncpg has them."""
_ALIASES: Final = {"database": "dbname", "ApplicationName": "application_name", "encoding": "client_encoding"}
_SSL_VALUES: Final = {"true": "require", "1": "require", "no-verify": "require", "false": "disable", "0": "disable"}
"""Of `ssl`, which clients on Node.js and the JVM have for `sslmode`."""
_HEEDED: Final = (
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "servicefile"),
    *("sslmode", "ssl", "sslnegotiation", "requiressl", *_TLS, *_SOCKET, *_SERVER_SETTINGS, *_ALIASES),
    *("application_name", "fallback_application_name", "options", "search_path", "currentSchema", "schema"),
    *("target_session_attrs", "load_balance_hosts", "connect_timeout", "connection_limit", "krbsrvname", "gsslib"),
)
_MEANINGLESS: Final = (
    *("pgbouncer", "pool", "pool_timeout", "pool_size", "max_overflow", "pool_max_conns"),
    "max_idle_connection_lifetime",
    *("statement_cache_size", "statement_cache_mode", "prepared_statements", "prepared_statement_cache_size"),
    *("prepareThreshold", "preparedStatementCacheQueries", "binary_parameters", "default_query_exec_mode"),
    *("socket_timeout", "socketTimeout", "loginTimeout", "tcpKeepAlive", "supa", "workaround", "uselibpqcompat"),
    *("sslcompression", "tty", "authtype", "max_protocol_version"),
)
"""How another client pools, prepares or waits, or what says nothing any more."""
_LIMITED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "channel_binding": (
        ("disable", "prefer"),
        "this client has no channel binding: leave it out, and write sslmode=verify-full with sslrootcert instead",
    ),
    "gssencmode": (("disable", "prefer"), "this client has no GSSAPI encryption: leave it out, and use sslmode"),
    "gssdelegation": (("0",), "this client delegates no credentials: leave it out"),
    "client_encoding": (("utf8", "utf-8", "unicode", "auto"), "this client speaks UTF-8: leave it out"),
    "replication": (("", "0", "no", "off", "false"), "nothing is replicated here: leave it out"),
    "sslsni": (("1",), "this client always sends the server's name: leave it out"),
    "sslcertmode": (("allow",), "this client shows a certificate if sslcert names one: leave it out"),
    "sslaccept": (("accept_invalid_certs",), "write sslmode=verify-full instead, with sslrootcert"),
    "min_protocol_version": (("3.0",), "this client speaks version 3.0: leave it out"),
    "require_auth": ((), "this client takes the method that the server asks for: leave it out"),
    "requirepeer": ((), "this client does not check a socket's owner: leave it out"),
    "sslcrldir": ((), "name one file as sslcrl instead"),
    "sslkeylogfile": ((), "set the variable SSLKEYLOGFILE instead"),
    "scram_client_key": ((), "this client needs the password: leave it out"),
    "scram_server_key": ((), "this client needs the password: leave it out"),
    "oauth_issuer": ((), "this client has no OAuth: use a password or a certificate"),
    "oauth_client_id": ((), "this client has no OAuth: use a password or a certificate"),
    "sslidentity": ((), "write sslcert and sslkey instead"),
    "targetServerType": ((), "write target_session_attrs instead"),
    "loadBalanceHosts": ((), "write load_balance_hosts=random instead"),
}
"""Parameters of which only some values can be had, those values, and what to do otherwise."""


@dataclass(frozen=True)
class ConnectionInfo:
    """How to connect, as `connector` needs it. It holds a password: never print one."""

    hosts: tuple[Host, ...] = ()
    """Tried in this order. Empty are the usual sockets and localhost."""
    session_attributes: str = "any"
    """Which server of them is wanted, by libpq's word for `target_session_attrs`."""
    is_shuffled: bool = False
    timeout_s: float = _CONNECT_TIMEOUT_S
    """For each host."""
    insists_on_tls: bool = False
    search_path: tuple[str, ...] = ()
    """Schemas, the first for the tables; empty leaves it to the server."""
    max_connections: int | None = None
    """Of one process; None is our own choice."""
    socket_options: tuple[tuple[int, int, int], ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Further ones of `asyncpg.connect`."""

    def password_for(self, host: Host | None) -> str | None:
        """Return the password: what was given, else that of the password file; None leaves it to asyncpg.

        asyncpg reads such files too, but no backslash before a colon in a password.
        """
        given: str | None = self.arguments.get("password") or os.environ.get("PGPASSWORD")
        if given:
            return given
        user = self.arguments.get("user") or os.environ.get("PGUSER") or system_user()
        database = self.arguments.get("database") or os.environ.get("PGDATABASE") or user
        named = self.arguments.get("passfile") or os.environ.get("PGPASSFILE")
        try:
            file = Path(named) if named else Path.home() / ".pgpass"
            if file.stat().st_mode & _OF_OTHERS:
                return None  # as libpq; asyncpg warns of it
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, RuntimeError, UnicodeDecodeError):
            return None
        return password_in(lines, host or Host("", None), database, user)


def connection_info(url: DatabaseUrl, password: str | None = None, schema: str | None = None) -> ConnectionInfo:
    """Return how to connect by this URL, the `password` and the `schema` of other settings going first.

    Raises:
        SettingsInvalid: a parameter is unknown, or cannot be had, or contradicts another; the message names it.
    """
    given = _with_service({_ALIASES.get(name, name): value for name, value in url.parameters.items()})
    for name, value in given.items():
        _check(name, value)
    hosts = _hosts(given, url.hosts)
    options, path = _options(given.get("options", ""))
    arguments = {
        # A socket needs no TLS, as in libpq.
        "dsn": None if hosts and all(host.name.startswith("/") for host in hosts) else _tls_url(given),
        "user": given.get("user") or url.user,
        "password": password or given.get("password") or url.password,
        "passfile": given.get("passfile"),
        "database": given.get("dbname") or url.database,
        "server_settings": _server_settings(given, options),
        "krbsrvname": given.get("krbsrvname"),
        "gsslib": given.get("gsslib"),
        "ssl": _system_trust(given),
        "direct_tls": given.get("sslnegotiation") == "direct" or None,
    }
    attributes = given.get("target_session_attrs") or os.environ.get("PGTARGETSESSIONATTRS")
    return ConnectionInfo(
        hosts=hosts,
        # All of our commands write, so that a standby among several hosts is of no use.
        session_attributes=_one_of("target_session_attrs", attributes, _SESSION_ATTRIBUTES)
        or ("read-write" if len(hosts) > 1 else "any"),
        is_shuffled=_one_of("load_balance_hosts", given.get("load_balance_hosts"), ("disable", "random")) == "random",
        timeout_s=_timeout_s(given.get("connect_timeout")),
        insists_on_tls=_ssl_mode(given) in _INSISTING or given.get("sslrootcert") == "system",
        search_path=_search_path(given, path, schema),
        max_connections=_number("connection_limit", given.get("connection_limit")),
        socket_options=tuple(_socket_options(given)),
        arguments=arguments,
    )


def _check(name: str, value: str) -> None:
    if name in _LIMITED:
        values, remedy = _LIMITED[name]
        if value.lower() not in values:
            raise SettingsInvalid(f"{URL}: the parameter {name} cannot be had as it is; {remedy}")
    elif name not in _HEEDED and name not in _MEANINGLESS:
        near = difflib.get_close_matches(name, (*_HEEDED, *_LIMITED), 1)
        other = "leave it out, or write a setting of the server's as options=-c%20NAME%3DVALUE"
        shown = name if re.fullmatch(r"\w{1,63}", name, re.ASCII) else "with a strange name"
        raise SettingsInvalid(f"{URL}: there is no parameter {shown}; {f'did you mean {near[0]}?' if near else other}")
    if name in _FILES and value and (name, value) != ("sslrootcert", "system"):
        _check_file(name, Path(value))


def _check_file(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsInvalid(f"{URL}: cannot read {path}, which {name} names: {error.strerror}") from error
    if name == "passfile" and path.stat().st_mode & _OF_OTHERS:
        raise SettingsInvalid(f"{URL}: expected {path}, which passfile names, to be for its owner alone: chmod 600")


def _with_service(given: dict[str, str]) -> dict[str, str]:
    """Return the parameters, with those of the service in libpq's service file behind them."""
    name = given.get("service") or os.environ.get("PGSERVICE")
    if not name:
        return given
    path = Path(given.get("servicefile") or os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")
    file = configparser.RawConfigParser(delimiters="=", comment_prefixes="#", interpolation=None, strict=False)
    file.optionxform = str  # type: ignore[assignment,method-assign] # names are as they are written
    try:
        file.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SettingsInvalid(f"{URL}: cannot read {path} for the parameter service") from error
    if not file.has_section(name):
        raise SettingsInvalid(f"{URL}: expected the service that is named in the section of {path}")
    return {**dict(file.items(name)), **given}


def _hosts(given: Mapping[str, str], hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """Return the hosts; `hostaddr` is connected to where there is one, which leaves no name to check.

    As in libpq parameters go before what stands in front of the slash, names and ports each for themselves.
    """
    names = given.get("hostaddr") or given.get("host")
    own = ",".join(str(host.port or "") for host in hosts)
    ports = given.get("port") or (own if own.strip(",") else "")
    if given.get("hostaddr") and given.get("sslmode") == "verify-full":
        raise SettingsInvalid(f"{URL}: the parameter hostaddr leaves no name to check with sslmode=verify-full")
    if not names and not hosts:
        names, ports = os.environ.get("PGHOST"), ports or os.environ.get("PGPORT", "")
    if not names and given.get("port") and hosts:
        placed = parse_hosts("," * (len(hosts) - 1), ports)
        return tuple(Host(host.name, place.port) for host, place in zip(hosts, placed, strict=True))
    return parse_hosts(names or "", ports) if names or (ports and not hosts) else hosts


def _server_settings(given: Mapping[str, str], options: str) -> dict[str, str]:
    name = given.get("application_name") or given.get("fallback_application_name")
    settings = {key: given[key] for key in _SERVER_SETTINGS if given.get(key)}
    return settings | ({"application_name": name} if name else {}) | ({"options": options} if options else {})


def _ssl_mode(given: Mapping[str, str]) -> str | None:
    mode = given.get("sslmode")
    if not mode and (ssl_value := given.get("ssl", "").lower()):
        mode = _SSL_VALUES.get(ssl_value, ssl_value)
    if not mode and given.get("requiressl") == "1":
        mode = "require"
    return _one_of("sslmode", mode, _SSL_MODES)


def _tls_url(given: Mapping[str, str]) -> str | None:
    """Return a URL with nothing but what concerns TLS; None leaves all of it to the defaults."""
    if given.get("sslrootcert") == "system":
        return None
    for name in ("ssl_min_protocol_version", "ssl_max_protocol_version"):
        _one_of(name, given.get(name), _TLS_VERSIONS)
    direct = _one_of("sslnegotiation", given.get("sslnegotiation"), ("postgres", "direct")) == "direct"
    if direct and _ssl_mode(given) not in _INSISTING:
        raise SettingsInvalid(f"{URL}: expected sslmode=require or more, which sslnegotiation=direct needs")
    if (mode := _ssl_mode(given)) in _CHECKING and not (given.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")):
        _check_root(mode)
    found = {"sslmode": mode} | {name: given.get(name) for name in _TLS}
    query = urlencode({name: value for name, value in found.items() if value})
    return f"postgresql://?{query}" if query else None


def _check_root(mode: str | None) -> None:
    root = Path.home() / ".postgresql" / "root.crt"
    if not root.exists():
        remedy = "name another as sslrootcert, or write sslrootcert=system"
        raise SettingsInvalid(f'{URL}: root certificate file "{root}" does not exist, as sslmode={mode} asks; {remedy}')


def _system_trust(given: Mapping[str, str]) -> ssl.SSLContext | None:
    """Return what checks the server by the certificates that the system trusts; None where that is not asked for."""
    if given.get("sslrootcert") != "system":
        return None
    if _ssl_mode(given) not in (None, "verify-full"):
        raise SettingsInvalid(f"{URL}: expected sslmode=verify-full, which sslrootcert=system needs")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if cert := given.get("sslcert"):
        context.load_cert_chain(cert, given.get("sslkey"), lambda: given.get("sslpassword", ""))
    return context


def _options(text: str) -> tuple[str, str | None]:
    """Return the server's command-line options without `search_path`, and that one, which a pooler would refuse."""
    rest: list[str] = []
    path, words = None, iter(re.findall(r"(?:\\.|[^\\\s])+", text))
    for word in words:
        given = [word, next(words, "")] if word == "-c" else [word]
        setting = re.fullmatch(r"(?:-c|--)search_path=(.*)", re.sub(r"\\(.)", r"\1", "".join(given)))
        if setting:
            path = setting[1]
        else:
            rest += given
    return " ".join(rest), path


def _search_path(given: Mapping[str, str], from_options: str | None, schema: str | None) -> tuple[str, ...]:
    found = {
        tuple(_identifiers(value))
        for value in (from_options, given.get("search_path"), given.get("currentSchema"))
        if value
    }
    found |= {(name,) for name in (given.get("schema"), schema) if name}
    if len(found) > 1:
        raise SettingsInvalid(
            "expected one schema, found several among SENTIMENT_DATABASE_SCHEMA and the parameters options, "
            f"search_path, currentSchema and schema of {URL}"
        )
    path = found.pop() if found else ()
    # Of the first one alone: in another one may stand the tables of another installation. `$user` may be none.
    return path if path[:1] == ("$user",) else path[:1]


def _identifiers(path: str) -> list[str]:
    """Return the names of a search path: unquoted ones are in lower case."""
    pairs = re.findall(r'"((?:[^"]|"")*)"|([^",\s]+)', path)
    return [quoted.replace('""', '"') or plain.lower() for quoted, plain in pairs]


def _socket_options(given: Mapping[str, str]) -> list[tuple[int, int, int]]:
    if given.get("keepalives") == "0":
        return []
    values = {"keepalives": 1} | {name: _number(name, given.get(name)) or 0 for name in _SOCKET if name in given}
    numbers = [(level, getattr(socket, option, None), values.get(name)) for name, (level, option) in _SOCKET.items()]
    return [(level, option, value) for level, option, value in numbers if option is not None and value]


def _timeout_s(text: str | None) -> float:
    number = _number("connect_timeout", text) or 0
    return float(min(number, _LONGEST_CONNECT_TIMEOUT_S)) if number else _CONNECT_TIMEOUT_S


def _number(name: str, text: str | None) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise SettingsInvalid(f"{URL}: expected a whole number for the parameter {name}")
    return max(0, int(text))


def _one_of(name: str, value: str | None, values: tuple[str, ...]) -> str | None:
    if value and value not in values:
        raise SettingsInvalid(f"{URL}: expected the parameter {name} to be one of {', '.join(values)}")
    return value or None
