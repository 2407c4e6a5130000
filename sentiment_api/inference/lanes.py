"""What waits for the engine, and which of it goes next. No threads here: the batcher holds its lock around every call.

- Two lanes, single requests and items of batch requests. While both wait each gets its share of the tokens, so that a
  client who sends full batches does not hold up the others.
- A batch is the oldest entry of a lane and those of the next `LOOK_AHEAD` that are nearest to it in length, as far as
  the engine's limits go. As the oldest is in every batch, nobody is passed over for long.
- Entries whose caller has gone, or whose deadline has passed, are dropped before they cost anything.
"""

import time
from collections import Counter, deque
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sentiment_api.errors import DeadlineExceeded
from sentiment_api.inference.capacity import LANE_WEIGHTS, Lane
from sentiment_api.model.engines import BatchLimits
from sentiment_api.telemetry.metrics import Metrics

LOOK_AHEAD = 256
"""How many of a lane's oldest entries may share the next batch."""


class Scored(NamedTuple):
    """What the engine says of one text."""

    logits: NDArray[np.float32]
    """`(n_labels,)`, uncalibrated."""
    pooled: NDArray[np.float32]
    """`(dim,)`"""
    queue_s: float
    inference_s: float


class Entry(NamedTuple):
    """One text that waits."""

    ids: list[int]
    deadline: float
    queued_at: float
    future: "Future[Scored]"
    request: int
    """The number of the request that it is part of."""


class Lanes:
    """The two lanes of one engine."""

    def __init__(self, limits: BatchLimits, metrics: Metrics) -> None:
        """Start empty; `limits` are the engine's."""
        self.tokens = 0
        """Of all entries that wait."""
        self._waiting: Counter[int] = Counter()
        self._limits = limits
        self._metrics = metrics
        self._lanes: dict[Lane, deque[Entry]] = {"single": deque(), "batch": deque()}
        # Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996): the lane that got least for its weight is next,
        # and one that was empty starts where the other stands: it has no claim on what it did not use.
        self._served: dict[Lane, float] = {"single": 0.0, "batch": 0.0}
        self._clock = 0.0

    def __bool__(self) -> bool:
        """Return whether anything waits."""
        return any(self._lanes.values())

    @property
    def texts(self) -> int:
        """How many entries wait."""
        return sum(map(len, self._lanes.values()))

    @property
    def requests(self) -> int:
        """How many requests have an entry that waits."""
        return len(self._waiting)

    def add(self, lane: Lane, entries: list[Entry]) -> None:
        """Put entries at the end of a lane."""
        if not self._lanes[lane]:
            self._served[lane] = max(self._served[lane], self._clock)
        self._lanes[lane].extend(entries)
        self.tokens += sum(len(entry.ids) for entry in entries)
        self._waiting.update(entry.request for entry in entries)

    def take(self) -> list[Entry]:
        """Remove and return the next batch; empty when nothing is left that anybody waits for."""
        while self:
            lane = min((each for each, waiting in self._lanes.items() if waiting), key=self._served.__getitem__)
            if batch := self._batch(self._lanes[lane]):
                self._clock = self._served[lane]
                self._served[lane] += sum(len(entry.ids) for entry in batch) / LANE_WEIGHTS[lane]
                return batch
        return []

    def _batch(self, lane: deque[Entry]) -> list[Entry]:
        oldest = self._pop(lane)
        if oldest is None:
            return []
        if self._limits.texts == 1 or 2 * len(oldest.ids) > self._limits.tokens:
            return [oldest]
        window = [lane.popleft() for _ in range(min(LOOK_AHEAD, len(lane)))]
        chosen = self._companions(len(oldest.ids), [len(entry.ids) for entry in window])
        lane.extendleft(entry for place, entry in reversed(list(enumerate(window))) if place not in chosen)
        mates = [window[place] for place in sorted(chosen)]
        for entry in mates:
            self._uncount(entry)
        return [oldest, *filter(self._is_wanted, mates)]

    def _companions(self, length: int, window: list[int]) -> set[int]:
        """Return the places in a window of lengths that go well with a text of `length`, nearest lengths first."""
        chosen: set[int] = set()
        longest = total = length
        for place in sorted(range(len(window)), key=lambda place: abs(window[place] - length)):
            longest, total = max(longest, window[place]), total + window[place]
            if not self._limits.hold(texts=len(chosen) + 2, longest=longest, total=total):
                break
            chosen.add(place)
        return chosen

    def _pop(self, lane: deque[Entry]) -> Entry | None:
        """Return the oldest entry that anybody waits for; None when there is none in this lane."""
        while lane:
            entry = lane.popleft()
            self._uncount(entry)
            if self._is_wanted(entry):
                return entry
        return None

    def _uncount(self, entry: Entry) -> None:
        """Take an entry that was removed from its lane out of the counts."""
        self.tokens -= len(entry.ids)
        self._waiting[entry.request] -= 1
        if not self._waiting[entry.request]:
            del self._waiting[entry.request]

    def _is_wanted(self, entry: Entry) -> bool:
        """Claim an entry for the engine, unless its caller has gone or its deadline has passed."""
        if not entry.future.set_running_or_notify_cancel():
            self._metrics.dropped_texts.labels("cancelled").inc()
            return False
        if time.monotonic() > entry.deadline:
            entry.future.set_exception(DeadlineExceeded("The deadline passed before the model could read the text."))
            self._metrics.dropped_texts.labels("deadline").inc()
            return False
        return True
