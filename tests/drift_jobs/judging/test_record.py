"""The record of past estimates: how a window is checked, kept and read back, and when the estimate is withdrawn."""

import datetime as dt

import numpy as np
import pytest
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from drift_jobs.judging.record import CHECKED, Checked, checked, checked_row, checks, is_withdrawn, share_interval
from drift_jobs.runs import DriftRun, MetricRow
from drift_jobs.statistics.performance import Estimate
from drift_jobs.statistics.samples import Sample

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
HITS = Sample(np.repeat([1.0, 0.0], [160, 40]), np.arange(200))


def _checked_run(first: int, days: int, estimated: float) -> DriftRun:
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


def _past(estimated: float, realised: float, error: float, windows: int) -> list[Checked]:
    return [Checked(estimated=estimated, realised=realised, error=error, n=500) for _ in range(windows)]


def test_an_empty_record_withdraws_nothing() -> None:
    """Before any window was checked the estimate stands."""
    assert is_withdrawn([]) == ""


def test_estimates_that_were_too_high_are_withdrawn() -> None:
    """Six points too high in each of three windows is said with the way, the windows and the rows."""
    assert is_withdrawn(_past(0.91, 0.85, 0.015, 3)) == (
        "6.0 points too high over the last 3 windows with labels (0.910 estimated, 0.850 realised on 1500 rows)"
    )
    assert "too low" in is_withdrawn(_past(0.85, 0.91, 0.015, 3))


def test_sure_but_small_differences_are_let_pass() -> None:
    """1.9 points are beyond the interval and do not matter; 2.1 do."""
    assert is_withdrawn(_past(0.9, 0.881, 0.005, 10)) == ""
    assert is_withdrawn(_past(0.9, 0.879, 0.005, 10))


def test_large_differences_that_chance_explains_are_let_pass() -> None:
    """Five points with an error of four are nothing in one window, and something in five."""
    assert is_withdrawn(_past(0.9, 0.85, 0.04, 1)) == ""
    assert is_withdrawn(_past(0.9, 0.85, 0.04, 5))


def test_only_the_last_ten_windows_count() -> None:
    """An estimate that was bad before and is good for ten windows is relied on again."""
    bad, good = _past(0.9, 0.7, 0.02, 20), _past(0.9, 0.9, 0.02, 10)
    assert is_withdrawn([*bad, *good]) == ""
    assert is_withdrawn([*good, *bad])


def test_a_check_is_read_back_from_its_row() -> None:
    """What is stored holds the realised accuracy, the estimate, and through `detectable` the error."""
    row = checked_row(Estimate(0.85, 0.03), HITS)
    assert (row.value, row.reference_value, row.effect) == (0.8, 0.85, pytest.approx(0.05))
    assert (row.direction, row.n, row.p_value, row.threshold) == ("down", 200, None, None)
    assert row.detectable == pytest.approx(0.03 * (1.960 + 0.842), rel=1e-3)
    found = checked(row)
    assert found is not None
    assert (found.estimated, found.realised, found.error, found.n) == (0.85, 0.8, pytest.approx(0.03), 200)


def test_other_rows_hold_no_check() -> None:
    """Rows of other metrics, and checks whose error nobody knows, are left out of the record."""
    assert checked(MetricRow(metric="accuracy", family="accuracy", value=0.8, reference_value=0.9, n=9)) is None
    assert checked(checked_row(Estimate(0.85, float("inf")), HITS)) is None
    assert checked(replace(checked_row(Estimate(0.85, 0.03), HITS), value=None)) is None


def test_interval_of_a_share_is_wilsons() -> None:
    """160 of 200 independent rows: 0.739 to 0.850; when all are right, n / (n + 3.84) to 1."""
    assert share_interval(HITS) == pytest.approx((0.7392, 0.8495), abs=1e-3)
    right = Sample(np.ones(100), np.arange(100))
    assert share_interval(right) == pytest.approx((100 / 103.84, 1.0), abs=1e-4)


def test_interval_of_a_share_knows_of_products() -> None:
    """Rows that come in fives tell as much as one of each, and one product tells nothing."""
    fives = Sample(np.repeat(HITS.values, 5), np.repeat(HITS.clusters, 5))
    assert share_interval(fives) == pytest.approx(share_interval(HITS))
    assert share_interval(HITS._replace(clusters=np.zeros(200, dtype=np.intp))) == (0.0, 1.0)


def test_labels_are_checked_once() -> None:
    """Of windows that overlap the newest counts, and the next that lies wholly before it; the oldest is the first."""
    newest_first = [
        _checked_run(6, 3, 0.91),
        _checked_run(5, 3, 0.92),
        _checked_run(4, 2, 0.93),
        _checked_run(0, 4, 0.94),
    ]
    assert [check.estimated for check in checks(newest_first)] == [0.94, 0.93, 0.91]
    assert [check.estimated for check in checks([replace(newest_first[0], metrics=()), *newest_first[1:]])] == [
        0.94, 0.92,
    ]  # fmt: skip
