"""The gauges of the latest drift run: which run they show, what they show of it, and what they leave out."""

import datetime as dt

import pytest
from pydantic import SecretStr
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import connected
from sentiment_api.database.tables import drift_runs
from sentiment_api.model.bundle import Bundle
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.drift_gauges import refresh_drift_gauges
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Read, StoreRun

pytestmark = pytest.mark.anyio
LATE = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


@pytest.fixture
def metrics() -> Metrics:
    """A registry of our own."""
    return Metrics()


@pytest.fixture
def read(engine: AsyncEngine, metrics: Metrics, bundle: Bundle) -> Read:
    """A function that refreshes the gauges and gives one: `read("drift_effect", metric="words")`."""
    version = bundle.manifest.version

    async def read(name: str, **labels: str) -> float | None:
        await refresh_drift_gauges(engine, metrics, version)
        return metrics.registry.get_sample_value(f"sentiment_{name}", {"model_version": version, **labels})

    return read


def shown(metrics: Metrics) -> set[str]:
    """Return the names of the series about drift that exist."""
    about = ("sentiment_drift_", "sentiment_estimated_", "sentiment_labelled_", "sentiment_label_coverage")
    return {
        sample.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith(about)
    }


async def test_without_a_run_there_are_none(read: Read, metrics: Metrics) -> None:
    """A model that was never judged has no gauge, not one that says 0."""
    assert await read("drift_verdict") is None
    assert shown(metrics) == set()


@pytest.mark.parametrize(("verdict", "number"), [("none", 0), ("watch", 1), ("drift", 2), ("not_judged", -1)])
async def test_the_verdict_is_a_number(read: Read, store_run: StoreRun, verdict: str, number: int) -> None:
    """Each level has its number, beside the rows and the time of the run."""
    await store_run(verdict=verdict, n_current=412, finished_at=LATE)
    assert await read("drift_verdict") == number
    assert await read("drift_window_rows") == 412
    assert await read("drift_last_run_timestamp_seconds") == LATE.timestamp()


async def test_an_old_night_judged_again_is_not_the_latest(read: Read, store_run: StoreRun) -> None:
    """The latest window counts, not what finished last."""
    await store_run(day=21, verdict="drift")
    await store_run(day=20, verdict="none", revision=3, finished_at=LATE)
    assert await read("drift_verdict") == 2


async def test_many_revisions_against_one_reference_hide_no_drift_of_another(read: Read, store_run: StoreRun) -> None:
    """Of one window the verdict counts that was given last: revisions are counted for each reference by itself."""
    await store_run(day=21, verdict="none", revision=3)
    await store_run(day=21, verdict="drift", revision=1, reference="auto:bundle", finished_at=LATE)
    assert await read("drift_verdict") == 2


async def test_other_models_runs_are_not_shown(read: Read, store_run: StoreRun) -> None:
    """A later run on another version changes nothing."""
    await store_run(day=20, verdict="watch")
    await store_run(day=21, verdict="drift", model_version="fedcba987654")
    assert await read("drift_verdict") == 1


async def test_the_last_success_is_the_last_that_was_judged(read: Read, store_run: StoreRun) -> None:
    """A night that could not be judged moves the last run and not the last success."""
    judged, unjudged = LATE - dt.timedelta(days=2), LATE
    await store_run(day=20, verdict="drift", finished_at=judged)
    await store_run(day=21, verdict="not_judged", finished_at=unjudged)
    assert await read("drift_last_success_timestamp_seconds") == judged.timestamp()
    assert await read("drift_last_run_timestamp_seconds") == unjudged.timestamp()


async def test_an_old_night_that_is_judged_again_is_a_success(read: Read, store_run: StoreRun) -> None:
    """The last success is the last run that was judged, whichever window it was on."""
    await store_run(day=21, verdict="none")
    await store_run(day=20, verdict="none", revision=2, finished_at=LATE)
    assert await read("drift_last_success_timestamp_seconds") == LATE.timestamp()


