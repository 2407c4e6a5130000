"""The page: panels where Grafana has them, each with its title, and axes for what its kind draws."""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from benchmarks.pictures import charts, tiles
from benchmarks.pictures.asking import Found, Sources, Table, ask
from benchmarks.pictures.looks import FAINT, INK
from benchmarks.pictures.macros import Chosen

Json = dict[str, Any]
_WIDTH_IN, _ROW_IN, _HEAD_IN = 20.0, 0.36, 0.5
_COLUMNS = 24
_GAP_IN, _TITLE_IN = 0.05, 0.3
KINDS: dict[str, Callable[..., None]] = {
    "timeseries": charts.draw_lines,
    "heatmap": charts.draw_heatmap,
    "barchart": charts.draw_columns,
    "state-timeline": tiles.draw_timeline,
    "stat": tiles.draw_stat,
    "table": tiles.draw_table,
}
"""What draws the panels of each kind."""


def draw(board: Json, sources: Sources, chosen: Chosen, nights: Chosen) -> Figure:
    """Return the picture of a dashboard; SQL is asked of `nights`, PromQL of the time that was chosen."""
    mpl.rcParams.update({"font.size": 8, "font.family": "DejaVu Sans"})
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    figure = Figure(figsize=(_WIDTH_IN, rows * _ROW_IN + _HEAD_IN), facecolor="#f4f5f5")
    height = float(figure.get_figheight())
    figure.text(0.005, 1 - 0.33 / height, board["title"], fontsize=14, color=INK, weight="bold")
    figure.text(0.25, 1 - 0.33 / height, board["description"], fontsize=9, color=FAINT)
    for panel in board["panels"]:
        if panel["type"] == "row":
            _draw_row(figure, panel)
        else:
            found = ask(panel, sources, nights if "rawSql" in panel["targets"][0] else chosen)
            _draw_panel(figure, panel, found)
    return figure


def _draw_row(figure: Figure, panel: Json) -> None:
    x, y, _, _ = _place(figure, panel)
    figure.text(x + 0.002, y + 0.1 / figure.get_figheight(), f"⌄ {panel['title']}", fontsize=10, color=INK)


def _draw_panel(figure: Figure, panel: Json, found: Found) -> None:
    x, y, width, height = _place(figure, panel)
    card = FancyBboxPatch(
        (x, y), width, height, boxstyle="square,pad=0", facecolor="white", edgecolor="#dddddd", zorder=-1
    )
    figure.add_artist(card)
    inch = 1 / figure.get_figheight()
    figure.text(x + 0.004, y + height - 0.2 * inch, panel["title"], fontsize=9, color=INK, weight="bold")
    axes = figure.add_axes((x, y, width, height - _TITLE_IN * inch))
    if not (found.rows if isinstance(found, Table) else found):
        axes.axis("off")
        axes.text(0.5, 0.5, "No data", ha="center", color=FAINT, fontsize=12)
        return
    KINDS[panel["type"]](axes, panel, found)


def _place(figure: Figure, panel: Json) -> tuple[float, float, float, float]:
    """Return left, bottom, width and height of a panel, as parts of the figure."""
    grid, total = panel["gridPos"], figure.get_figheight()
    left, width = grid["x"] / _COLUMNS + _GAP_IN / _WIDTH_IN, grid["w"] / _COLUMNS - 2 * _GAP_IN / _WIDTH_IN
    top = _HEAD_IN + grid["y"] * _ROW_IN + _GAP_IN
    height = grid["h"] * _ROW_IN - 2 * _GAP_IN
    return left, 1 - (top + height) / total, width, height / total
