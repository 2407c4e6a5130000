"""Authentication by API key: which scope a route requires, and whether a request's key holds it.

A route declares the scope where it is defined: `**requires(Scope.PREDICT)`, or `opt=PUBLIC` for everybody. A refused
request is answered before its body is read.

The active keys are read from Postgres every few seconds, so checking a key asks no database, not even for an unknown
one. A process that starts while Postgres is away takes them from a file (`key_file`).
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
from sentiment_api.request_state import CREDENTIALS, KEY, KEY_NAME
from sentiment_api.telemetry.metrics import Metrics

REQUIRED_SCOPE: Final = "required_scope"
"""The key in a route's `opt` whose value is the scope that the route requires."""
NO_SCOPE: Final = "public"
"""The value of `REQUIRED_SCOPE` for a route that needs no key."""
PUBLIC: Final[Mapping[str, str]] = MappingProxyType({REQUIRED_SCOPE: NO_SCOPE})
"""The `opt` of a route that needs no key."""
KEYS_REFRESH_S: Final = 2.0
"""Seconds between two reads of the keys. With the query's own timeout, a change takes effect within five seconds."""
KEYS_VALID_WITHOUT_DATABASE_S: Final = 24 * 3600.0
"""How long keys stay valid while Postgres is away, since the last read by this process or an earlier one."""
_SCHEMES = ("bearer", "header")
_log = structlog.get_logger(__name__)


class KeyChecker:
    """Checks API keys against those read last from Postgres, and reads them again."""

    def __init__(
        self,
        engine: AsyncEngine,
        metrics: Metrics,
        file: KeyFile,
        *,
        required: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Unless keys are `required`, none is read and every request passes. `clock` returns seconds."""
        self.required = required
        self._file = file
        self._clock = clock
        self._engine = engine
        self._metrics = metrics
        self._ring = KeyRing()
        self._read_at: float | None = None
        self._database_answers = True

    async def refresh(self) -> None:
        """Read the active keys. While Postgres is away the known ones stay; at startup those in the file are taken."""
        if not self.required:
            return
        read_at = time.time()
        try:
            keys = await living_keys(self._engine)
        except DatabaseAway:
            if self._database_answers:
                await self._use_known_keys()
            self._database_answers = False
            return
        self._database_answers = True
        self._replace(keys, read_at, age_s=0.0)
        self._file.save(keys, read_at)

    async def _use_known_keys(self) -> None:
        """Log that Postgres is away. Without keys in memory, take those that an earlier process saved."""
        known = await self._file.read(KEYS_VALID_WITHOUT_DATABASE_S) if self._read_at is None else None
        if known is not None:
            self._replace(known.keys, known.read_at, max(0.0, time.time() - known.read_at))
        _log.warning(
            "API keys cannot be read; those known before open until a day after they were read",
            keys=len(self._ring),
            source="memory" if known is None else "file",
            age_s=None if self._read_at is None else round(self._clock() - self._read_at),
        )

    def _replace(self, keys: Sequence[Key], read_at: float, age_s: float) -> None:
        """Accept these keys, and no others, from now on. Postgres had them at `read_at`, a Unix time."""
        self._ring = KeyRing(keys)
        self._read_at = self._clock() - age_s
        self._metrics.keys_read.set(read_at)

    def keys_known(self) -> bool:
        """Return whether keys can be checked: none are required, or they were read less than a day ago."""
        if not self.required:
            return True
        return self._read_at is not None and self._clock() - self._read_at < KEYS_VALID_WITHOUT_DATABASE_S

    def authenticate(self, presented: tuple[str, ...]) -> Key:
        """Return the active key among the credentials of a request.

        Raises:
            ApiKeyRequired: there is not exactly one, or it is malformed, unknown, revoked or expired.
            DatabaseAway: the keys are not known.
        """
        if len(set(presented)) != 1:
            found = "several" if presented else "none"
            raise ApiKeyRequired(
                f"Expected one API key as `Authorization: Bearer sentiment_...` or as `X-API-Key`, found {found}.",
                "Bearer",
            )
        if not self.keys_known():
            raise DatabaseAway("API keys cannot be checked while the database does not respond; try again later.")
        key = self._ring.find(presented[0], dt.datetime.now(dt.UTC))
        if key is None:
            message = "The API key opens nothing: it is malformed, unknown, revoked or expired."
            raise ApiKeyRequired(message, 'Bearer error="invalid_token"')
        return key


class AuthenticationMiddleware(ASGIMiddleware):
    """Checks the key of a request. It runs first of all middleware, before the body is read."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, key_checker: KeyChecker) -> None:
        self._key_checker = key_checker

    async def handle(self, scope: Connection, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on if its route is public or its key has the route's scope; note the key in the state.

        Raises:
            ApiKeyRequired: there is no active key.
            ScopeMissing: the key lacks the route's scope.
            DatabaseAway: the keys are not known.
        """
        # A route that declares nothing requires admin, and so do Litestar's own replies to OPTIONS.
        needed = scope["route_handler"].opt.get(REQUIRED_SCOPE, Scope.ADMIN)
        if self._key_checker.required and needed != NO_SCOPE:
            key = self._key_checker.authenticate(scope["state"][CREDENTIALS])
            scope["state"][KEY] = key
            scope["state"][KEY_NAME] = key.name
            if not key.allows(needed):
                raise ScopeMissing(
                    f"Expected a key with the scope {needed}, found one with {', '.join(key.scopes)}.",
                    f'Bearer error="insufficient_scope", scope="{needed}"',
                )
        await next_app(scope, receive, send)


def requires(scope: Scope, opt: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    """Return the keyword arguments of a route that requires `scope`: its `opt`, and `security` for OpenAPI."""
    return {"opt": {**opt, REQUIRED_SCOPE: scope}, "security": [{scheme: [str(scope)]} for scheme in _SCHEMES]}


def security_schemes() -> Components:
    """Return how OpenAPI describes API keys."""
    note = "An API key, `sentiment_...`; needed where the service asks for keys (SENTIMENT_KEYS=required)."
    return Components(
        security_schemes={
            "bearer": SecurityScheme(type="http", scheme="bearer", description=note),
            "header": SecurityScheme(
                type="apiKey", name="X-API-Key", security_scheme_in="header", description=f"The same. {note}"
            ),
        }
    )
