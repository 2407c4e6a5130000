"""Write every dashboard: `python -m deploy.grafana.generator`."""

from pathlib import Path

from deploy.grafana.generator import drift, model, prediction_log, service
from deploy.grafana.generator.boards import render

FOLDER = Path(__file__).parents[1] / "dashboards/sentiment"
"""Its name is that of the folder in Grafana."""
_BOARDS = (service.BOARD, model.BOARD, drift.BOARD, prediction_log.BOARD)


def files() -> dict[Path, str]:
    """Return the text of each dashboard's file."""
    return {FOLDER / f"{board.name}.json": render(board) for board in _BOARDS}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
