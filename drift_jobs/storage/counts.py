"""Which rows of the prediction log count, and how many there are: questions that read neither JSON nor embeddings."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, and_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, UUID
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.windows import Window, day_window
from sentiment_api.database.partitions import first_id
from sentiment_api.database.queries import repeats
from sentiment_api.database.tables import CUSTOMER_SOURCES, feedback, predictions

EXTENDED_DAYS = 28
_DAY = dt.timedelta(days=1)
_MILLISECOND = dt.timedelta(milliseconds=1)  # what a UUIDv7 can tell apart


def counted(window: Window, version: str | None) -> ColumnElement[bool]:
    """Return the condition of the rows of `window` that count, of one model version or of all.

    Counted are customers' predictions, the first one per idempotency key and API key within 24 hours.
    """
    repeated = repeats(first_id(window.start), first_id(window.end))
    return and_(_customers(window, version), predictions.c.prediction_id.not_in(repeated))


def id_hash() -> ColumnElement[int]:
    """Return a hash of the row's id, evenly spread over all signed integers of 64 bits, the same at each reading."""
    return func.uuid_hash_extended(predictions.c.prediction_id, literal(0, BigInteger), type_=BigInteger)


async def allow_memory(connection: AsyncConnection) -> None:
    """Let Postgres keep the ids of repeats in memory until the transaction ends.

    With its usual 4 MB it compares each row with all of them one by one when it expects more than 170,000 of them:
    hours instead of seconds.
    """
    await connection.execute(text("set local work_mem = '64MB'"))


async def count_rows(connection: AsyncConnection, window: Window, version: str | None) -> int:
    """Return how many rows of `window` count."""
    await allow_memory(connection)
    query = select(func.count()).select_from(predictions).where(counted(window, version))
    return int(await connection.scalar(query) or 0)


async def versions_in(connection: AsyncConnection, window: Window) -> dict[str, int]:
    """Return how many rows of `window` count, by model version, in the order of their first prediction."""
    await allow_memory(connection)
    version = predictions.c.model_version
    first = func.min(predictions.c.created_at)
    query = select(version, func.count()).where(counted(window, None)).group_by(version).order_by(first, version)
    return {str(name): int(count) for name, count in await connection.execute(query)}


async def day_counts(
    connection: AsyncConnection, version: str, start: dt.date, end: dt.date, zone: ZoneInfo
) -> dict[dt.date, int]:
    """Return how many rows of `version` count on each day of `zone` from `start` to before `end`, in order; also 0."""
    days = [start + number * _DAY for number in range((end - start).days)]
    if not days:
        return {}
    await allow_memory(connection)
    bounds = [first_id(day_window(day, zone).start) for day in [*days, end]]
    # A UUIDv7 begins with its time: the days are ranges of ids, whatever Postgres knows of time zones.
    bucket = func.width_bucket(predictions.c.prediction_id, literal(bounds, ARRAY(UUID(as_uuid=True))))
    whole = Window(day_window(days[0], zone).start, day_window(days[-1], zone).end)
    query = select(bucket.label("day"), func.count()).where(counted(whole, version)).group_by(text("day"))
    found = {int(day): int(count) for day, count in await connection.execute(query)}
    return {day: found.get(number, 0) for number, day in enumerate(days, start=1)}


async def extended_start(
    connection: AsyncConnection,
    version: str,
    window: Window,
    zone: ZoneInfo,
    *,
    min_rows: int,
    days: int = EXTENDED_DAYS,
) -> dt.datetime:
    """Return the start of `window`, moved back over whole days of `zone` until `min_rows` rows of `version` count.

    It is not moved when there are enough, and never further than so many days before the window's end. Where they are
    not reached it is moved to the first of those days with a row, so that what there is can be described.
    """
    missing = min_rows - await count_rows(connection, window, version)
    earliest = (window.end - _MILLISECOND).astimezone(zone).date() - (days - 1) * _DAY
    day = (window.start - _MILLISECOND).astimezone(zone).date()
    start = window.start
    while missing > 0 and day >= earliest:
        whole = day_window(day, zone)
        found = await count_rows(connection, Window(whole.start, start), version)
        start = whole.start if found else start
        missing, day = missing - found, day - _DAY
    return start


async def input_state(connection: AsyncConnection, window: Window, version: str) -> str:
    """Return a short text that changes whenever predictions of `version` in `window`, or feedback for them, came.

    It knows the number of the rows and a sum over their ids, so that it also changes when some were erased and as many
    came. A repeat's first request that came late, and lies before the window, leaves it as it is.
    """
    of_version = _customers(window, version)
    rows = select(func.count(), func.bit_xor(id_hash())).where(of_version)
    count, ids = (await connection.execute(rows)).one()
    received = (
        select(func.count(), func.max(feedback.c.received_at))
        .select_from(feedback.join(predictions, feedback.c.prediction_id == predictions.c.prediction_id))
        .where(of_version, *_between(feedback.c.prediction_id, window))
    )
    labelled, latest = (await connection.execute(received)).one()
    moment = "never" if latest is None else latest.astimezone(dt.UTC).isoformat()
    return f"{count} rows {(ids or 0) & (2**64 - 1):016x}, {labelled} feedback, last {moment}"


def rows_part(state: str) -> str:
    """Return the part of an `input_state` that only rows change; another text without comma comes back whole."""
    return state.partition(", ")[0]


def _customers(window: Window, version: str | None) -> ColumnElement[bool]:
    """Return the window as a range of ids: UUIDv7 begin with their time, and the table is partitioned by them."""
    condition = and_(
        *_between(predictions.c.prediction_id, window),
        predictions.c.source.in_(CUSTOMER_SOURCES),
    )
    return condition if version is None else and_(condition, predictions.c.model_version == version)


def _between(column: ColumnElement[object], window: Window) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return column >= first_id(window.start), column < first_id(window.end)
