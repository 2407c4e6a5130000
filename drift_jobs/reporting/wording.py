"""Metrics, numbers, levels and times as people read them."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo

from drift_jobs.reporting.elements import Markup, element, joined
from drift_jobs.runs import LEVEL_NAMES, DriftRun, Level, MetricRow, is_alarm, outcome
from sentiment_api.database.drift_results import shown_segment

_NAMES: Final = {
    "label_share": "share of the positive label",
    "logit": "log-odds of the positive label",
    "logits": "all logits together",
    "score": "probability of the given label",
    "embedding": "embedding (domain classifier)",
    "truncated": "share of texts cut short",
    "non_letter_share": "share of non-letters",
    "upper_share": "share of capitals",
    "digit_share": "share of digits",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
    "estimated_f1": "estimated F1",
    "estimated_roc_auc": "estimated ROC AUC",
    "checked_accuracy": "accuracy of labelled rows",
    "golden": "largest change of a probability",
}
_PREFIXES: Final = (
    ("share_em_", "share of {} (EM)"),
    ("share_bbse_", "share of {} (BBSE)"),
    ("logit_", "logit of {}"),
)  # of metrics that end with a label's name
_POINTS: Final = ("label_share", "accuracy")
_PLAIN: Final = ("f1", "roc_auc", "brier", "calibration_error", "golden")
_ARROWS: Final = {"up": "▲ up", "down": "▼ down", "none": ""}


def metric_name(row: MetricRow) -> Markup:
    """Return what a metric is, its name in the tables where that is another one, and its segment."""
    plain = plain_name(row.metric)
    parts: list[str] = [plain]
    if plain.lower().replace(" ", "_") != row.metric:
        parts += [" ", element("code", row.metric)]
    if row.segment:
        parts += [" ", element("span", f"of {shown_segment(row.segment)}", class_="segment")]
    return joined(parts)


def plain_name(metric: str) -> str:
    """Return what a metric is, in words."""
    for prefix, words in _PREFIXES:
        if metric.startswith(prefix):
            return words.format(metric.removeprefix(prefix))
    return _NAMES.get(metric, metric.replace("_", " "))


def shown_value(metric: str, value: float | None) -> str:
    """Return a value of the metric: shares and accuracies in percent, others as they are."""
    if value is None:
        return ""
    if _is_share(metric):
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
    if metric == "embedding":
        return f"AUC {0.5 + effect:.3f}"
    if metric == "logits":
        return f"{effect:.2f} standard deviations"
    return f"{effect:.3g}" if metric in _PLAIN else f"{100 * effect:.1f} points"


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
    return metric not in (*_POINTS, *_PLAIN, "embedding", "logits")


def is_withdrawn(row: MetricRow) -> bool:
    """Return whether an estimate is not to be relied on, because labels showed its earlier ones to be wrong."""
    return row.family == "estimates" and row.note.startswith("withdrawn")


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


def _is_share(metric: str) -> bool:
    return metric == "truncated" or "share" in metric or "accuracy" in metric
