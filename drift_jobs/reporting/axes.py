"""Small charts as inline SVG: a frame with nights from left to right, lines with intervals, bars. No data, no words."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from drift_jobs.reporting.elements import Markup, element, joined, picture

WIDTH: Final = 340
HEIGHT: Final = 118
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 8, 8, 20
_LEGEND_LINE: Final = 15
_LEAST_STEPS: Final = 5
_INK, _GRID = "#4d5966", "#dde2e7"
# Told apart by their dashes, too: colours are not the only sign.
_STROKES = (("#1f5fa8", ""), ("#a34a00", "6 3"), ("#3f6b2a", "2 3"))

Show = Callable[[float], str]
Values = Sequence[float | None]


class Series(NamedTuple):
    """One line of a chart; None where a night has no value."""

    name: str
    values: Values
    lower: Values = ()
    upper: Values = ()


class Scale(NamedTuple):
    """What the vertical axis spans."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def y(self, value: float) -> float:
        """Return where a value is drawn; what lies beyond the axis is drawn at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)


class Mark(NamedTuple):
    """A bar of a night."""

    height: float
    fill: str
    name: str
    hollow: bool = False


def spanning(shares: Sequence[float]) -> Scale:
    """Return an axis between whole percentages that shows all shares, at least 10 points long, within 0 and 1."""
    low, high = math.floor(50 * min(shares)), math.ceil(50 * max(shares))  # in steps of 2 points
    missing = max(0, _LEAST_STEPS - (high - low))
    low = max(0, min(low - missing // 2, 50 - _LEAST_STEPS))
    high = min(50, max(high + missing - missing // 2, low + _LEAST_STEPS))
    return Scale(low / 50, high / 50, (low / 50, (low + high) / 100, high / 50))


def line_chart(title: str, dates: Sequence[str], lines: Sequence[Series], scale: Scale, show: Show) -> Markup:
    """Return lines over the nights, each with its interval behind it, and below them which line is which."""
    ticks = [(scale.y(value), show(value)) for value in scale.ticks]
    names = [series.name for series in lines]
    drawn = [_drawn(series, number, scale, dates, show) for number, series in enumerate(lines)]
    legend = [_legend(name, number) for number, name in enumerate(names)]
    return picture(title, WIDTH, HEIGHT + _LEGEND_LINE * len(lines), _frame(ticks, dates), *drawn, *legend)


def bar_chart(title: str, dates: Sequence[str], marks: Sequence[Mark], ticks: Sequence[tuple[float, str]]) -> Markup:
    """Return a bar for each night; `ticks` are heights on the axis, 0 to 1, and their names."""
    scale = Scale(0.0, 1.0, ())
    bars = [_bar(mark, number, len(marks), scale) for number, mark in enumerate(marks)]
    return picture(title, WIDTH, HEIGHT, _frame([(scale.y(at), name) for at, name in ticks], dates), *bars)


def _x(number: int, count: int) -> float:
    return _LEFT + (number + 0.5) * (WIDTH - _LEFT - _RIGHT) / count


def _frame(ticks: Sequence[tuple[float, str]], dates: Sequence[str]) -> Markup:
    rules = [_line(_LEFT, y, WIDTH - _RIGHT, y, _GRID) for y, _ in ticks]
    labels = [_label(_LEFT - 6, y + 4, name, "end") for y, name in ticks]
    first, last = _label(_LEFT, HEIGHT - 4, dates[0], ""), _label(WIDTH - _RIGHT, HEIGHT - 4, dates[-1], "end")
    return joined([*rules, *labels, first, last])


def _drawn(series: Series, number: int, scale: Scale, dates: Sequence[str], show: Show) -> Markup:
    color, dashes = _STROKES[number % len(_STROKES)]
    points = [(_x(at, len(dates)), value) for at, value in enumerate(series.values)]
    intervals = [
        _line(x, scale.y(low), x, scale.y(high), color, width="3", opacity="0.3")
        for (x, _), low, high in zip(points, series.lower, series.upper, strict=False)
        if low is not None and high is not None
    ]
    stretches = [
        element("polyline", points=stretch, fill="none", stroke=color, stroke_width="1.6", stroke_dasharray=dashes)
        for stretch in _stretches(points, scale)
    ]
    dots = [
        element("circle", _tip(date, series.name, show(value)), cx=f"{x:.1f}", cy=f"{scale.y(value):.1f}", r="2",
                fill=color)
        for (x, value), date in zip(points, dates, strict=True) if value is not None
    ]  # fmt: skip
    return joined([*intervals, *stretches, *dots])


def _stretches(points: Sequence[tuple[float, float | None]], scale: Scale) -> Iterator[str]:
    """Yield the runs of nights that have a value, as SVG writes points: a gap in the values is a gap in the line."""
    stretch: list[str] = []
    for x, value in points:
        if value is not None:
            stretch.append(f"{x:.1f},{scale.y(value):.1f}")
        elif stretch:
            yield " ".join(stretch)
            stretch = []
    if stretch:
        yield " ".join(stretch)


def _bar(mark: Mark, number: int, count: int, scale: Scale) -> Markup:
    width = 0.7 * (WIDTH - _LEFT - _RIGHT) / count
    top, bottom = scale.y(mark.height), scale.y(0.0)
    fill, stroke = ("#fff", mark.fill) if mark.hollow else (mark.fill, "")
    return element(
        "rect", element("title", mark.name), x=f"{_x(number, count) - width / 2:.1f}", y=f"{top:.1f}",
        width=f"{width:.1f}", height=f"{bottom - top:.1f}", fill=fill, stroke=stroke,
        stroke_dasharray="2 2" if stroke else "",
    )  # fmt: skip


def _legend(name: str, number: int) -> Markup:
    color, dashes = _STROKES[number % len(_STROKES)]
    y = HEIGHT + _LEGEND_LINE * (number + 0.5)
    return joined([_line(_LEFT, y, _LEFT + 26, y, color, dashes=dashes), _label(_LEFT + 32, y + 4, name, "")])


def _line(
    x: float, y: float, to_x: float, to_y: float, color: str, *, width: str = "1.6", dashes: str = "", opacity: str = ""
) -> Markup:
    return element(
        "line", x1=f"{x:.1f}", y1=f"{y:.1f}", x2=f"{to_x:.1f}", y2=f"{to_y:.1f}", stroke=color, stroke_width=width,
        stroke_dasharray=dashes, stroke_opacity=opacity,
    )  # fmt: skip


def _label(x: float, y: float, text: str, anchor: str) -> Markup:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_size="11", fill=_INK)


def _tip(date: str, name: str, value: str) -> Markup:
    return element("title", f"{date}, {name}: {value}")
