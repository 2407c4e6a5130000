"""How right the predictions were, on the rows whose true label is known. Pure functions of frames."""

import datetime as dt

import numpy as np
import pandas as pd

from drift_jobs.judging.frames import LabelSet
from drift_jobs.runs import Coverage
from drift_jobs.statistics.performance import ranks, shares_below
from drift_jobs.statistics.samples import Codes, Floats, drawn_sums

MEASURES = ("accuracy", "f1", "roc_auc", "brier", "calibration_error")
CALIBRATION_BINS = 10
OLDEST_DAYS = 14
"""Predictions of this age and above are counted together: labels that have not come by then hardly come."""
FEWEST_ROWS = 20
"""With fewer labelled rows a draw knows next to nothing of what else could have come: there is no interval."""


def labelled(frame: pd.DataFrame, labels: LabelSet) -> pd.DataFrame:
    """Return the rows whose true label is known and one of the model's, and whose probabilities are numbers."""
    known: pd.DataFrame = frame[frame["target"].isin(labels.names) & np.isfinite(frame["score"])]
    return known


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
        return dict.fromkeys(MEASURES)
    totals = _totals(_summands(frame, labels))
    found = {name: float(value[0]) for name, value in _measures(totals, _areas(totals)).items()}
    return {name: found[name] if np.isfinite(found[name]) else None for name in MEASURES}


def intervals(frame: pd.DataFrame, labels: LabelSet) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of `quality`, by percentiles over products drawn with replacement.

    `frame` holds rows with a true label, as `quality` takes them; the same rows give the same intervals. Measures that
    are not defined have none, nor has any below 20 rows or two products. Draws of the calibration error are too large
    on average, since chance adds to every bin: its interval is moved to where their mean is the value itself.
    """
    if len(frame) < FEWEST_ROWS or frame["cluster"].nunique() < 2:
        return {}
    summands = _summands(frame, labels)
    totals = _totals(summands)
    areas = _areas(totals)
    values, draws = _measures(totals, areas), _measures(_drawn(summands, frame["cluster"].to_numpy()), areas)
    draws["calibration_error"] += values["calibration_error"] - draws["calibration_error"].mean()
    return {name: _ends(draws[name]) for name in MEASURES if np.isfinite(values[name][0])}


def _ends(draws: Floats) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % percentile, between 0 and 1, of the draws that are numbers."""
    lower, upper = np.clip(np.nanquantile(draws, [0.025, 0.975]), 0.0, 1.0)
    return float(lower), float(upper)


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


def _summands(frame: pd.DataFrame, labels: LabelSet) -> dict[str, Floats]:
    """Return, row by row, what the measures are sums of: `(n,)`, or `(n, k)` by label or by bin.

    Of a ROC AUC that is the share of negative rows below a positive one, and of positive rows above a negative one: to
    first order all that a draw changes (Obuchowski 1997, Biometrics 53).
    """
    counted = [labels.positive] if len(labels.names) == 2 else list(labels.names)
    target, label, score = (frame[name].to_numpy() for name in ("target", "label", "score"))
    truth, given = (np.stack([each == name for name in counted], axis=1) * 1.0 for each in (target, label))
    ranked = [ranks(frame[f"probability_{name}"].to_numpy()) for name in counted]
    sides = list(zip(ranked, truth.T, strict=True))
    hits = (label == target).astype(float)
    return {
        "rows": np.ones(len(frame)),
        "hits": hits,
        "distances": _distances(frame, labels),
        "truth": truth,
        "given": given,
        "both": truth * given,
        "above": np.stack([is_true * shares_below(rank, 1 - is_true) for rank, is_true in sides], axis=1),
        "below": np.stack([(1 - is_true) * (1 - shares_below(rank, is_true)) for rank, is_true in sides], axis=1),
        "gaps": np.eye(CALIBRATION_BINS)[_bins(score)] * (hits - score)[:, None],
    }


def _totals(summands: dict[str, Floats]) -> dict[str, Floats]:
    """Return the sums over all rows, `(1, 1)` or `(1, k)`, by name."""
    return {name: part.sum(axis=0).reshape(1, -1) for name, part in summands.items()}


def _drawn(summands: dict[str, Floats], clusters: Codes) -> dict[str, Floats]:
    """Return the sums of each draw, `(draws, 1)` or `(draws, k)`, by name."""
    parts = [part.reshape(len(part), -1) for part in summands.values()]
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    return dict(zip(summands, np.split(drawn_sums(np.hstack(parts), clusters), ends, axis=1), strict=True))


def _areas(totals: dict[str, Floats]) -> Floats:
    """Return the ROC AUC `(1, k)` of each label counted; NaN where it or all others are missing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        areas: Floats = totals["above"] / totals["truth"]
    return np.where(totals["truth"] < totals["rows"], areas, np.nan)


def _measures(sums: dict[str, Floats], areas: Floats) -> dict[str, Floats]:
    """Return the measures `(draws,)` of sums `(draws, k)`; NaN where they are not defined.

    `areas` are those of all rows: a draw's area is theirs, and what either side's rows add to it.
    """
    rows = sums["rows"][:, 0]
    positive, negative = sums["truth"], sums["rows"] - sums["truth"]
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = sums["above"] / positive + sums["below"] / negative - areas
    return {
        "accuracy": sums["hits"][:, 0] / rows,
        "f1": (2 * sums["both"] / np.maximum(sums["truth"] + sums["given"], 1)).mean(axis=1),
        "roc_auc": drawn.mean(axis=1),
        "brier": sums["distances"][:, 0] / rows,
        "calibration_error": np.abs(sums["gaps"]).sum(axis=1) / rows,
    }


def _distances(frame: pd.DataFrame, labels: LabelSet) -> Floats:
    """Return half the squared distance of each row's probabilities from the truth, `(n,)`."""
    target = frame["target"].to_numpy()
    truth = np.stack([target == name for name in labels.names], axis=1)
    distances: Floats = ((frame[labels.probability_columns].to_numpy() - truth) ** 2).sum(axis=1) / 2
    return distances


def _bins(score: Floats) -> Codes:
    bins: Codes = np.minimum((score * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    return bins
