"""How dashboards are drawn; that every query finds data is shown in `tests/deploy`."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmarks.pictures import canvas, charts, tiles
from benchmarks.pictures.asking import ChartLine, Table
from benchmarks.pictures.history import JudgedModel, history
from benchmarks.pictures.macros import Chosen, filled_promql, filled_sql
from benchmarks.pictures.units import formatted

DASHBOARDS = Path(__file__).parents[3] / "deploy/grafana/dashboards/sentiment"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CHOSEN = Chosen(NOON, NOON + dt.timedelta(hours=1), "1m", {"model_version": "it's"})


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "percentunit", "1.23 %"),
        (0.25, "s", "250 ms"),
        (7200, "s", "2 h"),
        (1536, "bytes", "1.5 KiB"),
        (262_144, "short", "262 K"),
        (2.5, "reqps", "2.5 req/s"),
        (3, "none", "3"),
        (None, "s", "-"),
        (float("nan"), "s", "-"),
        ("drift", "none", "drift"),
    ],
)
def test_numbers_have_their_unit(value: object, unit: str, text: str) -> None:
    """A number is written as Grafana writes it, and nothing is a dash."""
    assert formatted(value, unit) == text


def test_promql_is_filled_in() -> None:
    """Rates have an interval, and variables stand for everything."""
    asked = 'rate(a{instance=~"$instance"}[$__rate_interval])'
    assert filled_promql(asked, CHOSEN) == 'rate(a{instance=~".*"}[1m])'


def test_sql_is_filled_in() -> None:
    """The time range and a variable's value become literals; a quote in a value does not end it."""
    assert filled_sql("$__timeFilter(at) AND v = ${model_version:sqlstring}", CHOSEN) == (
        "at BETWEEN '2026-03-01T12:00:00Z' AND '2026-03-01T13:00:00Z' AND v = 'it''s'"
    )


def test_an_unknown_macro_is_refused() -> None:
    """A macro that we do not fill in is told, and not sent to Postgres."""
    with pytest.raises(ValueError, match="a \\$ left"):
        filled_sql("SELECT $__interval", CHOSEN)


def test_a_made_up_history_has_every_verdict() -> None:
    """Nights of each level are there, and a window that was judged twice."""
    runs = list(history(JudgedModel("starter", "v1"), NOON))
    assert {run.verdict for run in runs} == {"none", "watch", "drift", "not_judged"}
    assert [run.revision for run in runs].count(2) == 1
    assert len({run.run_id for run in runs}) == len(runs)


@pytest.mark.parametrize("board", ["service", "model", "drift", "prediction-log"])
def test_every_kind_of_panel_can_be_drawn(board: str) -> None:
    """There is a way to draw each panel of each dashboard."""
    panels = json.loads((DASHBOARDS / f"{board}.json").read_text())["panels"]
    assert {panel["type"] for panel in panels} - {"row"} <= set(canvas.KINDS)


def test_a_line_is_drawn_with_its_last_value() -> None:
    """A panel of lines has a line for each series, and its legend says what it was at last, in its unit."""
    panel = _panel("service", "Work that waits, by process")
    figure = Figure()
    axes = figure.add_subplot()
    charts.draw_lines(axes, panel, [ChartLine("a:8000", [NOON, NOON + dt.timedelta(minutes=1)], [0.5, 3.0])])
    assert [np.asarray(line.get_ydata()).tolist() for line in axes.lines] == [[0.5, 3.0]]
    assert "a:8000   last 3 s, max 3 s" in [text.get_text() for text in figure.texts]


def test_a_cell_is_drawn_as_it_is_mapped() -> None:
    """A verdict has its colour, and the id of a run is a link to open its report."""
    panel = _panel("drift", "Runs")
    axes = Figure().add_subplot()
    tiles.draw_table(axes, panel, Table(["verdict", "report"], [["drift", "0b9f"]]))
    assert [text.get_text() for text in axes.texts] == ["verdict", "drift", "report", "open"]


def _panel(board: str, title: str) -> dict[str, object]:
    panels = json.loads((DASHBOARDS / f"{board}.json").read_text())["panels"]
    return next(panel for panel in panels if panel["title"] == title and panel["type"] != "row")
