"""The dashboards' PromQL on a real Prometheus: of a real service, and of replicas whose numbers are known."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from prometheus_client import CollectorRegistry, Metric, start_http_server
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.pictures.history import JudgedModel, store_history
from sentiment_api.model.bundle import open_bundle
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Query

Asked = list[tuple[str, str, str]]
"""Panel title, legend and PromQL of every query."""


class Running(Protocol):
    """A running service."""

    url: str


class Replica(CollectorRegistry):
    """What a process exposes that does the same between any two scrapes."""

    def __init__(self, work: Callable[[Metrics], None]) -> None:
        """Start with every metric at nothing."""
        super().__init__()
        self._metrics = Metrics()
        self._work = work

    def collect(self) -> Iterable[Metric]:
        """Work, then tell."""
        self._work(self._metrics)
        return self._metrics.registry.collect()


@pytest.fixture(scope="module")
def replicas(scraping: Callable[..., AbstractContextManager[Query]]) -> Iterator[Query]:
    """Ask a Prometheus of three replicas: one that is asked nine times as much, a slow one, and one that is cut off."""
    with ExitStack() as opened:
        ports = [opened.enter_context(_exposed(Replica(work))) for work in (_fast, _slow, _cut_off)]
        yield opened.enter_context(scraping(*(f"127.0.0.1:{port}" for port in ports)))


@pytest.fixture
def asked(promql: Asked, replicas: Query) -> Callable[[str, str], list[dict[str, Any]]]:
    """What the query of a panel with this legend finds on the two replicas."""

    def ask(title: str, legend: str) -> list[dict[str, Any]]:
        (expression,) = (each for one, other, each in promql if (one, other) == (title, legend))
        return replicas(expression)

    return ask


def test_promql_is_accepted(promtool: Callable[..., None], promql: Asked, tmp_path: Path) -> None:
    """Every PromQL of the dashboards parses, and its types fit."""
    rules = [{"record": f"panel:{number}", "expr": expression} for number, (*_, expression) in enumerate(promql)]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    promtool("check", "rules", str(path))


@pytest.mark.anyio
async def test_a_running_service_fills_the_dashboards(
    engine: AsyncEngine,
    new_service: Callable[..., Running],
    root: Path,
    scraping: Callable[..., AbstractContextManager[Query]],
    promql: Asked,
    wait: Callable[[Callable[[], bool], object], None],
) -> None:
    """A service that is asked, and whose nights are judged, has numbers for every panel, and labels for every legend.

    What seldom happens, and has not happened, is 0.
    """
    manifest = open_bundle(root / "models/starter").manifest
    async with engine.begin() as connection:
        await store_history(connection, JudgedModel(manifest.name, manifest.version), datetime.now(UTC), nights=2)
    service = new_service()
    with scraping(service.url.removeprefix("http://")) as query, httpx.Client(base_url=service.url) as client:
        missing: list[str] = []

        def is_full() -> bool:
            _ask(client)
            missing[:] = [
                f"{title}, {legend}: {each}" for title, legend, each in promql if not _is_shown(query(each), legend)
            ]
            return not missing

        wait(is_full, missing)


@pytest.mark.parametrize("board", ["service", "model", "drift", "prediction-log"])
def test_variables_have_values(root: Path, replicas: Query, board: str) -> None:
    """What a reader may choose from Prometheus is a label of series that are there."""
    variables = json.loads((root / f"deploy/grafana/dashboards/sentiment/{board}.json").read_text())["templating"][
        "list"
    ]
    for variable in (one for one in variables if isinstance(one["query"], dict)):
        metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
        found = replicas(metric)
        assert found
        assert all(series["metric"][label] for series in found)


def test_requests_are_summed(asked: Callable[[str, str], list[dict[str, Any]]]) -> None:
    """A route's rate is that of all replicas together: of 9 and 1 at each scrape, once a second, 10."""
    (series,) = asked("Requests", "{{route}}")
    assert float(series["value"][1]) == pytest.approx(10, rel=0.25)


def test_a_quantile_is_of_all_requests(asked: Callable[[str, str], list[dict[str, Any]]]) -> None:
    """The median of nine fast responses and a slow one is fast; the mean of the replicas' medians would be slow."""
    (series,) = asked("Duration of the chosen routes", "p50")
    assert float(series["value"][1]) <= 0.025


