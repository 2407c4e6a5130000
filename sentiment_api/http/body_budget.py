"""How many bytes of bodies the process holds, of all requests together, and when there is room again.

A body is charged as its bytes arrive, after decompression, and until its reply begins: so long its bytes, or what was
parsed from them, are in memory. What a client announces is not charged: clients that announce much and send little
would shut out the others.

A body that finds no room is refused, also in its middle. Nobody waits for room, so bodies never wait for each other.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from sentiment_api.errors import BodiesFull
from sentiment_api.telemetry.metrics import Metrics

SMALL_BYTES: Final = 64 << 10
"""Bodies up to this size may use the whole bound, larger ones only a share: batches never shut out single requests."""
_LARGE_SHARE: Final = 0.75
_LONGEST_RETRY_S: Final = 120.0


class BodyBudget:
    """The books of one process. Lives on the event loop, so counting needs no lock."""

    def __init__(self, max_bytes: int, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty. `clock` returns seconds."""
        self._max_bytes = max_bytes
        self._metrics = metrics
        self._clock = clock
        self._held = 0
        self._arrivals = 0.0
        """The sum over the bytes that are held of the time at which each arrived."""
        self._held_s = 0.0
        """How long bytes were held before, those of the latest bodies weighing most."""
        self._booked_until = 0.0
        metrics.body_max_bytes.set(max_bytes)

    def check(self, announced: int) -> None:
        """Refuse a body of this size before any of it is read, if there is no room for it now.

        Raises:
            BodiesFull: there is none.
        """
        if not self._has_room(announced, announced):
            raise self._refusal(announced)

    @contextlib.contextmanager
    def hold(self, announced: int = 0) -> Iterator["HeldBody"]:
        """Hold a body, of which no byte has arrived yet, until it is released or the block ends.

        `announced` is its size in bytes as the client has said it, 0 where it has not.
        """
        body = HeldBody(self, announced)
        try:
            yield body
        finally:
            self.release(body)

    def charge(self, body: "HeldBody", more: int) -> None:
        """Charge `more` bytes to a body.

        Raises:
            BodiesFull: there is no room for them.
        """
        if not self._has_room(body.size + more, more):
            raise self._refusal(max(body.size + more, body.announced))  # all of it has to be sent again
        arrivals = more * self._clock()
        body.size += more
        body.arrivals += arrivals
        self._count(more, arrivals)

    def release(self, body: "HeldBody") -> None:
        """Take a body off the books; a second time changes nothing."""
        if body.size:
            held_s = self._clock() - body.arrivals / body.size
            self._held_s += body.size / self._held * (held_s - self._held_s)
            self._count(-body.size, -body.arrivals)
            body.size, body.arrivals = 0, 0.0

    def _has_room(self, size: int, more: int) -> bool:
        share = 1.0 if size <= SMALL_BYTES else _LARGE_SHARE
        return self._held + more <= share * self._max_bytes

    def _refusal(self, needed: int) -> BodiesFull:
        """Book the next time at which `needed` bytes will be free.

        By Little's law, what is held divided by how long it is held is what is released each second. Each refused
        client is told a time of its own: told the same, they would all come at once.
        """
        now = self._clock()
        age_s = now - self._arrivals / self._held if self._held else 0.0
        wait_s = needed * max(self._held_s, age_s) / max(self._held, 1)
        self._booked_until = min(max(self._booked_until, now) + wait_s, now + _LONGEST_RETRY_S)
        message = f"The service holds {self._max_bytes >> 20} MiB of bodies at most, and there is no room for this one."
        return BodiesFull(message, self._booked_until - now)

    def _count(self, more: int, arrivals: float) -> None:
        self._held += more
        self._arrivals += arrivals
        self._metrics.body_bytes.set(self._held)


class HeldBody:
    """What one request holds; made by `BodyBudget.hold`."""

    def __init__(self, budget: BodyBudget, announced: int) -> None:
        self.announced = announced
        self.size = 0
        """Bytes that are charged."""
        self.arrivals = 0.0
        """The sum over these bytes of the time at which each arrived."""
        self._budget = budget

    def grow(self, more: int) -> None:
        """Charge `more` bytes.

        Raises:
            BodiesFull: there is no room for them.
        """
        self._budget.charge(self, more)

    def release(self) -> None:
        """Hold nothing more, as what was made of the body is gone."""
        self._budget.release(self)
