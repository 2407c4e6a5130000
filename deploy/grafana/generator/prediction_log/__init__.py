"""The dashboard *Prediction log*: does every prediction reach Postgres?"""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.prediction_log.stored import DAYS, POSTGRES
from deploy.grafana.generator.prediction_log.way import ASTRAY, NOW, WAY
from deploy.grafana.generator.sources import INSTANCE

BOARD = Board(
    uid="sentiment-prediction-log",
    title="Sentiment prediction log",
    description="Does every prediction reach Postgres? Spools, shipping, what went astray, and what Postgres holds.",
    since="now-6h",
    refresh="30s",
    variables=(INSTANCE,),
    rows={
        "Now": NOW,
        "On its way": WAY,
        "What went astray": ASTRAY,
        "By day": DAYS,
        "In Postgres": POSTGRES,
    },
)
