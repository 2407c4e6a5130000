"""Draw drift-replay.png of drift-replay.json: two shops over the years, and below what was alarmed in each quarter.

python -m benchmarks.drift.replay.picture benchmarks/results
"""

import json
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

_STARS, _WORDS = "#0b6e4f", "#b5651d"
_LEVELS = {"not judged": "#ffffff", "none": "#cfe3d4", "watch": "#f2b134", "drift": "#c0392b"}
_BARS = {
    "the reference": "#9db4c8",
    "judged by its own rows": "#2f4858",
    "judged as part of the last 500 rows": "#6f9280",
    "too small to judge": "#e3e3e3",
}
_VERDICT, _FEW_ROWS = "the window", "with --min-rows 100"


def main() -> None:
    """Read the result in the folder that is named, and write the picture beside it."""
    folder = Path(sys.argv[1])
    draw(json.loads((folder / "drift-replay.json").read_text()), folder / "drift-replay.png")


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture."""
    mpl.rcParams.update({"font.size": 8, "axes.spines.top": False, "hatch.linewidth": 0.4})
    shops = result["shops"]
    metrics = [_VERDICT, _FEW_ROWS, *dict.fromkeys(name for shop in shops.values() for name in _levels_seen(shop))]
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    panels = figure.subplots(3, len(shops), sharex="col", height_ratios=(1.6, 0.9, 3.2), squeeze=False)
    for column, (name, shop) in enumerate(shops.items()):
        means, rows, strip = panels[:, column]
        means.set_title(_title(name, shop), fontsize=10, loc="left")
        _draw_means(means, shop["quarters"])
        _draw_rows(rows, shop["quarters"])
        _draw_strip(strip, shop["quarters"], metrics)
    _label(figure)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """Write it with a palette, which is a third of the bytes."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=110)
    Image.open(drawn).convert("RGB").quantize(128, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def _levels_seen(shop: dict[str, Any]) -> list[str]:
    return [name for quarter in shop["quarters"] for name in quarter.get("levels", {})]


def _title(name: str, shop: dict[str, Any]) -> str:
    reference = shop["reference"]
    return f"{name}; reference: {reference['rows']} reviews before {reference['end']}"


def _draw_means(axes: Axes, quarters: Sequence[dict[str, Any]]) -> None:
    places = range(len(quarters))
    axes.plot(places, [each["stars"] for each in quarters], color=_STARS, marker="o", markersize=3)
    axes.set_ylim(3, 5)
    axes.set_ylabel("mean stars", color=_STARS)
    words = axes.twinx()
    words.plot(places, [each["words"] for each in quarters], color=_WORDS, marker="s", markersize=3)
    words.set_ylim(bottom=0)
    words.set_ylabel("mean words", color=_WORDS)
    axes.grid(axis="y", alpha=0.3)


def _draw_rows(axes: Axes, quarters: Sequence[dict[str, Any]]) -> None:
    colours = [_BARS[_kind(each)] for each in quarters]
    rows = [each["rows"] for each in quarters]
    axes.bar(range(len(quarters)), rows, color=colours, edgecolor="#808080", linewidth=0.4)
    for place, number in enumerate(rows):
        axes.annotate(str(number), (place, number), ha="center", va="bottom", fontsize=6)
    axes.axhline(500, color="#808080", linewidth=0.8, linestyle=":")
    axes.set_ylim(0, max(600, 1.15 * max(rows)))
    axes.set_ylabel("reviews")
    axes.spines["right"].set_visible(False)


def _draw_strip(axes: Axes, quarters: Sequence[dict[str, Any]], metrics: Sequence[str]) -> None:
    names = list(_LEVELS)
    cells = np.array([[names.index(_level(quarter, metric)) for quarter in quarters] for metric in metrics])
    colours = ListedColormap(list(_LEVELS.values()))
    edges = (np.arange(len(quarters) + 1) - 0.5, np.arange(len(metrics) + 1))
    axes.pcolormesh(*edges, cells, cmap=colours, vmin=-0.5, vmax=len(names) - 0.5, edgecolors="#f6f6f6", linewidth=0.8)
    unjudged = np.ma.masked_where(cells > 0, cells)
    axes.pcolor(*edges, unjudged, cmap=colours, hatch="////", edgecolors="#dddddd", linewidth=0)
    for (row, place), level in np.ndenumerate(cells):
        if names[level] in ("watch", "drift"):
            axes.annotate(_way(quarters[place], metrics[row]), (place, row + 0.5), ha="center", va="center")
    for why, places in _unjudged(quarters).items():
        axes.annotate(why, (float(np.mean(places)), len(metrics) / 2), ha="center", rotation=90, color="#606060")
    axes.set_ylim(len(metrics), 0)
    axes.axhline(2, color="black", linewidth=0.8)
    axes.set_yticks(np.arange(len(metrics)) + 0.5, metrics)
    axes.set_xticks(np.arange(len(quarters)), [each["quarter"] for each in quarters], rotation=90)
    axes.spines[:].set_visible(False)


def _unjudged(quarters: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    """Return where quarters stand that have no verdict, by the reason."""
    found: dict[str, list[int]] = {}
    for place, quarter in enumerate(quarters):
        if "window" not in quarter:
            found.setdefault(_kind(quarter), []).append(place)
    return found


def _kind(quarter: dict[str, Any]) -> str:
    if "window" in quarter:
        return "judged as part of the last 500 rows" if quarter["window"]["extended"] else "judged by its own rows"
    return "the reference" if quarter["verdict"] == "reference" else "too small to judge"


def _level(quarter: dict[str, Any], metric: str) -> str:
    verdicts = {_VERDICT: quarter["verdict"], _FEW_ROWS: quarter.get("few_rows", {}).get("verdict", "")}
    level = {**verdicts, **quarter.get("levels", {})}.get(metric, "")
    return level if level in _LEVELS else "not judged"


def _way(quarter: dict[str, Any], metric: str) -> str:
    """Return an arrow: where the metric went."""
    ways = {row["direction"] for row in quarter.get("alarms", []) if row["metric"] == metric and not row["segment"]}
    return {"up": "\N{UPWARDS ARROW}", "down": "\N{DOWNWARDS ARROW}"}.get("".join(ways), "")


def _label(figure: Figure) -> None:
    bars = [Patch(facecolor=colour, edgecolor="#808080", label=name) for name, colour in _BARS.items()]
    levels = [Patch(facecolor=colour, edgecolor="#808080", label=name) for name, colour in _LEVELS.items()]
    levels[0].set_hatch("////")
    figure.legend(handles=[*bars, *levels], loc="outside lower center", ncols=8, frameon=False)


if __name__ == "__main__":
    main()
