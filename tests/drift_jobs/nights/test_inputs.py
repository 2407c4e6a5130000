"""What earlier runs say of the estimates."""

import datetime as dt

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from drift_jobs.judging.record import CHECKED
from drift_jobs.nights.inputs import checks
from drift_jobs.runs import DriftRun, MetricRow

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def _checked(first: int, days: int, estimated: float) -> DriftRun:
    """Return a run on so many days whose labels showed an accuracy of 0.9."""
    row = MetricRow(
        metric=CHECKED, family="estimates", value=0.9, reference_value=estimated, detectable=0.02, n=300 * days
    )
    return DriftRun(
        run_id=uuid7(),
        revision=1,
        window_start=START + dt.timedelta(days=first),
        window_end=START + dt.timedelta(days=first + days),
        reference="bundle",
        model_name="shop",
        model_version="0123456789ab",
        started_at=START,
        finished_at=START,
        verdict="none",
        reason="nothing",
        n_current=300 * days,
        n_reference=1_500,
        metrics=(row,),
    )


def test_labels_are_checked_once() -> None:
    """Of windows that overlap the newest counts, and the next that lies wholly before it; the oldest is the first."""
    newest_first = [_checked(6, 3, 0.91), _checked(5, 3, 0.92), _checked(4, 2, 0.93), _checked(0, 4, 0.94)]
    assert [check.estimated for check in checks(newest_first)] == [0.94, 0.93, 0.91]
    assert [check.estimated for check in checks([replace(newest_first[0], metrics=()), *newest_first[1:]])] == [
        0.94, 0.92,
    ]  # fmt: skip
