"""The engine's threads: handlers put tokens in and wait, engine threads take batches out and answer.

- No thread idles for more while something waits. What goes next, and in which company, is decided in `lanes`.
- A text that is alone in the service may use all the cores.
- When a batch fails it is halved and tried again, so that one poisonous text fails alone.
- How much may wait is decided before, in `capacity`.
"""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import numpy as np
import structlog

from sentiment_api.errors import Draining, InferenceFailed
from sentiment_api.inference.capacity import Capacity, Lane
from sentiment_api.inference.lanes import Entry, Lanes, Scored
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import lower_thread_priority
from sentiment_api.telemetry.metrics import Metrics

LAST_PASS_S = 5.0
"""How long a pass through the model may take that was begun before its deadline."""
_log = structlog.get_logger(__name__)


class IdleListener(Protocol):
    """What works only while the engine is idle. Called under the batcher's lock: it must not wait."""

    def engine_busy(self) -> None:
        """Hear that the engine was idle and has work now."""
        ...

    def engine_idle(self) -> None:
        """Hear that nothing waits or is computed any more."""
        ...


class Batcher:
    """Owns the engine threads."""

    def __init__(
        self, classifier: Classifier, capacity: Capacity, metrics: Metrics, idle_listener: IdleListener | None = None
    ) -> None:
        """Keep the parts; no thread runs before `start`."""
        self._classifier = classifier
        self._capacity = capacity
        self._metrics = metrics
        self._lanes = Lanes(classifier.engine.limits, metrics)
        self._computing = 0
        self._idle_listener = idle_listener
        self._was_idle = True
        self._changed = threading.Condition()
        self._stopping = False
        self._last_deadline = 0.0
        self._threads: list[threading.Thread] = []
        self._requests = itertools.count()
        metrics.queued_tokens.set_function(lambda: self._lanes.tokens)
        metrics.queued_texts.set_function(lambda: self._lanes.texts)
        metrics.queued_requests.set_function(lambda: self._lanes.requests)
        metrics.engine_threads.set(classifier.engine.threads)
        metrics.engine_threads_alive.set_function(self._living)

    def start(self) -> None:
        """Start as many threads as the engine can use."""
        for number in range(self._classifier.engine.threads):
            thread = threading.Thread(target=self._work, name=f"engine-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, last_pass_s: float = LAST_PASS_S) -> None:
        """Take no more work, finish what is queued, and return when the threads have ended.

        What is queued is computed or dropped by its deadline. A thread that is at it `last_pass_s` after the last
        deadline hangs, and is left behind with an error in the log.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            until = max(time.monotonic(), self._last_deadline) + last_pass_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if hanging := self._living():
            _log.error("engine threads hang and are left behind", threads=hanging)

    def submit(self, texts: Sequence[list[int]], lane: Lane, deadline: float) -> list["Future[Scored]"]:
        """Queue the token ids of one or more texts and return their futures, in order.

        `deadline` is on the clock of `time.monotonic`.

        Raises:
            Draining: `stop` was called.
        """
        now, request = time.monotonic(), next(self._requests)
        entries = [Entry(ids, deadline, now, Future(), request) for ids in texts]
        with self._changed:
            if self._stopping:
                raise Draining("The service is stopping; send the request again to another instance.")
            self._lanes.add(lane, entries)
            self._last_deadline = max(self._last_deadline, deadline)
            self._notify_listener()
            self._changed.notify(len(entries))
        return [entry.future for entry in entries]

    def is_alive(self) -> bool:
        """Return whether every engine thread runs."""
        return self._living() == self._classifier.engine.threads

    def _living(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        lower_thread_priority()
        while True:
            batch, alone = self._take()
            if not batch:
                return
            outcomes = self._compute(batch, alone=alone)
            with self._changed:
                self._computing -= 1
                self._notify_listener()
            for entry, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, InferenceFailed):
                    entry.future.set_exception(outcome)
                else:
                    entry.future.set_result(outcome)

    def _take(self) -> tuple[list[Entry], bool]:
        """Wait for work; return the next batch, and whether it is all that there is to do.

        An empty batch means that the thread is to end.
        """
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._stopping or bool(self._lanes))
                batch = self._lanes.take()
                if batch:
                    self._computing += 1
                    return batch, self._computing == 1 and not self._lanes
                self._notify_listener()
                if self._stopping:
                    return [], False

    def _notify_listener(self) -> None:
        """Tell the listener when the engine gets its first work, or has done its last."""
        is_idle = not self._computing and not self._lanes
        if self._idle_listener is not None and is_idle != self._was_idle:
            (self._idle_listener.engine_idle if is_idle else self._idle_listener.engine_busy)()
        self._was_idle = is_idle

    def _compute(self, batch: list[Entry], *, alone: bool) -> list[Scored | InferenceFailed]:
        """Return for each text, in order, what the engine says of it or that it failed."""
        started = time.monotonic()
        try:
            output = self._classifier.forward([entry.ids for entry in batch], alone=alone)
            if any(len(rows) != len(batch) or not np.isfinite(rows).all() for rows in output):
                raise ValueError("expected one row of finite numbers for each text")  # noqa: TRY301 - handled like any
        except Exception as error:  # noqa: BLE001 - whatever the engine raises, the callers must hear of it
            return self._failed_or_halved(batch, error)
        elapsed_s = time.monotonic() - started
        self._observe(batch, elapsed_s, alone=alone)
        return [
            Scored(output.logits[row], output.pooled[row], started - entry.queued_at, elapsed_s)
            for row, entry in enumerate(batch)
        ]

    def _failed_or_halved(self, batch: list[Entry], error: Exception) -> list[Scored | InferenceFailed]:
        if len(batch) > 1:
            middle = len(batch) // 2
            return self._compute(batch[:middle], alone=False) + self._compute(batch[middle:], alone=False)
        return [InferenceFailed(type(error).__name__, len(batch[0].ids))]

    def _observe(self, batch: list[Entry], elapsed_s: float, *, alone: bool) -> None:
        lengths = [len(entry.ids) for entry in batch]
        threads = 1 if alone else self._classifier.engine.threads
        self._capacity.observe_rate(sum(lengths) / max(elapsed_s, 1e-6) * threads, elapsed_s)
        self._metrics.asked_tokens.inc(sum(lengths))
        self._metrics.computed_tokens.inc(max(lengths) * len(lengths))
        self._metrics.inference_seconds.observe(elapsed_s)
        self._metrics.batch_texts.observe(len(batch))
        self._metrics.batch_tokens.observe(sum(lengths))
