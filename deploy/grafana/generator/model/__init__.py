"""The dashboard *Model*: what is it asked, what does it say, what does that cost, and how right is it thought to be?"""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.model.answers import ANSWERS, NOW, TEXTS
from deploy.grafana.generator.model.engine import ENGINE
from deploy.grafana.generator.model.shadow import SHADOW
from deploy.grafana.generator.sources import INSTANCE

BOARD = Board(
    uid="sentiment-model",
    title="Sentiment model",
    description="What is the model asked, what does it say, what does that cost, and how right is it thought to be?",
    since="now-6h",
    refresh="30s",
    variables=(INSTANCE,),
    rows={
        "Now": NOW,
        "Answers": ANSWERS,
        "Texts": TEXTS,
        "Engine": ENGINE,
        "Shadow model": SHADOW,
    },
)
