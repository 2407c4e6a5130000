"""Labelled reviews and what a model says of them, row by row: what figures, tables and pictures are made of."""

from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_api.model.classifier import Classifier
from sentiment_train.errors import UnusableData
from sentiment_train.evaluation.measures import log_losses
from sentiment_train.evaluation.scoring import score
from sentiment_train.evaluation.texts import read_texts
from sentiment_train.prepared import label_indexes, read_part

NUMBERED_LABELS = {0: "negative", 1: "positive"}
"""What a number stands for in the label column of a plain file of texts."""


class LabelledAnswers(NamedTuple):
    """What a model says of n labelled reviews, in their order."""

    labels: list[str]
    """Those of the model, in the order of its probabilities."""
    reviews: pl.DataFrame
    """All columns of the n reviews but their texts."""
    truth: NDArray[np.int64]
    """`(n,)`, the place of each right label in `labels`."""
    probabilities: NDArray[np.float64]
    """`(n, n_labels)`, calibrated."""
    tokens: NDArray[np.int64]
    """`(n,)`, the length of each text as the model read it."""

    @property
    def given(self) -> NDArray[np.int64]:
        """The place of each given label in `labels`, `(n,)`."""
        given: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return given

    @property
    def score(self) -> NDArray[np.float64]:
        """The probability of each given label, `(n,)`."""
        score: NDArray[np.float64] = self.probabilities.max(axis=1)
        return score

    def of(self, mask: NDArray[np.bool_]) -> Self:
        """Return the answers in `mask` `(n,)` alone."""
        return self._replace(
            reviews=self.reviews.filter(mask),
            truth=self.truth[mask],
            probabilities=self.probabilities[mask],
            tokens=self.tokens[mask],
        )


def answer_part(classifier: Classifier, data: Path, part: str) -> LabelledAnswers:
    """Return what `classifier` says of one part of the prepared folder `data`.

    Raises:
        UnusableData: the folder has no such part, it is empty, or has a label that the model does not have.
    """
    return answer(classifier, read_part(data, part), data / f"{part}.parquet")


def answer_texts(classifier: Classifier, file: Path) -> LabelledAnswers:
    """Return what `classifier` says of the labelled texts of one file: .parquet, .csv or .jsonl.

    Its columns are text and label; a label is a name, or 0 for negative and 1 for positive. Nothing is cleaned or made
    unique: the file is scored as it is. Other columns that a prepared part has are kept, for the slices, as
    `read_texts` reads them.

    Raises:
        UnusableData: the file cannot be read, is empty, lacks a column, or has a label that the model does not have.
    """
    return answer(classifier, read_texts(file), file)


def answer(classifier: Classifier, reviews: pl.DataFrame, source: Path) -> LabelledAnswers:
    """Return what `classifier` says of `reviews`, which were read from `source`: the columns text, label and others.

    Raises:
        UnusableData: a column is missing, a cell is empty, or a label is one that the model does not have.
    """
    named = labelled(reviews, source, classifier.labels)  # before the minutes that scoring takes
    truth = label_indexes(named["label"], classifier.labels)
    scores = score(classifier, reviews["text"].to_list())
    tokens = np.array([len(each.ids) for each in scores.tokens])
    return LabelledAnswers(classifier.labels, named.drop("text"), truth, classifier.calibrate(scores.logits), tokens)


def labelled(reviews: pl.DataFrame, source: Path, labels: list[str]) -> pl.DataFrame:
    """Return `reviews`, which were read from `source`, with each label by its name, one of `labels`.

    Raises:
        UnusableData: a column is missing, a cell is empty, or a label is not among `labels`.
    """
    if missing := {"text", "label"} - set(reviews.columns):
        raise UnusableData(f"{source} lacks the columns {sorted(missing)}; found {reviews.columns}")
    required = reviews.select("text", "label")
    if reviews.is_empty() or required.schema["text"] != pl.String or any(required.null_count().row(0)):
        raise UnusableData(f"expected a text and a label in every row of {source}, found an empty file or empty cells")
    named = reviews.with_columns(_label_names(reviews["label"], source))
    label_indexes(named["label"], labels)
    return named


def _label_names(labels: pl.Series, source: Path) -> pl.Series:
    """Return the labels by name, those given as 0 and 1 too; in a csv file numbers are text."""
    if labels.dtype == pl.String and set(labels.unique()) <= {"0", "1"}:
        labels = labels.cast(pl.Int64)
    if not labels.dtype.is_integer():
        return labels.cast(pl.String)
    if unknown := set(labels.unique()) - NUMBERED_LABELS.keys():
        raise UnusableData(f"expected the numbers {NUMBERED_LABELS} as labels in {source}, found {sorted(unknown)} too")
    return labels.replace_strict(NUMBERED_LABELS, return_dtype=pl.String)


def worst_mistakes(answers: LabelledAnswers, count: int) -> list[dict[str, Any]]:
    """Return the `count` wrong answers of the largest loss, the worst first.

    Each has the review's `id` (its row, from 0, where there is none), `product_id` (None where there is none), `label`,
    the label `given`, the model's `probability` of the right one, `loss` (its negative natural logarithm) and `tokens`.
    """
    losses = log_losses(answers.truth, answers.probabilities)
    wrong = np.flatnonzero(answers.given != answers.truth)
    return [
        _mistake(answers, int(row), losses[row]) for row in wrong[np.argsort(-losses[wrong], kind="stable")][:count]
    ]


def _mistake(answers: LabelledAnswers, row: int, loss: float) -> dict[str, Any]:
    review = answers.reviews.row(row, named=True)
    right, given = answers.truth[row], answers.given[row]
    return {
        "id": str(review.get("id", row)),
        "product_id": review.get("product_id"),
        "label": answers.labels[right],
        "given": answers.labels[given],
        "probability": round(float(answers.probabilities[row, right]), 6),
        "loss": round(float(loss), 4),
        "tokens": int(answers.tokens[row]),
    }
