"""API keys: their format, what the service stores of them, and the set of active keys in memory.

A key is `sentiment_ID_SECRET`, both in hexadecimal: a double click selects all of it, and secret scanners can match
it. The secret is 256 random bits, which nobody can guess. A plain SHA-256 is therefore stored: a slow hash would cost
a tenth of a second for every wrong key (docs/decisions/0014-api-keys.md).
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Names appear in logs and labels, so they are plain."""
_ID_BYTES = 6
_SECRET_BYTES = 32
_SHAPE = re.compile(rf"sentiment_([0-9a-f]{{{2 * _ID_BYTES}}})_([0-9a-f]{{{2 * _SECRET_BYTES}}})", re.ASCII)
_NO_HASH = bytes(hashlib.sha256().digest_size)
"""Compared with the secret of an unknown key, so that the check takes as long as for a known one."""


class Scope(StrEnum):
    """What a key permits."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    READ = "read"
    METRICS = "metrics"
    ADMIN = "admin"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the service stores it."""

    key_id: str
    name: str
    secret_hash: bytes
    scopes: tuple[str, ...]
    tokens_per_minute: int | None = None
    expires_at: dt.datetime | None = None

    def allows(self, scope: Scope) -> bool:
        """Return whether the key has the scope. `admin` includes all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class NewKey(NamedTuple):
    """A key just made."""

    text: str
    """The whole key. Only the client ever has it."""
    key_id: str
    secret_hash: bytes


def make_key() -> NewKey:
    """Return a new key."""
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES)
    return NewKey(f"sentiment_{key_id}_{secret}", key_id, _hash(secret))


class KeyRing:
    """The active keys, as Postgres had them at some moment."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """Index the keys by id."""
        self._keys = {key.key_id: key for key in keys}

    def find(self, presented: str, now: dt.datetime) -> Key | None:
        """Return the key that was presented, or None if it is malformed, unknown, revoked or expired."""
        parts = _SHAPE.fullmatch(presented)
        if parts is None:
            return None
        key = self._keys.get(parts[1])
        same = hmac.compare_digest(_hash(parts[2]), key.secret_hash if key else _NO_HASH)
        if key is None or not same or (key.expires_at is not None and key.expires_at <= now):
            return None
        return key

    def __len__(self) -> int:
        return len(self._keys)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
