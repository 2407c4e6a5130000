"""What the tests of a run found: what changed, what could not have been seen, and every metric with its numbers."""

from collections.abc import Iterable, Sequence
from typing import Final

from drift_jobs.judging.levels import ALPHA_DRIFT, ALPHA_WATCH
from drift_jobs.judging.metrics import metric_words
from drift_jobs.reporting.elements import Markup, element, items, joined, paragraph, section, table
from drift_jobs.reporting.wording import (
    is_shift_of_shape,
    metric_name,
    row_badge,
    shown_effect,
    shown_p,
    shown_value,
    shown_way,
)
from drift_jobs.runs import DriftRun, MetricRow, is_alarm

_GRAVITY: Final = {"drift": 0, "watch": 1, "none": 2, "not_judged": 3}
_QUIET = (
    "Quiet does not mean unchanged. Of ten windows such as this one, eight would have shown a change of the size given "
    "here; a smaller one would more often have been missed."
)
_POINTS = (
    "Points are reviews in a hundred. Where the values are means of a distribution, points are its largest distance: "
    "so many reviews in a hundred lie on another side of some value."
)
_JUDGED_BY = (
    "A metric is in watch when its p-value, adjusted for all tests of the run and by what quiet windows bring, is "
    f"below {ALPHA_WATCH} and its effect is at least its floor; in drift when that p-value is below {ALPHA_DRIFT}, or "
    "when it is in watch on two of three nights in the same direction. Metrics without a threshold are described."
)


def changed(run: DriftRun) -> Markup:
    """Return the metrics that are in watch or drift, the gravest first, or that there are none."""
    rows = sorted((row for row in run.metrics if is_alarm(row.verdict)), key=_gravest_first)
    if not rows and not _is_judged(run):
        return section("What changed", paragraph("Nothing was judged: what changed, if anything, is not known."))
    if not rows:
        return section("What changed", paragraph("No metric changed by its floor or more."))
    headings = ("metric", "this window", "reference", "direction", "effect", "floor", "adjusted p", "level")
    found = table("Metrics that changed", headings, (_changed_cells(run, row) for row in rows))
    return section("What changed", found, _notes(rows), _explained_points(rows))


def unseen(run: DriftRun) -> Markup:
    """Return for each tested metric the smallest change that would have been seen, and which metrics have no test."""
    rows = [row for row in run.metrics if _is_tested(row)] if _is_judged(run) else []
    return section(
        "What could not have been seen",
        paragraph(_QUIET if rows else "No change of any size could have been seen: nothing was judged."),
        _unseen_table("Smallest changes that would have been seen", [row for row in rows if not row.segment]),
        _folded("segments", _unseen_table("The same of segments", [row for row in rows if row.segment])),
        _explained_points(rows),
        _reasons(run.metrics),
    )


def every_metric(run: DriftRun) -> Markup:
    """Return all rows of the run with all their numbers, folded."""
    headings = (
        "metric", "this window", "reference", "effect", "floor", "p", "adjusted p", "threshold", "direction", "rows",
        "level",
    )  # fmt: skip
    found = table("Every metric of this run", headings, (_all_cells(run, row) for row in run.metrics))
    if not found:
        return Markup()
    told = paragraph(_JUDGED_BY, class_="quiet")
    return _folded(f"every metric of this run ({len(run.metrics)})", joined([found, told]))


def _gravest_first(row: MetricRow) -> tuple[int, float]:
    return _GRAVITY[row.verdict], -(row.effect or 0.0) / (row.floor or 1.0)


def _is_judged(run: DriftRun) -> bool:
    """Return whether any metric of the data was; the golden texts are judged also where there are too few rows."""
    return any(row.verdict != "not_judged" for row in run.metrics if row.family != "model")


def _is_tested(row: MetricRow) -> bool:
    return row.p_value is not None and row.threshold is not None


def _changed_cells(run: DriftRun, row: MetricRow) -> Sequence[str]:
    return (
        metric_name(row),
        shown_value(row.metric, row.value),
        shown_value(row.metric, row.reference_value),
        shown_way(row),
        shown_effect(row.metric, row.effect),
        shown_effect(row.metric, row.floor),
        shown_p(row.adjusted_p),
        row_badge(run, row),
    )


def _unseen_cells(row: MetricRow) -> Sequence[str]:
    visible = "none of any size" if row.detectable is None else f"{shown_effect(row.metric, row.detectable)} or more"
    return metric_name(row), visible, shown_effect(row.metric, row.floor), f"{row.n:,}"


def _all_cells(run: DriftRun, row: MetricRow) -> Sequence[str]:
    return (
        metric_name(row),
        shown_value(row.metric, row.value),
        shown_value(row.metric, row.reference_value),
        shown_effect(row.metric, row.effect),
        shown_effect(row.metric, row.floor),
        shown_p(row.p_value),
        shown_p(row.adjusted_p),
        f"{row.threshold:.3g}" if row.threshold is not None else "",
        shown_way(row),
        f"{row.n:,}",
        row_badge(run, row),
    )


def _unseen_table(caption: str, rows: Sequence[MetricRow]) -> Markup:
    headings = ("metric", "seen in 8 of 10 windows", "floor", "rows")
    return table(caption, headings, map(_unseen_cells, rows))


def _folded(what: str, found: Markup) -> Markup:
    """Return what is long behind a line that opens it; of nothing, nothing."""
    return element("details", element("summary", what.capitalize()), found) if found else Markup()


def _explained_points(rows: Iterable[MetricRow]) -> Markup:
    return paragraph(_POINTS, class_="quiet") if any(is_shift_of_shape(row.metric) for row in rows) else Markup()


def _notes(rows: Iterable[MetricRow]) -> Markup:
    return items(joined([metric_name(row), f": {row.note}"]) for row in rows if row.note)


def _reasons(rows: Sequence[MetricRow]) -> Markup:
    """Return the metrics without a test, each with the reason where there is one."""
    judged = [row for row in rows if not _is_tested(row) and row.family not in ("estimates", "model")]
    why: list[str] = [
        joined([metric_name(row), f": {row.note or 'no rows'}"]) for row in judged if row.note or row.n == 0
    ]
    described = ", ".join(metric_words(row.metric) for row in judged if not row.note and row.n)
    why += [f"Described without a test: {described}."] if described else []
    return joined([element("h3", "Not judged"), items(why)]) if why else Markup()
