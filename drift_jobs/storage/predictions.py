"""Reads windows of the prediction log as frames. It knows which rows count, and never reads a text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, FromClause, Row, Select, Text, cast, literal, select, true, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, label_set, matrix, sample_frame
from drift_jobs.judging.segments import SEGMENT_PREFIX
from drift_jobs.storage.counts import allow_memory, count_rows, counted, id_hash
from drift_jobs.windows import Window
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.model.bundle import Manifest
from sentiment_api.model.descriptors import DESCRIPTORS_VERSION

_CHUNK = 5_000  # rows at a time are Python objects: 20 MB
_PLAIN = (
    "prediction_id", "created_at", "product_id", "model_name", "model_version", "descriptors_version", "label",
)  # fmt: skip
_ARRAYS = ("logits", "embedding")
"""Taken as asyncpg gives them: SQLAlchemy would copy each number."""
_DESCRIPTORS = msgspec.json.Decoder(dict[str, float | bool | None])
_PROBABILITIES = msgspec.json.Decoder(dict[str, float | None])
"""Null is how JSON writes what is no number."""


class WindowRows(NamedTuple):
    """What was read of a window."""

    table: pd.DataFrame
    """A row for each prediction, by prediction_id. Columns are those of the log's tables, each descriptor one by
    itself; a row of `feedback` shows as `rating` and `given_label`, and segments as `segment_...`."""
    in_window: int
    """Rows of the window that count, before sampling."""

    @property
    def sampled(self) -> bool:
        """Return whether rows were left out."""
        return len(self.table) < self.in_window


async def read_predictions(
    connection: AsyncConnection,
    window: Window,
    *,
    cap: int | None = None,
    version: str | None = None,
    segment_keys: Sequence[str] = (),
) -> WindowRows:
    """Return the rows of `window` that count (see `counted`), each with the feedback that was received last.

    When there are more than `cap`, about that many are taken by a hash of their ids: the same ones each time. Each of
    `segment_keys` is a key of the requests' metadata; its value becomes the column `segment_KEY`.
    """
    in_window = None if cap is None else await count_rows(connection, window, version)
    share = 1.0 if cap is None or not in_window else min(1.0, cap / in_window)
    await allow_memory(connection)
    query = _query(window, version, share, segment_keys)
    columns: dict[str, list[Any]] = {name: [] for name in [*query.selected_columns.keys(), *DESCRIPTORS]}
    async with connection.stream(query, execution_options={"yield_per": _CHUNK}) as result:
        async for chunk in result.partitions():
            for name, values in _columns(chunk, query.selected_columns.keys()).items():
                columns[name].extend(values)
    table = _table(columns)
    return WindowRows(table, len(table) if in_window is None else in_window)


def labels_fit(rows: pd.DataFrame, labels: LabelSet) -> bool:
    """Return whether `rows` come from a model with these labels in this order: each label has its row's largest logit.

    The log does not keep the order of the labels, and another model's may differ. Of a row with a logit that is no
    number only the labels are looked at.
    """
    return all(map(_fits, rows["logits"], rows["label"], rows["probabilities"], [labels.names] * len(rows)))


def prediction_frame(rows: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Return the frame of rows for which `labels_fit`, with `prediction_id` and `created_at` as further columns.

    Rows with a logit that is no finite number are left out: the label that was given with it says nothing.
    The target is the label that was given as feedback, else what the rating stands for. Descriptors that were computed
    by another version of their definition are missing: they cannot be compared. Segments are `segment_product` and one
    column for each key that was read, missing where a row has none.
    """
    labels = label_set(manifest)
    rows = rows[np.array([_are_numbers(logits) for logits in rows["logits"]], dtype=bool)]
    probabilities = ([row[name] for name in labels.names] for row in rows["probabilities"])
    comparable = (rows["descriptors_version"] == DESCRIPTORS_VERSION).to_numpy()
    frame = sample_frame(
        labels,
        logits=matrix(rows["logits"], len(labels.names)),
        probabilities=matrix(probabilities, len(labels.names)),
        label=rows["label"],
        target=_targets(rows, manifest),
        product=rows["product_id"],
        embedding=[None] * len(rows),
        descriptors={name: np.where(comparable, rows[name], np.nan) for name in DESCRIPTORS},
    )
    further = ["prediction_id", "created_at", *(name for name in rows.columns if name.startswith(SEGMENT_PREFIX))]
    # The embeddings stay what they are, rows of a few float32 matrices: as arrays of their own they took three times
    # the memory.
    return frame.assign(**{name: rows[name].set_axis(frame.index) for name in ("embedding", *further)})


