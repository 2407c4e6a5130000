"""What this room's tests share: a started batcher on an engine that computes at once, or when told to."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from sentiment_api.inference.batching import Batcher, IdleListener
from sentiment_api.inference.capacity import Capacity, Lane
from sentiment_api.inference.lanes import Scored
from sentiment_api.model.bundle import Bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.engines import BatchLimits, EngineOutput
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Answers, Hold, NewBatcher, Submit

POISON = 666
FATAL = 667
PATIENCE_S = 30.0


class FakeEngine:
    """Answers a text with its own first token and its length, and remembers the batches. `gate` holds it up."""

    name = "fake"

    def __init__(self, limits: BatchLimits, threads: int = 1) -> None:
        """The gate is open at first."""
        self.limits = limits
        self.threads = threads
        self.batches: list[list[list[int]]] = []
        self.alone: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self.passes: set[int] = set()
        """The first tokens of texts that need not wait at the gate."""
        self.entered = threading.Semaphore(0)

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:
        """Return `[first token, length]` as the logits of each text."""
        self.batches.append(batch)
        self.alone.append(alone)
        self.entered.release()
        assert batch[0][0] in self.passes or self.gate.wait(PATIENCE_S)
        if any(POISON in ids for ids in batch):
            raise RuntimeError("the engine cannot read this")
        if any(FATAL in ids for ids in batch):
            raise SystemExit  # what ends a thread, and no other
        logits = np.array([[ids[0], len(ids)] for ids in batch], dtype=np.float32)
        return EngineOutput(logits, logits)

    def firsts(self) -> list[list[int]]:
        """Return the first tokens of each batch's texts."""
        return [[ids[0] for ids in batch] for batch in self.batches]


@pytest.fixture
def new_batcher(bundle: Bundle) -> Iterator[NewBatcher]:
    """A function that returns a started batcher and its engine; all of them are stopped at the end."""
    made: list[tuple[Batcher, FakeEngine]] = []

    def make(
        *, texts: int = 8, threads: int = 1, metrics: Metrics | None = None, idle_listener: IdleListener | None = None
    ) -> tuple[Batcher, FakeEngine]:
        engine = FakeEngine(BatchLimits(texts=texts, tokens=1000, padding=0.9), threads)
        metrics = metrics or Metrics()
        capacity = Capacity(tokens_per_s=5000.0, max_tokens=1000, max_text_tokens=512, metrics=metrics)
        batcher = Batcher(Classifier(bundle, engine), capacity, metrics, idle_listener)
        made.append((batcher, engine))
        batcher.start()
        return batcher, engine

    yield make
    for batcher, engine in made:
        engine.gate.set()
        batcher.stop()


@pytest.fixture
def submit() -> Submit:
    """A function that submits texts to a batcher, with a deadline in `deadline_s`."""
    return _submit


def _submit(
    batcher: Batcher, *texts: list[int], lane: Lane = "single", deadline_s: float = PATIENCE_S
) -> list["Future[Scored]"]:
    return batcher.submit(texts, lane, time.monotonic() + deadline_s)


@pytest.fixture
def hold() -> Hold:
    """A function that occupies the engine with one text, so that what comes then waits; open the gate to go on."""

    def occupy(batcher: Batcher, engine: FakeEngine) -> "Future[Scored]":
        engine.gate.clear()
        future = _submit(batcher, [0])[0]
        assert engine.entered.acquire(timeout=PATIENCE_S)
        return future

    return occupy


@pytest.fixture
def answers() -> Answers:
    """A function that waits for futures and returns the logits of all."""
    return lambda futures: [future.result(PATIENCE_S).logits.tolist() for future in futures]
