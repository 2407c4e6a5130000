"""What is found about one window: the verdict and everything that is said beside it. Pure; the one place that composes.

Whatever else is to be found out about a window goes in here: more metric rows, causes, coverage.
"""

import datetime as dt
from typing import NamedTuple

import pandas as pd
from msgspec.structs import replace

from drift_jobs.judging.causes import causes
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.quality import coverage
from drift_jobs.judging.verdict import Terms, judge, not_judged
from drift_jobs.nights.golden import with_golden
from drift_jobs.runs import Causes, Details, MetricRow, RunVerdict


class Inputs(NamedTuple):
    """What was read about one window of one model version."""

    labels: LabelSet
    model_name: str
    n_current: int
    """Rows that were read, also those that `current` leaves out because a logit is no number."""
    rows_in_window: int | None
    """Before sampling; None when all of them were read."""
    current: pd.DataFrame | None
    """None when the rows cannot be read as this model's."""
    reference: pd.DataFrame | None
    """None when there is nothing to compare with."""
    lacking: str
    """Why one of them is None; empty when none is."""
    note: str
    """What a reader must know of the reference."""
    timezone: str
    now: dt.datetime
    """When the window is judged: the age of its predictions is counted from here."""


def find(inputs: Inputs, terms: Terms, golden: MetricRow | None) -> RunVerdict:
    """Return the verdict on the inputs with its details, and with the golden texts where they were asked."""
    verdict = _verdict(inputs, terms)
    reason = "; ".join(filter(None, (verdict.reason, _left_out(inputs), inputs.note)))
    told = replace(verdict, reason=reason, details=_details(inputs, terms, verdict))
    return told if golden is None else with_golden(told, golden)


def _left_out(inputs: Inputs) -> str:
    """Return how many rows had no number, or nothing when all had."""
    left_out = 0 if inputs.current is None else inputs.n_current - len(inputs.current)
    if not left_out:
        return ""
    return f"{left_out:,} of {inputs.n_current:,} rows were left out: a logit of theirs is no number"


def _verdict(inputs: Inputs, terms: Terms) -> RunVerdict:
    """Return the verdict; without a reference what can be computed of the window alone is kept."""
    if inputs.current is None:
        return not_judged(inputs.lacking, n_current=inputs.n_current)
    if inputs.reference is None:
        return replace(judge(inputs.current, inputs.current.iloc[:0], inputs.labels, terms), reason=inputs.lacking)
    return judge(inputs.current, inputs.reference, inputs.labels, terms)


def _details(inputs: Inputs, terms: Terms, verdict: RunVerdict) -> Details:
    return Details(
        rows_in_window=inputs.rows_in_window,
        alarming=terms.alarming,
        back_test=terms.calibration.back_test if terms.calibration else None,
        coverage=() if inputs.current is None else coverage(inputs.current, inputs.now),
        causes=_causes(inputs, verdict),
        timezone=inputs.timezone,
    )


def _causes(inputs: Inputs, verdict: RunVerdict) -> Causes | None:
    """Return why the window changed; None where nothing is in watch or drift."""
    if inputs.current is None or inputs.reference is None:
        return None
    if not any(row.verdict in ("watch", "drift") for row in verdict.metrics):
        return None
    return causes(inputs.current, inputs.reference, inputs.labels, verdict.metrics)
