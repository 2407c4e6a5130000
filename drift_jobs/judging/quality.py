"""How right the predictions were, on the rows whose true label is known. Pure functions of frames."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from drift_jobs.judging.frames import LabelSet

CALIBRATION_BINS = 10


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
    distance = frame[labels.probability_columns].to_numpy() - _one_hot(frame, labels)
    return float((distance**2).sum(axis=1).mean() / 2)


def _calibration_error(frame: pd.DataFrame) -> float:
    score = frame["score"].to_numpy()
    right = (frame["label"] == frame["target"]).to_numpy(dtype=float)
    bins = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - score, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(score))


def _one_hot(frame: pd.DataFrame, labels: LabelSet) -> NDArray[np.bool_]:
    target = frame["target"].to_numpy()
    return np.stack([target == name for name in labels.names], axis=1)
