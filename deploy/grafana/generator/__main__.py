"""Write every dashboard: `python -m deploy.grafana.generator`."""

from pathlib import Path

from deploy.grafana.generator import drift, model, prediction_log, service
from deploy.grafana.generator.boards import render

FOLDER = Path(__file__).parents[1] / "dashboards/sentiment"
"""Its name is that of the folder in Grafana."""


def files() -> dict[Path, str]:
    """Return the text of each dashboard's file."""
    boards = {"service": service, "model": model, "drift": drift, "prediction-log": prediction_log}
    return {FOLDER / f"{name}.json": render(module.BOARD) for name, module in boards.items()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
