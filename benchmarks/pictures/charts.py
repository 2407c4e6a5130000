"""Charts with axes: lines and bars over time, heatmaps, columns."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.pictures.asking import ChartLine, Table
from benchmarks.pictures.looks import FAINT, INK, PALETTE, Look, look_of, named
from benchmarks.pictures.units import formatted

Json = dict[str, Any]
_LEGEND_LINES, _NAME = 8, 34
_LEFT_IN, _RIGHT_IN, _TOP_IN, _TICKS_IN, _LINE_IN = 0.62, 0.12, 0.06, 0.22, 0.155


def draw_lines(axes: Axes, panel: Json, found: list[ChartLine]) -> None:
    """Draw lines or bars over time, with their legend below."""
    _inset(axes, legend_lines=math.ceil(min(len(found), _LEGEND_LINES) / 2))
    base: dict[dt.datetime, float] = {}
    for number, series in enumerate(found):
        look = look_of(panel, series.name)
        colour = look.colour or PALETTE[number % len(PALETTE)]
        if look.custom.get("stacking", {}).get("mode") == "normal":
            _stack(axes, series, colour, look, base)
        else:
            _line(axes, series, colour, look)
            _band(axes, series, colour, look, found)
    _limit(axes, panel, found, base)
    _thresholds(axes, panel)
    _style(axes, look_of(panel, ""))
    _legend(axes, panel, found)


def _line(axes: Axes, series: ChartLine, colour: str, look: Look) -> None:
    style = (0, (4, 3)) if look.custom.get("lineStyle", {}).get("fill") == "dash" else "-"
    marker = "o" if len(series.times) < 3 else None
    width = look.custom.get("lineWidth", 1) * 1.3
    axes.plot(
        date2num(series.times),
        series.values,
        color=colour,
        linewidth=width,
        linestyle=style,
        marker=marker,
        markersize=2,
    )
    if look.custom.get("fillOpacity") and not look.custom.get("fillBelowTo"):
        values = np.array(series.values)
        axes.fill_between(
            date2num(series.times), values, 0, color=colour, alpha=look.custom["fillOpacity"] / 300, linewidth=0
        )


def _band(axes: Axes, series: ChartLine, colour: str, look: Look, found: list[ChartLine]) -> None:
    """Fill down to the series that this one names."""
    lower = next((each for each in found if each.name == look.custom.get("fillBelowTo")), None)
    if lower is not None:
        axes.fill_between(date2num(series.times), series.values, lower.values, color=colour, alpha=0.2, linewidth=0)


def _stack(axes: Axes, series: ChartLine, colour: str, look: Look, base: dict[dt.datetime, float]) -> None:
    bottoms = [base.get(moment, 0.0) for moment in series.times]
    tops = [bottom + (0 if math.isnan(value) else value) for bottom, value in zip(bottoms, series.values, strict=True)]
    base.update(zip(series.times, tops, strict=True))
    if look.custom.get("drawStyle") == "bars":
        width = (series.times[1] - series.times[0]) * 0.9 if len(series.times) > 1 else dt.timedelta(seconds=2)
        heights = np.array(tops) - np.array(bottoms)
        axes.bar(date2num(series.times), heights, width / dt.timedelta(days=1), bottoms, color=colour, alpha=0.8)
    else:
        axes.fill_between(date2num(series.times), bottoms, tops, color=colour, alpha=0.6, linewidth=0)


def _limit(axes: Axes, panel: Json, found: list[ChartLine], base: dict[dt.datetime, float]) -> None:
    values = [value for series in found for value in series.values if math.isfinite(value)] + list(base.values())
    low, high = min(values, default=0.0), max(values, default=1.0)
    least = panel["fieldConfig"]["defaults"].get("min")
    bottom = low - 0.05 * (high - low) if least is None else least
    axes.set_ylim(bottom, high + 0.08 * (high - bottom) if high > bottom else bottom + 1)


def _thresholds(axes: Axes, panel: Json) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") != "dashed":
        return
    low, high = axes.get_ylim()
    steps = defaults["thresholds"]["steps"]
    for below, step in itertools.pairwise(steps):
        if low <= step["value"] <= high:
            colour = step["color"] if step["color"] != "green" else below["color"]
            axes.axhline(step["value"], color=named(colour), linestyle=(0, (6, 4)), linewidth=1, alpha=0.8)


def _legend(axes: Axes, panel: Json, found: list[ChartLine]) -> None:
    """Write name, last and highest value of each series, in two columns."""
    figure = _page(axes)
    box, wide, high = axes.get_position(), figure.get_figwidth(), figure.get_figheight()
    for number, series in enumerate(found[:_LEGEND_LINES]):
        look = look_of(panel, series.name)
        colour = look.colour or PALETTE[number % len(PALETTE)]
        column, line = number % 2, number // 2
        x = box.x0 - (_LEFT_IN - 0.12) / wide + column * (box.width + _LEFT_IN / wide) / 2
        y = box.y0 - (_TICKS_IN + 0.12 + line * _LINE_IN) / high
        finite = [value for value in series.values if math.isfinite(value)]
        last, most = (formatted(each, look.unit) for each in (finite[-1], max(finite))) if finite else ("-", "-")
        name = series.name or "value"
        name = name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
        figure.text(x, y, "▬", color=colour, fontsize=7)
        figure.text(x + 0.14 / wide, y, f"{name}   last {last}, max {most}", color=INK, fontsize=6.5)
    if len(found) > _LEGEND_LINES:
        axes.text(
            0.99, 0.97, f"{len(found)} series", transform=axes.transAxes, ha="right", va="top", color=FAINT, fontsize=6
        )


def draw_heatmap(axes: Axes, panel: Json, found: list[ChartLine]) -> None:
    """Draw what fell into each bucket: the differences of the cumulative ones."""
    _inset(axes, legend_lines=0)
    ordered = sorted(found, key=lambda series: float(series.name))
    times = ordered[-1].times
    cumulative = np.array([_aligned(series, times) for series in ordered])
    cells = np.diff(cumulative, axis=0, prepend=0.0).clip(min=0)
    used = np.flatnonzero(np.nansum(cells, axis=1) > 0)
    first, last = (used[0], used[-1]) if len(used) else (0, len(ordered) - 1)
    cells = np.where(cells[first : last + 1] > 0, cells[first : last + 1], np.nan)
    axes.pcolormesh(date2num(times), np.arange(len(cells)), cells, cmap="Blues", shading="nearest")
    unit = look_of(panel, "").unit
    axes.set_yticks(range(len(cells)), [f"≤ {_bound(series.name, unit)}" for series in ordered[first : last + 1]])
    _time_axis(axes)


def _bound(name: str, unit: str) -> str:
    return "∞" if math.isinf(float(name)) else formatted(float(name), unit)


def _aligned(series: ChartLine, times: Sequence[dt.datetime]) -> list[float]:
    known = dict(zip(series.times, series.values, strict=True))
    return [known.get(moment, 0.0) for moment in times]


def draw_columns(axes: Axes, panel: Json, found: Table) -> None:
    """Draw a column for each row."""
    _inset(axes, legend_lines=0)
    look = look_of(panel, found.columns[1])
    values = [float(str(row[1])) if row[1] is not None else 0.0 for row in found.rows]
    places = range(len(values))
    axes.bar(places, values, color=[look.colour_of(value) for value in values], alpha=0.7)
    axes.set_xticks(places, [str(row[0]) for row in found.rows])
    for place, value in zip(places, values, strict=True):
        axes.text(place, value, formatted(value, look.unit), ha="center", va="bottom", fontsize=7)
    axes.set_ylim(0, max(values) * 1.15 or 1)
    _value_axis(axes, look)


def _style(axes: Axes, look: Look) -> None:
    _value_axis(axes, look)
    _time_axis(axes)


def _value_axis(axes: Axes, look: Look) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: formatted(float(value), look.unit, look.decimals))
    axes.grid(axis="y", alpha=0.25)
    _frame(axes)


def _time_axis(axes: Axes) -> None:
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.tick_params(labelsize=6.5, colors=FAINT, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#cccccc")


def _page(axes: Axes) -> Figure:
    return cast("Figure", axes.figure)


def _inset(axes: Axes, legend_lines: int) -> None:
    """Leave room within the card for the numbers of the axes, and for the legend."""
    box, wide, high = axes.get_position(), _page(axes).get_figwidth(), _page(axes).get_figheight()
    below = _TICKS_IN + (0.08 if legend_lines else 0) + legend_lines * _LINE_IN
    axes.set_position(
        (
            box.x0 + _LEFT_IN / wide,
            box.y0 + below / high,
            box.width - (_LEFT_IN + _RIGHT_IN) / wide,
            box.height - (below + _TOP_IN) / high,
        )
    )
