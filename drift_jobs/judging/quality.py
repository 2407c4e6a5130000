"""How right the predictions were, on the rows whose true label is known. Pure functions of frames."""

import datetime as dt
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from drift_jobs.judging.frames import LabelSet
from drift_jobs.runs import Coverage
from drift_jobs.statistics.areas import ranks, weighted_area
from drift_jobs.statistics.bootstrap import drawn_weights
from drift_jobs.statistics.samples import Codes, Floats

CALIBRATION_BINS = 10
OLDEST_DAYS = 14
"""Predictions of this age and above are counted together: labels that have not come by then hardly come."""
FEWEST_ROWS = 20
"""With fewer labelled rows a draw knows next to nothing of what else could have come: there is no interval."""


def labelled(frame: pd.DataFrame, labels: LabelSet) -> pd.DataFrame:
    """Return the rows whose true label is known and one of the model's, and whose probabilities are numbers."""
    known: pd.DataFrame = frame[frame["target"].isin(labels.names) & np.isfinite(frame["score"])]
    return known


def hits(frame: pd.DataFrame) -> int:
    """Return how many of the rows were labelled right."""
    return int((frame["label"] == frame["target"]).sum())


def quality(frame: pd.DataFrame, labels: LabelSet) -> dict[str, float | None]:
    """Return the measures of rows with a true label; None where they are not defined.

    - accuracy: share of right labels.
    - f1: of the positive label; with more than two labels the unweighted mean over them.
    - roc_auc: of the positive label; with more than two labels the unweighted mean of each against the rest. Not
      defined when a label does not occur.
    - brier: mean over rows of half the squared distance between the probabilities and the truth, 0 to 1; for two labels
      the usual (p - y)^2 (Brier 1950).
    - calibration_error: expected difference between score and accuracy over 10 equal bins of the score, 0 to 1 (Guo et
      al. 2017, arXiv 1706.04599).
    """
    if frame.empty:
        return dict.fromkeys(("accuracy", "f1", "roc_auc", "brier", "calibration_error"))
    return {
        "accuracy": hits(frame) / len(frame),
        "f1": _f1(frame, labels),
        "roc_auc": _roc_auc(frame, labels),
        "brier": _brier(frame, labels),
        "calibration_error": _calibration_error(frame),
    }


