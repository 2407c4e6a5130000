"""Each refusal has a line of its own, with its SQLSTATE and a remedy, the same in every command."""

import asyncio
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import asyncpg
import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands.endings import failure_line
from sentiment_api.database import refusals
from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.connector import _usable
from sentiment_api.database.refusals import is_refusal, refusal_line, refusal_of
from sentiment_api.errors import DatabaseUnusable
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.telemetry.metrics import Metrics
from tests.clusters import Cluster
from tests.conftest import ServiceProcess
from tests.preloaded import program
from tests.protocols import EngineOf, NewRecord, Waiting

pytestmark = pytest.mark.anyio
SECRET = "s3cr3t-w0rd"
LIBC = "locale_provider libc locale 'C' template template0"


@pytest.fixture(scope="session")
def refusing(cluster: Cluster) -> Cluster:
    """A server with roles and databases that refuse, each in its way."""
    cluster.require(
        "host all locked all scram-sha-256", "host all kept_out all reject", "host all unruled 10.0.0.0/8 trust"
    )
    for name, options in {
        "locked": "login password 'right'",
        "kept_out": "login",
        "sleeping": "nologin",
        "counted": "login connection limit 0",
        "shop": "login",
    }.items():
        cluster.make_role(name, options)
    cluster.execute("create database closed allow_connections false")
    cluster.execute("create database reading")
    cluster.execute("alter database reading set default_transaction_read_only = on")
    return cluster


async def failure(engine: AsyncEngine, statement: str = "create table mine (x int)") -> Exception:
    """Return what the statement fails with."""
    with pytest.raises(DATABASE_ERRORS) as raised:
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    return raised.value


@pytest.mark.parametrize(
    ("user", "database", "sqlstate", "found", "remedy"),
    [
        (f"locked:{SECRET}", "postgres", "28P01", "the password is wrong, or there is no such user", "mend SENTIMENT_"),
        ("locked", "postgres", "28P01", "the password is wrong, or there is no such user", "mend SENTIMENT_DATABASE"),
        ("kept_out", "postgres", "28000", "it does not let this user in without TLS, or not at all", "sslmode=require"),
        ("nobody", "postgres", "28000", "it does not let this user in", "the role must exist and have LOGIN"),
        ("sleeping", "postgres", "28000", "it does not let this user in", "the role must exist and have LOGIN"),
        ("shop", "nosuch", "3D000", "there is no database of this name", "createdb --encoding=UTF8"),
        ("postgres", "reading", "25006", "it is read-only", "name the primary"),
        ("shop", "postgres", "42501", "the role lacks a right", "`sentiment-api check`"),
        ("counted", "postgres", "53300", "it has no connection left", "raise max_connections"),
        ("shop", "closed", "55000", "the database takes no connections", "ALLOW_CONNECTIONS"),
    ],
)
async def test_what_postgres_refuses(
    refusing: Cluster, engine_of: EngineOf, user: str, database: str, sqlstate: str, found: str, remedy: str
) -> None:
    """The line has what is wrong, the SQLSTATE and what to do; the drift job says the same."""
    error = await failure(engine_of(refusing.url(database, user)))
    line = refusal_line(error)
    assert line.startswith(f"Postgres refuses: {found} (SQLSTATE {sqlstate}); ")
    assert remedy in line.split("; ", 1)[1]
    assert is_refusal(error)
    assert failure_line(error) == line
    assert SECRET not in line


async def test_a_setting_that_the_server_does_not_take(refusing: Cluster, engine_of: EngineOf) -> None:
    """The line says that it is of the URL; a right to connect that was revoked has a remedy of its own."""
    for query in ("options=-c%20nosuch%3D1", "options=project%3Dx", "timezone=Nowhere"):
        line = refusal_line(await failure(engine_of(f"{refusing.url()}?{query}")))
        assert line.startswith("Postgres cannot be used: it does not take a setting that the URL has (SQLSTATE "), query
    refusing.execute("create database private")
    refusing.execute("revoke connect on database private from public")
    line = refusal_line(await failure(engine_of(refusing.url("private", "shop"))))
    assert "(SQLSTATE 42501); run GRANT CONNECT ON DATABASE" in line