def _query(window: Window, version: str | None, share: float, segment_keys: Sequence[str]) -> Select[Any]:
    """Return the query of `read_predictions`, in a form whose cost grows with its rows even when statistics are stale.

    An anti-join on the key, or a join with the latest feedback of the window, was planned as a nested loop on a table
    that had just been filled: 25 s for 20,000 rows instead of 0.2 s.
    """
    latest = _latest_feedback()
    return (
        select(
            *(predictions.c[name] for name in _PLAIN),
            *(type_coerce(predictions.c[name], NullType()).label(name) for name in _ARRAYS),
            *(cast(predictions.c[name], Text).label(name) for name in ("descriptors", "probabilities")),
            latest.c.rating,
            latest.c.label.label("given_label"),
            predictions.c.product_id.label(f"{SEGMENT_PREFIX}product"),
            *(predictions.c.metadata[key].astext.label(f"{SEGMENT_PREFIX}{key}") for key in segment_keys),
        )
        .select_from(predictions.outerjoin(latest, true()))
        .where(counted(window, version), _sampled(share))
        .order_by(predictions.c.prediction_id)
    )


def _sampled(share: float) -> ColumnElement[bool]:
    """Return the condition of about this share of the rows: those whose hash is among the smallest."""
    return true() if share >= 1 else id_hash() < literal(int(share * 2**64) - 2**63, id_hash().type)


def _latest_feedback() -> FromClause:
    return (
        select(feedback.c.rating, feedback.c.label)
        .where(feedback.c.prediction_id == predictions.c.prediction_id)
        .order_by(feedback.c.received_at.desc(), feedback.c.feedback_id.desc())
        .limit(1)
        .lateral("latest_feedback")
    )


def _columns(chunk: Sequence[Row[Any]], names: Sequence[str]) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*chunk, strict=True), strict=True))
    found = [_DESCRIPTORS.decode(row) for row in columns.pop("descriptors")]
    columns["probabilities"] = [_PROBABILITIES.decode(row) for row in columns["probabilities"]]
    columns["embedding"] = _views(columns["embedding"])
    return {**columns, **{name: [row.get(name) for row in found] for name in DESCRIPTORS}}


def _views(rows: Sequence[Sequence[float]]) -> list[NDArray[np.float32] | None]:
    """Return the embeddings as rows of one matrix where they have one width, and None for those without."""
    if len(set(map(len, rows))) == 1 and len(rows[0]):
        return list(np.array(rows, dtype=np.float32))
    return [np.array(row, dtype=np.float32) if len(row) else None for row in rows]


def _table(columns: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return the columns with the types that they have also when they are empty."""
    numbers = {name: np.array(columns[name], dtype=float) for name in ("rating", *DESCRIPTORS)}
    moments = pd.to_datetime(pd.Series(columns["created_at"], dtype="datetime64[us, UTC]"))
    others = {name: pd.Series(values, dtype=object) for name, values in columns.items() if name != "descriptors"}
    return pd.DataFrame({**others, **numbers, "created_at": moments})


def _fits(logits: Sequence[float], label: str, probabilities: Mapping[str, object], names: tuple[str, ...]) -> bool:
    if len(logits) != len(names) or set(probabilities) != set(names) or label not in names:
        return False
    return not _are_numbers(logits) or logits[names.index(label)] == max(logits)


def _are_numbers(logits: Sequence[float]) -> bool:
    return all(map(math.isfinite, logits))


def _targets(rows: pd.DataFrame, manifest: Manifest) -> list[str | None]:
    return [
        given if isinstance(given, str) else None if np.isnan(rating) else manifest.rating_labels.get(str(int(rating)))
        for given, rating in zip(rows["given_label"], rows["rating"], strict=True)
    ]
