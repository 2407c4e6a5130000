"""Behind PgBouncer everything works as it does without, in session and in transaction mode, and with no setting."""

import asyncio
import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.partitions import drop_old_months, first_id, make_months, month_of, old_months
from sentiment_api.database.refusals import refusal_line
from sentiment_api.database.schema import upgrade
from tests.clusters import Cluster
from tests.conftest import ServiceProcess, held_port
from tests.poolers import Pooler
from tests.preloaded import program
from tests.protocols import EngineOf, Waiting

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
USERS = ("shop", "other", "counted")
KEEP = dt.timedelta(days=400)


@pytest.fixture(scope="session")
def server(cluster: Cluster) -> Cluster:
    """A server with the pooled databases, of a role that may do no more than its owner."""
    cluster.make_role("shop_owner")
    cluster.make_role("counted", "login connection limit 0")
    return cluster


@pytest.fixture
def new_pooler(server: Cluster) -> Iterator[Callable[..., Pooler]]:
    """A function that starts a PgBouncer; keyword arguments are settings of pgbouncer.ini."""
    with contextlib.ExitStack() as stack:

        def start(**settings: str) -> Pooler:
            pooler = Pooler(server, stack.enter_context(held_port()), (*USERS, "shop_owner"), **settings)
            stack.callback(pooler.stop)
            pooler.start()
            return pooler

        yield start


@pytest.fixture(params=["session", "transaction"])
def pooler(new_pooler: Callable[..., Pooler], request: pytest.FixtureRequest) -> Pooler:
    """A PgBouncer in each of both modes, with few connections, so that each goes from client to client."""
    return new_pooler(pool_mode=request.param, default_pool_size="4" if request.param == "transaction" else "30")


@pytest.fixture
def url(server: Cluster, pooler: Pooler, request: pytest.FixtureRequest) -> str:
    """The URL of a fresh database behind the pooler."""
    name = f"pooled_{abs(hash(request.node.name)):x}"
    server.execute(f"create database {name} owner shop_owner")
    return pooler.url(name, "shop_owner")


