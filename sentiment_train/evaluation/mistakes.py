"""The worst mistakes, for somebody who wants to look them up: reviews by id, never by their texts."""

from typing import Any

import numpy as np

from sentiment_train.evaluation.answers import Answers
from sentiment_train.evaluation.measures import log_losses


def worst_mistakes(answers: Answers, count: int) -> list[dict[str, Any]]:
    """Return the `count` wrong answers of the largest loss, the worst first.

    Each has the review's `id` (its row, from 0, where there is none), `product_id` (None where there is none), `label`,
    the label `given`, the model's `probability` of the right one, `loss` (its negative natural logarithm) and `tokens`.
    """
    losses = log_losses(answers.truth, answers.probabilities)
    wrong = np.flatnonzero(answers.given != answers.truth)
    return [
        _mistake(answers, int(row), losses[row]) for row in wrong[np.argsort(-losses[wrong], kind="stable")][:count]
    ]


def _mistake(answers: Answers, row: int, loss: float) -> dict[str, Any]:
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
