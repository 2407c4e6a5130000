"""Makes Grafana's classic JSON model of a board: ids, refIds and places on the grid follow from the order of panels."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deploy.grafana.generator.panels import Json, Panel
from deploy.grafana.generator.sources import INSTANCE, POSTGRES, PROMETHEUS

GRID_COLUMNS = 24
TAG = "sentiment"
"""Of all our dashboards; by it they link to each other."""


@dataclass(frozen=True)
class Board:
    """A dashboard."""

    name: str
    """Of its file, and in its title; words are joined by `-`."""
    description: str
    rows: Mapping[str, Sequence[Panel]]
    """Panels by the title of their row, in the order that they are read in."""
    variables: Sequence[Json] = (INSTANCE,)
    since: str = "now-6h"
    """The beginning of the time range that it opens with."""
    refresh: str = "30s"


def render(board: Board) -> str:
    """Return the text of a dashboard's file."""
    return json.dumps(dashboard(board), indent=2) + "\n"


def dashboard(board: Board) -> Json:
    """Return the dashboard as Grafana's classic JSON model."""
    return {
        "id": None,
        "uid": f"{TAG}-{board.name}",
        "title": f"{TAG.capitalize()} {board.name.replace('-', ' ')}",
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": 41,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,  # one crosshair over all panels
        "refresh": board.refresh,
        "time": {"from": board.since, "to": "now"},
        "timezone": "browser",
        "links": [_LINKS],
        "annotations": {"list": [_ALERTS]},
        "templating": {"list": list(board.variables)},
        "panels": list(_placed(board.rows)),
    }


_LINKS = {
    "type": "dashboards",
    "title": "Sentiment",
    "tags": [TAG],
    "asDropdown": False,
    "includeVars": True,
    "keepTime": False,  # hours here are months there
    "targetBlank": False,
}
_ALERTS = {
    "name": "Alerts",
    "datasource": PROMETHEUS,
    "enable": True,
    "expr": 'ALERTS{alertstate="firing", alertname=~"Sentiment.+"}',
    "titleFormat": "{{alertname}}",
    "tagKeys": "severity,component",
    "iconColor": "red",
    "step": "60s",
}


def _placed(rows: Mapping[str, Sequence[Panel]]) -> Iterator[Json]:
    """Yield rows and panels from left to right and downwards, each with the next id."""
    identity, top = 0, 0
    for title, panels in rows.items():
        identity += 1
        row = {"type": "row", "title": title, "collapsed": False, "panels": []}
        yield row | {"id": identity, "gridPos": _place(0, top, (GRID_COLUMNS, 1))}
        left, top, height = 0, top + 1, 0
        for panel in panels:
            if left + panel.size[0] > GRID_COLUMNS:
                left, top, height = 0, top + height, 0
            identity += 1
            yield _panel(panel) | {"id": identity, "gridPos": _place(left, top, panel.size)}
            left, height = left + panel.size[0], max(height, panel.size[1])
        top += height


def _place(left: int, top: int, size: tuple[int, int]) -> dict[str, int]:
    return {"x": left, "y": top, "w": size[0], "h": size[1]}


def _panel(panel: Panel) -> Json:
    steps = [{"color": colour, "value": value} for value, colour in panel.steps]
    defaults = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": POSTGRES if isinstance(panel.queries, str) else PROMETHEUS,
        "fieldConfig": {"defaults": defaults | panel.defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
        "targets": _targets(panel),
        "transformations": [_renamed(panel.names)] if panel.names else [],
    }


def _targets(panel: Panel) -> list[Json]:
    if isinstance(panel.queries, str):
        query = {"rawSql": panel.queries, "rawQuery": True, "editorMode": "code", "format": panel.format}
        return [{"refId": "A", "datasource": POSTGRES} | query]
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": PROMETHEUS,
            "expr": expression,
            "legendFormat": legend,
            "format": panel.format,
        }
        | _moment(panel, legend)
        for number, (legend, expression) in enumerate(panel.queries.items())
    ]


def _moment(panel: Panel, legend: str) -> Json:
    """Return that only what holds now is asked for: in tables, and where a value that was before would stand by it."""
    only_now = panel.kind == "table" or (panel.kind == "stat" and "{{" in legend)
    return {"instant": True, "range": False} if only_now else {}


def _renamed(names: Mapping[str, str | None]) -> Json:
    left_out = {name: True for name, other in names.items() if other is None}
    others = {name: other for name, other in names.items() if other is not None}
    return {"id": "organize", "options": {"excludeByName": left_out, "indexByName": {}, "renameByName": others}}
