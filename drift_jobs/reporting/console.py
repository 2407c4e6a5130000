"""What the commands print: lines and tables for people, JSON for programs."""

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drift_jobs.judging.calibration import Calibration
from drift_jobs.runs import LEVEL_NAMES, DriftRun, MetricRow, outcome
from sentiment_api.database.drift_results import shown_segment

_WIDE: Final = 150
"""Columns of a terminal that has room for the smallest visible change and the notes, too."""


class AcceptedWindow(Protocol):
    """A window of the log that a model version is compared with, as the table `drift_baselines` has it."""

    @property
    def model_version(self) -> str:
        """Return the version whose predictions these are."""

    @property
    def window_start(self) -> dt.datetime:
        """Return when it begins."""

    @property
    def window_end(self) -> dt.datetime:
        """Return when it ends, exclusive."""

    @property
    def rows(self) -> int:
        """Return how many rows it had when it was accepted."""

    @property
    def origin(self) -> str:
        """Return who accepted it."""

    @property
    def accepted_at(self) -> dt.datetime:
        """Return when it was accepted."""


def run_line(run: DriftRun) -> str:
    """Return one line about a run."""
    total = run.details.rows_in_window
    sampled = f" (of {total:,})" if total not in (None, run.n_current) else ""
    start, end = (f"{_moment(moment, 'T')}Z" for moment in (run.window_start, run.window_end))
    return (
        f"{LEVEL_NAMES[run.verdict]}: {start} to {end}, model "
        f"{run.model_name} {run.model_version} against {run.reference}, {run.n_current:,}{sampled} and "
        f"{run.n_reference:,} rows: {run.reason} (run {run.run_id}, revision {run.revision})"
    )


def print_runs(runs: Sequence[DriftRun]) -> None:
    """Print one table row for each run."""
    headings = ("run", "window, UTC", "model", "reference", "rows", "rev", "verdict")
    _print(headings, (_run_cells(run) for run in runs), "no such run; `drift-jobs run` and `nightly` make them")


def print_metrics(metrics: Sequence[MetricRow]) -> None:
    """Print one table row for each metric: its segment where there are any, all that is known of it where it fits."""
    columns = ["metric", "current", "reference", "effect", "floor", "adjusted p", "direction", "rows", "verdict"]
    if any(row.segment for row in metrics):
        columns.insert(1, "segment")
    if _console().width >= _WIDE:
        columns.insert(columns.index("adjusted p"), "detectable")
        columns.append("note")
    _print(columns, ([_metric_cells(row)[name] for name in columns] for row in metrics))


def print_calibrations(calibrations: Sequence[Calibration]) -> None:
    """Print for each size of window how often quiet ones were called watch or drift, with upper 95 % bounds."""
    headings = ("rows", "windows", "products", "watch rate (upper)", "drift rate (upper)", "alarms a year")
    _print(headings, map(_calibration_cells, calibrations))


def print_baselines(baselines: Sequence[AcceptedWindow]) -> None:
    """Print one table row for each accepted window."""
    headings = ("model", "window, UTC", "rows", "origin", "accepted")
    _print(headings, map(_baseline_cells, baselines), "no baseline; `drift-jobs baseline accept` makes one")


def write_json(path: Path, runs: Sequence[DriftRun]) -> None:
    """Write the runs with all their metrics, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(runs), indent=2) + b"\n")


def _run_cells(run: DriftRun) -> Sequence[str]:
    window = _window(run.window_start, run.window_end)
    verdict = LEVEL_NAMES[run.verdict]
    return str(run.run_id), window, run.model_version, run.reference, str(run.n_current), str(run.revision), verdict


def _metric_cells(row: MetricRow) -> dict[str, str]:
    return {
        "metric": row.metric,
        "segment": shown_segment(row.segment),
        "current": _number(row.value),
        "reference": _number(row.reference_value),
        "effect": _number(row.effect),
        "floor": _number(row.floor),
        "detectable": _number(row.detectable),
        "adjusted p": _number(row.adjusted_p),
        "direction": row.direction,
        "rows": str(row.n),
        "verdict": outcome(row),
        "note": row.note,
    }


def _calibration_cells(found: Calibration) -> Sequence[str]:
    test = found.back_test
    rates = ((test.watch_rate, test.watch_upper), (test.drift_rate, test.drift_upper))
    shown = [f"{100 * rate:.1f} % ({100 * upper:.1f} %)" for rate, upper in rates]
    return f"{found.size:,}", f"{found.windows:,}", f"{found.products:.0f}", *shown, f"{test.alarms_a_year:.1f}"


def _baseline_cells(found: AcceptedWindow) -> Sequence[str]:
    window = _window(found.window_start, found.window_end)
    return found.model_version, window, f"{found.rows:,}", found.origin, f"{found.accepted_at:%Y-%m-%d %H:%M}"


def _window(start: dt.datetime, end: dt.datetime) -> str:
    return f"{_moment(start, ' ')} to {_moment(end, ' ')}"


def _moment(moment: dt.datetime, between: str) -> str:
    """Return date and time, with the seconds where there are any."""
    return moment.isoformat(between, "seconds" if moment.second else "minutes").removesuffix("+00:00")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]], without: str = "") -> None:
    """Print a table, or `without` where there are no rows."""
    table = Table(*headings)
    for cells in rows:
        table.add_row(*map(escape, cells))
    _console().print(table if table.rows else without)


def _console() -> Console:
    """Return a console that never cuts a line short when there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=200)
