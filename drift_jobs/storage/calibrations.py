"""The tables `drift_calibrations` and `drift_floors`: what quiet windows look like. All their SQL is here."""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import RowMapping, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection
from uuid_utils.compat import uuid7

from drift_jobs.judging.calibration import Calibration
from drift_jobs.judging.metrics import practical_floor
from drift_jobs.runs import BackTest
from sentiment_api.database.tables import drift_calibrations, drift_floors

_KEY = ("model_version", "reference", "reference_state", "size")


async def find_calibration(
    connection: AsyncConnection, version: str, reference: str, state: str, size: int
) -> Calibration | None:
    """Return what was learned of windows of `size` rows against this content of `reference`, or None."""
    wanted = dict(zip(_KEY, (version, reference, state, size), strict=True))
    query = select(drift_calibrations).where(*(drift_calibrations.c[name] == value for name, value in wanted.items()))
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _calibration(row, await _floors_of(connection, row["calibration_id"]))


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


def _floors(calibration: Calibration) -> Iterator[dict[str, object]]:
    """Return the rows of the table. Runs are judged by `errors`; `floor` is there to be read."""
    for metric, quantile in calibration.quantiles.items():
        yield {
            "metric": metric,
            "segment": "",
            "size": calibration.size,
            "floor": max(practical_floor(metric), quantile),
            "quantile": quantile,
            "errors": calibration.errors[metric],
        }


async def _floors_of(connection: AsyncConnection, calibration_id: uuid.UUID) -> Sequence[RowMapping]:
    query = select(drift_floors).where(drift_floors.c.calibration_id == calibration_id).order_by(drift_floors.c.metric)
    return (await connection.execute(query)).mappings().all()


def _calibration(row: RowMapping, floors: Sequence[RowMapping]) -> Calibration:
    return Calibration(
        size=row["size"],
        windows=row["windows"],
        products=row["products"],
        quantiles={floor["metric"]: floor["quantile"] for floor in floors},
        errors={floor["metric"]: floor["errors"] for floor in floors},
        smallest_p=tuple(row["smallest_p"]),
        back_test=msgspec.convert(row["back_test"], BackTest),
    )
