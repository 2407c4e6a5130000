"""A URL of Postgres is read as libpq reads it, and a parameter that cannot be heeded is refused by its name."""

import getpass
import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment_api.database import parameters
from sentiment_api.database.parameters import ConnectionInfo, connection_info
from sentiment_api.database.url import Host, parse_url
from sentiment_api.errors import DatabaseUnreachable, SettingsInvalid

SECRET = "s3cr3t"


def read(url: str, password: str | None = None, schema: str | None = None) -> ConnectionInfo:
    """Return how to connect by this URL."""
    return connection_info(parse_url(url), password, schema)


def refused(url: str, schema: str | None = None) -> str:
    """Return the one line with which the URL is refused; it holds no secret."""
    with pytest.raises(SettingsInvalid) as raised:
        read(url, schema=schema)
    line = str(raised.value)
    assert "\n" not in line
    assert SECRET not in line
    return line


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgres+asyncpg", "POSTGRESQL"])
def test_all_schemes_are_one(scheme: str) -> None:
    """What frameworks and providers write before the colon."""
    info = read(f"{scheme}://shop:pw@db.example:6432/reviews")
    assert info.hosts == (Host("db.example", 6432),)
    assert [info.arguments[name] for name in ("user", "password", "database")] == ["shop", "pw", "reviews"]


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("", ()),
        ("localhost", (Host("localhost", None),)),
        ("h:1", (Host("h", 1),)),
        ("h:", (Host("h", None),)),
        (":5433", (Host("", 5433),)),
        ("[::1]:5433", (Host("::1", 5433),)),
        ("[fe80::1%25eth0]", (Host("fe80::1%eth0", None),)),
        ("%3A%3A1", (Host("::1", None),)),
        ("a:1,b:2", (Host("a", 1), Host("b", 2))),
        ("a,[::1]:2,c", (Host("a", None), Host("::1", 2), Host("c", None))),
        ("%2Frun%2Fpostgresql", (Host("/run/postgresql", None),)),
        ("%2Frun%2Fpg:5433", (Host("/run/pg", 5433),)),
    ],
)
def test_hosts_between_the_at_and_the_slash(address: str, hosts: tuple[Host, ...]) -> None:
    """Names, addresses of both kinds, sockets and lists, with ports and without."""
    assert read(f"postgresql://shop@{address}/x").hosts == hosts


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("host=/run/postgresql", (Host("/run/postgresql", None),)),
        ("host=/run/postgresql&port=5433", (Host("/run/postgresql", 5433),)),
        ("host=/run/a:b", (Host("/run/a:b", None),)),
        ("host=a,b&port=1,2", (Host("a", 1), Host("b", 2))),
        ("host=a,b&port=1", (Host("a", 1), Host("b", 1))),
        ("host=a,b:7&port=1", (Host("a", 1), Host("b", 7))),
        ("port=6432", (Host("", 6432),)),
        ("hostaddr=127.0.0.1", (Host("127.0.0.1", None),)),
        ("host=::1", (Host("::1", None),)),
    ],
)
def test_hosts_among_the_parameters(query: str, hosts: tuple[Host, ...]) -> None:
    """As libpq and SQLAlchemy have them."""
    assert read(f"postgresql:///x?{query}").hosts == hosts


def test_what_is_left_out_is_left_to_libpqs_defaults() -> None:
    """The user, the database and the host then come from PGUSER, PGDATABASE, PGHOST, or the system."""
    info = read("postgresql://")
    assert (info.hosts, info.session_attributes, info.search_path) == ((), "any", ())
    assert {info.arguments[name] for name in ("user", "password", "database", "dsn", "passfile")} == {None}


