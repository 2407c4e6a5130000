"""The table of API keys and their token buckets: all queries."""

import asyncio
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.keys import Key
from sentiment_api.database.connection import DATABASE_ERRORS
from sentiment_api.database.queries import read_rows
from sentiment_api.database.tables import api_keys
from sentiment_api.errors import DatabaseAway, KeyNameInvalid

_TIMEOUT_S = 2.0
"""A part of the 5 s within which services heed a change of keys; what replies wait for Postgres may be set."""
_KEPT = tuple(api_keys.c[name] for name in Key.__struct_fields__)


async def living_keys(engine: AsyncEngine) -> list[Key]:
    """Return the keys that are not revoked, in one order; they may have expired.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    living = select(*_KEPT).where(api_keys.c.revoked_at.is_(None)).order_by(api_keys.c.key_id)
    rows = await read_rows(engine, living, timeout_s=_TIMEOUT_S)
    return [Key(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]


async def insert_key(engine: AsyncEngine, key: Key) -> None:
    """Store a new key.

    Raises:
        KeyNameInvalid: a living key has its name.
        DATABASE_ERRORS: Postgres does not answer.
    """
    values = {name: getattr(key, name) for name in Key.__struct_fields__} | {"scopes": list(key.scopes)}
    try:
        async with engine.begin() as connection:
            await connection.execute(insert(api_keys).values(values))
    except IntegrityError as error:
        raise KeyNameInvalid(
            f"expected a name that no living key has, found {key.name}; choose another, or run "
            f"`sentiment-api keys revoke {key.name}` first"
        ) from error


async def list_keys(engine: AsyncEngine, *, revoked: bool) -> list[dict[str, Any]]:
    """Return what may be shown of the keys, by name and age; those that were revoked only if asked for.

    Raises:
        DATABASE_ERRORS: Postgres does not answer.
    """
    shown = [column for column in api_keys.c if column.name != "secret_hash"]
    query = select(*shown).order_by(api_keys.c.name, api_keys.c.created_at)
    if not revoked:
        query = query.where(api_keys.c.revoked_at.is_(None))
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(query)).mappings()]


async def revoke_key(engine: AsyncEngine, name: str, *, dry_run: bool) -> dict[str, Any]:
    """Revoke the living key of this name, unless it is a `dry_run`, and return its key_id, scopes and created_at.

    Raises:
        KeyNameInvalid: no living key has this name.
        DATABASE_ERRORS: Postgres does not answer.
    """
    shown = (api_keys.c.key_id, api_keys.c.scopes, api_keys.c.created_at)
    living = (api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
    async with engine.begin() as connection:
        if dry_run:
            found = (await connection.execute(select(*shown).where(*living))).mappings().first()
        else:
            revoked = update(api_keys).where(*living).values(revoked_at=func.now()).returning(*shown)
            found = (await connection.execute(revoked)).mappings().first()
    if found is None:
        raise KeyNameInvalid(f"expected the name of a living key, found {name}; `sentiment-api keys list` shows them")
    return dict(found)


async def lease_tokens(engine: AsyncEngine, key_id: str, wanted: float, debt: float = 0.0) -> tuple[float, float]:
    """Debit `debt` and lease up to `wanted` tokens from a key's bucket; return the tokens leased and those left in it.

    What is left is negative if the debt exceeds what the bucket held: all processes then wait until it is repaid. A
    bucket holds at most the key's tokens of one minute and fills at that rate. A row lock serializes the processes.

    Raises:
        DatabaseAway: Postgres does not answer in time.
    """
    limit, now = api_keys.c.tokens_per_minute, func.clock_timestamp()
    passed_s = func.greatest(0.0, func.coalesce(func.date_part("epoch", now - api_keys.c.bucket_at), 0.0))
    filled = func.least(limit, func.coalesce(api_keys.c.bucket, limit) + passed_s * limit / 60.0)
    this = api_keys.c.key_id == key_id
    try:
        async with asyncio.timeout(_TIMEOUT_S), engine.begin() as connection:
            # Locked in a statement of its own: one that locks and reads may read what was there before the lock.
            await connection.execute(select(api_keys.c.key_id).where(this).with_for_update())
            found = float(await connection.scalar(select(filled).where(this)) or 0.0)
            granted = max(0.0, min(found - debt, wanted))
            left = found - debt - granted
            await connection.execute(update(api_keys).where(this).values(bucket=left, bucket_at=now))
    except DATABASE_ERRORS as error:
        raise DatabaseAway("The database does not respond; try again later.") from error
    return granted, left
