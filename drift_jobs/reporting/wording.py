"""Metrics, numbers, levels and times as people read them."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from drift_jobs.judging.metrics import find_metric, metric_words
from drift_jobs.judging.record import WITHDRAWN
from drift_jobs.reporting.elements import Markup, element, joined
from drift_jobs.runs import LEVEL_NAMES, DriftRun, Level, MetricRow, is_alarm, outcome
from sentiment_api.database.drift_results import shown_segment

_ARROWS: Final = {"up": "▲ up", "down": "▼ down", "none": ""}


def metric_name(row: MetricRow) -> Markup:
    """Return what a metric is, its name in the tables where that is another one, and its segment."""
    plain = metric_words(row.metric)
    parts: list[str] = [plain]
    if plain.lower().replace(" ", "_") != row.metric:
        parts += [" ", element("code", row.metric)]
    if row.segment:
        parts += [" ", element("span", f"of {shown_segment(row.segment)}", class_="segment")]
    return joined(parts)


def shown_value(metric: str, value: float | None) -> str:
    """Return a value of the metric: shares and accuracies in percent, others as they are."""
    if value is None:
        return ""
    found = find_metric(metric)
    if found is not None and found.value == "share":
        return shown_rate(value)
    return f"{value:.3f}" if abs(value) < 1 else f"{value:,.4g}"


def shown_interval(row: MetricRow) -> str:
    """Return the value with its 95 % interval, where it has one."""
    value = shown_value(row.metric, row.value)
    if row.lower is None or row.upper is None:
        return value
    return f"{value} ({shown_value(row.metric, row.lower)} to {shown_value(row.metric, row.upper)})"


def shown_effect(metric: str, effect: float | None) -> str:
    """Return an effect, a floor or a smallest visible change in the metric's own unit.

    Distances of distributions are told in points: so many in a hundred reviews lie on another side of some value.
    """
    if effect is None:
        return ""
    found = find_metric(metric)
    match found.effect if found else "number":
        case "auc":
            return f"AUC {0.5 + effect:.3f}"
        case "deviations":
            return f"{effect:.2f} standard deviations"
        case "points" | "distance":
            return f"{100 * effect:.1f} points"
        case _:
            return f"{effect:.3g}"


def shown_p(value: float | None) -> str:
    """Return a p-value with four places."""
    if value is None:
        return ""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"


def shown_rate(rate: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * rate:.1f} %"


def shown_way(row: MetricRow) -> str:
    """Return which way a value went, as an arrow and a word."""
    return _ARROWS[row.direction]


def is_shift_of_shape(metric: str) -> bool:
    """Return whether the effect is a distance of two distributions, of which the values shown are the means."""
    found = find_metric(metric)
    return found is not None and found.effect == "distance"


def is_withdrawn(row: MetricRow) -> bool:
    """Return whether an estimate is not to be relied on, because labels showed its earlier ones to be wrong."""
    return row.family == "estimates" and row.note.startswith(WITHDRAWN)


def badge(level: Level) -> Markup:
    """Return a level as a coloured word."""
    return element("span", LEVEL_NAMES[level], class_=f"level {level}")


def row_badge(run: DriftRun, row: MetricRow) -> Markup:
    """Return what is said of a metric; a difference from training data is none of the alarming words."""
    if row.threshold is None or row.n == 0:
        return element("span", outcome(row), class_="quiet")
    if not run.details.alarming and row.family != "model" and is_alarm(row.verdict):
        return element("span", "differs", class_="level differs")
    return badge(row.verdict)


def shown_window(run: DriftRun) -> str:
    """Return the window in the shop's time zone, with its length, and in UTC."""
    zone = ZoneInfo(run.details.timezone)
    start, end = (moment.astimezone(zone) for moment in (run.window_start, run.window_end))
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    first, last = (f"{moment:%a %Y-%m-%d {clock}}" for moment in (start, end))
    local = f"{first} to {last} {run.details.timezone}, {_length(start, end)}"
    if run.details.timezone == "UTC":
        return local
    return f"{local} ({shown_moment(run.window_start)} to {shown_moment(run.window_end)})"


def shown_moment(moment: dt.datetime) -> str:
    """Return a moment in UTC."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def shown_rows(run: DriftRun) -> str:
    """Return how many rows were judged, and of how many."""
    total = run.details.rows_in_window
    if total is None or total == run.n_current:
        return f"{run.n_current:,} rows"
    return f"judged on {run.n_current:,} of {total:,} rows, chosen by a hash of their id"


def _length(start: dt.datetime, end: dt.datetime) -> str:
    """Return days of the calendar where both ends are midnight, with the hours of a day whose clocks change."""
    days = (end.date() - start.date()).days
    hours = (end.astimezone(dt.UTC) - start.astimezone(dt.UTC)) / dt.timedelta(hours=1)
    if (start.time(), end.time()) != (dt.time(), dt.time()):
        minutes = 60 * hours
        shorter = f"{minutes:.3g} minutes" if minutes >= 1 else f"{60 * minutes:.3g} s"
        return f"{hours:,.4g} hours" if hours >= 1 else shorter
    plural = "day" if days == 1 else "days"
    return f"{days} {plural}" + (f" of {hours:g} hours" if days == 1 and hours != 24 else "")
