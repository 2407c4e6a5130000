"""Prometheus' configuration, and the dashboards' PromQL on a real server."""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from prometheus_client import CollectorRegistry, Metric, start_http_server

from sentiment_api.metrics import Metrics

Query = Callable[[str], list[dict[str, Any]]]


class Running(Protocol):
    """A running service."""

    url: str


class BusyService(CollectorRegistry):
    """What a service exposes that does a little of everything between any two scrapes."""

    def __init__(self) -> None:
        """Start with every metric at nothing."""
        super().__init__()
        self._metrics = Metrics()

    def collect(self) -> Iterable[Metric]:
        """Work, then tell."""
        _work(self._metrics)
        return self._metrics.registry.collect()


@pytest.fixture(scope="module")
def query(scraping: Callable[[str], AbstractContextManager[Query]]) -> Iterator[Query]:
    """Ask a Prometheus that scrapes a busy service."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=BusyService())
    with scraping(f"127.0.0.1:{server.server_port}") as query:
        yield query
    server.shutdown()
    server.server_close()
    thread.join()


def test_prometheus_accepts_its_configuration(promtool: Callable[..., None], root: Path, tmp_path: Path) -> None:
    """Prometheus starts with the configuration, once the key that it names is there."""
    key = tmp_path / "prometheus"
    key.write_text("sentiment_1_2")
    shutil.copytree(root / "deploy/prometheus/rules", tmp_path / "rules")
    text = (root / "deploy/prometheus/prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/keys/prometheus", str(key)))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_promql_is_accepted(promtool: Callable[..., None], promql: list[tuple[str, str, str]], tmp_path: Path) -> None:
    """Every PromQL of the dashboards parses, and its types fit."""
    rules = [{"record": f"panel:{number}", "expr": expression} for number, (*_, expression) in enumerate(promql)]
    path = tmp_path / "rules.json"  # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))
    promtool("check", "rules", str(path))


def test_every_query_finds_data(query: Query, promql: list[tuple[str, str, str]]) -> None:
    """On a service that does a little of everything every panel shows numbers, and every legend finds its labels."""
    for title, legend, expression in promql:
        found = query(expression)
        assert found, f"{title}: no data for {expression}"
        for series in found:
            assert not math.isnan(float(series["value"][1])), f"{title}: {expression}"
            assert set(re.findall(r"{{(\w+)}}", legend)) <= set(series["metric"]), f"{title}: {legend}"


def test_promtool_finds_no_fault_in_a_real_scrape(service: Running, promtool: Callable[..., None]) -> None:
    """Names, units and texts are as Prometheus recommends, once everything that counts has counted."""
    for text in ("Works as described.", ""):
        httpx.post(f"{service.url}/predict", json={"text": text})
    promtool("check", "metrics", given=httpx.get(f"{service.url}/metrics").text)


def test_label_shares_add_up(query: Query, promql: list[tuple[str, str, str]]) -> None:
    """The shares of the labels are parts of one whole."""
    expression = next(expression for title, _, expression in promql if title == "Labels")
    shares = {series["metric"]["label"]: float(series["value"][1]) for series in query(expression)}
    assert shares == pytest.approx({"positive": 0.75, "negative": 0.25})


def test_a_running_service_fills_the_dashboard(
    service: Running,
    scraping: Callable[[str], AbstractContextManager[Query]],
    promql: list[tuple[str, str, str]],
    waiting: Callable[[Callable[[], bool], str], None],
) -> None:
    """A service that is asked shows on every panel but those of troubles it does not have and of nights to come."""
    quiet = {"Refused", "Failed attempts", "Set aside", "Since the last run"}
    expected = [(title, expression) for title, _, expression in promql if title not in quiet]
    with scraping(service.url.removeprefix("http://")) as query, httpx.Client(base_url=service.url) as client:

        def shown() -> bool:
            assert client.post("/predict", json={"text": "Works as described."}).status_code == 200
            assert client.post("/predict", json={"text": ""}).status_code == 422
            return all(query(expression) for _, expression in expected)

        waiting(shown, "every panel shows data")
        routes = {series["metric"]["route"] for series in query(expected[0][1])}
    assert {"/predict", "/metrics"} <= routes


def _work(metrics: Metrics) -> None:
    """Move every metric, with labels that the service gives."""
    for status in ("200", "422", "503"):
        metrics.http_requests.labels("POST", "/predict", status).inc()
    metrics.http_duration.labels("/predict").observe(0.02)
    metrics.http_in_progress.set(2)
    metrics.refused.labels("places").inc()

    metrics.predictions.labels("positive").inc(3)
    metrics.predictions.labels("negative").inc()
    metrics.score.observe(0.9)
    metrics.tokens.observe(60)
    metrics.truncated.inc()
    for seconds in (metrics.queue_seconds, metrics.inference_seconds, metrics.tokenize_seconds):
        seconds.observe(0.004)
    metrics.batch_texts.observe(1)
    metrics.queued_tokens.set(60)
    metrics.model.labels("starter", "v1", "cpu").set(1)

    metrics.spooled.labels("prediction").inc()
    metrics.shipped.labels("prediction").inc()
    metrics.ship_failures.labels("prediction").inc()
    metrics.set_aside.labels("22P05").inc()
    metrics.damaged.inc(100)
    metrics.spool_bytes.set(2000)
    metrics.spool_lag.set(0.5)

    metrics.drift_finished.labels("v1").set_to_current_time()
