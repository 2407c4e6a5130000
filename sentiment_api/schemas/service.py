"""The service itself: the model that serves, its limits, and health."""

from typing import Any

import msgspec


class ModelName(msgspec.Struct, frozen=True):
    """Which model gave an answer."""

    name: str
    version: str


class ShadowHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the shadow model does, which answers nobody and on which readiness does not hang."""

    state: str
    """`loading`, `ready`, `disabled` when it failed and was given up until the next start, or `stopped`."""
    name: str | None
    """Null until it is loaded, as its version."""
    version: str | None
    share: float
    """Of customers' predictions that it is to score."""
    waiting: int
    """Texts that wait for it."""
    reason: str | None
    """Why it is disabled."""


class ModelReply(msgspec.Struct, frozen=True):
    """The model that serves, and what it takes."""

    name: str
    version: str
    labels: list[str]
    engine: str
    max_tokens: int
    limits: dict[str, int]
    training: dict[str, Any]
    """When it was made, from which base and data, and its main figures; the bundle's own record has more."""
    shadow: ShadowHealth | None
    """The model that scores beside it for comparison; null without one."""


class LogHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the prediction log does. Counts are records since the start of the process."""

    spool_bytes: int
    lag_s: float | None
    """Age of the oldest record that Postgres does not hold; null while the spool cannot be read."""
    database: str
    """`up`, `away`, `refuses` when it answers and will not store, or `unknown` before the first attempt."""
    reason: str | None
    """Why it is away or refuses, and the remedy, in one line; null while it is up."""
    defect: str | None
    """What of the service itself keeps records from being shipped, and where: `KeyError at sentiment_api/x.py:7`.

    It is no matter of the database. Records stay in the spool and are tried again.
    """
    spooled: int
    shipped: int
    retries: int
    """Attempts to ship that failed and were, or will be, made again."""
    set_aside: int
    """Refused by Postgres as data; `sentiment-api set-aside list` shows what waits."""
    left_out: int
    """Erased while they were spooled, or older than what is kept."""
    dropped: int
    """Lost because the spool was full; only with SENTIMENT_SPOOL_FULL=drop_oldest."""
    newer: int
    """Waiting for a newer release, which wrote them."""
    last_error: str | None
    """The SQLSTATE or the kind of the last failure to ship."""


class HealthReply(msgspec.Struct, frozen=True):
    """Whether the process can answer predictions."""

    status: str
    prediction_log: LogHealth | None = None
    shadow: ShadowHealth | None = None
    """Null without a shadow model."""
