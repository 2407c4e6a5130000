"""The queue in front of the engine: handlers put tokens in and wait, engine threads take batches out.

- Two lanes, single requests and items of batch requests. While both wait they take turns, so that a client who sends
  full batches does not hold up the others.
- A batch is what waits in one lane, up to the token budget and the engine's own limit. No thread idles for more.
- The queue is bounded in tokens. An empty queue takes anything.
- Entries whose caller has gone, or whose deadline has passed, are dropped before they cost anything.
- When a batch fails it is halved and tried again, so that one poisonous text fails alone.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Literal, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from sentiment_api.classifier import Classifier
from sentiment_api.errors import DeadlineExceeded, Draining, InferenceFailed, Overloaded
from sentiment_api.metrics import Metrics

Lane = Literal["single", "batch"]

_RATE_SMOOTHING = 0.1
_FIRST_RATE_TOKENS_PER_S = 5_000.0
_log = structlog.get_logger(__name__)


class Scored(NamedTuple):
    """What the engine says of one text."""

    logits: NDArray[np.float32]
    """`(n_labels,)`, uncalibrated."""
    pooled: NDArray[np.float32]
    """`(dim,)`"""
    queue_s: float
    inference_s: float


class _Entry(NamedTuple):
    ids: list[int]
    deadline: float
    queued_at: float
    future: "Future[Scored]"


class Batcher:
    """Owns the engine threads."""

    def __init__(
        self, classifier: Classifier, *, max_batch_tokens: int, max_queued_tokens: int, metrics: Metrics
    ) -> None:
        """Keep the parts; no thread runs before `start`."""
        self._classifier = classifier
        self._max_batch_tokens = max_batch_tokens
        self._max_queued_tokens = max_queued_tokens
        self._metrics = metrics
        self._lanes: dict[Lane, deque[_Entry]] = {"single": deque(), "batch": deque()}
        self._next_lane: Lane = "single"
        self._queued_tokens = 0
        self._tokens_per_s = _FIRST_RATE_TOKENS_PER_S
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start as many threads as the engine can use."""
        for number in range(self._classifier.engine.threads):
            thread = threading.Thread(target=self._work, name=f"engine-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Take no more work, finish what is queued, and return when the threads have ended."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, texts: Sequence[list[int]], lane: Lane, deadline: float) -> list["Future[Scored]"]:
        """Queue the token ids of one or more texts and return their futures, in order.

        `deadline` is on the clock of `time.monotonic`. Either all texts are queued or none is.

        Raises:
            Overloaded: the queue is not empty and the texts would pass its bound.
            Draining: `stop` was called.
        """
        entries = [_Entry(ids, deadline, time.monotonic(), Future()) for ids in texts]
        tokens = sum(map(len, texts))
        with self._changed:
            if self._stopping:
                raise Draining("The service is stopping; send the request again to another instance.")
            if self._queued_tokens and self._queued_tokens + tokens > self._max_queued_tokens:
                raise Overloaded("Too many tokens are waiting for the model.", self.wait_s())
            self._lanes[lane].extend(entries)
            self._count_queued(tokens)
            self._changed.notify(len(entries))
        return [entry.future for entry in entries]

    def is_alive(self) -> bool:
        """Return whether every engine thread runs."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def wait_s(self) -> float:
        """Return how long what is queued now will take, by the rate of the last batches."""
        return self._queued_tokens / self._tokens_per_s

    def _work(self) -> None:
        while batch := self._take():
            self._run(batch)

    def _take(self) -> list[_Entry]:
        """Wait for work and return the next batch; an empty one means that the thread is to end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._stopping or any(self._lanes.values()))
                if not any(self._lanes.values()):
                    return []
                if batch := self._next_batch(self._lanes[self._choose_lane()]):
                    return batch

    def _choose_lane(self) -> Lane:
        lane = self._next_lane
        other: Lane = "batch" if lane == "single" else "single"
        if not self._lanes[lane]:
            lane, other = other, lane
        self._next_lane = other
        return lane

    def _next_batch(self, lane: deque[_Entry]) -> list[_Entry]:
        batch: list[_Entry] = []
        longest = 0
        while lane and len(batch) < self._classifier.engine.max_batch_texts:
            longest = max(longest, len(lane[0].ids))
            if batch and longest * (len(batch) + 1) > self._max_batch_tokens:
                break
            entry = lane.popleft()
            self._count_queued(-len(entry.ids))
            if self._is_wanted(entry):
                batch.append(entry)
        return batch

    def _is_wanted(self, entry: _Entry) -> bool:
        if not entry.future.set_running_or_notify_cancel():
            return False
        if time.monotonic() > entry.deadline:
            entry.future.set_exception(DeadlineExceeded("The deadline passed before the model could read the text."))
            return False
        return True

    def _run(self, batch: list[_Entry]) -> None:
        started = time.monotonic()
        try:
            output = self._classifier.forward([entry.ids for entry in batch])
            if any(len(rows) != len(batch) or not np.isfinite(rows).all() for rows in output):
                raise ValueError("expected one row of finite numbers for each text")  # noqa: TRY301 - handled like any
        except Exception as error:  # noqa: BLE001 - whatever the engine raises, the callers must hear of it
            self._fail_or_halve(batch, error)
            return
        elapsed = time.monotonic() - started
        self._observe(batch, elapsed)
        for row, entry in enumerate(batch):
            queue_s = started - entry.queued_at
            entry.future.set_result(Scored(output.logits[row], output.pooled[row], queue_s, elapsed))

    def _fail_or_halve(self, batch: list[_Entry], error: Exception) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            self._run(batch[:middle])
            self._run(batch[middle:])
            return
        # The engine's message may quote its input, so only the kind of error is told.
        _log.error("inference failed", error=type(error).__name__, tokens=len(batch[0].ids))
        batch[0].future.set_exception(InferenceFailed("The model failed on this text."))

    def _observe(self, batch: list[_Entry], elapsed: float) -> None:
        tokens = sum(len(entry.ids) for entry in batch)
        with self._changed:
            rate = tokens / max(elapsed, 1e-6) * self._classifier.engine.threads
            self._tokens_per_s += _RATE_SMOOTHING * (rate - self._tokens_per_s)
        self._metrics.inference_seconds.observe(elapsed)
        self._metrics.batch_texts.observe(len(batch))

    def _count_queued(self, tokens: int) -> None:
        self._queued_tokens += tokens
        self._metrics.queued_tokens.set(self._queued_tokens)