async def test_a_database_that_is_not_migrated(refusing: Cluster, engine_of: EngineOf) -> None:
    """The remedy is the command."""
    line = refusal_line(await failure(engine_of(refusing.url()), "select * from predictions"))
    assert line.startswith("Postgres refuses: the database is not migrated (SQLSTATE 42P01); run `sentiment-api db upg")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
async def test_a_database_that_is_not_in_utf8(
    cluster: Cluster, engine_of: EngineOf, spool: Spool, new_record: NewRecord, encoding: str
) -> None:
    """Every command refuses it with the remedy, and the shipper waits: nothing is set aside for its text."""
    name = encoding.lower()
    cluster.execute(f"create database {name} encoding '{encoding}' {LIBC}")
    expected = f"Postgres cannot be used: expected a database in UTF8, found {encoding}; create another with `createdb"
    shipper = Shipper(spool, engine_of(cluster.url(name)), Metrics())
    spool.append(encode(new_record(text="Love it 😍, 5 €")))
    assert not await shipper.ship()
    assert (shipper.database, shipper.totals.set_aside) == ("refuses", 0)
    assert shipper.totals.last_error == "DatabaseUnusable"  # the alert on what does not pass by itself goes by it
    assert (shipper.reason or "").startswith(expected)
    environment = {"SENTIMENT_DATABASE_URL": cluster.url(name)}
    for command in (["db", "upgrade"], ["keys", "list"]):
        refused = await asyncio.to_thread(program("sentiment_api").run, *command, environment=environment)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"sentiment-api: {expected}")


@pytest.mark.end_to_end
def test_a_service_starts_and_says_why_nothing_is_shipped(
    cluster: Cluster, data_dir: Path, new_port: Callable[[], int], waiting: Waiting
) -> None:
    """It answers and spools, and its health and its log have the line: Postgres may be mended meanwhile."""
    cluster.execute(f"create database reluctant encoding 'LATIN1' {LIBC}")
    service = ServiceProcess(cluster.url("reluctant"), data_dir, new_port(), SENTIMENT_LOG_FORMAT="json")
    service.start()
    try:
        with httpx.Client(base_url=service.url) as client:
            assert client.post("/predict", json={"text": "Love it 😍, 5 €"}).status_code == 200

            def log() -> dict[str, object]:
                health: dict[str, object] = client.get("/health/ready").json()["prediction_log"]
                return health

            waiting(lambda: log()["database"] == "refuses", "the service has tried to ship")
            assert (log()["shipped"], log()["set_aside"]) == (0, 0)
            reason = str(log()["reason"])
        assert reason.startswith("Postgres cannot be used: expected a database in UTF8, found LATIN1; create another")
        assert {line["reason"] for line in map(json.loads, service.log().splitlines()) if "reason" in line} == {reason}
    finally:
        service.stop(signal.SIGKILL)


class OldServer:
    """A connection to a server of another time."""

    def __init__(self, major: int) -> None:
        """`major` is its version."""
        self.major = major
        self.is_open = True

    def get_server_version(self) -> SimpleNamespace:
        """Return it as asyncpg does."""
        return SimpleNamespace(major=self.major)

    def get_settings(self) -> SimpleNamespace:
        """Return what every server says."""
        return SimpleNamespace(server_encoding="UTF8")

    def terminate(self) -> None:
        """Close it."""
        self.is_open = False


def test_a_server_that_is_too_old_is_refused() -> None:
    """By the version that it says when it is connected to, and the connection is closed."""
    old, new = OldServer(13), OldServer(14)
    with pytest.raises(DatabaseUnusable, match="expected PostgreSQL 14 or newer, found 13; upgrade the server"):
        _usable(cast("asyncpg.Connection", old))
    assert _usable(cast("asyncpg.Connection", new)) is new
    assert (old.is_open, new.is_open) == (False, True)


