"""What the commands print: lines and tables for people, JSON for programs."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from drift_jobs.runs import LEVEL_NAMES, DriftRun, MetricRow, outcome


def run_line(run: DriftRun) -> str:
    """Return one line about a run."""
    return (
        f"{LEVEL_NAMES[run.verdict]}: {run.window_start:%Y-%m-%dT%H:%MZ} to {run.window_end:%Y-%m-%dT%H:%MZ}, model "
        f"{run.model_name} {run.model_version} against {run.reference}, {run.n_current:,} and {run.n_reference:,} rows"
        f": {run.reason} (run {run.run_id}, revision {run.revision})"
    )


def print_runs(runs: Sequence[DriftRun]) -> None:
    """Print one table row for each run."""
    table = Table("run", "window", "model", "reference", "rows", "rev", "verdict")
    for run in runs:
        window = f"{run.window_start:%Y-%m-%d %H:%M} to {run.window_end:%Y-%m-%d %H:%M}"
        cells = (str(run.run_id), window, run.model_version, run.reference, str(run.n_current), str(run.revision))
        table.add_row(*map(escape, cells), LEVEL_NAMES[run.verdict])
    _console().print(table)


def print_metrics(metrics: Sequence[MetricRow]) -> None:
    """Print one table row for each metric."""
    table = Table("metric", "current", "reference", "effect", "floor", "adjusted p", "direction", "rows", "verdict")
    for row in metrics:
        numbers = (row.value, row.reference_value, row.effect, row.floor, row.adjusted_p)
        table.add_row(escape(row.metric), *map(_number, numbers), row.direction, str(row.n), outcome(row))
    _console().print(table)


def write_json(path: Path, runs: Sequence[DriftRun]) -> None:
    """Write the runs with all their metrics, indented."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(runs), indent=2) + b"\n")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _console() -> Console:
    """Return a console that never cuts a line short when there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=200)