def test_hosts_come_from_the_environment_where_the_url_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list there is one of several hosts as well."""
    monkeypatch.setenv("PGHOST", "a,b")
    monkeypatch.setenv("PGPORT", "1,2")
    info = read("postgresql:///x")
    assert (info.hosts, info.session_attributes) == ((Host("a", 1), Host("b", 2)), "read-write")
    assert read("postgresql://h/x").hosts == (Host("h", None),)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_password_of_any_characters_may_be_percent_encoded(password: str) -> None:
    """Every character comes back; none of them is taken for a part of the URL."""
    info = read(f"postgresql://me:{quote(password, safe='')}@h/x?application_name=y")
    assert (info.arguments["password"], info.hosts) == (password, (Host("h", None),))


@given(st.text(string.printable.replace("%", "").strip(), min_size=1))
def test_a_raw_password_is_read_right_or_refused(password: str) -> None:
    """Nothing of it is ever taken for a host, a database or a parameter, which messages might show."""
    url = f"postgresql://me:{password}@h:1/x?application_name=y"
    try:
        info = read(url)
    except SettingsInvalid as error:
        info, line = None, str(error)
    if info is None:
        assert "%40" in line
        assert len(password) < 4 or password not in line
    else:
        assert (info.arguments["password"], info.hosts) == (password, (Host("h", 1),))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@h/x?application_name=me@here",
        f"postgresql://h:5432/x?application_name={SECRET}@here",
        f"postgresql://u:a@b/{SECRET}@h/x",
        f"postgresql://u:{SECRET}@h:port/x",
        f"postgresql://u:{SECRET}@h:70000/x",
        f"postgresql://u:{SECRET}@[::1/x",
        f"postgresql://u:{SECRET}@h/x?flag",
        f"postgresql://u:{SECRET}%00@h/x",
        f"postgresql://u:{SECRET}%ff@h/x",
        f"postgresql://u:{SECRET}@a,b,c/x?host=a,b&port=1,2,3",
        f"mysql://u:{SECRET}@h/x",
        f"jdbc:postgresql://u:{SECRET}@h/x",
        f"host=h password={SECRET}",
        f"u:{SECRET}@h",
    ],
)
def test_what_is_no_url_of_postgres_is_refused(url: str) -> None:
    """The line has the variable's name, and nothing of the value."""
    assert refused(url).startswith("SENTIMENT_DATABASE_URL: expected ")


@pytest.mark.parametrize(
    "query",
    [
        *("keepalives=1", "keepalives_idle=30&keepalives_interval=10&keepalives_count=3", "tcp_user_timeout=5000"),
        *("application_name=shop", "fallback_application_name=shop", "gssencmode=disable", "gssencmode=prefer"),
        *("channel_binding=prefer", "channel_binding=disable", "client_encoding=UTF8", "client_encoding=auto"),
        *("replication=false", "sslsni=1", "sslcompression=0", "krbsrvname=postgres", "gssdelegation=0"),
        *("target_session_attrs=read-write", "load_balance_hosts=random", "connect_timeout=10", "connect_timeout=0"),
        *("pgbouncer=true&connection_limit=1&pool_timeout=0", "statement_cache_size=0", "prepared_statements=false"),
        *("supa=base-pooler.x", "prepareThreshold=0", "binary_parameters=yes", "uselibpqcompat=true", "pool=5"),
        *("schema=public", "search_path=shop,public", "currentSchema=shop", "sslaccept=accept_invalid_certs"),
        *("encoding=utf8", "requiressl=1", "statement_timeout=5000", "options=-c%20statement_timeout%3D5s"),
        *("ssl=true", "ssl=no-verify", "max_protocol_version=3.0", "options=endpoint%3Dep-x-1"),
    ],
)
def test_parameters_that_providers_write_work(query: str) -> None:
    """Those of libpq, of poolers and of other clients: heeded, or of no meaning here."""
    assert read(f"postgresql://me:pw@h/x?{query}").hosts == (Host("h", None),)


