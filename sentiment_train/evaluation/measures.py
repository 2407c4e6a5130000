"""What is measured of answers whose right labels are known, for many weightings of the rows at once.

One weighting of all ones gives a figure; a thousand that count how often a row was drawn give its interval (see
`intervals`). scikit-learn has the same measures, for one weighting at a time.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]

CALIBRATION_BINS = 15
SMALLEST_PROBABILITY = 1e-15
"""A right label with a lower one is taken to have this: one answer alone must not make the log loss infinite."""


def measures(truth: Indexes, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    """Return every measure by name, `(m,)`, or `(m, n_labels)` where each label has its own.

    `truth` is `(n,)`, the place of the right label; `probabilities` is `(n, n_labels)`; `weights` is `(m, n)`, not
    negative, no row of it all 0. A measure that needs two labels is NaN where there is but one.
    """
    counts = confusion(truth, probabilities, weights)
    total = weights.sum(axis=1)
    areas = [ranking(truth == label, probabilities[:, label], weights) for label in range(probabilities.shape[1])]
    roc_auc = np.stack([area for area, _ in areas], axis=1)
    return {
        **of_confusion(counts),
        "roc_auc": roc_auc.mean(axis=1),
        "average_precision": np.stack([precision for _, precision in areas], axis=1),
        "brier": weights @ brier_scores(truth, probabilities) / total,
        "log_loss": weights @ log_losses(truth, probabilities) / total,
        "calibration_error": calibration_gap(truth, probabilities, weights, equal_bins(probabilities.max(axis=1))),
        "calibration_error_equal_mass": calibration_gap(
            truth, probabilities, weights, equal_mass_bins(probabilities.max(axis=1))
        ),
    }


def confusion(truth: Indexes, probabilities: Floats, weights: Floats) -> Floats:
    """Return the confusion matrices `(m, n_labels, n_labels)`: right label by given label."""
    n_labels = probabilities.shape[1]
    cells = np.eye(n_labels**2)[truth * n_labels + probabilities.argmax(axis=1)]
    counts: Floats = (weights @ cells).reshape(-1, n_labels, n_labels)
    return counts


def of_confusion(counts: Floats) -> dict[str, Floats]:
    """Return what follows from confusion matrices `(m, n_labels, n_labels)`: accuracy, precision, recall, F1.

    Precision of a label never given, recall and F1 of one that does not occur are 0. Macro F1 is the mean over the
    labels that occur or are given, as scikit-learn's.
    """
    hits = np.diagonal(counts, axis1=1, axis2=2)
    given, occurring = counts.sum(axis=1), counts.sum(axis=2)
    f1 = _quotient(2 * hits, given + occurring)
    return {
        "accuracy": hits.sum(axis=1) / counts.sum(axis=(1, 2)),
        "macro_f1": f1.sum(axis=1) / (given + occurring > 0).sum(axis=1),
        "precision": _quotient(hits, given),
        "recall": _quotient(hits, occurring),
        "f1": f1,
    }


def ranking(is_label: NDArray[np.bool_], scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the area under the ROC curve and the average precision of one label against the rest, each `(m,)`.

    Both are NaN unless the label and another one occur. Rows of one score come together: half of their pairs count as
    in order. Average precision is the sum of the
    precision over the steps of recall, without interpolation between them, which would be too kind (Davis and
    Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006).
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    ordered = weights[:, order]
    hits = np.cumsum(ordered * is_label[order], axis=1)[:, last_of_score]
    others = np.cumsum(ordered * ~is_label[order], axis=1)[:, last_of_score]
    with np.errstate(invalid="ignore"):
        recall, fallout = (np.pad(each / each[:, -1:], ((0, 0), (1, 0))) for each in (hits, others))
    precision = _quotient(hits, hits + others)
    area: Floats = (np.diff(fallout, axis=1) * (recall[:, 1:] + recall[:, :-1]) / 2).sum(axis=1)
    steps: Floats = (np.diff(recall, axis=1) * precision).sum(axis=1)
    return area, np.where(others[:, -1] > 0, steps, np.nan)


def brier_scores(truth: Indexes, probabilities: Floats) -> Floats:
    """Return each row's squared distance of the probabilities from the truth, `(n,)`, 0 to 2 (Brier 1950)."""
    distances: Floats = np.sum((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2, axis=1)
    return distances


def log_losses(truth: Indexes, probabilities: Floats) -> Floats:
    """Return each row's negative natural logarithm of the right label's probability, `(n,)`, 0 to 34.6."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    losses: Floats = -np.log(np.maximum(of_truth, SMALLEST_PROBABILITY))
    return losses


def calibration_gap(truth: Indexes, probabilities: Floats, weights: Floats, bins: Indexes) -> Floats:
    """Return the expected calibration error of the given label's probability over `bins` `(n,)`: `(m,)`, 0 to 1.

    It is the mean over bins, by their rows, of the distance between accuracy and mean score (Naeini et al., "Obtaining
    Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015). A resample has at least the gaps that chance
    makes, so that its error is larger on average than that of the rows it was drawn from.
    """
    surplus: Floats = (probabilities.argmax(axis=1) == truth) - probabilities.max(axis=1)
    by_bin = np.eye(bins.max() + 1)[bins] * surplus[:, None]
    gaps: Floats = np.abs(weights @ by_bin).sum(axis=1) / weights.sum(axis=1)
    return gaps


def equal_bins(scores: Floats) -> Indexes:
    """Return the bin of each score `(n,)` among `CALIBRATION_BINS` of one width between 0 and 1."""
    return np.minimum((scores * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def equal_mass_bins(scores: Floats) -> Indexes:
    """Return the bin of each score `(n,)` among `CALIBRATION_BINS` of as equal a number of rows as ties allow.

    Most scores of a good model are near 1, where bins of one width see no difference (Nguyen and O'Connor, "Posterior
    calibration and exploratory analysis for natural language processing models", EMNLP 2015).
    """
    edges = np.quantile(scores, np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS)
    return np.searchsorted(edges, scores, side="left").astype(np.int64)


def _quotient(part: Floats, whole: Floats) -> Floats:
    quotient: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return quotient