def serving(answer: bytes) -> socket.socket:
    """Return a listening socket; whoever says something there is told `answer`, and hung up on."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer_all() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                client.recv(1000)
                client.sendall(answer)

    threading.Thread(target=answer_all, daemon=True).start()
    return listening


@pytest.fixture(scope="session")
def http_port() -> Iterator[int]:
    """The port of what is no Postgres."""
    with serving(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as listening:
        yield listening.getsockname()[1]


async def test_what_does_not_answer(
    engine_of: EngineOf, closed_port: int, http_port: int, cluster: Cluster, tmp_path: Path
) -> None:
    """No host, no listener, no socket, no answer, no Postgres and no TLS are told apart, without a word of the URL."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        waiting = silent.getsockname()[1]
        cases = {
            "nosuch.invalid:5432/x": "the host's name is not known here; mend the host",
            f"{'x' * 64}.example:5432/x": "the host's name cannot be one; mend",
            f"127.0.0.1:{closed_port}/x": "nothing listens at its address; start it",
            f"localhost:{closed_port}/x": "nothing listens at",
            f"255.255.255.255:{closed_port}/x": "",
            f"/x?host={tmp_path}": "there is no socket that this user can open; start it",
            f"127.0.0.1:{waiting}/x?connect_timeout=1": "no answer in time; start it",
            f"127.0.0.1:{http_port}/x": "what answers is no Postgres; mend host and port",
            f"127.0.0.1:{http_port}/x?sslmode=disable": "what answers closes the connection; mend host and port",
            f"127.0.0.1:{cluster.port}/x?sslmode=require": "it has no TLS, which sslmode insists on; turn ssl on there",
        }
        for address, expected in cases.items():
            error = await failure(engine_of(f"postgresql://shop:{SECRET}@{address}"))
            line = refusal_line(error)
            assert line.startswith(f"Postgres cannot be reached: {expected}"), address
            assert not is_refusal(error)
            assert failure_line(error) == line
            assert SECRET not in line


async def test_a_host_that_says_something_is_told_of(
    refusing: Cluster, engine_of: EngineOf, new_port: Callable[[], int]
) -> None:
    """Of several hosts the one that refuses is told of, wherever it stands in the list."""
    away = f"127.0.0.1:{new_port()}"
    here = f"127.0.0.1:{refusing.port}"
    for hosts in (f"{away},{here}", f"{here},{away}"):
        error = await failure(engine_of(f"postgresql://counted@{hosts}/postgres"))
        assert "(SQLSTATE 53300)" in refusal_line(error)


@pytest.mark.parametrize("command", [["check"], ["db", "upgrade"], ["db", "maintain"], ["keys", "list"]])
def test_every_command_says_it_in_one_line(refusing: Cluster, command: list[str]) -> None:
    """Exit code 1 and the line, without the password."""
    url = refusing.url("postgres", f"locked:{SECRET}")
    refused = program("sentiment_api").run(*command, environment={"SENTIMENT_DATABASE_URL": url})
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("sentiment-api: Postgres refuses: the password is wrong")
    assert SECRET not in refused.stderr


def test_a_sqlstate_without_a_line_of_its_own_is_told() -> None:
    """Nothing is left out of what may matter, and nothing of the server's message is quoted."""
    line = refusal_of("XX000", "failed for row (4711, Jane Doe)")
    assert line == "Postgres refuses: it does not do what it was asked (SQLSTATE XX000); look into its log"


def test_the_page_has_every_sqlstate() -> None:
    """docs/postgres.md says of each what is wrong and what to do."""
    page = (Path(__file__).parents[3] / "docs" / "postgres.md").read_text()
    for sqlstate in refusals._SQLSTATES:
        assert sqlstate in page, sqlstate
