"""The kinds of panels: how each shows what it asks for. What is asked, and how panels become JSON, is not here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Queries = dict[str, str] | str
"""Legends and their PromQL, or one SQL statement, which names its own columns."""
Steps = tuple[tuple[float | None, str], ...]
"""From which value on which colour, the lowest first; the first one has no value."""

QUIET: Steps = ((None, "green"),)
"""No value of it is bad by itself."""
CHART_HEIGHT, STAT_HEIGHT = 8, 4


@dataclass(frozen=True)
class Panel:
    """One panel, of any kind."""

    kind: str
    title: str
    description: str
    unit: str
    queries: Queries
    steps: Steps
    size: tuple[int, int]
    """Width, of 24, and height."""
    format: str
    """Of what the queries return."""
    options: Json
    defaults: Json
    """Of each series or column, beside unit and thresholds."""
    overrides: Sequence[Json]
    """What is other for some of them."""
    names: Mapping[str, str | None] = field(default_factory=dict)
    """Other names of columns; None leaves one out."""


def above(orange: float | None = None, red: float | None = None) -> Steps:
    """Return the colours of what is bad when it is high."""
    return QUIET + tuple((value, name) for value, name in ((orange, "orange"), (red, "red")) if value is not None)


def below(orange: float | None = None, red: float | None = None) -> Steps:
    """Return the colours of what is bad when it is low."""
    found = [(value, name) for value, name in ((red, "red"), (orange, "orange")) if value is not None]
    return tuple(zip((None, *(value for value, _ in found)), (*(name for _, name in found), "green"), strict=True))


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    steps: Steps = QUIET,
    *,
    width: int = 8,
    overrides: Sequence[Json] = (),
    more: Json | None = None,
) -> Panel:
    """Return lines over time; bounds are drawn where `steps` has more than one.

    The axis begins at 0 and lines lie one before the other, unless `more` says otherwise of all series.
    """
    other = more or {}
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 10,
        "showPoints": "auto",
        "spanNulls": isinstance(queries, str),  # a night without a number is no gap
        "thresholdsStyle": {"mode": "dashed" if len(steps) > 1 else "off"},
    }
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    options = {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    defaults = {"min": 0, "color": {"mode": "palette-classic"}} | other | {"custom": custom | other.get("custom", {})}
    size = width, CHART_HEIGHT
    named = (BOUND, *overrides)
    return Panel("timeseries", title, description, unit, queries, steps, size, "time_series", options, defaults, named)


def bars(title: str, description: str, unit: str, queries: Queries, steps: Steps = QUIET, width: int = 8) -> Panel:
    """Return bars over time, one on the other: for what is seldom there, and whose sum says something."""
    look: Json = {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal", "group": "A"}}
    return lines(title, description, unit, queries, steps, width=width, more={"custom": look})


def stat(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    steps: Steps = QUIET,
    *,
    width: int = 4,
    mappings: Json | None = None,
) -> Panel:
    """Return the value that holds now, in its colour, before the line that it came along."""
    shown = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area", "textMode": "auto"}
    defaults: Json = {"color": {"mode": "thresholds"}} | _mapped(mappings)
    size, result = (width, STAT_HEIGHT), "table" if isinstance(queries, str) else "time_series"
    return Panel("stat", title, description, unit, queries, steps, size, result, shown, defaults, ())


def table(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    steps: Steps = QUIET,
    *,
    width: int = 24,
    overrides: Sequence[Json] = (),
    names: Mapping[str, str | None] | None = None,
) -> Panel:
    """Return a table; `unit` and `steps` are those of its numbers, unless `overrides` says otherwise."""
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
    defaults = {"custom": {"align": "auto", "filterable": True}}
    size = width, CHART_HEIGHT
    return Panel(
        "table", title, description, unit, queries, steps, size, "table", options, defaults, overrides, names or {}
    )


def timeline(
    title: str, description: str, unit: str, queries: Queries, steps: Steps, mappings: Json, width: int = 24
) -> Panel:
    """Return a bar for each series, which has the colour of its state."""
    options = {"showValue": "auto", "mergeValues": True, "rowHeight": 0.9, "legend": {"showLegend": True}}
    defaults = {"color": {"mode": "thresholds"}, "custom": {"fillOpacity": 70, "lineWidth": 0}} | _mapped(mappings)
    size = width, CHART_HEIGHT
    return Panel("state-timeline", title, description, unit, queries, steps, size, "time_series", options, defaults, ())


def heatmap(title: str, description: str, unit: str, query: str, width: int = 8) -> Panel:
    """Return the buckets of a histogram over time; a darker cell has more in it."""
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 64},
        "yAxis": {"unit": unit},
        "cellValues": {"unit": "reqps"},
        "legend": {"show": True},
        "tooltip": {"mode": "single", "yHistogram": True},
    }
    size = width, CHART_HEIGHT
    return Panel("heatmap", title, description, unit, {"{{le}}": query}, QUIET, size, "heatmap", options, {}, ())


def columns(title: str, description: str, unit: str, query: str, steps: Steps = QUIET, width: int = 8) -> Panel:
    """Return a bar for each row of an SQL statement, named by its first column."""
    options = {"orientation": "vertical", "legend": {"showLegend": False}, "showValue": "auto"}
    defaults = {"min": 0, "color": {"mode": "thresholds"}, "custom": {"fillOpacity": 70}}
    size = width, CHART_HEIGHT
    return Panel("barchart", title, description, unit, query, steps, size, "table", options, defaults, ())


def override(pattern: str, **properties: object) -> Json:
    """Return what is other for series or columns with such a name; `pattern` is a regular expression."""
    found = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"}, "properties": found}


BOUND = override(
    "bound",
    color={"mode": "fixed", "fixedColor": "red"},
    custom__lineStyle={"fill": "dash", "dash": [10, 10]},
    custom__fillOpacity=0,
    custom__stacking={"mode": "none"},
)
"""Of series that are no measurement but what one must not reach."""


def _mapped(mappings: Json | None) -> Json:
    return {"mappings": [{"type": "value", "options": mappings}]} if mappings else {}
