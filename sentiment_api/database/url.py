"""The grammar of a Postgres URL and of a password file, as libpq has them. What parameters mean is in `parameters`."""

import getpass
import os
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from sentiment_api.database.refusals import URL, unreachable
from sentiment_api.errors import SettingsInvalid

EXPECTED = "SENTIMENT_DATABASE_URL: expected postgresql://user:password@host:port/name"
_ENCODE = (
    "write @, /, ? and # of a user, password or parameter as %40, %2F, %3F and %23, or give the password in "
    "SENTIMENT_DATABASE_PASSWORD_FILE"
)
_URL = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://"
    r"(?:(?P<user>[^:/?#@]*)(?::(?P<password>.*))?@)?"
    r"(?P<hosts>[^/?@]*)(?:/(?P<database>[^?@]*))?(?:\?(?P<query>[^@]*))?",
    re.DOTALL | re.IGNORECASE,
)
_AMBIGUOUS = re.compile(r"\d*[/?].*|.*[/?].*@.*|.*@.*[/?].*", re.DOTALL)
"""Of a password as it stands in the URL: the @ after it may belong to a parameter, and its beginning be a port."""
_HOST = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?")
_LARGEST_PORT = 65535
_DEFAULT_PORT = "5432"
_PASSWORD_LINE = re.compile(":".join([r"((?:\\.|[^\\:])*)"] * 5) + "(?::.*)?")


class Host(NamedTuple):
    """One server of a list."""

    name: str
    """A name, an address, or the folder of a Unix socket; empty are the usual sockets and localhost."""
    port: int | None
    """None is PGPORT, or 5432."""


class DatabaseUrl(NamedTuple):
    """A URL, decoded. What it leaves out is empty or None."""

    hosts: tuple[Host, ...]
    user: str | None
    password: str | None
    database: str | None
    parameters: dict[str, str]


def parse_url(text: str) -> DatabaseUrl:
    """Return what the URL says.

    A password may hold `/`, `?`, `@` and `#` as they are, as long as it cannot be taken for anything else.

    Raises:
        SettingsInvalid: it is no URL of Postgres. The message quotes nothing of it, since it holds a password.
    """
    parts = _URL.fullmatch(text.strip())
    if parts is None:
        raise SettingsInvalid(f"{EXPECTED}; {_ENCODE}" if "://" in text else EXPECTED)
    if _AMBIGUOUS.fullmatch(parts["password"] or ""):
        raise SettingsInvalid(f"{EXPECTED}, found an @ that may be of the password or of a parameter; {_ENCODE}")
    return DatabaseUrl(
        parse_hosts(parts["hosts"]) if parts["hosts"] else (),
        _decoded(parts["user"]),
        _decoded(parts["password"]),
        _decoded(parts["database"]),
        parse_query(parts["query"] or ""),
    )


def parse_query(query: str) -> dict[str, str]:
    """Return the parameters, decoded as libpq decodes them: a plus sign is a plus sign.

    Raises:
        SettingsInvalid: a parameter has no value.
    """
    found = {}
    for part in filter(None, query.split("&")):
        name, equals, value = part.partition("=")
        if not equals:
            raise SettingsInvalid(f"SENTIMENT_DATABASE_URL: expected parameters as name=value after the ?; {_ENCODE}")
        found[unquote(name)] = _decoded(value) or ""
    return found


def parse_hosts(text: str, ports: str = "") -> tuple[Host, ...]:
    """Return the hosts of a list with commas, each with its port: its own, or that of `ports`, a list as well.

    Raises:
        SettingsInvalid: a host or a port cannot be read, or there is another number of ports than of hosts.
    """
    given = ports.split(",") if ports else [""]
    texts = text.split(",")
    if len(given) == 1:
        given *= len(texts)
    if len(given) != len(texts):
        raise SettingsInvalid("SENTIMENT_DATABASE_URL: expected one port for all hosts, or one for each")
    return tuple(_host(each, port) for each, port in zip(texts, given, strict=True))


def password_in(lines: Iterable[str], host: Host, database: str, user: str) -> str | None:
    """Return the password in the lines of a password file for this server, database and user; None if it has none."""
    name = "localhost" if host.name.startswith("/") else host.name or "localhost"
    wanted = (name, str(host.port or os.environ.get("PGPORT") or _DEFAULT_PORT), database, user)
    for line in lines:
        parts = None if line.startswith("#") else _PASSWORD_LINE.fullmatch(line)
        if parts is not None:
            *fields, password = (re.sub(r"\\(.)", r"\1", part) for part in parts.groups())
            if all(field in ("*", value) for field, value in zip(fields, wanted, strict=True)):
                return password
    return None


def _host(text: str, port: str) -> Host:
    text = _decoded(text) or ""
    if text.startswith("/"):  # the folder of a socket, which may hold colons
        folder, _, own = text.partition(":") if re.search(r":\d+$", text) else (text, "", "")
        return Host(folder, _port(own or port))
    parts = _HOST.fullmatch(text)
    if parts is None and text.count(":") > 1:
        parts = _HOST.fullmatch(f"[{text}]")
    if parts is None:
        raise SettingsInvalid(f"{EXPECTED}, found a host or a port that cannot be read; {_ENCODE}")
    return Host(parts["v6"] or parts["name"], _port(parts["port"] or port))


def _port(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LARGEST_PORT:
        raise SettingsInvalid("SENTIMENT_DATABASE_URL: expected a port of 1 to 65535")
    return int(text)


def _decoded(text: str | None) -> str | None:
    decoded = unquote(text, errors="surrogateescape") if text else None
    if decoded and not decoded.isprintable() and re.search(r"[\x00\ud800-\udfff]", decoded):
        raise SettingsInvalid("SENTIMENT_DATABASE_URL: expected UTF-8 behind the percent signs, without %00")
    return decoded


def system_user() -> str:
    """Return the name of the user that runs this.

    Raises:
        DatabaseUnreachable: it has none, as in containers that run under any number.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        found, remedy = "this process runs as a user without a name", f"write user@ before the host in {URL}"
        raise unreachable(found, remedy) from None
