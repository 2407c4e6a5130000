"""The Evidently part of a report: what both sides look like. The only file that imports Evidently.

It describes and never decides: of its widgets only those are used that show no verdict of their own (column summaries
and classification quality), because its defaults have other error rates than ours and would contradict the verdict
above them. No automatic tests, no t-SNE of the embeddings, and no text: its text widgets would copy whole reviews into
the page. As it only describes, it is shown at most `DESCRIBED_ROWS` of each side, drawn at random by a fixed seed.
"""

import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Report
from evidently.core.container import MetricOrContainer
from evidently.metrics import Accuracy, F1Score, Precision, Recall, RowCount
from evidently.presets import ClassificationQuality, ValueStats

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet
from drift_jobs.reporting.summary import DESCRIBED_ROWS

logger = logging.getLogger(__name__)

Piece = list[MetricOrContainer]


class Description(msgspec.Struct, frozen=True):
    """What Evidently made of two frames."""

    html: str
    """A whole page that loads nothing from outside."""
    snapshot: str
    """JSON, from which the same Evidently version renders the page again. Windows of one row bring bare NaN into it."""
    left_out: tuple[str, ...]
    """What Evidently failed to describe."""


def describe(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Description | None:
    """Return a page about both frames, or None when one is empty or nothing could be described.

    Where true labels of two kinds are known on both sides, it shows quality on the rows that have them. One widget that
    fails costs only itself. Of more than `DESCRIBED_ROWS` a side it describes that many.
    """
    if current.empty or reference.empty:
        return None
    current, reference = _drawn(current), _drawn(reference)
    sides = _visible(current, reference, labels)
    pieces = _pieces(sides)
    try:
        return _description(pieces.values(), sides)
    except Exception as error:  # noqa: BLE001 - Evidently raises anything for data it does not like
        logger.warning("Evidently failed on the whole report (%s); trying its pieces", type(error).__name__)
    kept = {name: piece for name, piece in pieces.items() if _succeeds(name, piece, sides)}
    return _description(kept.values(), sides, tuple(name for name in pieces if name not in kept)) if kept else None


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to describe: all, or as many as a reader needs, the same ones each time."""
    return frame if len(frame) <= DESCRIBED_ROWS else frame.sample(DESCRIBED_ROWS, random_state=0).sort_index()


class Sides(NamedTuple):
    """The two frames with the columns that Evidently may see: those that have a value on both sides."""

    current: pd.DataFrame
    reference: pd.DataFrame
    labels: LabelSet


def _visible(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> Sides:
    """Return the frames without texts, embeddings and infinite numbers, and with words for yes and no."""
    wanted = [*_columns(labels), *labels.probability_columns, "target"]
    finite = [frame[wanted].replace([np.inf, -np.inf], np.nan).reset_index(drop=True) for frame in (current, reference)]
    frames = [
        frame.assign(
            truncated=frame["truncated"].map({0.0: "no", 1.0: "yes"}),
            target=frame["target"].where(frame["target"].isin(labels.names)),
        )
        for frame in finite
    ]
    kept = [name for name in wanted if all(frame[name].notna().any() for frame in frames)]
    return Sides(frames[0][kept], frames[1][kept], labels)


def _columns(labels: LabelSet) -> list[str]:
    return ["label", *labels.logit_columns, "score", *DESCRIPTORS]


def _pieces(sides: Sides) -> dict[str, Piece]:
    shown = [name for name in _columns(sides.labels) if name in sides.current.columns]
    pieces: dict[str, Piece] = {"rows": [RowCount()]}
    pieces |= {name: [ValueStats(column=name)] for name in shown}
    if _has_two_targets(sides.current) and _has_two_targets(sides.reference):
        pieces["quality"] = _quality(sides.labels)
    return pieces


def _has_two_targets(frame: pd.DataFrame) -> bool:
    return "target" in frame.columns and len(frame["target"].dropna().unique()) > 1


def _quality(labels: LabelSet) -> Piece:
    if len(labels.names) == 2:
        return [ClassificationQuality(conf_matrix=True, include_tests=False)]
    return [metric(conf_matrix=False) for metric in (Accuracy, F1Score, Precision, Recall)]


def _succeeds(name: str, piece: Piece, sides: Sides) -> bool:
    try:
        _description([piece], sides)
    except Exception as error:  # noqa: BLE001 - as above; the message may quote data, its type does not
        logger.warning("Evidently could not describe %s: %s", name, type(error).__name__)
        return False
    return True


def _description(pieces: Iterable[Piece], sides: Sides, left_out: tuple[str, ...] = ()) -> Description:
    report = Report([metric for piece in pieces for metric in piece], include_tests=False)
    current, reference = (_dataset(frame, sides.labels) for frame in (sides.current, sides.reference))
    snapshot = report.run(current, reference)
    return Description(snapshot.get_html_str(as_iframe=False), snapshot.dumps(), left_out)


def _dataset(frame: pd.DataFrame, labels: LabelSet) -> Dataset:
    categories = [name for name in ("label", "truncated", "target") if name in frame.columns]
    definition = DataDefinition(
        numerical_columns=[name for name in frame.columns if name not in categories],
        categorical_columns=categories,
        classification=[_classification(labels)] if "target" in categories else [],
    )
    return Dataset.from_pandas(frame, definition)


def _classification(labels: LabelSet) -> BinaryClassification | MulticlassClassification:
    if len(labels.names) != 2:
        return MulticlassClassification(target="target", prediction_labels="label")
    return BinaryClassification(
        target="target",
        prediction_labels="label",
        prediction_probas=f"probability_{labels.positive}",
        pos_label=labels.positive,
    )
