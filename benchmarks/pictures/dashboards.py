"""Draws each dashboard as a picture, of the data that its own queries find: what Grafana would show, drawn simply.

A real service is asked for some minutes, and its nights are made up. Panels lie where Grafana has them. Needs Debian's
prometheus.

    python -m benchmarks dashboards --out pictures
"""

import datetime as dt
import io
import json
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmarks import ROOT
from benchmarks.pictures.asking import Sources
from benchmarks.pictures.canvas import draw
from benchmarks.pictures.macros import Chosen
from benchmarks.pictures.site import SCRAPE_S, busy_site
from benchmarks.steps import Namespace, option, seconds

_BOARDS = ROOT / "deploy/grafana/dashboards/sentiment"
_COLOURS = 255
_NIGHTS = dt.timedelta(days=90)

OPTIONS = (
    seconds(180.0, "for how long clients ask"),
    option("--dpi", type=int, default=80, help="dots of the picture for each of its inches, 20 wide (default 80)"),
)


def run(options: Namespace) -> None:
    """Make a site busy, and draw every dashboard into the folder `--out`."""
    options.out.mkdir(parents=True, exist_ok=True)
    begun = dt.datetime.now(dt.UTC)
    with busy_site(options.seconds) as (prometheus, database, model):
        now = dt.datetime.now(dt.UTC)
        sources = Sources(prometheus, database, step_s=SCRAPE_S)
        for path in sorted(_BOARDS.glob("*.json")):
            board = json.loads(path.read_text())
            chosen = Chosen(begun, now, f"{5 * SCRAPE_S}s", {"model_version": model.version})
            nights = Chosen(now - _NIGHTS, now, chosen.rate_interval, chosen.variables)
            _save(draw(board, sources, chosen, nights), options.out / f"{path.stem}.png", options.dpi)
            print(options.out / f"{path.stem}.png", flush=True)


def _save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a picture with few colours, which takes a third of the bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi)
    page = Image.open(buffer).convert("RGB")
    page.quantize(_COLOURS, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)
