"""What is found about one window: the verdict and everything that is said beside it. Pure; the one place that composes.

Whatever else is to be found out about a window goes in here: more metric rows, causes, coverage.
"""

from typing import NamedTuple

import pandas as pd
from msgspec.structs import replace

from drift_jobs.golden import with_golden
from drift_jobs.judging.frames import LabelSet
from drift_jobs.judging.verdict import Terms, judge, not_judged
from drift_jobs.runs import Details, MetricRow, RunVerdict


class Inputs(NamedTuple):
    """What was read about one window of one model version."""

    labels: LabelSet
    model_name: str
    n_current: int
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


def find(inputs: Inputs, terms: Terms, golden: MetricRow | None) -> RunVerdict:
    """Return the verdict on the inputs with its details, and with the golden texts where they were asked."""
    verdict = _verdict(inputs, terms)
    reason = f"{verdict.reason}; {inputs.note}" if inputs.note else verdict.reason
    told = replace(verdict, reason=reason, details=_details(inputs, terms))
    return told if golden is None else with_golden(told, golden)


def _verdict(inputs: Inputs, terms: Terms) -> RunVerdict:
    """Return the verdict; without a reference what can be computed of the window alone is kept."""
    if inputs.current is None:
        return not_judged(inputs.lacking, n_current=inputs.n_current)
    if inputs.reference is None:
        return replace(judge(inputs.current, inputs.current.iloc[:0], inputs.labels, terms), reason=inputs.lacking)
    return judge(inputs.current, inputs.reference, inputs.labels, terms)


def _details(inputs: Inputs, terms: Terms) -> Details:
    return Details(
        rows_in_window=inputs.rows_in_window,
        alarming=terms.alarming,
        back_test=terms.calibration.back_test if terms.calibration else None,
        timezone=inputs.timezone,
    )
