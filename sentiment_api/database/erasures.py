"""Erasing predictions, and what keeps them from coming back out of a spool.

An erasure writes a tombstone and deletes the rows under a lock that every insert of predictions and feedback shares.
Whoever inserts afterwards sees the tombstone and leaves out what it covers; whoever inserted before has committed, so
the deletion finds the rows. As tombstones are only written under that lock, their numbers are committed in order: who
has read the last one has missed none. Each process then purges its own files and says so in the table `spools`.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Table, Text, Uuid, and_, any_, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.drift_results import erase_product_from_runs
from sentiment_api.database.durability import durable_transaction
from sentiment_api.database.partitions import first_id, kept_from, lock_out_inserts
from sentiment_api.database.tables import feedback, predictions, shadow_predictions, spools, tombstones

HEARTBEAT_TIMEOUT_S = 60.0
"""A process that has not said for so long that it lives is taken for dead. They say it four times as often."""
_id = predictions.c.prediction_id


class Tombstones:
    """What some tombstones cover."""

    def __init__(self, prediction_ids: Iterable[UUID] = (), products: Iterable[tuple[str, UUID]] = ()) -> None:
        """`products` are product ids, each with the id before which its predictions are covered."""
        self._prediction_ids = set(prediction_ids)
        self._until: dict[str, UUID] = {}
        for product_id, until in products:
            self._until[product_id] = max(until, self._until.get(product_id, until))

    @classmethod
    def of(cls, rows: Iterable[Any]) -> "Tombstones":
        """Return what these rows of the table cover."""
        rows = list(rows)
        return cls(
            [row["prediction_id"] for row in rows if row["prediction_id"] is not None],
            [(row["product_id"], row["until"]) for row in rows if row["product_id"] is not None],
        )

    def __bool__(self) -> bool:
        """Return whether they cover anything."""
        return bool(self._prediction_ids or self._until)

    def cover(self, prediction_id: UUID, product_id: str | None) -> bool:
        """Return whether the prediction, or feedback for it, is to be left out."""
        if prediction_id in self._prediction_ids:
            return True
        until = None if product_id is None else self._until.get(product_id)
        return until is not None and prediction_id < until


class ErasureTarget(NamedTuple):
    """What is to be erased: one prediction, or all of a product that were given before `until`."""

    prediction_id: UUID | None = None
    product_id: str | None = None
    until: UUID | None = None

    @classmethod
    def product(cls, product_id: str) -> "ErasureTarget":
        """Return all predictions of the product until now."""
        return cls(None, product_id, first_id(dt.datetime.now(dt.UTC)))


class ErasedRows(NamedTuple):
    """How many rows an erasure finds in Postgres."""

    predictions: int
    feedback: int


class SpoolState(NamedTuple):
    """One spool that may hold records."""

    host: str
    folder: str
    seen_at: dt.datetime
    lives: bool
    purged: bool
    """Whether it has purged its files of the tombstone asked about."""


async def count_erasable(engine: AsyncEngine, target: ErasureTarget) -> ErasedRows:
    """Return what `erase` would delete now."""
    ids = select(predictions.c.prediction_id).where(_covers(target))
    async with engine.connect() as connection:
        rows = await connection.scalar(select(func.count()).select_from(ids.subquery()))
        said = await connection.scalar(select(func.count()).select_from(feedback).where(_of(feedback, target, ids)))
    return ErasedRows(rows or 0, said or 0)


async def erase(engine: AsyncEngine, target: ErasureTarget) -> tuple[int, ErasedRows]:
    """Delete the target from Postgres for good; return the number of the last tombstone and how many rows went.

    A product goes out of the drift job's results too, which do not count as rows here. Inserts wait meanwhile.
    """
    async with engine.connect() as connection, durable_transaction(connection):
        if target.product_id is not None:
            await erase_product_from_runs(connection, target.product_id)  # first: inserts need not wait for it
        await lock_out_inserts(connection)
        if target.product_id is not None:
            await erase_product_from_runs(connection, target.product_id)  # from those that were stored meanwhile
        await connection.execute(insert(tombstones).values(target._asdict()).on_conflict_do_nothing())
        gone = delete(predictions).where(_covers(target)).returning(_id).cte("gone")
        ids = select(gone.c.prediction_id)
        said = delete(feedback).where(_of(feedback, target, ids)).returning(feedback.c.feedback_id).cte("said")
        shadowed = delete(shadow_predictions).where(_of(shadow_predictions, target, ids)).cte("shadowed")
        # Feedback and shadow answers for them may lie in a spool, and do not say of which product they are.
        marked = insert(tombstones).from_select(["prediction_id"], ids).on_conflict_do_nothing().cte("marked")
        counts = select(_count(gone), _count(said)).add_cte(marked, shadowed)
        found = ErasedRows(*(await connection.execute(counts)).one())
        number = await _last_number(connection)
    return number, found


async def write_tombstones(engine: AsyncEngine, prediction_ids: Collection[UUID]) -> None:
    """Write tombstones of predictions that are covered as a product's, and delete what came before them for those."""
    async with engine.connect() as connection, durable_transaction(connection):
        await lock_out_inserts(connection)
        rows = [{"prediction_id": each} for each in prediction_ids]
        await connection.execute(insert(tombstones).on_conflict_do_nothing(), rows)
        for table in (feedback, shadow_predictions):
            await connection.execute(delete(table).where(table.c.prediction_id == _any_of(prediction_ids)))


