"""What this room's tests share: a shadow whose scorer does as it is told, and what the log and Postgres hold of it."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.errors import ShadowFailed
from sentiment_api.prediction_log.records import PredictionRecord, Record, ShadowRecord, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import Prediction
from sentiment_api.schemas.service import ModelName
from sentiment_api.shadow.comparison import Candidate, Shadow
from sentiment_api.shadow.scoring import ShadowAnswer, ShadowModel
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import ShipShadow

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}


class FakeScorer:
    """Finds every text positive, or fails. `gate` holds it up; `heard` is what it was told meanwhile."""

    def __init__(self) -> None:
        """The gate is open at first."""
        self.gate = threading.Event()
        self.gate.set()
        self.may_start = threading.Event()
        self.may_start.set()
        self.started = threading.Semaphore(0)
        self.loading = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.texts: list[str] = []
        self.heard: list[str] = []
        self.fails_on: set[str] = set()
        self._stopped = False
        self._discarded = False

    def start(self) -> None:
        """Begin anew."""
        self._discarded = False
        self.started.release()
        assert self.may_start.wait(PATIENCE_S)

    def load(self) -> ShadowModel:
        """Load nothing, as soon as the gate is open."""
        self.loading.release()
        assert self.gate.wait(PATIENCE_S)
        if "load" in self.fails_on:
            raise ShadowFailed("no such folder")
        return ShadowModel("fake", "fedcba987654", ["negative", "positive"], "fake")

    def score(self, text: str, *, whole: bool) -> ShadowAnswer:  # noqa: ARG002 - the protocol has it
        """Return the one answer."""
        self.texts.append(text)
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        if self._stopped or self._discarded or "score" in self.fails_on:
            raise ShadowFailed("its process ended")
        return ShadowAnswer([-1.0, 1.0], [0.25, 0.75], 9.0, 4.0)

    def pause(self) -> None:
        """Note it."""
        self.heard.append("pause")

    def resume(self) -> None:
        """Note it."""
        self.heard.append("resume")

    def discard(self) -> None:
        """Let go of the text."""
        self.heard.append("discard")
        self._discarded = True
        self.gate.set()

    def stop(self) -> None:
        """Let go."""
        self.heard.append("stop")
        self._stopped = True
        self.gate.set()


@pytest.fixture
def new_scorer() -> Callable[[], FakeScorer]:
    """A function that gives a scorer that answers at once, each time another one."""
    return FakeScorer


@pytest.fixture
def scorer(new_scorer: Callable[[], FakeScorer]) -> FakeScorer:
    """A scorer that answers at once."""
    return new_scorer()


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of one process."""
    return Metrics()


@pytest.fixture
def shadow(scorer: FakeScorer, spool: Spool, metrics: Metrics) -> Iterator[Shadow]:
    """A shadow of all predictions that runs, by itself."""
    shadow = Shadow(scorer, 1.0, spool, metrics)
    shadow.start()
    yield shadow
    shadow.stop()


@pytest.fixture
def dropped() -> Callable[[Metrics, str], float]:
    """A function that gives how many texts were dropped for a reason."""
    return _dropped


def _dropped(metrics: Metrics, reason: str) -> float:
    return metrics.registry.get_sample_value("sentiment_shadow_dropped_total", {"reason": reason}) or 0.0


@pytest.fixture
def compared() -> Callable[[Metrics], float]:
    """A function that gives how many texts both models have answered."""
    return _compared


def _compared(metrics: Metrics) -> float:
    counts = (
        metrics.registry.get_sample_value("sentiment_shadow_compared_total", {"agreement": each})
        for each in ("same", "other")
    )
    return sum(each or 0.0 for each in counts)


@pytest.fixture
def candidate() -> Callable[..., Candidate]:
    """A function that makes a live prediction that finds the text negative."""
    return _candidate


def _candidate(text: str = REVIEW["text"]) -> Candidate:
    live = Prediction(
        prediction_id=uuid7(),
        label="negative",
        score=0.9,
        probabilities={"negative": 0.9, "positive": 0.1},
        model=ModelName("starter", "0123456789ab"),
        tokens=8,
        truncated=False,
    )
    return Candidate(live, text, whole=False)


@pytest.fixture
def shadow_of() -> Callable[[PredictionRecord], ShadowRecord]:
    """A function that gives what a shadow says of a record's text."""
    return _shadow_of


def _shadow_of(record: PredictionRecord) -> ShadowRecord:
    return ShadowRecord(
        prediction_id=record.prediction_id,
        model_name="other",
        model_version="fedcba987654",
        engine="cpu",
        logits=[-0.5, 0.5],
        label="positive",
        score=0.75,
        probabilities={"negative": 0.25, "positive": 0.75},
        latency_ms=12.0,
        processor_ms=5.0,
    )


@pytest.fixture
def ship() -> ShipShadow:
    """A function that ships records and gives the metrics of it."""
    return _ship


async def _ship(engine: AsyncEngine, spool: Spool, *records: Record) -> Metrics:
    metrics = Metrics()
    for record in records:
        spool.append(encode(record))
    assert await Shipper(spool, engine, metrics).ship()
    return metrics
