"""The trend: what the last runs found, as small pictures."""

import datetime as dt
from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from drift_jobs.judging.estimates import ESTIMATED_ACCURACY
from drift_jobs.judging.metrics import metric_words
from drift_jobs.reporting.axes import Mark, Scale, Series, Values, bar_chart, line_chart, spanning
from drift_jobs.reporting.elements import Markup, element, paragraph, section
from drift_jobs.reporting.wording import is_withdrawn
from drift_jobs.runs import LEVEL_NAMES, DriftRun, Level, MetricRow

SHOWN_RUNS: Final = 30
_WORST: Final = 3  # lines that can be told apart
_FLOORS: Final = Scale(0.0, 4.0, (0.0, 1.0, 4.0))
_HEIGHTS: Final[dict[Level, float]] = {"drift": 1.0, "watch": 0.6, "none": 0.2, "not_judged": 0.2}
_FILLS: Final[dict[Level, str]] = {"drift": "#c8372d", "watch": "#d08f00", "none": "#4f9c6c", "not_judged": "#66727f"}


def trend(run: DriftRun, history: Sequence[DriftRun]) -> Markup:
    """Return pictures of the last 30 windows, `run` the last of them; of one window there is no trend."""
    nights = _nights(run, history)
    if len(nights) < 2:
        return section("Trend", paragraph("This is the first run of its kind: the trend begins with the next one."))
    dates = [_last_day(night, ZoneInfo(run.details.timezone)) for night in nights]
    pictures = (
        _verdicts(nights, dates), _label_share(nights, dates), _accuracy(nights, dates), _effects(nights, dates),
        _rows(nights, dates),
    )  # fmt: skip
    told = f"The last {len(nights)} windows of this model version against this reference, by their last day."
    return section("Trend", paragraph(told, class_="quiet"), element("div", *pictures, class_="trend"))


def _nights(run: DriftRun, history: Sequence[DriftRun]) -> list[DriftRun]:
    """Return the last revision of each window up to that of `run`, in the order of time."""
    found = {}
    for night in [*sorted(history, key=lambda each: each.revision), run]:
        if night.window_end <= run.window_end:
            found[night.window_start, night.window_end] = night
    found[run.window_start, run.window_end] = run
    return sorted(found.values(), key=lambda night: (night.window_end, night.window_start))[-SHOWN_RUNS:]


def _last_day(night: DriftRun, zone: ZoneInfo) -> str:
    """Return the last day that the window has a part of; its end is exclusive."""
    return f"{(night.window_end - dt.timedelta(microseconds=1)).astimezone(zone):%Y-%m-%d}"


def _verdicts(nights: Sequence[DriftRun], dates: Sequence[str]) -> Markup:
    marks = [
        Mark(_HEIGHTS[night.verdict], _FILLS[night.verdict], f"{date}: {LEVEL_NAMES[night.verdict]}",
             hollow=night.verdict == "not_judged")
        for night, date in zip(nights, dates, strict=True)
    ]  # fmt: skip
    counts = ", ".join(f"{sum(night.verdict == level for night in nights)} {LEVEL_NAMES[level]}" for level in _HEIGHTS)
    ticks = [(_HEIGHTS[level], LEVEL_NAMES[level]) for level in ("drift", "watch", "none")]
    return _figure(bar_chart(f"Verdicts: {counts}", dates, marks, ticks), f"Verdict: {counts}. Hollow: not judged.")


def _label_share(nights: Sequence[DriftRun], dates: Sequence[str]) -> Markup:
    rows = [_row(night, "label_share") for night in nights]
    lines = [Series("this window", _numbers(rows, "value")), Series("reference", _numbers(rows, "reference_value"))]
    return _shares("Share of the positive label.", lines, dates)


def _accuracy(nights: Sequence[DriftRun], dates: Sequence[str]) -> Markup:
    estimates, known = ([_row(night, name) for night in nights] for name in (ESTIMATED_ACCURACY, "accuracy"))
    relied_on = [None if row is None or is_withdrawn(row) else row for row in estimates]
    lines = [_with_interval("estimated without labels", relied_on), _with_interval("on rows with labels", known)]
    kept = [line for line in lines if any(value is not None for value in line.values)]
    return _shares("Accuracy, with 95 % intervals; no estimate while it is withdrawn.", kept, dates)


def _effects(nights: Sequence[DriftRun], dates: Sequence[str]) -> Markup:
    """Return the effects of the metrics that are farthest up now, as multiples of their floors."""
    now = sorted(filter(_ratio, nights[-1].metrics), key=lambda row: -(_ratio(row) or 0.0))
    worst = [row.metric for row in now if not row.segment][:_WORST]
    lines = [Series(metric_words(name), [_ratio(_row(night, name)) for night in nights]) for name in worst]
    if not lines:
        return Markup()
    caption = "Effect as a multiple of its floor, of the metrics that are highest now; 4 and more at the top."
    return _figure(line_chart(caption, dates, lines, _FLOORS, lambda value: f"{value:.1f}"), caption)


def _rows(nights: Sequence[DriftRun], dates: Sequence[str]) -> Markup:
    counts = [night.details.rows_in_window or night.n_current for night in nights]
    most = max(*counts, 1)
    marks = [
        Mark(count / most, "#5b7fa8", f"{date}: {count:,} rows") for count, date in zip(counts, dates, strict=True)
    ]
    caption = f"Predictions in the window; now {counts[-1]:,}."
    return _figure(bar_chart(caption, dates, marks, [(1.0, _short(most)), (0.0, "0")]), caption)


def _short(count: int) -> str:
    """Return a count in the few characters that an axis has room for."""
    return f"{count / 1e6:.3g} M" if count >= 1e6 else f"{count:,}"


def _with_interval(name: str, rows: Sequence[MetricRow | None]) -> Series:
    return Series(name, *(_numbers(rows, side) for side in ("value", "lower", "upper")))


def _numbers(rows: Sequence[MetricRow | None], field: str) -> Values:
    return [getattr(row, field, None) for row in rows]


def _shares(caption: str, lines: Sequence[Series], dates: Sequence[str]) -> Markup:
    known = _known(lines)
    if not known:
        return Markup()
    return _figure(line_chart(caption, dates, lines, spanning(known), lambda share: f"{100 * share:.0f} %"), caption)


def _known(lines: Sequence[Series]) -> list[float]:
    return [
        value for line in lines for values in (line.values, line.lower, line.upper) for value in values
        if value is not None
    ]  # fmt: skip


def _figure(chart: Markup, caption: str) -> Markup:
    return element("figure", element("figcaption", caption), chart)


def _row(night: DriftRun, metric: str) -> MetricRow | None:
    return next((row for row in night.metrics if row.metric == metric and not row.segment), None)


def _ratio(row: MetricRow | None) -> float | None:
    return None if row is None or row.effect is None or not row.floor else row.effect / row.floor
