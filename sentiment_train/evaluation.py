"""How good a model is on ratings that it never saw, as numbers.

The figures are those of the part `later` (see `splits`): all of it, its unseen products, each category, and the
unweighted mean over categories.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from sentiment_api.classifier import Classifier
from sentiment_train.errors import UnusableData
from sentiment_train.preparation import read_part
from sentiment_train.scoring import score

CALIBRATION_BINS = 15
NUMBERED_LABELS = {0: "negative", 1: "positive"}
"""What a number stands for in the label column of a plain file of texts."""


def evaluate(classifier: Classifier, data: Path, part: str = "later") -> dict[str, Any]:
    """Return the figures of `classifier` on one part of the prepared folder `data`.

    Keys: `all`, `unseen` and each of `by_category` as `figures` returns them, `unseen` being None where the part has no
    unseen product; and `category_mean`, the mean over categories of the accuracy and the macro F1.

    Raises:
        UnusableData: the folder has no such part.
    """
    reviews = read_part(data, part)
    probabilities = classifier.calibrate(score(classifier, reviews["text"].to_list()).logits)
    truth = label_indexes(reviews["label"], classifier.labels)
    categories = reviews["category"].to_numpy()
    by_category = {
        str(name): figures(truth[categories == name], probabilities[categories == name], classifier.labels)
        for name in sorted(set(categories))
    }
    unseen = reviews["unseen"].to_numpy()
    return {
        "all": figures(truth, probabilities, classifier.labels),
        "unseen": figures(truth[unseen], probabilities[unseen], classifier.labels) if unseen.any() else None,
        "category_mean": {
            name: float(np.mean([each[name] for each in by_category.values()])) for name in ("accuracy", "macro_f1")
        },
        "by_category": by_category,
    }


def evaluate_texts(classifier: Classifier, file: Path) -> dict[str, Any]:
    """Return what `figures` returns for the labelled texts of one parquet file.

    Its columns are text and label; a label is a name, or 0 for negative and 1 for positive. Nothing is cleaned or made
    unique: the file is scored as it is.

    Raises:
        UnusableData: the file cannot be read, is empty, lacks a column, or has a label that the model does not have.
    """
    texts = read_texts(file)
    truth = label_indexes(texts["label"], classifier.labels)
    probabilities = classifier.calibrate(score(classifier, texts["text"].to_list()).logits)
    return figures(truth, probabilities, classifier.labels)


def figures(truth: NDArray[np.int64], probabilities: NDArray[np.float64], labels: list[str]) -> dict[str, Any]:
    """Return n, accuracy, macro F1, recall by label, ROC AUC, Brier score and calibration error.

    `truth` is `(n,)` indexes into `labels`; `probabilities` is `(n, n_labels)`. ROC AUC is one against the rest, and
    None unless every label occurs.
    """
    guessed = probabilities.argmax(axis=1)
    recalls = recall_score(truth, guessed, labels=range(len(labels)), average=None, zero_division=0.0)
    return {
        "n": len(truth),
        "accuracy": float(accuracy_score(truth, guessed)),
        "macro_f1": float(f1_score(truth, guessed, average="macro")),
        "recall": dict(zip(labels, map(float, recalls), strict=True)),
        "roc_auc": _roc_auc(truth, probabilities),
        "brier": brier_score(truth, probabilities),
        "calibration_error": calibration_error(truth, probabilities),
    }


def brier_score(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the mean squared distance of the probabilities from the truth, summed over labels: 0 to 2 (Brier 1950)."""
    return float(np.mean(np.sum((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2, axis=1)))


def calibration_error(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the expected calibration error of the given label's probability, in `CALIBRATION_BINS` equal bins, 0 to 1.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        abs(right[bins == each].mean() - confidence[bins == each].mean()) * np.mean(bins == each)
        for each in np.unique(bins)
    ]
    return float(sum(gaps))


def label_indexes(column: pl.Series, labels: list[str]) -> NDArray[np.int64]:
    """Return each label's place in `labels`, `(n,)`.

    Raises:
        UnusableData: a label is not among `labels`.
    """
    if unknown := set(column.unique()) - set(labels):
        raise UnusableData(
            f"expected the labels {labels}, found {sorted(unknown)} too; prepare the data for this model"
        )
    return column.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()


def read_texts(file: Path) -> pl.DataFrame:
    """Return the columns text and label of a parquet file of labelled texts, labels by name.

    Raises:
        UnusableData: the file cannot be read, is empty, or lacks a column.
    """
    try:
        frame = pl.read_parquet(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"cannot read {file}, expected a parquet file: {error}") from error
    if missing := {"text", "label"} - set(frame.columns):
        raise UnusableData(f"{file} lacks the columns {sorted(missing)}; found {frame.columns}")
    frame = frame.select("text", "label")
    if frame.is_empty() or frame.schema["text"] != pl.String or any(frame.null_count().row(0)):
        raise UnusableData(f"expected a text and a label in every row of {file}, found an empty file or empty cells")
    if not frame.schema["label"].is_integer():
        return frame.with_columns(pl.col("label").cast(pl.String))
    if unknown := set(frame["label"].unique()) - NUMBERED_LABELS.keys():
        raise UnusableData(f"expected the numbers {NUMBERED_LABELS} as labels in {file}, found {sorted(unknown)} too")
    return frame.with_columns(pl.col("label").replace_strict(NUMBERED_LABELS, return_dtype=pl.String))


def _roc_auc(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float | None:
    n_labels = probabilities.shape[1]
    if len(np.unique(truth)) < n_labels:
        return None
    if n_labels == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    return float(roc_auc_score(truth, probabilities, multi_class="ovr"))
