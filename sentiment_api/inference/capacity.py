"""How much work is in the service, how fast it goes, and so whether there is room for more, or when there will be.

Work is counted in tokens, from a request's admission to its reply. A request is admitted if it will be done before its
deadline, behind all that is before it, at the rate that the engine was seen to have, and refused at once otherwise: a
client that will not be answered in time hears of it now and not then.

A refusal says when to come back. Each refused client is told a time of its own, one after the other as the work that
they bring would take in their lane, behind what is in it now. Told the same time, they would all come at once, and most
be refused again.
"""

import math
import random
import threading
import time
from concurrent.futures import Future
from typing import Any, Literal

from sentiment_api.errors import Overloaded
from sentiment_api.telemetry.metrics import Metrics

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
_BURST_LASTS = 2.0
"""Times what the queue of now takes. Who comes back when that is done finds it full of those who came since."""
_RATIO_SMOOTHING = 0.1
_RATE_MEMORY_S = 3.0
"""Of computing: the rate is that of about so many seconds. Many short passes do not outweigh one that is long."""
_FIRST_TOKENS_PER_BYTE = 0.25


class Ticket:
    """One admitted request: its deadline, its share of the work, and what to cancel when its client goes away."""

    def __init__(self, capacity: "Capacity", lane: Lane, body_bytes: int, tokens: int, deadline: float) -> None:
        """Made by `Capacity.admit`."""
        self.lane = lane
        self.deadline = deadline
        """On the clock of `time.monotonic`."""
        self.counted = 0
        """Tokens that the request asks of the model, once they are counted."""
        self._capacity = capacity
        self._body_bytes = body_bytes
        self._tokens = tokens
        self._lock = threading.Lock()
        self._futures: list[Future[Any]] = []
        self._abandoned = False
        self._ended = False

    def correct(self, tokens: int, *, usual: bool = True) -> None:
        """Replace the estimate by the count, once the tokens are there.

        `usual` says that later estimates may learn from it: all of the body was read, and nothing was known before.

        Raises:
            Overloaded: the texts are so much longer than their estimate that there is no room or no time for them.
        """
        with self._lock:
            self._capacity.correct(self, self._tokens, tokens)
            self._tokens = self.counted = tokens
        if usual:
            self._capacity.observe_texts(self._body_bytes, tokens)

    def release(self, tokens: int | None = None) -> None:
        """Give back so many tokens of the work, never more than are left; by default all, and the request has ended."""
        with self._lock:
            given = self._tokens if tokens is None else min(tokens, self._tokens)
            self._tokens -= given
            ends = tokens is None and not self._ended
            self._ended |= ends
        self._capacity.release(self.lane, given, requests=int(ends))

    def attach(self, futures: "list[Future[Any]]") -> None:
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
        self._requests: dict[Lane, int] = {"single": 0, "batch": 0}
        self._booked_until: dict[Lane, float] = {"single": 0.0, "batch": 0.0}
        self._lock = threading.Lock()
        metrics.engine_rate.set(tokens_per_s)
        metrics.admitted_max_tokens.set(max_tokens)
        for lane in self._lanes:
            self._count(lane, 0)

    def admit(self, lane: Lane, body_bytes: int, max_texts: int, timeout_s: float) -> Ticket:
        """Return the ticket of a request whose body has `body_bytes` and holds at most `max_texts` texts.

        Nothing else being in the service, anything is admitted.

        Raises:
            Overloaded: the work before it would take up its time, or there would be more work than the bound.
        """
        now = time.monotonic()
        with self._lock:
            tokens = self._expected_tokens(body_bytes, max_texts)
            self._check_room(lane, tokens, _SAFE_SHARE * timeout_s)
            self._count(lane, tokens, requests=1)
        return Ticket(self, lane, body_bytes, tokens, now + timeout_s)

    def refusal(self, message: str, lane: Lane, body_bytes: int, max_texts: int) -> Overloaded:
        """Return the refusal of a request for which there is no place, with the time to come back."""
        with self._lock:
            return Overloaded(message, self._retry_after_s(lane, self._expected_tokens(body_bytes, max_texts)))

    def expected_tokens(self, body_bytes: int, max_texts: int) -> int:
        """Return about how many tokens a body of so many bytes asks of the model, in at most so many texts."""
        with self._lock:
            return self._expected_tokens(body_bytes, max_texts)

    def correct(self, ticket: Ticket, expected: int, found: int) -> None:
        """Replace the `expected` tokens of an admitted request by those `found`; see `Ticket.correct`."""
        with self._lock:
            if found > expected:
                self._check_room(ticket.lane, found, ticket.deadline - time.monotonic(), booked=expected)
            self._count(ticket.lane, found - expected)

    def observe_texts(self, body_bytes: int, tokens: int) -> None:
        """Take note of how many tokens a body of so many bytes held."""
        if tokens and body_bytes:
            with self._lock:
                self._tokens_per_byte += _RATIO_SMOOTHING * (tokens / body_bytes - self._tokens_per_byte)

    def release(self, lane: Lane, tokens: int, *, requests: int = 0) -> None:
        """Take the work of a request that was answered, or whose client went away, out of the books."""
        with self._lock:
            self._count(lane, -tokens, -requests)

    def observe_rate(self, tokens_per_s: float, seconds: float) -> None:
        """Take note of the rate, over all engine threads, at which a pass of so many seconds went."""
        with self._lock:
            self._tokens_per_s += (1 - math.exp(-seconds / _RATE_MEMORY_S)) * (tokens_per_s - self._tokens_per_s)
            self._metrics.engine_rate.set(self._tokens_per_s)

    def _check_room(self, lane: Lane, tokens: int, time_s: float, booked: int = 0) -> None:
        """Raise Overloaded unless `tokens`, of which `booked` are counted already, fit in and are done in `time_s`."""
        if sum(self._lanes.values()) == booked:
            return
        if not self._has_room(lane, tokens - booked):
            raise Overloaded("Too many tokens are waiting for the model.", self._retry_after_s(lane, tokens))
        if self._wait_s(lane, tokens - booked) > time_s:
            message = "What waits for the model would take longer than the request's deadline."
            raise Overloaded(message, self._retry_after_s(lane, tokens))

    def _has_room(self, lane: Lane, tokens: int) -> bool:
        batches_share = _BATCH_LANE_SHARE * self._max_tokens
        if lane == "batch" and self._lanes["batch"] + tokens > batches_share:
            return False
        # One batch may be more than its lane's share, if it came to an idle service. It must not shut out the others.
        in_batches = min(self._lanes["batch"], batches_share)
        return self._lanes["single"] + in_batches + tokens <= self._max_tokens

    def _expected_tokens(self, body_bytes: int, max_texts: int) -> int:
        return min(math.ceil(body_bytes * self._tokens_per_byte), max_texts * self._max_text_tokens)

    def _wait_s(self, lane: Lane, tokens: int) -> float:
        """Return when `tokens` more in `lane` are done: all work at the full rate, or the lane's own at its share."""
        everything = sum(self._lanes.values()) + tokens
        return min(everything, (self._lanes[lane] + tokens) / self._share(lane)) / self._tokens_per_s

    def _retry_after_s(self, lane: Lane, tokens: int) -> float:
        """Book the next time at which there will be room for `tokens` in `lane`, and return how far off it is."""
        now = time.monotonic()
        share = self._share(lane) if sum(self._lanes.values()) > self._lanes[lane] else 1.0
        booked = max(self._booked_until[lane], now + _BURST_LASTS * self._wait_s(lane, 0))
        booked += tokens / (_SAFE_SHARE * share * self._tokens_per_s)
        if booked - now > _LONGEST_RETRY_S:
            # No more times of one's own: those who are told the longest are at least spread out.
            return round(random.uniform(_LONGEST_RETRY_S / 2, _LONGEST_RETRY_S))  # noqa: S311 - no secret
        self._booked_until[lane] = booked
        # The header has whole seconds. Rounded up or down at random, those told the same second do not come in a row.
        return max(1.0, math.floor(booked - now + random.random()))  # noqa: S311 - no secret

    def _share(self, lane: Lane) -> float:
        return LANE_WEIGHTS[lane] / sum(LANE_WEIGHTS.values())

    def _count(self, lane: Lane, tokens: int, requests: int = 0) -> None:
        self._lanes[lane] += tokens
        self._requests[lane] += requests
        self._metrics.admitted_tokens.labels(lane).set(self._lanes[lane])
        self._metrics.admitted_requests.labels(lane).set(self._requests[lane])


def _cancel(futures: "list[Future[Any]]") -> None:
    for future in futures:
        future.cancel()
