"""The figures of labelled answers: of all, of unseen products, of each category and slice, and at other thresholds.

Nothing here holds a row of the data: an evaluation goes into a bundle as it is.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentiment_train.evaluation.answers import LabelledAnswers
from sentiment_train.evaluation.intervals import FEWEST_PRODUCTS, FEWEST_ROWS, LEVEL, RESAMPLES, clusters, intervals
from sentiment_train.evaluation.measures import confusion, measures
from sentiment_train.evaluation.operating_points import abstain_table, reliability_table, threshold_table
from sentiment_train.evaluation.slices import slices


def all_figures(answers: LabelledAnswers) -> dict[str, Any]:
    """Return all figures of `answers`, ready for JSON.

    Keys:
        all: `figures` with the key `interval`: the ends of each figure's interval, None below 20 reviews.
        unseen: the same of the products that never train, None where there are none.
        category_mean: the mean over categories of accuracy and macro F1, None where there are no categories.
        by_category: `figures` of each.
        slices: by name n, accuracy and its interval, macro F1 (None where one label alone occurs), calibration error,
            and the mean score.
        thresholds, abstain, reliability: see `operating_points`.
        bootstrap: how the intervals were made.
        notes: sentences on what could not be measured, and why.
    """
    by_category = {name: _figures(answers.of(mask)) for name, mask in _categories(answers).items()}
    unseen = answers.reviews["unseen"].to_numpy() if "unseen" in answers.reviews.columns else np.array([False])
    return {
        "all": with_intervals(answers),
        "unseen": with_intervals(answers.of(unseen)) if unseen.any() else None,
        "category_mean": _category_mean(by_category),
        "by_category": by_category,
        "slices": _slices(answers),
        "thresholds": threshold_table(answers),
        "abstain": abstain_table(answers),
        "reliability": reliability_table(answers),
        "bootstrap": {
            "resamples": RESAMPLES,
            "level": LEVEL,
            "drawn": "products" if _products(answers) >= FEWEST_PRODUCTS else "reviews",
        },
        "notes": _notes(answers),
    }


def figures(truth: NDArray[np.int64], probabilities: NDArray[np.float64], labels: list[str]) -> dict[str, Any]:
    """Return n, support and confusion (right label by given label), and every one of `measures` by its name.

    `truth` is `(n,)` indexes into `labels`; `probabilities` is `(n, n_labels)`. Precision, recall, F1, support and
    average precision are by label. ROC AUC is one label against the rest, its mean over more than two labels, and None
    unless every label occurs; so is the average precision of a label that does not occur, or that alone occurs.
    """
    whole = np.ones((1, len(truth)))
    counts = confusion(truth, probabilities, whole)[0].astype(int)
    return {
        "n": len(truth),
        **{name: _number(values[0], labels) for name, values in measures(truth, probabilities, whole).items()},
        "support": dict(zip(labels, counts.sum(axis=1).tolist(), strict=True)),
        "confusion": counts.tolist(),
    }


def with_intervals(answers: LabelledAnswers) -> dict[str, Any]:
    """Return `figures` of `answers` with the key `interval`: the ends of each figure's interval, None where none is."""
    found = intervals(partial(measures, answers.truth, answers.probabilities), _drawn(answers))
    interval = {name: _ends(ends, answers.labels) for name, ends in found.items()}
    return _figures(answers) | {"interval": interval or None}


def _number(value: NDArray[np.float64], labels: list[str]) -> float | dict[str, Any] | None:
    """Return a scalar as a number, None for NaN, and `(n_labels,)` as a number for each label."""
    if np.ndim(value) == 0:
        return None if np.isnan(value) else float(value)
    return {label: _number(each, labels) for label, each in zip(labels, value, strict=True)}


def _ends(ends: NDArray[np.float64], labels: list[str]) -> list[float] | dict[str, Any] | None:
    """Return `(2,)` as a list, None for NaN, and `(2, n_labels)` as a list for each label."""
    if ends.ndim == 1:
        return None if np.isnan(ends).any() else ends.round(5).tolist()
    return {label: _ends(each, labels) for label, each in zip(labels, ends.T, strict=True)}


def _figures(answers: LabelledAnswers) -> dict[str, Any]:
    return figures(answers.truth, answers.probabilities, answers.labels)


def _drawn(answers: LabelledAnswers) -> NDArray[np.int64]:
    return clusters(answers.reviews.get_column("product_id", default=None), len(answers.truth))


def _products(answers: LabelledAnswers) -> int:
    return answers.reviews["product_id"].drop_nulls().n_unique() if "product_id" in answers.reviews.columns else 0


def _categories(answers: LabelledAnswers) -> dict[str, NDArray[np.bool_]]:
    if "category" not in answers.reviews.columns:
        return {}
    categories = answers.reviews["category"]
    names = categories.drop_nulls().unique().sort()
    return {name: (categories == name).fill_null(value=False).to_numpy() for name in names}


def _category_mean(by_category: dict[str, dict[str, Any]]) -> dict[str, float] | None:
    if not by_category:
        return None
    return {name: float(np.mean([each[name] for each in by_category.values()])) for name in ("accuracy", "macro_f1")}


def _slices(answers: LabelledAnswers) -> dict[str, dict[str, Any]]:
    masks = slices(answers.reviews, answers.tokens)
    right = answers.given == answers.truth

    def accuracies(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        with np.errstate(invalid="ignore"):
            return {name: (weights @ (mask & right)) / (weights @ mask) for name, mask in masks.items()}

    found = intervals(accuracies, _drawn(answers))
    return {name: _slice(answers.of(mask), found.get(name)) for name, mask in masks.items()}


def _slice(answers: LabelledAnswers, ends: NDArray[np.float64] | None) -> dict[str, Any]:
    found = _figures(answers)
    return {
        "n": found["n"],
        "accuracy": found["accuracy"],
        "interval": _ends(ends, []) if ends is not None and found["n"] >= FEWEST_ROWS else None,
        "macro_f1": found["macro_f1"] if len(np.unique(answers.truth)) > 1 else None,
        "calibration_error": found["calibration_error"],
        "score": float(answers.score.mean()),
    }


def _notes(answers: LabelledAnswers) -> list[str]:
    found = np.unique(answers.truth)
    notes = []
    if len(found) == 1:
        notes.append(
            f"every review is labelled {answers.labels[found[0]]}: ROC AUC and average precision need a second label"
        )
    elif absent := [label for place, label in enumerate(answers.labels) if place not in found]:
        notes.append(f"no review is labelled {' or '.join(absent)}: ROC AUC needs every label")
    if (rows := len(answers.truth)) < FEWEST_ROWS:
        notes.append(f"intervals need {FEWEST_ROWS} reviews, found {rows}")
    elif (products := _products(answers)) < FEWEST_PRODUCTS:
        notes.append(
            f"intervals draw single reviews and may be too narrow: products would be drawn from {FEWEST_PRODUCTS} on, "
            f"found {products or 'no product ids'}"
        )
    return notes
