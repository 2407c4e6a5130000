"""The dashboard *Drift*: what the drift job found, night by night. All but the first row is read from Postgres."""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.drift.accuracy import ACCURACY
from deploy.grafana.generator.drift.changes import WHAT_CHANGED
from deploy.grafana.generator.drift.job import JOB
from deploy.grafana.generator.drift.verdicts import NOW, VERDICTS
from deploy.grafana.generator.sources import rows, written

BOARD = Board(
    uid="sentiment-drift",
    title="Sentiment drift",
    description="Have inputs, answers or accuracy changed? What the drift job found, night by night.",
    since="now-90d",
    refresh="5m",
    variables=(
        rows(
            "model_version",
            "Model version",
            "SELECT model_version FROM drift_runs GROUP BY 1 ORDER BY max(window_end) DESC",
        ),
        written("service", "Service", "http://127.0.0.1:8000"),
    ),
    rows={
        "Now": NOW,
        "Verdicts": VERDICTS,
        "What changed": WHAT_CHANGED,
        "How right the model is": ACCURACY,
        "The job itself": JOB,
    },
)