async def test_effects_and_floors_are_of_the_whole_window(read: Read, store_run: StoreRun, metrics: Metrics) -> None:
    """Each metric has its effect and floor; no segment is shown, nor what a metric has no value for."""
    await store_run(
        metrics=[
            {"metric": "words", "effect": 0.125, "floor": 0.25},
            {"metric": "words", "segment": "product:mug-7", "effect": 0.75, "floor": 0.5},
            {"metric": "f1", "family": "accuracy"},
        ]
    )
    assert await read("drift_effect", metric="words") == 0.125
    assert await read("drift_floor", metric="words") == 0.25
    assert await read("drift_effect", metric="f1") is None
    assert "mug-7" not in str(list(metrics.registry.collect()))


async def test_estimated_accuracy_has_its_bounds(read: Read, store_run: StoreRun) -> None:
    """The estimate is shown with its interval, also when a note says something else of it."""
    estimate = {"metric": "estimated_accuracy", "family": "estimates", "value": 0.875, "lower": 0.75, "upper": 0.9375}
    await store_run(metrics=[estimate | {"note": "assumes that the meaning of words stayed"}])
    assert await read("estimated_accuracy", bound="value") == 0.875
    assert await read("estimated_accuracy", bound="lower") == 0.75
    assert await read("estimated_accuracy", bound="upper") == 0.9375


async def test_a_withdrawn_estimate_is_not_shown(read: Read, store_run: StoreRun) -> None:
    """While labels prove the estimates wrong there is no number to trust."""
    estimate = {"metric": "estimated_accuracy", "family": "estimates", "value": 0.875}
    await store_run(day=20, metrics=[estimate])
    assert await read("estimated_accuracy", bound="value") == 0.875
    await store_run(day=21, metrics=[estimate | {"note": "withdrawn: 3 of the last 4 were wrong"}])
    assert await read("estimated_accuracy", bound="value") is None


async def test_accuracy_with_labels_and_how_many_have_one(read: Read, store_run: StoreRun) -> None:
    """Accuracy on rows with feedback has its bounds, and the share of such rows is beside it."""
    accuracy = {"metric": "accuracy", "family": "accuracy", "value": 0.75, "lower": 0.5, "upper": 0.875, "n": 200}
    await store_run(n_current=800, metrics=[accuracy])
    assert await read("labelled_accuracy", bound="value") == 0.75
    assert await read("labelled_accuracy", bound="lower") == 0.5
    assert await read("labelled_accuracy", bound="upper") == 0.875
    assert await read("label_coverage") == 0.25


async def test_what_the_latest_run_lacks_is_gone(read: Read, store_run: StoreRun, metrics: Metrics) -> None:
    """Nothing of the run before stays beside the latest one's, even of an empty window."""
    accuracy = {"metric": "accuracy", "family": "accuracy", "value": 0.75, "effect": 0.5, "floor": 0.25}
    await store_run(day=20, metrics=[accuracy])
    assert await read("label_coverage") == 1.0
    await store_run(day=21, verdict="not_judged", n_current=0, metrics=[{"metric": "accuracy", "n": 0}])
    assert await read("drift_verdict") == -1
    assert shown(metrics) == {
        f"sentiment_drift_{name}"
        for name in ("verdict", "window_rows", "last_run_timestamp_seconds", "last_success_timestamp_seconds")
    }


async def test_runs_that_were_removed_are_not_shown(
    read: Read, store_run: StoreRun, metrics: Metrics, engine: AsyncEngine
) -> None:
    """When the last run is deleted its gauges go."""
    await store_run()
    assert await read("drift_verdict") == 0
    async with engine.begin() as connection:
        await connection.execute(delete(drift_runs))
    assert await read("drift_verdict") is None
    assert shown(metrics) == set()


async def test_while_postgres_is_away_they_stay(
    read: Read,
    store_run: StoreRun,
    metrics: Metrics,
    bundle: Bundle,
    closed_port: int,
    database_settings: DatabaseSettings,
) -> None:
    """What was known last is shown on."""
    await store_run(verdict="watch")
    assert await read("drift_verdict") == 1
    url = SecretStr(f"postgresql://postgres@127.0.0.1:{closed_port}/postgres")
    async with connected(
        DatabaseSettings(database=None, database_url=url, data_dir=database_settings.data_dir)
    ) as away:
        await refresh_drift_gauges(away, metrics, bundle.manifest.version)
    labels = {"model_version": bundle.manifest.version}
    assert metrics.registry.get_sample_value("sentiment_drift_verdict", labels) == 1
