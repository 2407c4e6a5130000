"""Erasing predictions, and what keeps them from coming back out of a spool.

An erasure first writes a tombstone, under a lock that every insert of predictions shares. Whoever inserts afterwards
sees the tombstone and leaves out what it covers; whoever inserted before has committed, so the deletion that follows
finds the rows. Each process then purges its own files and says so in the table `spools`.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, any_, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from sentiment_api.database.partitions import INSERT_LOCK, first_id
from sentiment_api.database.tables import feedback, predictions, spools, tombstones

LIVES_S = 60.0
"""A process that has not said for so long that it lives is taken for dead. They say it four times as often."""


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

    def with_predictions(self, prediction_ids: Iterable[UUID]) -> "Tombstones":
        """Return these and those of more predictions."""
        return Tombstones([*self._prediction_ids, *prediction_ids], self._until.items())


class Subject(NamedTuple):
    """What is to be erased: one prediction, or all of a product that were given before `until`."""

    prediction_id: UUID | None = None
    product_id: str | None = None
    until: UUID | None = None

    @classmethod
    def product(cls, product_id: str) -> "Subject":
        """Return all predictions of the product until now."""
        return cls(None, product_id, first_id(dt.datetime.now(dt.UTC)))


class Found(NamedTuple):
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


async def count_subject(engine: AsyncEngine, subject: Subject) -> Found:
    """Return what `erase` would delete now."""
    ids = select(predictions.c.prediction_id).where(_covers(subject))
    async with engine.connect() as connection:
        rows = await connection.scalar(select(func.count()).select_from(ids.subquery()))
        said = await connection.scalar(select(func.count()).select_from(feedback).where(_feedback_of(subject, ids)))
    return Found(rows or 0, said or 0)


async def erase(engine: AsyncEngine, subject: Subject) -> tuple[int, Found]:
    """Delete the subject from Postgres for good; return the number of its last tombstone and how many rows went."""
    async with engine.begin() as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(INSERT_LOCK)))
        await _add_tombstones(connection, [subject._asdict()])
    async with engine.begin() as connection:
        gone = (await connection.execute(delete(predictions).where(_covers(subject)).returning(_id))).scalars().all()
        # Feedback for them may lie in a spool, and does not say of which product it is.
        await _add_tombstones(connection, [{"prediction_id": each} for each in gone])
        ids = [*gone, *([] if subject.prediction_id is None else [subject.prediction_id])]
        of_them = feedback.c.prediction_id == any_(literal(ids, ARRAY(Uuid())))  # any number
        said = await connection.execute(delete(feedback).where(of_them))
        number = await connection.scalar(select(func.max(tombstones.c.number)))
    return number or 0, Found(len(gone), said.rowcount)


async def tombstones_after(engine: AsyncEngine, number: int) -> tuple[int, Tombstones]:
    """Return the number of the last tombstone, and what those after `number` cover."""
    async with engine.connect() as connection:
        rows = (await connection.execute(select(tombstones).where(tombstones.c.number > number))).mappings().all()
    return max([number, *(row["number"] for row in rows)]), Tombstones.of(rows)


async def say_alive(engine: AsyncEngine, spool_id: UUID, host: str, folder: str, purged_to: int) -> None:
    """Note that the process of this spool lives, and the last tombstone that its files were purged of."""
    values = {"spool_id": spool_id, "host": host, "folder": folder, "seen_at": func.now(), "purged_to": purged_to}
    statement = insert(spools).values(values)
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["spool_id"], set_=values))


async def say_gone(engine: AsyncEngine, spool_id: UUID) -> None:
    """Note that this spool is empty and its process ends."""
    async with engine.begin() as connection:
        await connection.execute(delete(spools).where(spools.c.spool_id == spool_id))


async def spool_states(engine: AsyncEngine, number: int) -> list[SpoolState]:
    """Return all spools that may hold records, and whether each was purged of tombstone `number`."""
    lives = spools.c.seen_at > func.now() - dt.timedelta(seconds=LIVES_S)
    query = select(spools, lives.label("lives"), (spools.c.purged_to >= number).label("purged"))
    async with engine.connect() as connection:
        rows = (await connection.execute(query.order_by(spools.c.host, spools.c.folder))).mappings().all()
    return [SpoolState(*(row[name] for name in SpoolState._fields)) for row in rows]


_id = predictions.c.prediction_id


def _covers(subject: Subject) -> ColumnElement[bool]:
    if subject.prediction_id is not None:
        return _id == subject.prediction_id
    return and_(predictions.c.product_id == subject.product_id, _id < subject.until)


def _feedback_of(subject: Subject, ids: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a query of one column
    return or_(feedback.c.prediction_id == subject.prediction_id, feedback.c.prediction_id.in_(ids))


async def _add_tombstones(connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    if rows:
        # Many rows, and the same prediction may be erased twice.
        await connection.execute(insert(tombstones).on_conflict_do_nothing(), rows)
