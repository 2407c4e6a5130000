"""What the drift job says of many windows: the share that it calls watch or drift, with bounds."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.drift.population import LABELS, Split
from drift_jobs.judging.calibration import Calibration, calibrate, size_for
from drift_jobs.judging.verdict import JudgingContext, judge
from drift_jobs.runs import MetricRow, RunVerdict

MIN_ROWS = 500


class Rate(msgspec.Struct, frozen=True):
    """How often something happened in so many windows."""

    hits: int
    windows: int

    @property
    def share(self) -> float:
        """The share of windows."""
        return self.hits / self.windows

    @property
    def bounds(self) -> tuple[float, float]:
        """The two-sided 95 % interval of the share (Clopper and Pearson 1934)."""
        low = float(stats.beta.ppf(0.025, self.hits, self.windows - self.hits + 1)) if self.hits else 0.0
        high = (
            float(stats.beta.ppf(0.975, self.hits + 1, self.windows - self.hits)) if self.hits < self.windows else 1.0
        )
        return low, high

    def __str__(self) -> str:
        """Return the share in percent with its bounds."""
        low, high = self.bounds
        return f"{100 * self.share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


class Division(NamedTuple):
    """One division of the products, with what its quiet windows taught."""

    split: Split
    calibrations: dict[int, Calibration]

    def judge(self, window: pd.DataFrame, past: tuple[RunVerdict, ...] = ()) -> RunVerdict:
        """Return the verdict on a window, as a night would have it."""
        calibration = self.calibrations[size_for(len(window))]
        return judge(
            window, self.split.reference, LABELS, JudgingContext(min_rows=MIN_ROWS, calibration=calibration, past=past)
        )


def court(split: Split, sizes: tuple[int, ...]) -> Division:
    """Return the judge of a split, which learns from the reference alone, as `drift-jobs calibrate` does."""
    return Division(split, {size: calibrate(split.reference, LABELS, size) for size in sizes})


def alarms(verdicts: list[RunVerdict], *levels: str) -> Rate:
    """Return how many of the verdicts have one of the levels."""
    return Rate(sum(verdict.verdict in levels for verdict in verdicts), len(verdicts))


def alarmed_metrics(verdicts: list[RunVerdict]) -> dict[str, int]:
    """Return how often each metric was in watch or drift, the most frequent first."""
    names = [row.metric for verdict in verdicts for row in _alarmed(verdict)]
    found, counts = np.unique(np.array(names, dtype=object), return_counts=True)
    return {str(found[index]): int(counts[index]) for index in np.argsort(-counts, kind="stable")}


def _alarmed(verdict: RunVerdict) -> Iterator[MetricRow]:
    return (row for row in verdict.metrics if row.verdict in ("watch", "drift"))