@pytest.mark.parametrize(
    ("query", "named", "remedy"),
    [
        ("channel_binding=require", "channel_binding", "leave it out, and write sslmode=verify-full with sslrootcert"),
        ("gssencmode=require", "gssencmode", "use sslmode"),
        ("client_encoding=LATIN1", "client_encoding", "leave it out"),
        ("replication=database", "replication", "leave it out"),
        ("require_auth=scram-sha-256", "require_auth", "leave it out"),
        ("requirepeer=postgres", "requirepeer", "leave it out"),
        ("sslcrldir=/x", "sslcrldir", "name one file as sslcrl"),
        ("sslcertmode=require", "sslcertmode", "leave it out"),
        ("sslaccept=strict", "sslaccept", "write sslmode=verify-full instead"),
        ("sslidentity=/x", "sslidentity", "write sslcert and sslkey"),
        ("targetServerType=primary", "targetServerType", "write target_session_attrs"),
        ("oauth_issuer=x", "oauth_issuer", "use a password"),
        ("sslmode=verify", "sslmode", "one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("ssl=maybe", "sslmode", "one of disable, allow"),
        ("sslrootcert=/nowhere/ca.crt", "sslrootcert", "cannot read /nowhere/ca.crt"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system", "expected sslmode=verify-full"),
        ("sslnegotiation=direct", "sslnegotiation=direct", "expected sslmode=require or more"),
        ("ssl_min_protocol_version=1.2", "ssl_min_protocol_version", "one of TLSv1, TLSv1.1"),
        ("target_session_attrs=master", "target_session_attrs", "one of any, read-write"),
        ("load_balance_hosts=yes", "load_balance_hosts", "one of disable, random"),
        ("connect_timeout=soon", "connect_timeout", "expected a whole number"),
        ("hostaddr=127.0.0.1&sslmode=verify-full", "hostaddr", "leaves no name to check"),
        ("aplication_name=shop", "aplication_name", "did you mean application_name?"),
        ("colour=red", "colour", "leave it out"),
    ],
)
def test_what_cannot_be_heeded_is_refused(query: str, named: str, remedy: str) -> None:
    """In one line, before anything is contacted, with the parameter's name and what to do."""
    line = refused(f"postgresql://me:{SECRET}@h/x?{query}")
    assert re.search(rf"(the parameter|no parameter|expected|which) .*{named}", line) or named in line
    assert remedy in line


def test_the_parameters_of_the_socket_are_set() -> None:
    """Connections are kept alive unless the URL says otherwise."""
    assert len(read("postgresql://h/x").socket_options) == 1
    assert len(read("postgresql://h/x?keepalives_idle=30&tcp_user_timeout=5000").socket_options) == 3
    assert read("postgresql://h/x?keepalives=0").socket_options == ()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("127.0.0.1:5711/d?hostaddr=10.0.0.1", [("10.0.0.1", 5711)]),
        ("nowhere.invalid:5711/d?host=shop", [("shop", 5711)]),
        ("shop:1/d?port=5711", [("shop", 5711)]),
        ("one,two/d?port=5711,5712", [("one", 5711), ("two", 5712)]),
        ("one,two/d?port=5711,", [("one", 5711), ("two", None)]),
        ("one,two:2/d?host=a,b", [("a", None), ("b", 2)]),
        ("one:1,two/d", [("one", 1), ("two", None)]),
    ],
)
def test_parameters_go_before_the_hosts_and_ports_of_the_url(url: str, hosts: list[tuple[str, int | None]]) -> None:
    """Names and ports each for themselves, as in libpq: no port is lost with its name."""
    assert [(host.name, host.port) for host in read(f"postgresql://me@{url}").hosts] == hosts


@pytest.mark.parametrize(
    ("query", "path", "options"),
    [
        ("options=-c%20search_path%3Dshop", ("shop",), None),
        ("options=-csearch_path%3DShop,public%20-c%20work_mem%3D4MB", ("shop",), "-c work_mem=4MB"),
        ("options=--search_path%3D%22Shop%22", ("Shop",), None),
        ("options=-c%20search_path%3Dshop%5C%20,public", ("shop",), None),
        ("search_path=%22$user%22,public", ("$user", "public"), None),
        ("currentSchema=shop", ("shop",), None),
        ("schema=Shop", ("Shop",), None),
        ("schema=shop&search_path=shop", ("shop",), None),
        ("options=-c%20geqo%3Doff", (), "-c geqo=off"),
        ("options=-c%20timezone%3DEtc/GMT%2B5", (), "-c timezone=Etc/GMT+5"),
    ],
)
def test_a_search_path_is_ours_to_set(query: str, path: tuple[str, ...], options: str | None) -> None:
    """It is taken out of the options, since a pooler would refuse it, or drop it; of several its first is used."""
    info = read(f"postgresql://h/x?{query}")
    assert (info.search_path, info.arguments["server_settings"].get("options")) == (path, options)


