"""Names, types and labels of all metrics, and the page that lists them."""

import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client import Metric
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sentiment_api.telemetry.metrics import Metrics

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
SUFFIXES = {"counter": "_total"}


def rows() -> list[str]:
    """Return the row of each metric as the page has it."""
    metrics = Metrics()
    wrappers = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    labels = {each._name: each._labelnames for each in wrappers}
    return [row(family, labels.get(family.name)) for family in metrics.registry.collect()]


def row(family: Metric, labels: tuple[str, ...] | None) -> str:
    """Return one row; labels that the service did not name are those of the first sample."""
    if labels is None:
        labels = tuple(family.samples[0].labels) if family.samples else ()
    name = family.name + SUFFIXES.get(family.type, "")
    told = ", ".join(f"`{label}`" for label in labels)
    return f"| `{name}` | {family.type} | {told} | {family.documentation} |"


def test_the_page_lists_every_metric_as_it_is() -> None:
    """Name, type, labels and meaning are what a scrape says; a metric that is added or changed is so on the page."""
    listed = re.findall(r"^\| `\w+` \|.*$", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(rows())


def test_every_name_says_whose_it_is_and_in_what_unit() -> None:
    """Ours begin with `sentiment_`; those of the runtime are Python's and the process's own."""
    names = [family.name for family in Metrics().registry.collect()]
    assert len(names) == len(set(names))
    assert {name.partition("_")[0] for name in names} == {"sentiment", "process", "python"}
    assert not [name for name in names if name.endswith(("_ms", "_kb", "_percent", "_count"))]


@pytest.mark.parametrize(
    "sample",
    [
        'sentiment_refused_requests_total{reason="log-full"}',
        'sentiment_predictions_total{label="negative"}',
        'sentiment_spooled_records_total{kind="feedback"}',
        'sentiment_dropped_texts_total{reason="deadline"}',
        'sentiment_left_out_records_total{reason="erased"}',
    ],
)
def test_what_has_not_happened_yet_is_shown_as_0(client: TestClient[Litestar], sample: str) -> None:
    """Prometheus sees no growth in a counter that is 1 when it first appears, and an alert would miss the first."""
    assert f"\n{sample} " in client.get("/metrics").text


def test_bounds_stand_beside_what_they_bound(client: TestClient[Litestar]) -> None:
    """Rules and dashboards need no setting's value."""
    shown = client.get("/metrics").text
    for name, bound in (("spool_max_bytes", 1 << 30), ("admitted_max_tokens", 262_144), ("admitted_max_requests", 256)):
        (value,) = re.findall(rf"^sentiment_{name} (\S+)$", shown, re.MULTILINE)
        assert float(value) == bound


def test_no_series_tells_when_another_began(client: TestClient[Litestar]) -> None:
    """They would be a third of all series, and nothing reads them."""
    assert "_created" not in client.get("/metrics").text


def test_openmetrics_is_given_to_who_asks_for_it(client: TestClient[Litestar]) -> None:
    """As Prometheus does; the strict parser takes it, and it says the same. Others get the text that they know."""
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=1.0.0")
    asked = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
    reply = client.get("/metrics", headers=asked)
    assert reply.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = text_string_to_metric_families(reply.text)
    names = {family.name for family in families}
    assert names == {family.name for family in Metrics().registry.collect()}
