"""Draw service.png from service.json: answers a second and p95 latency by connections. Runs in .venv-bench.

python -m benchmarks.speed.serving.service_picture benchmarks/results
"""

import json
import sys
from math import nan
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

_STYLE = {
    "ours": ("this service", "#0b6e4f", "o"),
    "fastapi": ("FastAPI + pipeline", "#b5651d", "s"),
    "litserve": ("LitServe, batching", "#6a4c93", "^"),
    "bentoml": ("BentoML, adaptive batching", "#c2185b", "D"),
}


def main() -> None:
    """Read the results in the folder that is named, and write the picture beside them."""
    folder = Path(sys.argv[1])
    result = json.loads((folder / "service.json").read_text())
    mpl.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    rate, latency = figure.subplots(1, 2)
    _plot(rate, result["load"], "answers_per_s", "answers per second (more is better)")
    _plot(latency, result["load"], "p95_ms", "p95 latency in ms, log scale (less is better)")
    rate.set_ylim(bottom=0)
    latency.set_yscale("log")
    latency.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    latency.yaxis.set_major_formatter("{x:g}")
    latency.yaxis.set_minor_formatter("")
    rate.legend(frameon=False)
    figure.suptitle(_title(result), fontsize=10)
    figure.savefig(folder / "service.png", dpi=130)


def _plot(axes: Axes, load: dict[str, Any], figure: str, title: str) -> None:
    """Draw one line for each server; connections stand at equal distances."""
    for name, by_connections in load.items():
        label, colour, marker = _STYLE[name]
        values = [nan if each[figure] is None else each[figure] for each in by_connections.values()]
        axes.plot(list(by_connections), values, color=colour, marker=marker, label=label, linewidth=2)
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("connections")
    axes.grid(axis="y", alpha=0.3)


def _title(result: dict[str, Any]) -> str:
    about, sent = result["machine"], result["payload"]
    return (
        f"{result['model']['name']} on {about['cores']} cores of {about['processor']}, {sent['texts']} of "
        f"{sent['mean_characters']} characters on average, {about['date']}"
    )


if __name__ == "__main__":
    main()
