"""Windows that hold next to nothing, and a database that goes away: what can be judged is, and the rest says why."""

import datetime as dt
import math

import pytest
from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.commands.endings import COULD_NOT_BE_JUDGED, exit_code, failure_line
from drift_jobs.nights.night import judge_window
from drift_jobs.nights.plan import JudgingPlan, Tell
from drift_jobs.runs import Failed, Outcome, StoredRun
from drift_jobs.storage.references import WantedReference
from drift_jobs.storage.results import read_html
from drift_jobs.windows import Window
from sentiment_api.database.connection import connected
from sentiment_api.database.tables import drift_runs
from sentiment_api.model.bundle import REFERENCE
from sentiment_api.settings import DatabaseSettings
from tests.protocols import Count, Judge, Log, MakeRecords, Rate

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = Window(START, START + dt.timedelta(days=1))
BEFORE = Window(START - dt.timedelta(days=1), START)

pytestmark = pytest.mark.anyio


@pytest.fixture
def own(plan: JudgingPlan) -> JudgingPlan:
    """Against the shop's own day before; by few quiet windows, so that it is quick."""
    return replace(plan, reference=WantedReference("window", BEFORE), quiet_windows=20)


async def test_one_class_only_is_judged(
    engine: AsyncEngine, log: Log, make_records: MakeRecords, own: JudgingPlan, judge: Judge, rate: Rate
) -> None:
    """When both sides have one label, and ratings of one kind, what needs two has no value and the rest is judged."""
    praise = [record for record in make_records(1200, seed=2) if record["label"] == "positive"]
    for window, records in ((BEFORE, praise[:250]), (DAY, praise[250:500])):
        await rate(await log(records, window.start), [5] * len(records))
    (run,) = await judge(own)
    rows = {row.metric: row for row in run.metrics}
    assert (run.verdict, run.n_current, rows["label_share"].value) == ("none", 250, 1.0)
    assert (rows["accuracy"].value, rows["accuracy"].n, rows["roc_auc"].value) == (1.0, 250, None)
    assert (rows["share_em_positive"].value, "never occurs" in rows["share_em_positive"].note) == (None, True)
    async with engine.connect() as connection:
        assert run.reason in await read_html(connection, run.run_id)


async def test_without_any_feedback_the_rest_is_judged(
    log: Log, make_records: MakeRecords, own: JudgingPlan, judge: Judge
) -> None:
    """Accuracy and its estimate have no value and say why; inputs and predictions are judged."""
    for number, window in enumerate((BEFORE, DAY)):
        await log(make_records(250, seed=number), window.start)
    (run,) = await judge(own)
    rows = {row.metric: row for row in run.metrics}
    assert (run.verdict, rows["logit"].verdict) == ("none", "none")
    assert (rows["accuracy"].value, rows["accuracy"].n, rows["accuracy"].verdict) == (None, 0, "not_judged")
    assert (rows["estimated_accuracy"].value, rows["estimated_accuracy"].note) == (
        None, "no labelled rows in the reference",
    )  # fmt: skip
    assert {each.labelled for each in run.details.coverage} == {0}


async def test_a_damaged_reference_keeps_the_rest(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """A reference that cannot be read is one line, in a run that has what the window alone can tell."""
    whole = plan.bundle.path(REFERENCE).read_bytes()
    plan.bundle.path(REFERENCE).write_bytes(whole[: len(whole) // 2])
    await log(make_records(250, seed=2), START)
    (run,) = await judge(plan)
    rows = {row.metric: row for row in run.metrics}
    assert (run.verdict, run.n_current, run.n_reference) == ("not_judged", 250, 0)
    assert ("reference.parquet" in run.reason, "export the model again" in run.reason) == (True, True)
    assert "\n" not in run.reason
    assert rows["label_share"].value is not None
    assert exit_code([StoredRun(run, is_new=True)]) == COULD_NOT_BE_JUDGED


async def test_rows_without_numbers_are_left_out(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """A window in which some logits are no numbers is judged on the rest and says so; a reference has the rest, too."""
    broken = [record | {"logits": [math.nan, math.inf]} for record in make_records(20, seed=1)]
    await log(broken, START, score=math.nan, probabilities={"negative": None, "positive": None})
    await log(make_records(300, seed=2), START + dt.timedelta(minutes=1))
    (run,) = await judge(plan)
    assert (run.verdict, run.n_current) == ("none", 300)
    assert run.reason.endswith("; 20 of 320 rows were left out: a logit of theirs is no number")
    await log(make_records(300, seed=3), BEFORE.start)
    (run,) = await judge(replace(plan, reference=WantedReference("window", DAY)), BEFORE)
    assert (run.verdict, run.n_reference) == ("none", 300)


async def test_a_window_without_any_number_is_not_judged(
    log: Log, make_records: MakeRecords, plan: JudgingPlan, judge: Judge
) -> None:
    """What is missing are rows with numbers, and not another model's labels."""
    records = [record | {"logits": [math.nan, math.nan]} for record in make_records(300, seed=2)]
    await log(records, START)
    (run,) = await judge(plan)
    assert (run.verdict, run.n_current) == ("not_judged", 0)
    assert run.reason.startswith("found 0 rows in the window, needed 200")
    assert run.reason.endswith("; 300 of 300 rows were left out: a logit of theirs is no number")


async def test_a_database_that_goes_away_keeps_what_was_judged(
    engine: AsyncEngine,
    database_settings: DatabaseSettings,
    log: Log,
    make_records: MakeRecords,
    own: JudgingPlan,
    tell: Tell,
    count: Count,
) -> None:
    """When it goes after the first version was judged, the second fails in one line and the first one's run stays."""
    await log(make_records(5, seed=2), START, model_version="0123456789ab")
    await log(make_records(5, seed=3), START + dt.timedelta(hours=1))
    outcomes: list[Outcome] = []
    async for outcome in judge_window(engine, own, DAY, tell):
        outcomes.append(outcome)
        await _admit(database_settings, admitted=False)
    await _admit(database_settings, admitted=True)

    judged, failed = outcomes
    assert isinstance(judged, StoredRun)
    assert isinstance(failed, Failed)
    line = "Postgres refuses: the database takes no connections (SQLSTATE 55000)"
    assert failure_line(failed.error).startswith(line)
    assert exit_code(outcomes) == COULD_NOT_BE_JUDGED
    assert await count(drift_runs) == 1


async def _admit(settings: DatabaseSettings, *, admitted: bool) -> None:
    """Let nobody into the database any more, and end who is in it; or let them in again."""
    assert settings.database_url is not None
    url = make_url(settings.database_url.get_secret_value())
    server = SecretStr(url.set(database="postgres").render_as_string(hide_password=False))
    end = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = :name")
    async with connected(settings.model_copy(update={"database_url": server})) as engine:
        connection = await engine.connect()
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"alter database {url.database} with allow_connections {admitted}"))
        if not admitted:
            await connection.execute(end, {"name": url.database})
        await connection.close()