async def last_tombstone(engine: AsyncEngine) -> tuple[int, UUID]:
    """Return the number of the last tombstone, and the id before which predictions are too old to be kept."""
    async with engine.connect() as connection:
        return await _last_number(connection), await kept_from(connection)


async def last_erased_product(connection: AsyncConnection) -> int:
    """Return the number of the last tombstone of a product, 0 without one."""
    last = select(func.max(tombstones.c.number)).where(tombstones.c.product_id.is_not(None))
    return (await connection.scalar(last)) or 0


async def find_tombstones(
    connection: AsyncConnection, prediction_ids: Collection[UUID], product_ids: Collection[str]
) -> Tombstones:
    """Return the tombstones that name any of these predictions or products."""
    of_products = tombstones.c.product_id == any_(literal(list(product_ids), ARRAY(Text)))
    query = select(tombstones).where(or_(tombstones.c.prediction_id == _any_of(prediction_ids), of_products))
    return Tombstones.of((await connection.execute(query)).mappings().all())


async def record_heartbeat(engine: AsyncEngine, spool_id: UUID, host: str, folder: str, purged_to: int) -> None:
    """Note that the process of this spool lives, and the last tombstone that its files were purged of."""
    values = {"spool_id": spool_id, "host": host, "folder": folder, "seen_at": func.now(), "purged_to": purged_to}
    statement = insert(spools).values(values)
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["spool_id"], set_=values))


async def deregister_spools(engine: AsyncEngine, spool_ids: Collection[UUID], lived_within_s: float = 0.0) -> None:
    """Note that these spools are empty and no process has them; leave out those that were said to live lately."""
    silent = spools.c.seen_at <= func.now() - dt.timedelta(seconds=lived_within_s)
    async with engine.begin() as connection:
        await connection.execute(delete(spools).where(spools.c.spool_id == _any_of(spool_ids), silent))


async def spool_states(engine: AsyncEngine, number: int) -> list[SpoolState]:
    """Return all spools that may hold records, and whether each was purged of tombstone `number`."""
    lives = spools.c.seen_at > func.now() - dt.timedelta(seconds=HEARTBEAT_TIMEOUT_S)
    query = select(spools, lives.label("lives"), (spools.c.purged_to >= number).label("purged"))
    async with engine.connect() as connection:
        rows = (await connection.execute(query.order_by(spools.c.host, spools.c.folder))).mappings().all()
    return [SpoolState(*(row[name] for name in SpoolState._fields)) for row in rows]


def _covers(target: ErasureTarget) -> ColumnElement[bool]:
    if target.prediction_id is not None:
        return _id == target.prediction_id
    return and_(predictions.c.product_id == target.product_id, _id < target.until)


def _of(table: Table, target: ErasureTarget, ids: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a query of one column
    """Return which rows of a table go with the target, whose predictions that Postgres holds are `ids`."""
    return or_(table.c.prediction_id == target.prediction_id, table.c.prediction_id.in_(ids))


def _any_of(ids: Collection[UUID]) -> Any:  # noqa: ANN401 - one parameter, however many they are
    return any_(literal(list(ids), ARRAY(Uuid())))


def _count(rows: Any) -> Any:  # noqa: ANN401 - a query's rows
    return select(func.count()).select_from(rows).scalar_subquery()


async def _last_number(connection: AsyncConnection) -> int:
    return (await connection.scalar(select(func.max(tombstones.c.number)))) or 0
