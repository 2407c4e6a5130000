"""How much work is in the service, how fast it goes, and so whether there is room for more, or when there will be.

Work is counted in tokens, from a request's admission to its reply. A request is admitted if what is before it will be
done before its deadline, at the rate that the engine was seen to have, and refused at once otherwise: a client that
will not be answered in time hears of it now and not then.

A refusal says when to come back. Each refused client is told a time of its own, one after the other as the work that
they bring would take, behind what is in the service now. Told the same time, they would all come at once, and most be
refused again.
"""

import math
import random
import threading
import time
from concurrent.futures import Future
from typing import Any, Literal

from sentiment_api.errors import Overloaded
from sentiment_api.metrics import Metrics

Lane = Literal["single", "batch"]
"""Single requests, and items of batch requests."""

LANE_WEIGHTS: dict[Lane, float] = {"single": 2.0, "batch": 1.0}
"""What each lane gets of the engine while both wait."""

_SAFE_SHARE = 0.8
"""Of a deadline that may go by in waiting, and of the rate that is promised to those who come back."""
_BATCH_LANE_SHARE = 0.75
"""Of the bound that batch requests may fill: the rest is for single ones, however many batches come."""
_LONGEST_RETRY_S = 120.0
"""Nobody waits longer because of a header. By then there are more replicas, or the clients have gone."""
_RATE_SMOOTHING = 0.1
_FIRST_TOKENS_PER_BYTE = 0.25


class Ticket:
    """One admitted request: its deadline, its share of the work, and what to cancel when its client goes away."""

    def __init__(self, capacity: "Capacity", lane: Lane, body_bytes: int, tokens: int, deadline: float) -> None:
        """Made by `Capacity.admit`."""
        self.lane = lane
        self.deadline = deadline
        """On the clock of `time.monotonic`."""
        self._capacity = capacity
        self._body_bytes = body_bytes
        self._tokens = tokens
        self._lock = threading.Lock()
        self._futures: list[Future[Any]] = []
        self._abandoned = False

    def correct(self, tokens: int) -> None:
        """Replace the estimate by the count, once the tokens are there.

        Raises:
            Overloaded: the texts are so much longer than their estimate that there is no room for them.
        """
        self._capacity.correct(self, self._tokens, tokens, self._body_bytes)
        self._tokens = tokens

    def release(self) -> None:
        """Give back the share of the work. Further calls do nothing."""
        self._capacity.give_back(self.lane, self._tokens)
        self._tokens = 0

    def hold(self, futures: "list[Future[Any]]") -> None:
        """Have `abandon` cancel these; at once when it was called before."""
        with self._lock:
            self._futures = futures
            abandoned = self._abandoned
        if abandoned:
            _cancel(futures)

    def abandon(self) -> None:
        """Cancel what the engine has not begun: nobody waits for it any more."""
        with self._lock:
            self._abandoned = True
        _cancel(self._futures)


