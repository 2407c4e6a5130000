"""Quarters of a replayed shop: which window stands for each, and what `drift-jobs run` says of it."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import ROOT
from benchmarks.drift.replay.traffic import KEEP
from benchmarks.processes import clean_environment

MIN_ROWS = 500
"""What `drift-jobs` needs on both sides; a quarter with fewer is judged with the rows before it."""
FEW_ROWS = 100
"""What a small shop may ask for (`--min-rows`): its quarters are judged so, too."""
_ALARMS = ("watch", "drift")
_LEVELS = ("drift", "watch", "none", "not_judged")
_KEPT = ("metric", "segment", "verdict", "direction", "effect", "floor", "adjusted_p", "value", "reference_value")


class JobFailed(Exception):
    """`drift-jobs` ended with no result; the message ends with what it said."""


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter in UTC."""

    start: dt.datetime
    end: dt.datetime
    """Exclusive."""

    def __str__(self) -> str:
        """Return it as people write it, such as 2013 Q4."""
        return f"{self.start.year} Q{(self.start.month + 2) // 3}"


class Jobs:
    """`drift-jobs` as a shop runs it: a process, with its settings in the environment."""

    def __init__(self, database_url: str, bundle: Path, folder: Path) -> None:
        """Its files go to `folder`."""
        self._json = folder / "run.json"
        self._environment = {
            **clean_environment(),
            "SENTIMENT_DATABASE_URL": database_url,
            "SENTIMENT_MODEL": str(bundle),
            "SENTIMENT_TIMEZONE": "UTC",
            "SENTIMENT_KEEP": KEEP,
            "OMP_NUM_THREADS": "1",
        }

    def accept(self, start: dt.datetime, end: dt.datetime) -> None:
        """Accept a window as the baseline."""
        self._run("baseline", "accept", f"{_written(start)}..{_written(end)}")

    def judge(self, start: dt.datetime, end: dt.datetime, min_rows: int) -> dict[str, Any]:
        """Return the run on a window against the baseline."""
        self._json.unlink(missing_ok=True)
        window = ("--start", _written(start), "--end", _written(end), "--min-rows", str(min_rows))
        said = self._run("run", *window, "--reference", "baseline", "--json", str(self._json))
        if not self._json.exists():
            raise JobFailed(said)
        found: dict[str, Any] = json.loads(self._json.read_text())[0]
        return found

    def _run(self, *arguments: str) -> str:
        """Return what it said. Exit codes 1 and 2 of `run` are results."""
        command = [sys.executable, "-m", "drift_jobs", *arguments]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in ((0, 1, 2) if arguments[0] == "run" else (0,)):
            raise JobFailed(f"drift-jobs {arguments[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout + done.stderr


def quarters(first_year: int, last: dt.datetime) -> Iterator[Quarter]:
    """Yield the quarters from that year's first to the one that `last` lies in."""
    start = dt.datetime(first_year, 1, 1, tzinfo=dt.UTC)
    while start <= last:
        number = start.year * 4 + start.month // 3 + 1
        end = dt.datetime(number // 4, number % 4 * 3 + 1, 1, tzinfo=dt.UTC)
        yield Quarter(start, end)
        start = end


def reference_of(log: pl.DataFrame) -> Quarter:
    """Return the shop's first whole quarters that have enough rows together, as one window."""
    times = log["created_at"]
    enough = times[MIN_ROWS - 1]
    *_, last = quarters(times[0].year, enough)
    return Quarter(dt.datetime(times[0].year, 1, 1, tzinfo=dt.UTC), last.end)


def judge_quarter(quarter: Quarter, log: pl.DataFrame, reference: Quarter, jobs: Jobs) -> dict[str, Any]:
    """Return what a quarter was, which window stands for it, and the verdict or why there is none.

    A quarter with few rows is judged once more as a shop that asks for no more than `FEW_ROWS` would, under `few_rows`.
    """
    about = {"quarter": str(quarter), **describe(log, quarter.start, quarter.end)}
    if quarter.end <= reference.end:
        return {**about, "verdict": "reference", "reason": "part of the reference"}
    about |= _judged(quarter, log, reference, jobs, MIN_ROWS)
    if about["rows"] < MIN_ROWS:
        about["few_rows"] = _judged(quarter, log, reference, jobs, FEW_ROWS)
    return about


def _judged(quarter: Quarter, log: pl.DataFrame, reference: Quarter, jobs: Jobs, min_rows: int) -> dict[str, Any]:
    ended = log["created_at"].filter(log["created_at"] < quarter.end)
    start = min(quarter.start, ended[-min_rows])
    if start < reference.end:
        after = (ended >= reference.end).sum()
        return {"verdict": "too small", "reason": f"{after} rows since the reference, needed {min_rows}"}
    window = {"start": _written(start), "end": _written(quarter.end), "extended": start < quarter.start}
    run = jobs.judge(start, quarter.end, min_rows)
    return {"window": window | describe(log, start, quarter.end), **_kept(run)}


def describe(log: pl.DataFrame, start: dt.datetime, end: dt.datetime) -> dict[str, Any]:
    """Return rows, mean stars, mean words and the share of positive reviews, by stars (4 and 5) and by the model."""
    rows = log.filter((pl.col("created_at") >= start) & (pl.col("created_at") < end))
    means = rows.select(
        stars=pl.col("rating").mean().round(2),
        words=pl.col("words").mean().round(1),
        positive_by_stars=(pl.col("rating") > 3).mean().round(3),
        positive_by_model=(pl.col("label") == "positive").mean().round(3),
    )
    return {"rows": len(rows), **means.row(0, named=True)}


def _kept(run: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict, each tested metric's level and smallest visible change, and all about those that changed."""
    tested = [row for row in run["metrics"] if row["threshold"] is not None]
    whole = [row for row in tested if not row["segment"]]
    levels = {row["metric"]: row["verdict"] for row in whole}
    if segments := [row["verdict"] for row in tested if row["segment"]]:
        levels["single products"] = _gravest(segments)
    alarms = [{name: _rounded(row[name]) for name in _KEPT} for row in tested if row["verdict"] in _ALARMS]
    back_test = run["details"].get("back_test")
    return {name: run[name] for name in ("verdict", "reason", "n_reference")} | {
        "levels": levels,
        "alarms": alarms,
        "detectable": {row["metric"]: _rounded(row["detectable"]) for row in whole},
        "quiet_windows": back_test,
    }


def _gravest(levels: Sequence[str]) -> str:
    return min(levels, key=_LEVELS.index)


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _written(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
