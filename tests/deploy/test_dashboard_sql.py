"""The dashboards' SQL on a real Postgres, as Grafana's role."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from benchmarks.pictures.history import JudgedModel, store_history
from sentiment_api.database.tables import drift_metrics, drift_runs, spools
from sentiment_api.telemetry.drift_gauges import ESTIMATED_ACCURACY

WINDOW = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
FINISHED = datetime(2026, 3, 2, 3, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)


@pytest.mark.anyio
async def test_every_statement_finds_data(granted: AsyncEngine, statements: dict[str, str]) -> None:
    """After nights of drift, watch and quiet each panel shows rows, and Grafana's role may read them all."""
    async with granted.begin() as connection:
        await store_history(connection, JudgedModel("starter", "v1"), datetime(2026, 6, 1, tzinfo=UTC))
        await _store_spool(connection)
        await connection.execute(text("SET LOCAL ROLE grafana"))
        empty = [title for title, statement in statements.items() if not await _rows(connection, statement)]
    assert not empty


@pytest.mark.anyio
async def test_series_have_a_time(
    granted: AsyncEngine, panels: list[dict[str, Any]], statements: dict[str, str]
) -> None:
    """What is drawn over time has a first column `time`, and then numbers, after a name at most."""
    drawn = [
        p["title"] for p in panels if any(t.get("format") == "time_series" and "rawSql" in t for t in p["targets"])
    ]
    async with granted.begin() as connection:
        await store_history(connection, JudgedModel("starter", "v1"), datetime(2026, 6, 1, tzinfo=UTC))
        for title in drawn:
            first = (await connection.exec_driver_sql(statements[title])).mappings().first()
            assert first is not None
            assert next(iter(first)) == "time", title
            assert set(first) >= {"metric", "value"} or all(
                isinstance(one, float | int) for one in list(first.values())[1:]
            )
    assert len(drawn) > 5


@pytest.mark.anyio
async def test_drift_panels_show_the_last_judgement(engine: AsyncEngine, statements: dict[str, str]) -> None:
    """A window is shown once, as it was judged last and as a whole; effects are multiples of their floors."""
    async with engine.begin() as connection:
        await _judge_twice(connection)
        shown = {title: await _rows(connection, statement) for title, statement in statements.items()}
    _, end = WINDOW
    expected = {
        "Verdicts": [(end, "bundle", 2)],
        "Effects, as multiples of their floors": [(end, "words", 3.0)],
        "Accuracy, with labels and without": [(end, 0.875, 0.8, 0.9, 0.75, None, None)],
        "Rows judged": [(end, 900, 5000)],
        "Runs": [(end, "drift", "words", 900, "bundle", 2, FINISHED, str(SECOND))],
        "Duration of a run": [(end, 3600.0)],
        "Feedback by window": [(end, 0.5)],
        "Segments that differ": [("product:mug", "words", "drift", None, None, 0.75, 0.25, 900)],
    }
    assert {title: shown[title] for title in expected} == expected


@pytest.mark.anyio
async def test_a_withdrawn_estimate_is_not_shown(engine: AsyncEngine, statements: dict[str, str]) -> None:
    """The panel leaves out an estimate that labels have proved wrong of late."""
    withdrawn = {"value": 0.75, "note": "withdrawn: 5.0 points too high"}
    async with engine.begin() as connection:
        await connection.execute(insert(drift_runs), [_run(FIRST, 1)])
        await connection.execute(insert(drift_metrics), [_metric(FIRST, ESTIMATED_ACCURACY, "estimates") | withdrawn])
        assert await _rows(connection, statements["Accuracy, with labels and without"]) == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("revisions", "due"), [(["drift"], 1), (["drift", "none"], 0), (["drift", "drift"], 1)], ids=str
)
async def test_a_notice_is_due_until_it_is_taken_back(
    engine: AsyncEngine, statements: dict[str, str], revisions: list[str], due: int
) -> None:
    """An alarm that a further revision has replaced is not counted, since the job will not post it."""
    async with engine.begin() as connection:
        for number, verdict in enumerate(revisions, 1):
            run_id = UUID(int=number)
            run = _run(run_id, number, verdict=verdict, notice_due=verdict == "drift")
            await connection.execute(insert(drift_runs), [run])
            await connection.execute(insert(drift_metrics), [_metric(run_id, "words", "inputs") | {"verdict": verdict}])
        assert await _rows(connection, statements["Notices due"]) == [(due,)]


@pytest.mark.anyio
async def test_a_silent_spool_is_seen(engine: AsyncEngine, statements: dict[str, str]) -> None:
    """The panel says for how long the process of a spool has said nothing."""
    async with engine.begin() as connection:
        await _store_spool(connection)
        ((host, folder, silent_s),) = await _rows(connection, statements["Spools"])
    assert (host, folder) == ("shop-0", "/data/spool/1")
    assert silent_s > 86_400


@pytest.mark.anyio
async def test_sizes_are_told_by_month(granted: AsyncEngine, statements: dict[str, str]) -> None:
    """Each month of the log has its size, and all months together are one table."""
    async with granted.begin() as connection:
        await connection.execute(text("SET LOCAL ROLE grafana"))
        months = await _rows(connection, statements["Months of predictions"])
        tables = {row[0]: row[-1] for row in await _rows(connection, statements["Tables"])}
    assert all(name.startswith("predictions_20") for name, *_ in months)
    assert tables["predictions"] == sum(size for *_, size, _ in months) > 0
    assert "feedback" in tables


@pytest.mark.anyio
async def test_the_model_variable_offers_the_latest_first(
    granted: AsyncEngine, dashboards: list[dict[str, Any]]
) -> None:
    """The model version chosen at first is the one that was judged last."""
    variables = [one for board in dashboards for one in board["templating"]["list"] if one["type"] == "query"]
    sql = next(one["query"] for one in variables if one["datasource"]["uid"] == "postgres")
    async with granted.begin() as connection:
        await connection.execute(insert(drift_runs), [_run(FIRST, 1, model_version="old", window_end=WINDOW[0])])
        await connection.execute(insert(drift_runs), [_run(SECOND, 1, model_version="new")])
        await connection.execute(text("SET LOCAL ROLE grafana"))
        assert await _rows(connection, sql) == [("new",), ("old",)]


async def _rows(connection: AsyncConnection, sql: str) -> Sequence[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.exec_driver_sql(sql)]


async def _store_spool(connection: AsyncConnection) -> None:
    spool = {"spool_id": FIRST, "host": "shop-0", "folder": "/data/spool/1", "seen_at": WINDOW[0], "purged_to": 0}
    await connection.execute(insert(spools), [spool])


async def _judge_twice(connection: AsyncConnection) -> None:
    """Write two revisions of one window, each with a segment; the second found drift."""
    first = _run(FIRST, 1, verdict="none", n_current=800)
    await connection.execute(insert(drift_runs), [first, _run(SECOND, 2)])
    for run_id, effect, accuracy in ((FIRST, 0.1, 0.5), (SECOND, 0.75, 0.875)):
        words = _metric(run_id, "words", "inputs") | {"effect": effect, "floor": 0.25, "verdict": "drift"}
        known = _metric(run_id, "accuracy", "accuracy") | {"value": accuracy, "lower": 0.8, "upper": 0.9, "n": 450}
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
        "finished_at": FINISHED,
        "n_current": 900,
        "n_reference": 5000,
        "verdict": "drift",
        "reason": "words",
    }
    return run | changes


def _metric(run_id: UUID, metric: str, family: str) -> dict[str, Any]:
    return {"run_id": run_id, "metric": metric, "family": family, "direction": "none", "verdict": "none", "n": 900}