class Capacity:
    """The books of one process. Safe to share between threads."""

    def __init__(self, *, tokens_per_s: float, max_tokens: int, max_text_tokens: int, metrics: Metrics) -> None:
        """Start empty.

        Args:
            tokens_per_s: what the engine does in a second with all its threads, as far as is known at first.
            max_tokens: bound of the work that is in the service at once.
            max_text_tokens: what the model reads of one text.
            metrics: where the work and the rate are shown.
        """
        self._max_tokens = max_tokens
        self._max_text_tokens = max_text_tokens
        self._metrics = metrics
        self._tokens_per_s = tokens_per_s
        self._tokens_per_byte = _FIRST_TOKENS_PER_BYTE
        self._lanes: dict[Lane, int] = {"single": 0, "batch": 0}
        self._told_until = 0.0
        self._lock = threading.Lock()

    def admit(self, lane: Lane, body_bytes: int, max_texts: int, timeout_s: float) -> Ticket:
        """Return the ticket of a request whose body has `body_bytes` and holds at most `max_texts` texts.

        Nothing else being in the service, anything is admitted.

        Raises:
            Overloaded: the work before it would take up its time, or there would be more work than the bound.
        """
        now = time.monotonic()
        with self._lock:
            tokens = self._expected_tokens(body_bytes, max_texts)
            waiting = sum(self._lanes.values())
            if waiting and not self._has_room(lane, waiting, tokens):
                raise Overloaded("Too many tokens are waiting for the model.", self._retry_after_s(now, tokens))
            if waiting and self._wait_s(lane, tokens) > _SAFE_SHARE * timeout_s:
                raise Overloaded(
                    "What waits for the model would take longer than the request's deadline.",
                    self._retry_after_s(now, tokens),
                )
            self._count(lane, tokens)
        return Ticket(self, lane, body_bytes, tokens, now + timeout_s)

    def refusal(self, message: str, body_bytes: int, max_texts: int) -> Overloaded:
        """Return the refusal of a request for which there is no place, with the time to come back."""
        with self._lock:
            tokens = self._expected_tokens(body_bytes, max_texts)
            return Overloaded(message, self._retry_after_s(time.monotonic(), tokens))

    def correct(self, ticket: Ticket, expected: int, found: int, body_bytes: int) -> None:
        """Replace the `expected` tokens of an admitted request by those `found`; see `Ticket.correct`."""
        with self._lock:
            others = sum(self._lanes.values()) - expected
            if others > 0 and others + found > self._max_tokens:
                raise Overloaded(
                    "Too many tokens are waiting for the model.", self._retry_after_s(time.monotonic(), found)
                )
            if found and body_bytes:
                self._tokens_per_byte += _RATE_SMOOTHING * (found / body_bytes - self._tokens_per_byte)
            self._count(ticket.lane, found - expected)

    def give_back(self, lane: Lane, tokens: int) -> None:
        """Take the work of a request that was answered, or whose client went away, out of the books."""
        with self._lock:
            self._count(lane, -tokens)

    def saw_rate(self, tokens_per_s: float) -> None:
        """Take note of the rate, over all engine threads, at which the last pass went."""
        with self._lock:
            self._tokens_per_s += _RATE_SMOOTHING * (tokens_per_s - self._tokens_per_s)
            self._metrics.engine_rate.set(self._tokens_per_s)

    def _has_room(self, lane: Lane, waiting: int, tokens: int) -> bool:
        in_batches = self._lanes["batch"]
        if lane == "batch" and in_batches and in_batches + tokens > _BATCH_LANE_SHARE * self._max_tokens:
            return False
        return waiting + tokens <= self._max_tokens

    def _expected_tokens(self, body_bytes: int, max_texts: int) -> int:
        return min(math.ceil(body_bytes * self._tokens_per_byte), max_texts * self._max_text_tokens)

    def _wait_s(self, lane: Lane, tokens: int) -> float:
        """Return when `tokens` more in `lane` are done: all work at the full rate, or the lane's own at its share."""
        everything = sum(self._lanes.values()) + tokens
        share = LANE_WEIGHTS[lane] / sum(LANE_WEIGHTS.values())
        return min(everything, (self._lanes[lane] + tokens) / share) / self._tokens_per_s

    def _retry_after_s(self, now: float, tokens: int) -> float:
        """Book the next time at which there will be room for `tokens`, and return how far off it is."""
        drained_at = now + sum(self._lanes.values()) / self._tokens_per_s
        told = max(self._told_until, drained_at) + tokens / (_SAFE_SHARE * self._tokens_per_s)
        self._told_until = min(told, now + _LONGEST_RETRY_S)
        # The header has whole seconds. Rounded up or down at random, those told the same second do not come in a row.
        return max(1.0, math.floor(self._told_until - now + random.random()))  # noqa: S311 - no secret

    def _count(self, lane: Lane, tokens: int) -> None:
        self._lanes[lane] += tokens
        self._metrics.admitted_tokens.labels(lane).set(self._lanes[lane])


def _cancel(futures: "list[Future[Any]]") -> None:
    for future in futures:
        future.cancel()
