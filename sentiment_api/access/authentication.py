"""Who comes in: each route's door, and the key that opens it. A request is turned away before its body is read.

The keys that live are read from Postgres every few seconds, so asking for one costs nothing: not a request with a key
that was never given out, either. For a start while Postgres is away a file has them (`known_keys`). What a route needs
stands with the route: `**door(Scope.PREDICT)`.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.key_file import KeyFile
from sentiment_api.access.key_table import living_keys
from sentiment_api.access.keys import Key, KeyRing, Scope
from sentiment_api.errors import ApiKeyRequired, DatabaseAway, ScopeMissing
from sentiment_api.http.edge import CREDENTIALS, KEY_NAME
from sentiment_api.telemetry.metrics import Metrics

DOOR: Final = "door"
"""The key of a route's `opt` under which the scope stands that opens it."""
KEY: Final = "key"
"""The key of a request's state under which what is kept of its API key is, once that was found."""
FREE: Final = "free"
"""Instead of a scope: everybody comes in, and needs no key."""
KEYS_REFRESH_S: Final = 2.0
"""How often the keys are read: with what a query may take, a change is heeded within five seconds."""
KEYS_KNOWN_FOR_S: Final = 24 * 3600.0
"""How long keys open while Postgres is away, from when they were read last, by this process or one before it."""
_SCHEMES = ("bearer", "header")
_log = structlog.get_logger(__name__)


class Doors:
    """The keys as they were read last, and how to read them again."""

    def __init__(
        self,
        engine: AsyncEngine,
        metrics: Metrics,
        file: KeyFile,
        *,
        locked: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Unless the doors are `locked` nobody needs a key, and none is read. `clock` tells seconds."""
        self.locked = locked
        self._file = file
        self._clock = clock
        self._engine = engine
        self._metrics = metrics
        self._ring = KeyRing()
        self._read_at: float | None = None
        self._answers = True

    async def refresh(self) -> None:
        """Read the keys that live; while Postgres is away known ones stay, at the start those of the file."""
        if not self.locked:
            return
        read_at = time.time()
        try:
            keys = await living_keys(self._engine)
        except DatabaseAway:
            if self._answers:
                await self._notice_absence()
            self._answers = False
            return
        self._answers = True
        self._take(keys, read_at, age_s=0.0)
        self._file.keep(keys, read_at)

    async def _notice_absence(self) -> None:
        """Say that Postgres went away or, at the start, is; then the keys are those that a run before has read."""
        known = await self._file.read(KEYS_KNOWN_FOR_S) if self._read_at is None else None
        if known is not None:
            self._take(known.keys, known.read_at, max(0.0, time.time() - known.read_at))
        _log.warning(
            "API keys cannot be read; those known before open until a day after they were read",
            keys=len(self._ring),
            source="memory" if known is None else "file",
            age_s=None if self._read_at is None else round(self._clock() - self._read_at),
        )

    def _take(self, keys: Sequence[Key], read_at: float, age_s: float) -> None:
        """Let these keys in from now on, which Postgres had at that Unix time."""
        self._ring = KeyRing(keys)
        self._read_at = self._clock() - age_s
        self._metrics.keys_read.set(read_at)

    def know(self) -> bool:
        """Return whether requests can be told apart at all."""
        if not self.locked:
            return True
        return self._read_at is not None and self._clock() - self._read_at < KEYS_KNOWN_FOR_S

    def find(self, presented: tuple[str, ...]) -> Key:
        """Return the living key that was presented.

        Raises:
            ApiKeyRequired: there is none.
            DatabaseAway: the keys are not known.
        """
        if len(set(presented)) != 1:
            found = "several" if presented else "none"
            raise ApiKeyRequired(
                f"Expected one API key as `Authorization: Bearer sentiment_...` or as `X-API-Key`, found {found}.",
                "Bearer",
            )
        if not self.know():
            raise DatabaseAway("API keys cannot be checked while the database does not respond; try again later.")
        key = self._ring.find(presented[0], dt.datetime.now(dt.UTC))
        if key is None:
            message = "The API key opens nothing: it is malformed, unknown, revoked or expired."
            raise ApiKeyRequired(message, 'Bearer error="invalid_token"')
        return key


class Doorkeeper(ASGIMiddleware):
    """Stands before everything else that Litestar does for a route."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, doors: Doors) -> None:
        """Ask `doors` for the keys."""
        self._doors = doors

    async def handle(self, scope: Connection, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let the request in if its door is free or its key opens it, and note the key.

        Raises:
            ApiKeyRequired, ScopeMissing: it may not come in.
            DatabaseAway: the keys are not known.
        """
        # A route that says nothing is closed to all but admin: so are Litestar's own answers to OPTIONS.
        needed = scope["route_handler"].opt.get(DOOR, Scope.ADMIN)
        if self._doors.locked and needed != FREE:
            key = self._doors.find(scope["state"][CREDENTIALS])
            scope["state"][KEY] = key
            scope["state"][KEY_NAME] = key.name
            if not key.opens(needed):
                raise ScopeMissing(
                    f"Expected a key with the scope {needed}, found one with {', '.join(key.scopes)}.",
                    f'Bearer error="insufficient_scope", scope="{needed}"',
                )
        await next_app(scope, receive, send)


def door(scope: Scope, opt: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return what a route that needs the scope says of itself, to Litestar and OpenAPI, with the rest of its `opt`."""
    return {"opt": {**opt, DOOR: scope}, "security": [{scheme: [str(scope)]} for scheme in _SCHEMES]}


def security_schemes() -> Components:
    """Return what OpenAPI says of keys."""
    note = "An API key, `sentiment_...`; needed where the service asks for keys (SENTIMENT_KEYS=required)."
    return Components(
        security_schemes={
            "bearer": SecurityScheme(type="http", scheme="bearer", description=note),
            "header": SecurityScheme(
                type="apiKey", name="X-API-Key", security_scheme_in="header", description=f"The same. {note}"
            ),
        }
    )