def test_a_root_certificate_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that libpq looks for is named; a socket needs none, since nothing leaves the machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    root = tmp_path / ".postgresql" / "root.crt"
    line = refused("postgresql://me@h/x?sslmode=verify-full")
    assert f'root certificate file "{root}" does not exist' in line
    assert "or write sslrootcert=system" in line
    assert read("postgresql://me@/x?host=/run/postgresql&sslmode=verify-full").arguments["dsn"] is None
    root.parent.mkdir()
    root.touch()
    assert read("postgresql://me@h/x?sslmode=verify-full").arguments["dsn"] == "postgresql://?sslmode=verify-full"


def test_two_schemas_are_one_too_many() -> None:
    """Which of both is meant cannot be known."""
    assert "SENTIMENT_DATABASE_SCHEMA" in refused("postgresql://h/x?schema=one", schema="two")
    assert read("postgresql://h/x?schema=one", schema="one").search_path == ("one",)


def test_a_service_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its section is behind what the URL says, and its parameters are checked like the URL's."""
    file = tmp_path / "services"
    file.write_text("[shop]\nhost=a,b\nport=1,2\nuser=me\npassword=p#w%d\nsslmode=require\n[bad]\ncolour=red\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    info = read("postgresql://?service=shop&user=you&dbname=x")
    assert info.hosts == (Host("a", 1), Host("b", 2))
    assert [info.arguments[name] for name in ("user", "password", "database")] == ["you", "p#w%d", "x"]
    assert info.arguments["dsn"] == "postgresql://?sslmode=require"
    assert "no parameter colour" in refused("postgresql://?service=bad")
    assert str(file) in refused("postgresql://?service=gone")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "gone"))
    assert "for the parameter service" in refused("postgresql://?service=shop")


def test_a_password_file_has_to_be_its_owners_alone(tmp_path: Path) -> None:
    """Libpq would ignore it with a warning, and the password would then be wrong."""
    file = tmp_path / "passwords"
    file.write_text("*:*:*:*:pw\n")
    file.chmod(0o644)
    assert "chmod 600" in refused(f"postgresql://h/x?passfile={file}")
    file.chmod(0o600)
    assert read(f"postgresql://h/x?passfile={file}").arguments["passfile"] == str(file)


def test_a_password_file_gives_the_password_of_each_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line that fits counts; a backslash stands before a colon or a backslash of the password's own."""
    file = tmp_path / "passwords"
    file.write_text(
        "# of all\n\nbroken\na:5432:shop:me:of a\nb:6432:*:me:p\\:w\\\\d\n"
        "localhost:*:shop:me:of the socket\n*:*:*:you:yours\n"
    )
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    info = read("postgresql://me@a,b:6432,c/shop")
    assert [info.password_for(host) for host in info.hosts] == ["of a", "p:w\\d", None]
    assert read("postgresql://me@/shop?host=/run/x").password_for(Host("/run/x", None)) == "of the socket"
    assert read("postgresql://you@a/any").password_for(Host("a", None)) == "yours"
    assert read("postgresql://you:own@a/any").password_for(Host("a", None)) == "own"
    file.chmod(0o640)
    assert info.password_for(info.hosts[0]) is None


def test_a_connection_info_shows_no_password() -> None:
    """It may stand in a traceback."""
    assert SECRET not in repr(read(f"postgresql://me:{SECRET}@h/x"))


def test_the_page_has_every_parameter() -> None:
    """docs/postgres.md says of each what it does here."""
    page = (Path(__file__).parents[3] / "docs" / "postgres.md").read_text()
    for name in (*parameters._HEEDED, *parameters._MEANINGLESS, *parameters._LIMITED):
        assert f"`{name}`" in page, name


def test_a_user_without_a_name_is_told_where_to_write_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers may run under a number that no user has; Python raises a KeyError for it."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    for name in ("PGUSER", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(DatabaseUnreachable, match="a user without a name; write user@ before the host"):
        read("postgresql://h/x").password_for(Host("h", None))
