"""What has no axes of numbers: single values, tables, states over time."""

import datetime as dt
import math
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from benchmarks.pictures.asking import ChartLine, Found, Table
from benchmarks.pictures.looks import FAINT, INK, Look, look_of
from benchmarks.pictures.units import formatted

Json = dict[str, Any]
_ROWS, _LONGEST = 9, 46


def draw_stat(axes: Axes, panel: Json, found: Found) -> None:
    """Write the last value of each series beside the others, in its colour, before the line that it came along."""
    axes.axis("off")
    if isinstance(found, Table):
        now = dt.datetime.now(dt.UTC)
        found = [ChartLine(found.columns[0], [now], [float(str(found.rows[0][0]))])]
    width = 1 / len(found)
    for number, series in enumerate(found):
        look = look_of(panel, series.name)
        finite = [value for value in series.values if math.isfinite(value)]
        value = finite[-1] if finite else math.nan
        mapped = look.mapped(value)
        text, colour = mapped or (formatted(value, look.unit), look.colour_of(value) if finite else FAINT)
        middle = (number + 0.5) * width
        _spark(axes, finite, (number * width, width), colour)
        axes.text(middle, 0.55, text, ha="center", va="center", fontsize=17, color=colour, weight="bold")
        if len(found) > 1 or "{{" in panel["targets"][0].get("legendFormat", ""):
            axes.text(middle, 0.9, series.name, ha="center", va="center", fontsize=7, color=FAINT)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _spark(axes: Axes, values: list[float], place: tuple[float, float], colour: str) -> None:
    if len(values) < 2:
        return
    least, most = min(values), max(values)
    heights = [0.3 * (value - least) / (most - least) if most > least else 0.1 for value in values]
    xs = [place[0] + place[1] * number / (len(values) - 1) for number in range(len(values))]
    axes.fill_between(xs, heights, color=colour, alpha=0.12, linewidth=0)
    axes.plot(xs, heights, color=colour, linewidth=0.8, alpha=0.5)


def draw_table(axes: Axes, panel: Json, found: Table) -> None:
    """Write the first rows under their columns, and how many there are beside the title."""
    axes.axis("off")
    looks = [look_of(panel, name) for name in found.columns]
    x = 0.01
    cells = [[_cell(look, value) for look, value in zip(looks, row, strict=True)] for row in found.rows[:_ROWS]]
    widths = [max(len(name), *(len(row[place][0]) for row in cells)) + 2 for place, name in enumerate(found.columns)]
    for place, (name, width) in enumerate(zip(found.columns, widths, strict=True)):
        axes.text(x, 0.95, name, fontsize=7.5, color="#1F60C4", weight="bold", va="center")
        for line, row in enumerate(cells):
            text, colour = row[place]
            axes.text(x, 0.85 - line * 0.095, text, fontsize=7.5, color=colour, va="center")
        x += width / sum(widths)
    if len(found.rows) > _ROWS:
        axes.text(0.995, 1.06, f"{len(found.rows)} rows", ha="right", va="center", fontsize=7, color=FAINT)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _cell(look: Look, value: object) -> tuple[str, str]:
    """Return what a cell says, and in which colour."""
    mapped = look.mapped(value)
    if mapped is not None:
        return mapped
    text = textwrap.shorten(formatted(value, look.unit, look.decimals), _LONGEST, placeholder="…")
    coloured = look.custom.get("cellOptions", {}).get("type") == "color-text" and isinstance(value, int | float)
    return text, look.colour_of(float(str(value))) if coloured else INK


def draw_timeline(axes: Axes, panel: Json, found: list[ChartLine]) -> None:
    """Draw a bar for each series, in the colours of its states; a state holds until the next one."""
    box = axes.get_position()
    longest = 0.14
    axes.set_position((box.x0 + longest, box.y0 + 0.18 * box.height, box.width - longest - 0.01, 0.8 * box.height))
    for number, series in enumerate(found):
        starts = date2num(series.times)
        ends = [*starts[1:], starts[-1] + 1]
        for start, end, value in zip(starts, ends, series.values, strict=True):
            text, colour = look_of(panel, series.name).mapped(value) or (formatted(value), INK)
            axes.barh(number, end - start, 0.85, start, color=colour, alpha=0.75, edgecolor="white", linewidth=0.5)
            if text != "none":
                axes.text(
                    start + (end - start) / 2, number, text[:5], ha="center", va="center", fontsize=5.5, color="white"
                )
    axes.set_yticks(range(len(found)), [series.name for series in found])
    axes.invert_yaxis()
    locator = AutoDateLocator(minticks=3, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.tick_params(labelsize=7, colors=FAINT, length=2)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
