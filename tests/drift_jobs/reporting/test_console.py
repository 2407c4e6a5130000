"""What the commands print."""

import datetime as dt

import pytest
from msgspec.structs import replace

from drift_jobs.judging.calibration import Calibration
from drift_jobs.reporting.console import print_baselines, print_calibrations, print_metrics, run_line
from drift_jobs.runs import BackTest, Details
from tests.protocols import MakeRun

MIDNIGHT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


class Accepted:
    """A baseline as the storage has it."""

    model_version = "0123456789ab"
    window_start = MIDNIGHT
    window_end = MIDNIGHT + dt.timedelta(days=14)
    rows = 21_000
    origin = "auto"
    accepted_at = MIDNIGHT + dt.timedelta(days=15)


def test_a_run_is_one_line(make_run: MakeRun) -> None:
    """Verdict, window, model, reference, rows, reason; a sample says of how many."""
    run = make_run(details=Details(rows_in_window=9000))
    assert run_line(run) == (
        "watch: 2026-11-21T00:00Z to 2026-11-22T00:00Z, model starter 0123456789ab against bundle, 1,200 (of 9,000) "
        f"and 8,000 rows: 1 of 1 tests found a change: logit up (run {run.run_id}, revision 1)"
    )


def test_a_wide_terminal_shows_all_that_is_known(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Segment, smallest visible change and note have columns of their own."""
    logit = make_run().metrics[0]
    print_metrics([logit, replace(logit, segment="product:B[0]", note="in watch on two of three nights")])
    printed = capsys.readouterr().out
    for part in ("segment", "detectable", "0.123", "product:B[0]", "in watch on two of three nights"):
        assert part in printed


def test_a_segment_cannot_steer_the_terminal(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    """What clients named is printed without line breaks and escape characters, and cut."""
    print_metrics([replace(make_run().metrics[0], segment="product:mug\n\x1b[2J" + "x" * 190)])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "product:mug\ufffd\ufffd[2J" in printed
    assert "x" * 66 not in printed


def test_columns_without_a_word_are_left_out(make_run: MakeRun, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is judged by segments, nothing is said of them."""
    print_metrics(make_run().metrics)
    assert "segment" not in capsys.readouterr().out


def test_a_narrow_terminal_keeps_the_verdicts(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notes and smallest visible changes give way."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a terminal
    monkeypatch.setenv("COLUMNS", "110")
    print_metrics(make_run().metrics)
    printed = capsys.readouterr().out
    assert "detectable" not in printed
    assert "watch" in printed


def test_calibrations_are_told_with_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    """One row for each size: windows, products, rates with upper bounds, alarms a year."""
    back_test = BackTest(
        size=1000, windows=400, watch_rate=0.03, watch_upper=0.048, drift_rate=0.005, drift_upper=0.0157,
        alarms_a_year=1.825,
    )  # fmt: skip
    found = Calibration(
        size=1000, windows=400, products=41.6, quantiles={}, errors={}, smallest_p=(), back_test=back_test
    )
    print_calibrations([found])
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[3].split("│")]
    assert cells == ["", "1,000", "400", "42", "3.0 % (4.8 %)", "0.5 % (1.6 %)", "1.8", ""]


def test_baselines_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Which window of which model, how many rows, by whom and when."""
    print_baselines([Accepted()])
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[3].split("│")]
    window = "2026-11-01 00:00 to 2026-11-15 00:00"
    assert cells == ["", "0123456789ab", window, "21,000", "auto", "2026-11-16 00:00", ""]
