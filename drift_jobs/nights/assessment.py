"""What is found out about one window: the verdict, what is said beside it, and the page. Pure; nothing is read here.

Whatever else is to be found out about a window goes in here: more metric rows, causes, coverage.
"""

import datetime as dt
from typing import Literal, NamedTuple

from msgspec.structs import asdict, replace
from uuid_utils.compat import uuid7

from drift_jobs.judging.causes import causes
from drift_jobs.judging.quality import coverage
from drift_jobs.judging.verdict import judge, not_judged
from drift_jobs.nights.golden import with_golden
from drift_jobs.nights.resolved import ResolvedWindow
from drift_jobs.nights.state import WindowState
from drift_jobs.reporting.evidently_report import Description, describe
from drift_jobs.reporting.summary import report_page
from drift_jobs.runs import Causes, Details, DriftRun, RunVerdict, is_alarm, same_outcome


class Assessment(NamedTuple):
    """What was found out about a window, beside what was said of it before."""

    state: WindowState
    """What it was worked out from."""
    run: DriftRun
    news: Literal["new", "same", "less"]
    """Whether the run says something new, the same as the last revision, or less: that nothing can be compared now."""
    html: str = ""
    """The page; only of a run that says something new, as the snapshot is."""
    snapshot: str | None = None
    """Evidently's, None where it described nothing."""


def assess(window: ResolvedWindow) -> Assessment:
    """Return what is found out about a window; it takes seconds, most of them for Evidently's part of the page."""
    verdict = find(window)
    run, news = _run(window, verdict), _news(window, verdict)
    if news != "new":
        return Assessment(window.state, run, news)
    found = _described(window) or Description()
    html = report_page(run, found.html or None, found.left_out, window.earlier, found.failure)
    return Assessment(window.state, run, news, html, found.snapshot or None)


def find(window: ResolvedWindow) -> RunVerdict:
    """Return the verdict on a window with its details, and with the golden texts where they were asked."""
    verdict = _verdict(window)
    reason = "; ".join(filter(None, (verdict.reason, _left_out(window), window.note)))
    detailed = replace(verdict, reason=reason, details=_details(window, verdict))
    return detailed if window.golden is None else with_golden(detailed, window.golden)


def _verdict(window: ResolvedWindow) -> RunVerdict:
    """Return the verdict; without a reference what can be computed of the window alone is kept."""
    if window.current is None:
        return not_judged(window.lacking, n_current=window.n_current)
    if window.reference is None:
        alone = judge(window.current, window.current.iloc[:0], window.labels, window.context)
        return replace(alone, reason=window.lacking)
    return judge(window.current, window.reference, window.labels, window.context)


def _left_out(window: ResolvedWindow) -> str:
    """Return how many rows had no number, or nothing when all had."""
    left_out = 0 if window.current is None else window.n_current - len(window.current)
    if not left_out:
        return ""
    return f"{left_out:,} of {window.n_current:,} rows were left out: a logit of theirs is no number"


def _details(window: ResolvedWindow, verdict: RunVerdict) -> Details:
    calibration = window.context.calibration
    return Details(
        rows_in_window=window.rows_in_window,
        alarming=window.context.alarming,
        back_test=calibration.back_test if calibration else None,
        coverage=() if window.current is None else coverage(window.current, window.now),
        causes=_causes(window, verdict),
        timezone=window.timezone,
    )


def _causes(window: ResolvedWindow, verdict: RunVerdict) -> Causes | None:
    """Return why the window changed; None where nothing is in watch or drift."""
    if window.current is None or window.reference is None or not any(is_alarm(row.verdict) for row in verdict.metrics):
        return None
    return causes(window.current, window.reference, window.labels, verdict.metrics)


def _run(window: ResolvedWindow, verdict: RunVerdict) -> DriftRun:
    """Return the run as it is stored if it says something new: the next revision."""
    state = window.state
    return DriftRun(
        run_id=uuid7(),
        revision=1 if state.latest is None else state.latest.revision + 1,
        window_start=state.window.start,
        window_end=state.window.end,
        reference=state.reference.name,
        model_name=window.model_name,
        model_version=state.version,
        started_at=window.now,
        finished_at=dt.datetime.now(dt.UTC),
        **asdict(verdict),
    )


def _news(window: ResolvedWindow, verdict: RunVerdict) -> Literal["new", "same", "less"]:
    latest = window.state.latest
    if latest is None:
        return "new"
    if same_outcome(latest, verdict):
        return "same"
    is_less = window.lacking and verdict.verdict == "not_judged" and latest.verdict != "not_judged"
    return "less" if is_less else "new"


def _described(window: ResolvedWindow) -> Description | None:
    """Return what Evidently says of both sides; None when one of them cannot be read."""
    if window.current is None or window.reference is None:
        return None
    return describe(window.current, window.reference, window.labels)