def intervals(frame: pd.DataFrame, labels: LabelSet) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of `quality`, by percentiles over products drawn with replacement.

    `frame` holds rows with a true label, as `quality` takes them; the same rows give the same intervals. Measures that
    are not defined have none, nor has any below 20 rows or two products. Draws of the calibration error are too large
    on average, since chance adds to every bin: its interval is moved to where their mean is the value itself.
    """
    if len(frame) < FEWEST_ROWS or frame["cluster"].nunique() < 2:
        return {}
    columns, draws = _measured(frame, labels), defaultdict(list)
    for weights in drawn_weights(frame["cluster"].to_numpy()):
        for name, value in _weighted_quality(columns, weights).items():
            draws[name].append(value)
    found = {name: _ends(values) for name, values in draws.items()}
    lower, upper = found["calibration_error"]
    moved = _calibration_error(frame) - float(np.mean(draws["calibration_error"]))
    return found | {"calibration_error": (max(0.0, lower + moved), upper + moved)}


def coverage(frame: pd.DataFrame, now: dt.datetime) -> tuple[Coverage, ...]:
    """Return how many predictions of each age have a true label at `now`, the youngest first.

    Ages are whole days, 14 and more together. Nothing for frames that do not know when their rows were predicted.
    """
    if "created_at" not in frame or frame.empty:
        return ()
    ages = (pd.Timestamp(now) - pd.to_datetime(frame["created_at"], utc=True)) // pd.Timedelta(days=1)
    days = ages.clip(0, OLDEST_DAYS).to_numpy(dtype=int)
    rows, known = np.bincount(days), np.bincount(days, weights=frame["target"].notna())
    return tuple(Coverage(days=int(day), rows=int(rows[day]), labelled=int(known[day])) for day in np.flatnonzero(rows))


class _Measured(NamedTuple):
    """What the measures are sums of, row by row."""

    hits: Floats
    distances: Floats
    truth: Floats
    """`(n, n_counted)`: 1 for the true label, of those labels that F1 and ROC AUC are about."""
    given: Floats
    ranked: list[Codes]
    bins: Codes
    gaps: Floats


def _measured(frame: pd.DataFrame, labels: LabelSet) -> _Measured:
    counted = [labels.positive] if len(labels.names) == 2 else list(labels.names)
    target, label, score = (frame[name].to_numpy() for name in ("target", "label", "score"))
    hits: Floats = (label == target).astype(float)
    return _Measured(
        hits=hits,
        distances=_distances(frame, labels),
        truth=np.stack([target == name for name in counted], axis=1).astype(float),
        given=np.stack([label == name for name in counted], axis=1).astype(float),
        ranked=[ranks(frame[f"probability_{name}"].to_numpy()) for name in counted],
        bins=_bins(score),
        gaps=hits - score,
    )


def _weighted_quality(columns: _Measured, weights: Floats) -> dict[str, float]:
    """Return the measures of rows that count as often as `weights` says, without those that are not defined."""
    rows = weights.sum()
    both = weights @ (columns.truth * columns.given)
    either = weights @ columns.truth + weights @ columns.given
    areas = [
        weighted_area(ranked, weights * truth, weights * (1 - truth))
        for ranked, truth in zip(columns.ranked, columns.truth.T, strict=True)
    ]
    known = [area for area in areas if area is not None]
    area = {"roc_auc": float(np.mean(known))} if len(known) == len(areas) else {}
    return area | {
        "accuracy": float(weights @ columns.hits / rows),
        "f1": float(np.mean(2 * both / np.maximum(either, 1))),
        "brier": float(weights @ columns.distances / rows),
        "calibration_error": float(np.abs(np.bincount(columns.bins, weights * columns.gaps)).sum() / rows),
    }


def _ends(draws: list[float]) -> tuple[float, float]:
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return float(lower), float(upper)


def _f1(frame: pd.DataFrame, labels: LabelSet) -> float:
    target, label = frame["target"].to_list(), frame["label"].to_list()
    if len(labels.names) == 2:
        return float(f1_score(target, label, pos_label=labels.positive, zero_division=0.0))
    return float(f1_score(target, label, labels=list(labels.names), average="macro", zero_division=0.0))


def _roc_auc(frame: pd.DataFrame, labels: LabelSet) -> float | None:
    truth = _one_hot(frame, labels)
    if not truth.any(axis=0).all():
        return None
    probabilities = frame[labels.probability_columns].to_numpy()
    if len(labels.names) == 2:
        positive = labels.names.index(labels.positive)
        return float(roc_auc_score(truth[:, positive], probabilities[:, positive]))
    return float(np.mean([roc_auc_score(truth[:, i], probabilities[:, i]) for i in range(len(labels.names))]))


def _brier(frame: pd.DataFrame, labels: LabelSet) -> float:
    return float(_distances(frame, labels).mean())


def _distances(frame: pd.DataFrame, labels: LabelSet) -> Floats:
    difference = frame[labels.probability_columns].to_numpy() - _one_hot(frame, labels)
    distances: Floats = (difference**2).sum(axis=1) / 2
    return distances


def _calibration_error(frame: pd.DataFrame) -> float:
    score = frame["score"].to_numpy()
    right = (frame["label"] == frame["target"]).to_numpy(dtype=float)
    gaps = np.bincount(_bins(score), weights=right - score)
    return float(np.abs(gaps).sum() / len(score))


def _bins(score: Floats) -> Codes:
    bins: Codes = np.minimum((score * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    return bins


def _one_hot(frame: pd.DataFrame, labels: LabelSet) -> NDArray[np.bool_]:
    target = frame["target"].to_numpy()
    return np.stack([target == name for name in labels.names], axis=1)
