"""A made-up history of the drift job: nights that were quiet, watched, in drift and not judged, stored as it does.

Numbers are drawn, so that lines look like lines; the names of metrics and families, and what is stored with a run, are
those of the job.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.judging.frames import DESCRIPTORS
from drift_jobs.judging.record import CHECKED, WITHDRAWN
from drift_jobs.runs import BackTest, Coverage, Details, DriftRun, Family, Level, MetricRow
from drift_jobs.storage.results import store_run
from sentiment_api.telemetry.drift_gauges import ESTIMATED_ACCURACY

NIGHTS = 60
_BUNDLE_NIGHTS = 15
"""So long there is no baseline of its own."""
_STORIES: dict[int, Level] = {
    20: "watch",
    38: "not_judged",
    41: "watch",
    42: "drift",
    43: "drift",
    44: "watch",
    59: "watch",
}
_WITHDRAWN = range(43, 46)
_REVISED = 55
_N_REFERENCE = 5000
_INPUTS: Family = "inputs"
_TESTED: dict[str, Family] = {
    **dict.fromkeys(DESCRIPTORS, _INPUTS),
    "embedding": "inputs",
    "logit": "predictions",
    "score": "predictions",
    "label_share": "predictions",
}
_DESCRIBED = {"f1": 0.955, "roc_auc": 0.985, "brier": 0.035, "calibration_error": 0.02}
_WORDS: dict[Level, str] = {"watch": "changed a little", "drift": "changed"}
_PAGE = "<!doctype html><title>A night</title>"


class JudgedModel(msgspec.Struct, frozen=True):
    """Whose nights they are."""

    name: str
    version: str


async def store_history(
    connection: AsyncConnection, model: JudgedModel, until: dt.datetime, nights: int = NIGHTS
) -> None:
    """Store the runs of the last nights before `until`, the last of which ends with the day before."""
    for number, run in enumerate(history(model, until, nights)):
        await store_run(connection, run, html=_PAGE, snapshot=None, notice_due=run.verdict == "drift" and number > 42)


def history(model: JudgedModel, until: dt.datetime, nights: int = NIGHTS) -> Iterator[DriftRun]:
    """Yield the runs, the first night first; one night has two revisions. The same arguments yield the same."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(NIGHTS - nights, NIGHTS):
        end = midnight - dt.timedelta(days=NIGHTS - 1 - number)
        run = _night(model, number, end, np.random.default_rng(number))
        yield run
        if number == _REVISED:
            yield _revised(run, dt.timedelta(days=1))


def _revised(run: DriftRun, later: dt.timedelta) -> DriftRun:
    """Return what is judged of the same window when rows have come late."""
    return replace(
        run,
        run_id=uuid.uuid5(run.run_id, "2"),
        revision=2,
        started_at=run.started_at + later,
        finished_at=run.finished_at + later,
        n_current=run.n_current + 9,
    )


def _night(model: JudgedModel, number: int, end: dt.datetime, random: np.random.Generator) -> DriftRun:
    verdict = _STORIES.get(number, "none")
    rows = 320 if verdict == "not_judged" else int(random.normal(1900, 200))
    started = end + dt.timedelta(hours=2)
    metrics = tuple(_metrics(number, rows, verdict, random))
    return DriftRun(
        run_id=uuid.uuid5(uuid.NAMESPACE_OID, f"{model.version} {end}"),
        revision=1,
        window_start=end - dt.timedelta(days=1),
        window_end=end,
        reference=_reference(number, end),
        model_name=model.name,
        model_version=model.version,
        started_at=started,
        finished_at=started + dt.timedelta(seconds=float(random.uniform(20, 45))),
        n_current=rows,
        n_reference=_N_REFERENCE,
        verdict=verdict,
        reason=_reason(verdict, metrics),
        details=_details(rows, number),
        metrics=metrics,
    )


def _reference(number: int, end: dt.datetime) -> str:
    if number < _BUNDLE_NIGHTS:
        return "auto:bundle"
    begun = end - dt.timedelta(days=number)
    return f"baseline:{begun:%Y-%m-%d}..{begun + dt.timedelta(days=_BUNDLE_NIGHTS):%Y-%m-%d}"