def test_label_shares_add_up(asked: Callable[[str, str], list[dict[str, Any]]]) -> None:
    """The shares of the labels are parts of one whole, over all replicas."""
    shares = {series["metric"]["label"]: float(series["value"][1]) for series in asked("Labels", "{{label}}")}
    assert shares == pytest.approx({"positive": 0.9, "negative": 0.1}, abs=0.05)


@pytest.mark.parametrize(
    ("title", "legend", "expected"),
    [
        ("Verdict", "{{model_version}}", 2),
        ("Golden texts", "{{model_version}}", 0.004),
        ("Feedback", "feedback", 0.1),
        ("Accuracy, estimated", "at least", 0.93),
        ("Accuracy, with labels", "at most", 0.97),
        ("Versions that serve", "versions", 1),
    ],
)
def test_what_replicas_repeat_is_told_once(
    asked: Callable[[str, str], list[dict[str, Any]]], title: str, legend: str, expected: float
) -> None:
    """Replicas show the same drift run and model: neither is summed or told twice, and an older run is not told."""
    (series,) = asked(title, legend)
    assert float(series["value"][1]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("title", "legend"),
    [("Spool", "bound {{instance}}"), ("Admitted tokens", "bound {{instance}}"), ("Cores", "bound {{instance}}")],
)
def test_each_replica_has_a_bound_of_its_own(
    asked: Callable[[str, str], list[dict[str, Any]]], title: str, legend: str
) -> None:
    """What a process must not reach is told for each process, not for all of them together."""
    assert [float(series["value"][1]) for series in asked(title, legend)] == [1000, 1000, 1000]


@contextmanager
def _exposed(registry: CollectorRegistry) -> Iterator[int]:
    """Serve what a registry holds while the block runs, and yield the port."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def _ask(client: httpx.Client) -> None:
    """Ask a little of everything that customers ask."""
    found = client.post("/predict", json={"text": "Works as described."})
    client.post("/predict/batch", json={"items": [{"text": "Broke after a day."}, {"text": ""}]}).raise_for_status()
    client.post("/feedback", json={"prediction_id": found.json()["prediction_id"], "rating": 5}).raise_for_status()
    assert client.post("/predict", json={"text": ""}).status_code == 422


def _is_shown(found: list[dict[str, Any]], legend: str) -> bool:
    """Return whether there are numbers, with all labels of the legend; `none` stands for what has not happened.

    A quantile of what was not asked in the last seconds, such as of another route, is NaN.
    """
    labels = set(re.findall(r"{{(\w+)}}", legend))
    named = all(labels <= set(series["metric"]) or "none" in series["metric"].values() for series in found)
    return named and any(not math.isnan(float(series["value"][1])) for series in found)


def _fast(metrics: Metrics) -> None:
    _work(metrics, requests=9, seconds=0.02, label="positive")


def _slow(metrics: Metrics) -> None:
    _work(metrics, requests=1, seconds=2.0, label="negative")


def _cut_off(metrics: Metrics) -> None:
    """Serve nobody, and show the run before the last, as a process does that does not reach Postgres."""
    _show(metrics)
    _show_run(metrics, finished=1000.0, verdict=0, golden=0.4, coverage=0.9, accuracy=0.99)


def _work(metrics: Metrics, requests: int, seconds: float, label: str) -> None:
    """Answer requests, and show what replicas show."""
    metrics.http_requests.labels("POST", "/predict", "200").inc(requests)
    metrics.predictions.labels(label).inc(requests)
    for _ in range(requests):
        metrics.http_duration.labels("/predict").observe(seconds)
    _show(metrics)
    _show_run(metrics, finished=2000.0, verdict=2, golden=0.004, coverage=0.1, accuracy=0.93)


def _show(metrics: Metrics) -> None:
    for bound in (metrics.spool_max_bytes, metrics.admitted_max_tokens, metrics.engine_threads):
        bound.set(1000)
    metrics.model.labels("starter", "v1", "cpu").set(1)


def _show_run(
    metrics: Metrics, *, finished: float, verdict: int, golden: float, coverage: float, accuracy: float
) -> None:
    metrics.drift_finished.labels("v1").set(finished)
    metrics.drift_verdict.labels("v1").set(verdict)
    metrics.drift_effect.labels("v1", "golden").set(golden)
    metrics.label_coverage.labels("v1").set(coverage)
    metrics.estimated_accuracy.labels("v1", "lower").set(accuracy)
    metrics.labelled_accuracy.labels("v1", "upper").set(accuracy + 0.04)