@pytest.mark.end_to_end
def test_the_service_and_all_commands_work(
    url: str, data_dir: Path, new_port: Callable[[], int], waiting: Waiting
) -> None:
    """Predictions and feedback of many clients at once are shipped and found again without a single failure."""
    environment = {"SENTIMENT_DATABASE_URL": url, "SENTIMENT_DATA_DIR": str(data_dir)}
    run = partial(program("sentiment_api").run, environment=environment)
    assert run("db", "upgrade").stdout.startswith("schema ")
    service = ServiceProcess(url, data_dir, new_port())
    service.start()
    with httpx.Client(base_url=service.url, timeout=30) as client, ThreadPoolExecutor(8) as clients:
        seen = Counter(clients.map(lambda number: predict_and_rate(client, number), range(80)))
        assert seen.total() == 80
        assert seen.keys() <= {(200, 202, 200), (200, 200, 200)}  # feedback overtakes its prediction, or does not
        waiting(lambda: log_of(client)["shipped"] == 160, "everything is in Postgres")
        again = client.get("/predictions", params={"limit": 5})
        assert (again.status_code, len(again.json()["predictions"])) == (200, 5)
        log = log_of(client)
        assert (log["database"], log["reason"], log["retries"], log["set_aside"]) == ("up", None, 0, 0)
    assert service.stop() == 0
    assert '"warning"' not in service.log()
    for command, expected in {
        ("check",): "database  reachable and migrated\n",
        ("db", "maintain"): "0 months older than 400 days\n",
        ("keys", "create", "shop", "--scope", "predict"): "",
        ("db", "erase", "--product-id", "mug-7"): "erased 80 predictions and 80 feedback from Postgres\ndone\n",
    }.items():
        done = run(*command)
        assert (done.returncode, expected in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("pooler", ["transaction"], indirect=True)
def test_the_drift_job_works(url: str) -> None:
    """A night is judged and stored, under locks of transactions."""
    environment = {"SENTIMENT_DATABASE_URL": url}
    assert program("sentiment_api").run("db", "upgrade", environment=environment).returncode == 0
    nightly = program("drift_jobs").run("nightly", "--date", "2026-11-30", environment=environment)
    assert (nightly.returncode, nightly.stdout) == (2, "")
    assert "found 0 rows in the window, needed 500" in nightly.stderr


def predict_and_rate(client: httpx.Client, number: int) -> tuple[int, int, int]:
    """Predict a text, rate it, look it up, and return the three statuses."""
    predicted = client.post("/predict", json={"text": f"Love it 😍, {number} €", "product_id": "mug-7"})
    prediction_id = predicted.json()["prediction_id"]
    rated = client.post("/feedback", json={"prediction_id": prediction_id, "rating": 5})
    found = client.get(f"/predictions/{prediction_id}")
    return predicted.status_code, rated.status_code, found.status_code


def log_of(client: httpx.Client) -> dict[str, object]:
    """Return what the service says of its log."""
    log: dict[str, object] = client.get("/health/ready").json()["prediction_log"]
    return log


async def test_old_months_are_dropped(url: str, engine_of: EngineOf) -> None:
    """Of two that try at once one does, no lock is left behind, and nobody finds a setting of theirs."""
    engine = engine_of(url)
    await upgrade(engine)
    old = [month_of(dt.datetime.now(dt.UTC) - dt.timedelta(days=days)) for days in (500, 540)]
    async with engine.begin() as connection:
        await make_months(connection, old)
    months = await old_months(engine, KEEP)
    assert len(months) == 2
    dropped = await asyncio.gather(drop_old_months(engine, KEEP), drop_old_months(engine, KEEP))
    assert months in dropped
    assert await old_months(engine, KEEP) == []
    async with engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from pg_locks where locktype = 'advisory'")) == 0
        assert await connection.scalar(text("show lock_timeout")) == "0"


async def test_schemas_of_two_services_do_not_meet(url: str, engine_of: EngineOf) -> None:
    """One connection to the server serves both in turn: each finds its own tables, in every transaction."""
    engines = {name: engine_of(url, database_schema=name) for name in ("one", "other")}
    for engine in engines.values():
        await upgrade(engine)
    insert = text("insert into tombstones (prediction_id) values (:id)")
    for number, (name, engine) in enumerate(engines.items(), 1):
        for each in range(number):
            async with engine.begin() as connection:
                await connection.execute(insert, {"id": first_id(dt.datetime(2026, 11, 1 + each, tzinfo=dt.UTC))})
        async with engine.connect() as connection:
            assert await connection.scalar(text("select count(*) from tombstones")) == number, name
    async with engine_of(url).connect() as connection:
        assert await connection.scalar(text("select to_regclass('tombstones')")) is None


@pytest.mark.parametrize(
    ("settings", "user", "query", "expected"),
    [
        (
            {"pool_mode": "statement"},
            "shop_owner",
            "",
            "the pooler has pool_mode = statement (SQLSTATE 08P01); set pool",
        ),
        ({}, "shop_owner", "?statement_timeout=5000", "the pooler does not take a setting that the URL has (SQLST"),
        ({}, "stranger", "", "the pooler does not know the user or the password (SQLSTATE 08P01)"),
        ({}, "counted", "", "it has no connection left (SQLSTATE "),
        (
            {"max_client_conn": "0"},
            "shop_owner",
            "",
            "the pooler has no connection left (SQLSTATE 08P01); raise max_cl",
        ),
    ],
)
async def test_what_a_pooler_refuses_is_told(
    new_pooler: Callable[..., Pooler],
    engine_of: EngineOf,
    settings: dict[str, str],
    user: str,
    query: str,
    expected: str,
) -> None:
    """Each in a line that names the setting of pgbouncer.ini."""
    url = new_pooler(**settings).url("postgres", user) + query
    with pytest.raises(DATABASE_ERRORS) as raised:
        async with engine_of(url).begin() as connection:
            await connection.execute(text("select 1"))
    assert refusal_line(raised.value).startswith(f"Postgres refuses: {expected}")
