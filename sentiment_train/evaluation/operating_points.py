"""What a model does when its answers are not taken as they come: other thresholds, and silence where it is unsure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentiment_train.evaluation.answers import LabelledAnswers
from sentiment_train.evaluation.measures import CALIBRATION_BINS, equal_bins, of_confusion

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
LOWEST_SCORES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)


def threshold_table(answers: LabelledAnswers) -> list[dict[str, Any]] | None:
    """Return a row for each threshold on the second label's probability, None for a model of more than two labels.

    From the `threshold` on the second label is given. A row has `accuracy`, and by label `precision`, `recall` and
    `f1`, which are 0 where they have no meaning.
    """
    if len(answers.labels) != 2:
        return None
    return [_threshold_row(answers, threshold) for threshold in THRESHOLDS]


def abstain_table(answers: LabelledAnswers) -> list[dict[str, Any]]:
    """Return a row for each `score` from which on answers are used: `n` of them, their share, and their accuracy.

    `coverage` is that share, 0 to 1; `accuracy` is None where nothing is left.
    """
    right = answers.given == answers.truth
    return [_abstain_row(lowest, answers.score >= lowest, right) for lowest in LOWEST_SCORES]


def reliability_table(answers: LabelledAnswers) -> list[dict[str, Any]]:
    """Return the filled bins of the calibration error: `low` and `high` end, `n`, mean `score` and `accuracy`."""
    bins, right = equal_bins(answers.score), answers.given == answers.truth
    return [
        {
            "low": round(each / CALIBRATION_BINS, 4),
            "high": round((each + 1) / CALIBRATION_BINS, 4),
            "n": int(np.sum(bins == each)),
            "score": _rounded(answers.score[bins == each].mean()),
            "accuracy": _rounded(right[bins == each].mean()),
        }
        for each in np.unique(bins).tolist()
    ]


def _threshold_row(answers: LabelledAnswers, threshold: float) -> dict[str, Any]:
    given = (answers.probabilities[:, 1] >= threshold).astype(np.int64)
    counts = np.bincount(2 * answers.truth + given, minlength=4).reshape(1, 2, 2).astype(np.float64)
    found = of_confusion(counts)
    by_label = {
        name: dict(zip(answers.labels, map(_rounded, found[name][0]), strict=True))
        for name in ("precision", "recall", "f1")
    }
    return {"threshold": threshold, "accuracy": _rounded(found["accuracy"][0]), **by_label}


def _abstain_row(lowest: float, used: NDArray[np.bool_], right: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "score": lowest,
        "n": int(used.sum()),
        "coverage": _rounded(used.mean()),
        "accuracy": _rounded(right[used].mean()) if used.any() else None,
    }


def _rounded(number: float) -> float:
    return round(float(number), 4)
