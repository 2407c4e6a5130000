"""The tables `drift_calibrations` and `drift_floors`: what quiet windows look like. All their SQL is here."""

import datetime as dt
import uuid
from collections.abc import Iterator

import msgspec
from sqlalchemy import ColumnElement, RowMapping, and_, insert, select, true
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from drift_jobs.judging.calibration import Calibration
from drift_jobs.judging.comparisons import practical_floor
from drift_jobs.runs import BackTest
from sentiment_api.database.tables import drift_calibrations, drift_floors

_KEY = ("model_version", "reference", "reference_state", "size")


class StoredCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """A calibration, and what it is of."""

    model_version: str
    reference: str
    """As in `drift_runs`."""
    reference_state: str
    """Changes when the reference's rows do; then this is one of the past."""
    created_at: dt.datetime
    calibration: Calibration


async def find_calibration(
    connection: AsyncConnection, version: str, reference: str, state: str, size: int
) -> Calibration | None:
    """Return what was learned of windows of `size` rows against this content of `reference`, or None."""
    wanted = dict(zip(_KEY, (version, reference, state, size), strict=True))
    found = await _calibrations(
        connection, and_(*(drift_calibrations.c[name] == value for name, value in wanted.items()))
    )
    return found[0].calibration if found else None


async def store_calibration(
    connection: AsyncConnection, version: str, reference: str, state: str, calibration: Calibration, now: dt.datetime
) -> Calibration:
    """Store a calibration with its floors, unless there is one; return the one that is stored. Commit is the caller's.

    Two processes that calibrate at once judge by the same one: the first's.
    """
    values = {
        **dict(zip(_KEY, (version, reference, state, calibration.size), strict=True)),
        "calibration_id": uuid7(),
        "windows": calibration.windows,
        "products": calibration.products,
        "smallest_p": list(calibration.smallest_p),
        "back_test": msgspec.to_builtins(calibration.back_test),
        "created_at": now,
    }
    statement = postgresql.insert(drift_calibrations).values(values).on_conflict_do_nothing(index_elements=_KEY)
    stored = await connection.scalar(statement.returning(drift_calibrations.c.calibration_id))
    floors = list(_floors(calibration))
    if stored is not None and floors:
        common = {"calibration_id": stored, "model_version": version, "reference": reference}
        await connection.execute(insert(drift_floors), [common | floor for floor in floors])
    return await find_calibration(connection, version, reference, state, calibration.size) or calibration


async def list_calibrations(connection: AsyncConnection, version: str | None = None) -> list[StoredCalibration]:
    """Return all calibrations, of one model version or of all, the newest first."""
    return await _calibrations(connection, true() if version is None else drift_calibrations.c.model_version == version)


def _floors(calibration: Calibration) -> Iterator[dict[str, object]]:
    for metric, quantile in calibration.quantiles.items():
        yield {
            "metric": metric,
            "segment": "",
            "size": calibration.size,
            "floor": max(practical_floor(metric), quantile),
            "quantile": quantile,
            "errors": calibration.errors[metric],
        }


async def _calibrations(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[StoredCalibration]:
    newest = (drift_calibrations.c.created_at.desc(), drift_calibrations.c.calibration_id.desc())
    query = select(drift_calibrations).where(condition).order_by(*newest)
    rows = (await connection.execute(query)).mappings().all()
    floors = await _floors_of(connection, [row["calibration_id"] for row in rows])
    return [_calibration(row, floors[row["calibration_id"]]) for row in rows]


async def _floors_of(connection: AsyncConnection, ids: list[uuid.UUID]) -> dict[uuid.UUID, list[RowMapping]]:
    """Return the floors of each calibration, by metric."""
    query = select(drift_floors).where(drift_floors.c.calibration_id.in_(ids)).order_by(drift_floors.c.metric)
    found: dict[uuid.UUID, list[RowMapping]] = {one: [] for one in ids}
    for row in (await connection.execute(query)).mappings():
        found[row["calibration_id"]].append(row)
    return found


def _calibration(row: RowMapping, floors: list[RowMapping]) -> StoredCalibration:
    calibration = Calibration(
        size=row["size"],
        windows=row["windows"],
        products=row["products"],
        quantiles={floor["metric"]: floor["quantile"] for floor in floors},
        errors={floor["metric"]: floor["errors"] for floor in floors},
        smallest_p=tuple(row["smallest_p"]),
        back_test=msgspec.convert(row["back_test"], BackTest),
    )
    kept = ("model_version", "reference", "reference_state", "created_at")
    return StoredCalibration(calibration=calibration, **{name: row[name] for name in kept})
