"""Each model version by itself, and what it is compared with."""

import datetime as dt
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.nights.night import judge_window
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import Failed, StoredRun
from drift_jobs.storage.references import WantedReference
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_runs
from sentiment_api.model.bundle import REFERENCE
from tests.protocols import Count, Judge, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undrawn")]


async def test_each_model_version_is_judged_alone(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """After a deployment the old version's rows are a run of their own, not judged against the new one's reference."""
    await log(make_records(300, seed=2), START)
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1), model_version="0123456789ab")
    ours, other = await judge(plan)
    assert (ours.model_version, ours.verdict) == (plan.bundle.manifest.version, "none")
    assert (other.model_version, other.verdict, other.n_current) == ("0123456789ab", "not_judged", 300)
    assert "expected a reference of model version 0123456789ab" in other.reason


async def test_one_versions_failure_costs_no_other(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, plan: JudgingPlan, tell: Tell, count: Count
) -> None:
    """A version whose rows cannot be read fails alone; the other one is judged and stored."""
    await log(make_records(300, seed=2), START, model_version="0123456789ab", probabilities=None)  # as null of JSON
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1))
    broken, whole = [outcome async for outcome in judge_window(engine, plan, DAY, tell)]
    assert isinstance(broken, Failed)
    assert (broken.version, broken.window) == ("0123456789ab", DAY)
    assert isinstance(whole, StoredRun)
    assert (whole.run.model_version, whole.run.verdict) == (plan.bundle.manifest.version, "none")
    assert await count(drift_runs) == 1


async def test_another_models_labels_are_not_judged(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """Rows whose labels are not the bundle's are stored as not judged, with the reason."""
    await log(make_records(300, seed=2), START, probabilities={"bad": 0.5, "good": 0.5}, model_version="0123456789ab")
    (run,) = await judge(plan)
    assert (run.verdict, run.reason.startswith("expected the labels negative, positive")) == ("not_judged", True)


async def test_a_window_can_be_the_reference(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """Yesterday as the reference judges any model version that has rows in both, without a file in the bundle."""
    plan.bundle.path(REFERENCE).unlink()
    await log(make_records(300, seed=2), BEFORE.start, model_version="0123456789ab")
    await log(make_records(300, seed=3), DAY.start, model_version="0123456789ab")
    (run,) = await judge(replace(plan, reference=WantedReference("window", BEFORE)))
    assert (run.verdict, run.n_reference) == ("none", 300)
    assert run.reference == "window:2026-11-20T00:00:00Z..2026-11-21T00:00:00Z"


async def test_without_a_reference_the_rest_is_kept(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge, tmp_path: Path
) -> None:
    """A bundle without reference is a run that is not judged and says why, with what the window alone can tell."""
    plan.bundle.path(REFERENCE).rename(tmp_path / "elsewhere")
    await log(make_records(300, seed=2), START)
    (run,) = await judge(plan)
    assert (run.verdict, run.n_current, run.n_reference) == ("not_judged", 300, 0)
    assert "found none; export the model with sentiment-train" in run.reason
    shares = [row.value for row in run.metrics if row.metric == "label_share"]
    assert len(shares) == 1
    assert shares[0] is not None


async def test_auto_tells_differences_from_training_without_alarm(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """Until there is traffic of its own, what differs from the training data is told and is no alarm."""
    await log(make_records(300, seed=2, mood=1.5), START)
    (run,) = await judge(replace(plan, reference=WantedReference("auto")))
    assert (run.verdict, run.reference, run.details.alarming) == ("none", "auto:bundle", False)
    assert run.reason.startswith("differs from training data, which is no alarm")
    assert "no own baseline yet" in run.reason