def _reason(verdict: Level, metrics: Sequence[MetricRow]) -> str:
    if verdict == "not_judged":
        return "found 320 rows, needed 500"
    found = [row.metric for row in metrics if row.verdict == verdict and not row.segment]
    return "nothing stands out" if verdict == "none" else f"{', '.join(found)}: {_WORDS[verdict]}"


def _details(rows: int, number: int) -> Details:
    test = BackTest(
        size=2000, windows=400, watch_rate=0.03, watch_upper=0.05, drift_rate=0.005, drift_upper=0.01, alarms_a_year=1.8
    )
    shares = (0.03, 0.09, 0.13, 0.15)
    parts = [Coverage(days=day, rows=rows // 4, labelled=int(rows // 4 * share)) for day, share in enumerate(shares)]
    return Details(rows_in_window=rows, alarming=number >= _BUNDLE_NIGHTS, back_test=test, coverage=tuple(parts))


def _metrics(number: int, rows: int, verdict: Level, random: np.random.Generator) -> Iterator[MetricRow]:
    for name, family in _TESTED.items():
        yield _tested(name, family, rows, verdict, random)
    fall = 0.07 if verdict == "drift" else 0.0
    yield from _accuracy(rows, 0.955 - fall, random)
    yield from _estimates(number, rows, 0.952 - fall / 4, random)
    yield MetricRow(
        metric="golden",
        family="model",
        value=0.004,
        reference_value=0.0,
        effect=0.004,
        threshold=0.03,
        verdict="none",
        n=12,
    )
    if verdict in ("watch", "drift"):
        kettle = _tested("label_share", "predictions", 210, verdict, random)
        yield replace(kettle, segment="product:kettle-2", effect=0.21, verdict=verdict)


def _tested(name: str, family: Family, rows: int, verdict: Level, random: np.random.Generator) -> MetricRow:
    floor = 0.05 if name != "embedding" else 0.04
    moved = {"watch": 1.3, "drift": 2.4}.get(verdict, 0.0) if name in ("words", "label_share", "logit") else 0.0
    effect = floor * float(abs(random.normal(0.35, 0.15)) + moved)
    return MetricRow(
        metric=name,
        family=family,
        value=0.86 - effect,
        reference_value=0.86,
        effect=effect,
        p_value=0.0004 if moved else 0.4,
        adjusted_p=0.004 if moved else 0.9,
        floor=floor,
        threshold=0.05,
        detectable=floor * float(np.sqrt(1500 / rows) * random.uniform(0.9, 1.1)),
        direction="down",
        verdict=verdict if moved or verdict == "not_judged" else "none",
        n=rows,
    )


def _accuracy(rows: int, value: float, random: np.random.Generator) -> Iterator[MetricRow]:
    labelled = int(rows * random.uniform(0.08, 0.14))
    found = value + float(random.normal(0, 0.004))
    half = 1.96 * float(np.sqrt(0.05 / labelled))
    yield MetricRow(
        metric="accuracy",
        family="accuracy",
        value=found,
        lower=found - half,
        upper=min(1.0, found + half),
        reference_value=0.956,
        effect=abs(found - 0.956),
        floor=0.03,
        threshold=0.05,
        detectable=0.03 * float(np.sqrt(260 / labelled)),
        verdict="none",
        n=labelled,
    )
    for name, usual in _DESCRIBED.items():
        yield MetricRow(metric=name, family="accuracy", value=usual + float(random.normal(0, 0.003)), n=labelled)


def _estimates(number: int, rows: int, value: float, random: np.random.Generator) -> Iterator[MetricRow]:
    found = value + float(random.normal(0, 0.002))
    note = f"{WITHDRAWN}5.1 points too high" if number in _WITHDRAWN else ""
    common = MetricRow(metric=ESTIMATED_ACCURACY, family="estimates", value=found, n=rows)
    yield replace(common, lower=found - 0.012, upper=found + 0.012, note=note)
    right = found + float(random.normal(0, 0.008))
    yield replace(
        common, metric=CHECKED, value=right, lower=right - 0.03, upper=min(1.0, right + 0.03), reference_value=found
    )
    for label, share in (("negative", 0.14), ("positive", 0.86)):
        yield replace(
            common, metric=f"share_em_{label}", value=share + float(random.normal(0, 0.01)), reference_value=share
        )
