"""The dashboard *Service*: does it answer, in time, and how full is it?"""

from deploy.grafana.generator.boards import Board
from deploy.grafana.generator.service.refusals import REFUSED
from deploy.grafana.generator.service.requests import NOW, REQUESTS
from deploy.grafana.generator.service.saturation import PROCESSES, SATURATION
from deploy.grafana.generator.sources import INSTANCE, label_values

BOARD = Board(
    uid="sentiment-service",
    title="Sentiment service",
    description="Does the service answer, in time, and how full is it?",
    since="now-6h",
    refresh="30s",
    variables=(INSTANCE, label_values("route", "route", "sentiment_http_requests_total")),
    rows={
        "Now": NOW,
        "Requests: rate, errors, duration": REQUESTS,
        "Refused": REFUSED,
        "How full it is": SATURATION,
        "Processes": PROCESSES,
    },
)
