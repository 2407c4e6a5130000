"""Admission: a request that needs the model takes a place before it takes a thread, and gives it back at the end.

There are as many places as threads in the handlers' pool, so nothing waits for a thread unseen.
"""

from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from sentiment_api.batching import Batcher
from sentiment_api.errors import Overloaded
from sentiment_api.metrics import Metrics

NEEDS_MODEL = "needs_model"
"""The key of a route's `opt` that puts it under admission."""


class Admission(ASGIMiddleware):
    """Refuses what would be one request too many. Lives on the event loop, so its count needs no lock."""

    def __init__(self, places: int, batcher: Batcher, metrics: Metrics) -> None:
        """`batcher` tells how long what waits will take."""
        self.should_bypass_for_scope = _needs_no_model
        self._free = places
        self._batcher = batcher
        self._metrics = metrics

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Run the request if a place is free.

        Raises:
            Overloaded: none is.
        """
        if self._free == 0:
            self._metrics.refused.labels("places").inc()
            raise Overloaded("Too many requests are waiting for the model.", self._batcher.wait_s())
        self._free -= 1
        try:
            await next_app(scope, receive, send)
        finally:
            self._free += 1


def _needs_no_model(scope: Scope) -> bool:
    return NEEDS_MODEL not in scope["route_handler"].opt
