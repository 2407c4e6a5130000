"""The Evidently part of a report: what both sides look like. The only file that imports Evidently.

It describes and never decides: of its widgets only those are used that show no verdict of their own (column summaries
and classification quality), because its defaults have other error rates than ours and would contradict the verdict
above them. No automatic tests, no t-SNE of the embeddings, and no text: its text widgets would copy whole reviews into
the page. As it only describes, it is shown at most `DESCRIBED_ROWS` of each side, drawn at random by a fixed seed.
"""

import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Report
from evidently.core.container import MetricOrContainer
from evidently.core.report import Snapshot
from evidently.metrics import Accuracy, F1Score, Precision, Recall, RowCount
from evidently.presets import ClassificationQuality, ValueStats

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet
from drift_jobs.reporting.summary import DESCRIBED_ROWS

logger = logging.getLogger(__name__)

Piece = list[MetricOrContainer]
Evidently = Callable[[Piece, Dataset, Dataset], Snapshot]
"""Computes metrics of the current and the reference rows."""


class Description(msgspec.Struct, frozen=True):
    """What Evidently made of two frames."""

    html: str = ""
    """A whole page that loads nothing from outside; empty, as the snapshot is, when `failure` says why."""
    snapshot: str = ""
    """JSON, from which the same Evidently version renders the page again. Windows of one row bring bare NaN into it."""
    left_out: tuple[str, ...] = ()
    """What Evidently failed to describe."""
    failure: str = ""
    """Of what kind the error was that left nothing of the page."""


class Sides(NamedTuple):
    """The two frames with the columns that Evidently may see: those that have a value on both sides."""

    current: pd.DataFrame
    reference: pd.DataFrame
    labels: LabelSet


def _evidently(metrics: Piece, current: Dataset, reference: Dataset) -> Snapshot:
    return Report(metrics, include_tests=False).run(current, reference)


def describe(
    current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet, evidently: Evidently = _evidently
) -> Description | None:
    """Return a page about both frames, or None when one is empty.

    Where true labels of two kinds are known on both sides, it shows quality on the rows that have them. One widget that
    fails costs only itself, and whatever else fails only the page. Of more than `DESCRIBED_ROWS` a side it describes
    that many.
    """
    if current.empty or reference.empty:
        return None
    try:
        return _described(_visible(_drawn(current), _drawn(reference), labels), evidently)
    except Exception as error:  # noqa: BLE001 - Evidently raises anything for data it does not like
        # Its type only, here and below: the message may quote data.
        logger.warning("Evidently failed, and nothing of its page is left: %s", type(error).__name__)
        return Description(failure=type(error).__name__)


def _described(sides: Sides, evidently: Evidently) -> Description:
    pieces = _pieces(sides)
    try:
        return _description(pieces.values(), sides, evidently)
    except Exception as error:
        logger.warning("Evidently failed on the whole report (%s); trying its pieces", type(error).__name__)
        kept = {name: piece for name, piece in pieces.items() if _succeeds(name, piece, sides, evidently)}
        if not kept:
            raise
        left_out = tuple(name for name in pieces if name not in kept)
        return _description(kept.values(), sides, evidently, left_out)


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows to describe: all, or as many as a reader needs, the same ones each time."""
    return frame if len(frame) <= DESCRIBED_ROWS else frame.sample(DESCRIBED_ROWS, random_state=0).sort_index()


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


def _succeeds(name: str, piece: Piece, sides: Sides, evidently: Evidently) -> bool:
    try:
        _description([piece], sides, evidently)
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("Evidently could not describe %s: %s", name, type(error).__name__)
        return False
    return True


def _description(
    pieces: Iterable[Piece], sides: Sides, evidently: Evidently, left_out: tuple[str, ...] = ()
) -> Description:
    current, reference = (_dataset(frame, sides.labels) for frame in (sides.current, sides.reference))
    snapshot = evidently([metric for piece in pieces for metric in piece], current, reference)
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
