"""What the tests of `deploy/` share: its files, read, and the commands that judge them."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 60

Query = Callable[[str], list[dict[str, Any]]]
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
def promql(panels: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Panel title, legend and PromQL of every query, Grafana's variables filled in for a scrape every second."""
    return [
        (panel["title"], target["legendFormat"], _filled_in(target["expr"]))
        for panel in panels
        for target in panel["targets"]
        if "expr" in target
    ]


@pytest.fixture(scope="session")
def promtool() -> Callable[..., None]:
    """Run promtool with arguments and what it is `given` to read, and fail the test when it finds a fault."""
    command = _debian("prometheus", "promtool")

    def run(*arguments: str, given: str = "") -> None:
        result = subprocess.run([command, *arguments], input=given, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr

    return run


@pytest.fixture(scope="session")
def scraping(
    tmp_path_factory: pytest.TempPathFactory, hold_port: Callable[[], AbstractContextManager[int]]
) -> Callable[[str], AbstractContextManager[Query]]:
    """Run a Prometheus with our own configuration that scrapes the host and port given, and ask it with PromQL.

    The block runs once that target was scraped often enough for rates.
    """
    command = _debian("prometheus", "prometheus")

    @contextmanager
    def start(target: str) -> Iterator[Query]:
        folder = tmp_path_factory.mktemp("prometheus")
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
        config["global"]["scrape_interval"] = "1s"
        service = config["scrape_configs"][0] | {"static_configs": [{"targets": [target]}]}
        del service["authorization"]  # the tests' services ask for no keys
        config["scrape_configs"] = [service]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        with hold_port() as port, _server(command, folder, f"127.0.0.1:{port}") as query:
            wait_until(lambda: bool(query("count_over_time(up[1m]) >= 3 and up == 1")), f"scrapes of {target}")
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


def _filled_in(expression: str) -> str:
    return expression.replace("$__rate_interval", "5s").replace("$route", ".*")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds, and fail the test when it has not for a minute."""
    deadline = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {_DEADLINE_S} s for {what}"
        time.sleep(0.1)


def _debian(package: str, command: str) -> str:
    """Return the path of a command; without it skip the test, or fail it in CI, which installs the package."""
    path = shutil.which(command)
    if path is None:
        stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        stop(f"needs {command} (Debian package {package})")
    return path
