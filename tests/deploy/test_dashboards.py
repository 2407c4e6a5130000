"""The dashboards as files; what they ask of Prometheus is in `test_prometheus.py`."""

import itertools
import re
import runpy
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.tables import drift_metrics, drift_runs
from sentiment_api.drift_gauges import ESTIMATED_ACCURACY

WINDOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)


def test_the_generator_writes_the_committed_dashboard(root: Path) -> None:
    """The dashboard in the repository is what its generator makes, so that neither is edited without the other."""
    written = runpy.run_path(str(root / "deploy/grafana/generate.py"))["render"]()
    assert (root / "deploy/grafana/dashboards/sentiment/service.json").read_text() == written


def test_dashboards_can_be_provisioned(dashboards: list[dict[str, Any]]) -> None:
    """A dashboard has a uid of its own, no database id, and nothing that only the import dialogue fills in."""
    uids = [board["uid"] for board in dashboards]
    assert len(set(uids)) == len(uids) > 0
    for board in dashboards:
        assert board["id"] is None
        assert 39 <= board["schemaVersion"] <= 41
        assert "__inputs" not in board
        assert "${DS_" not in str(board)


def test_ids_are_unique(dashboards: list[dict[str, Any]], panels: list[dict[str, Any]]) -> None:
    """No two panels of a dashboard share an id, and no two queries of a panel a refId."""
    for board in dashboards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
    for panel in panels:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0, panel["title"]


def test_panels_do_not_overlap(dashboards: list[dict[str, Any]]) -> None:
    """Panels lie within the 24 columns of the grid, and none lies on another."""
    for board in dashboards:
        for panel in board["panels"]:
            assert 0 <= panel["gridPos"]["x"] <= 24 - panel["gridPos"]["w"], panel["title"]
        for one, other in itertools.combinations(board["panels"], 2):
            assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def test_every_panel_says_what_it_shows(panels: list[dict[str, Any]]) -> None:
    """Each panel has a title, a description and a unit."""
    for panel in panels:
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_datasources_resolve(root: Path, dashboards: list[dict[str, Any]]) -> None:
    """Every data source that a panel, a query or a variable names is provisioned, with the same type."""
    path = root / "deploy/grafana/provisioning/datasources/datasources.yaml"
    provisioned = {source["uid"]: source["type"] for source in yaml.safe_load(path.read_text())["datasources"]}
    for board in dashboards:
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        askers = [*panels, *board["templating"]["list"], *(target for panel in panels for target in panel["targets"])]
        for asker in askers:
            assert provisioned[asker["datasource"]["uid"]] == asker["datasource"]["type"]


def test_the_scrape_interval_is_stated_once_in_effect(root: Path) -> None:
    """Grafana derives `$__rate_interval` from the interval at which Prometheus really scrapes."""
    prometheus = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    path = root / "deploy/grafana/provisioning/datasources/datasources.yaml"
    source = next(one for one in yaml.safe_load(path.read_text())["datasources"] if one["uid"] == "prometheus")
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]


@pytest.mark.anyio
async def test_drift_panels_show_the_last_judgement(engine: AsyncEngine, panels: list[dict[str, Any]]) -> None:
    """A window is shown once, as it was judged last and as a whole; effects are multiples of their floors."""
    statements = {p["title"]: target["rawSql"] for p in panels for target in p["targets"] if "rawSql" in target}
    async with engine.begin() as connection:
        await _judge_twice(connection)
        shown = {title: await _rows(connection, sql) for title, sql in statements.items()}
    start, end = WINDOW
    finished = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert shown == {
        "Verdicts": [(end, "bundle", 2)],
        "Effects, as multiples of their floors": [(end, "words", 3.0)],
        "Accuracy": [(end, "accuracy", 0.875), (end, "estimated_accuracy", 0.75)],
        "Rows judged": [(end, 900, 5000)],
        "Runs": [(start, end, "bundle", "drift", "words", 2, finished)],
    }


@pytest.mark.anyio
async def test_a_withdrawn_estimate_is_not_shown(engine: AsyncEngine, panels: list[dict[str, Any]]) -> None:
    """The panel leaves out an estimate that labels have proved wrong of late."""
    sql = next(p["targets"][0]["rawSql"] for p in panels if p["title"] == "Accuracy")
    withdrawn = {"value": 0.75, "note": "withdrawn: 5.0 points too high"}
    async with engine.begin() as connection:
        await connection.execute(insert(drift_runs), [_run(FIRST, 1)])
        await connection.execute(insert(drift_metrics), [_metric(FIRST, ESTIMATED_ACCURACY, "estimates") | withdrawn])
        assert await _rows(connection, sql) == []


@pytest.mark.anyio
async def test_the_model_variable_offers_the_latest_first(
    engine: AsyncEngine, dashboards: list[dict[str, Any]]
) -> None:
    """The model version chosen at first is the one that was judged last."""
    variables = [one for board in dashboards for one in board["templating"]["list"]]
    sql = next(one["query"] for one in variables if one["datasource"]["uid"] == "postgres")
    async with engine.begin() as connection:
        await connection.execute(insert(drift_runs), [_run(FIRST, 1, model_version="old", window_end=WINDOW[0])])
        await connection.execute(insert(drift_runs), [_run(SECOND, 1, model_version="new")])
        assert await _rows(connection, sql) == [("new",), ("old",)]


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


async def _rows(connection: AsyncConnection, sql: str) -> Sequence[tuple[Any, ...]]:
    """Run a panel's SQL with Grafana's macros filled in as Grafana does, for the year 2026 and the model `v1`."""
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN '2026-01-01T00:00:00Z' AND '2026-12-31T00:00:00Z'", sql)
    sql = sql.replace("${model_version:sqlstring}", "'v1'")
    assert "$" not in sql
    return [tuple(row) for row in await connection.exec_driver_sql(sql)]


async def _judge_twice(connection: AsyncConnection) -> None:
    """Write two revisions of one window, each with a segment; the second found drift."""
    first = _run(FIRST, 1, verdict="none", n_current=800)
    await connection.execute(insert(drift_runs), [first, _run(SECOND, 2)])
    for run_id, effect, accuracy in ((FIRST, 0.1, 0.5), (SECOND, 0.75, 0.875)):
        words = _metric(run_id, "words", "inputs") | {"effect": effect, "floor": 0.25}
        known = _metric(run_id, "accuracy", "accuracy") | {"value": accuracy}
        estimated = _metric(run_id, ESTIMATED_ACCURACY, "estimates") | {"value": accuracy - 0.125}
        for row in (words, known, words | {"segment": "product:mug"}, known | {"segment": "product:mug"}, estimated):
            await connection.execute(insert(drift_metrics), [row])


def _run(run_id: UUID, revision: int, **changes: object) -> dict[str, Any]:
    run = {
        "run_id": run_id,
        "revision": revision,
        "window_start": WINDOW[0],
        "window_end": WINDOW[1],
        "reference": "bundle",
        "model_name": "starter",
        "model_version": "v1",
        "started_at": datetime(2026, 3, 2, 2, tzinfo=UTC),
        "finished_at": datetime(2026, 3, 2, 3, tzinfo=UTC),
        "n_current": 900,
        "n_reference": 5000,
        "verdict": "drift",
        "reason": "words",
    }
    return run | changes


def _metric(run_id: UUID, metric: str, family: str) -> dict[str, Any]:
    return {"run_id": run_id, "metric": metric, "family": family, "direction": "none", "verdict": "none", "n": 900}
