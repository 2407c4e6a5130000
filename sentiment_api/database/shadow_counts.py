"""How a shadow model's answers compare with the live model's, and both with feedback, counted in Postgres."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, not_, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.partitions import id_from
from sentiment_api.database.queries import latest_feedback, repeats
from sentiment_api.database.tables import predictions, shadow_predictions


class ShadowCounts(msgspec.Struct, frozen=True):
    """The texts that one version of the live model and one of a shadow both answered."""

    live_version: str
    shadow_version: str
    texts: int
    same_label: int
    judged: int
    """Of them those whose latest feedback tells the right label."""
    live_right: int
    shadow_right: int
    only_live_right: int
    only_shadow_right: int


async def count_shadow(
    engine: AsyncEngine, rating_labels: Mapping[str, str | None], start: dt.datetime | None, end: dt.datetime | None
) -> Sequence[ShadowCounts]:
    """Return the counts of each pair of versions, of predictions from `start` on and before `end`.

    Of those with one idempotency key and API key within 24 hours the first counts, as in the drift job.
    `rating_labels` says which label a rating, "1" to "5", stands for. A label given as feedback goes first.
    """
    rows = _compared(rating_labels, start, end).cte("compared").c
    live_right, shadow_right = rows.live == rows.told, rows.shadow == rows.told
    query = (
        select(
            rows.live_version,
            rows.shadow_version,
            func.count().label("texts"),
            _count(rows.live == rows.shadow, "same_label"),
            _count(rows.told.is_not(None), "judged"),
            _count(live_right, "live_right"),
            _count(shadow_right, "shadow_right"),
            _count(and_(live_right, not_(shadow_right)), "only_live_right"),
            _count(and_(shadow_right, not_(live_right)), "only_shadow_right"),
        )
        .group_by(rows.live_version, rows.shadow_version)
        .order_by(func.max(rows.created_at).desc())
    )
    async with engine.connect() as connection:
        found = (await connection.execute(query)).mappings().all()
    return [ShadowCounts(**each) for each in found]


def _compared(
    rating_labels: Mapping[str, str | None], start: dt.datetime | None, end: dt.datetime | None
) -> Select[Any]:
    """Return for each text the versions, what both models say, and what the latest feedback tells."""
    live, shadow = predictions.c, shadow_predictions.c
    latest = latest_feedback(predictions)
    meant = [(latest.c.rating == int(rating), label) for rating, label in rating_labels.items() if label]
    told = func.coalesce(latest.c.feedback_label, case(*meant)) if meant else latest.c.feedback_label
    repeated = repeats(*(None if each is None else id_from(each) for each in (start, end)))
    both = shadow_predictions.join(predictions, live.prediction_id == shadow.prediction_id)
    return (
        select(
            live.created_at,
            live.model_version.label("live_version"),
            shadow.model_version.label("shadow_version"),
            live.label.label("live"),
            shadow.label.label("shadow"),
            told.label("told"),
        )
        .select_from(both.outerjoin(latest, true()))
        .where(*_within(start, end), live.prediction_id.not_in(repeated))
    )


def _count(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
    return func.count().filter(condition).label(name)


def _within(start: dt.datetime | None, end: dt.datetime | None) -> list[ColumnElement[Any]]:
    """Return the bounds, of both tables: only then are other months left unread."""
    ids = (predictions.c.prediction_id, shadow_predictions.c.prediction_id)
    since = [] if start is None else [each >= id_from(start) for each in ids]
    until = [] if end is None else [each < id_from(end) for each in ids]
    return [*since, *until]
