"""Reads windows of the prediction log as frames. It knows which rows count, and never reads a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import ColumnElement, FromClause, Select, and_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, label_set, matrix, sample_frame
from drift_jobs.windows import Window
from sentiment_api.bundle import Manifest
from sentiment_api.database.partitions import first_id
from sentiment_api.database.repeats import repeats
from sentiment_api.database.tables import CUSTOMER_SOURCES, feedback, predictions
from sentiment_api.descriptors import DESCRIPTORS_VERSION


async def read_predictions(connection: AsyncConnection, window: Window) -> pd.DataFrame:
    """Return the rows of `window` that count, of all model versions, by prediction_id.

    Counted are customers' predictions, the first one per idempotency key and API key within 24 hours, each with the
    feedback that was received last. Columns are those of the tables; a row of `feedback` shows as `rating` and
    `given_label`.
    """
    result = await connection.execute(_query(window))
    return pd.DataFrame(result.all(), columns=list(result.keys()))


def by_version(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each model version, in the order of their first prediction."""
    return {str(version): found for version, found in rows.groupby("model_version", sort=False)}


def labels_fit(rows: pd.DataFrame, labels: LabelSet) -> bool:
    """Return whether `rows` come from a model with these labels in this order: each label has its row's largest logit.

    The log does not keep the order of the labels, and another model's may differ.
    """
    return all(map(_fits, rows["logits"], rows["label"], rows["probabilities"], [labels.names] * len(rows)))


def prediction_frame(rows: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Return the frame of rows for which `labels_fit`, with `prediction_id` and `created_at` as further columns.

    The target is the label that was given as feedback, else what the rating stands for. Descriptors that were computed
    by another version of their definition are missing: they cannot be compared.
    """
    labels = label_set(manifest)
    probabilities = ([row[name] for name in labels.names] for row in rows["probabilities"])
    frame = sample_frame(
        labels,
        logits=matrix(rows["logits"], len(labels.names)),
        probabilities=matrix(probabilities, len(labels.names)),
        label=rows["label"],
        target=_targets(rows, manifest),
        product=rows["product_id"],
        embedding=rows["embedding"],
        descriptors=_descriptors(rows),
    )
    return frame.assign(prediction_id=rows["prediction_id"].to_numpy(), created_at=rows["created_at"].to_numpy())


def _query(window: Window) -> Select[Any]:
    """Return the query of `read_predictions`, in a form whose cost grows with its rows even when statistics are stale.

    An anti-join on the key, or a join with the latest feedback of the window, was planned as a nested loop on a table
    that had just been filled: 25 s for 20,000 rows instead of 0.2 s.
    """
    latest = _latest_feedback()
    repeated = repeats(first_id(window.start), first_id(window.end))
    wanted = (
        "prediction_id", "created_at", "product_id", "model_name", "model_version", "descriptors",
        "descriptors_version", "logits", "label", "probabilities", "embedding",
    )  # fmt: skip
    return (
        select(*(predictions.c[name] for name in wanted), latest.c.rating, latest.c.label.label("given_label"))
        .select_from(predictions.outerjoin(latest, true()))
        .where(_customers(window), predictions.c.prediction_id.not_in(repeated))
        .order_by(predictions.c.prediction_id)
    )


def _customers(window: Window) -> ColumnElement[bool]:
    """Return the window as a range of ids: UUIDv7 begin with their time, and the table is partitioned by them."""
    return and_(
        predictions.c.prediction_id >= first_id(window.start),
        predictions.c.prediction_id < first_id(window.end),
        predictions.c.source.in_(CUSTOMER_SOURCES),
    )


def _latest_feedback() -> FromClause:
    return (
        select(feedback.c.rating, feedback.c.label)
        .where(feedback.c.prediction_id == predictions.c.prediction_id)
        .order_by(feedback.c.received_at.desc(), feedback.c.feedback_id.desc())
        .limit(1)
        .lateral("latest_feedback")
    )


def _fits(logits: Sequence[float], label: str, probabilities: dict[str, float], names: tuple[str, ...]) -> bool:
    if len(logits) != len(names) or set(probabilities) != set(names) or label not in names:
        return False
    return logits[names.index(label)] == max(logits)


def _targets(rows: pd.DataFrame, manifest: Manifest) -> list[str | None]:
    return [
        given if isinstance(given, str) else None if pd.isna(rating) else manifest.rating_labels.get(str(int(rating)))
        for given, rating in zip(rows["given_label"], rows["rating"], strict=True)
    ]


def _descriptors(rows: pd.DataFrame) -> dict[str, list[float]]:
    comparable = rows["descriptors_version"] == DESCRIPTORS_VERSION
    return {
        name: [
            float(found.get(name, np.nan)) if current else np.nan
            for found, current in zip(rows["descriptors"], comparable, strict=True)
        ]
        for name in DESCRIPTORS
    }
