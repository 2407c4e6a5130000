"""The figures of a model, against values worked out by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_train.answers import label_indexes
from sentiment_train.errors import UnusableData
from sentiment_train.evaluation import evaluate, evaluate_texts, figures
from sentiment_train.preparation import read_part
from sentiment_train.scoring import score

_LABELS = ["negative", "positive"]


@pytest.fixture(scope="module")
def classifier(exported: Path) -> Classifier:
    """The small bundle on its default engine."""
    return Classifier.load(open_bundle(exported), "cpu", 1)


def _binary(positive: Sequence[float]) -> np.ndarray:
    """Probabilities `(n, 2)` from those of the second label."""
    return np.array([[1 - p, p] for p in positive])


def _texts(path: Path, *rows: tuple[str | None, object]) -> Path:
    texts, labels = zip(*rows, strict=True)
    pl.DataFrame({"text": texts, "label": labels}, schema_overrides={"text": pl.String}).write_parquet(path)
    return path


def test_figures_of_five_binary_answers() -> None:
    """One of two complaints and two of three praises are found; every figure follows from that."""
    found = figures(np.array([0, 0, 1, 1, 1]), _binary([0.2, 0.6, 0.9, 0.3, 0.8]), _LABELS)
    assert found["n"] == 5
    assert found["accuracy"] == pytest.approx(3 / 5)
    # negative: precision 1/2, recall 1/2; positive: precision 2/3, recall 2/3.
    assert found["macro_f1"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["recall"] == {"negative": pytest.approx(1 / 2), "positive": pytest.approx(2 / 3)}
    # Of the six pairs of a complaint and a praise, only (0.6, 0.3) is in the wrong order.
    assert found["roc_auc"] == pytest.approx(5 / 6)
    # Both labels count, hence twice the squared distance of one.
    assert found["brier"] == pytest.approx(2 * (0.04 + 0.36 + 0.01 + 0.49 + 0.04) / 5)
    # Bins of 1/15: 0.6 alone (wrong), 0.7 alone (wrong), 0.8 twice (right), 0.9 alone (right).
    assert found["calibration_error"] == pytest.approx((0.6 + 0.7 + 2 * 0.2 + 0.1) / 5)


def test_figures_of_three_labels() -> None:
    """Three labels get a recall each, a one-against-rest ROC AUC, and a macro F1 over the three."""
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.3, 0.5]])
    found = figures(np.array([0, 1, 1, 2]), probabilities, ["negative", "neutral", "positive"])
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["recall"] == {"negative": 1.0, "neutral": 0.5, "positive": 1.0}
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # Neutral: of four pairs with 0.3 and 0.6 against 0.2 and 0.3, three are right and one is a tie.
    assert found["roc_auc"] == pytest.approx((1.0 + 3.5 / 4 + 1.0) / 3)


def test_one_label_has_no_ranking() -> None:
    """Where only one label occurs ROC AUC is None, and the other figures are still given."""
    found = figures(np.array([1, 1]), _binary([0.9, 0.7]), _LABELS)
    assert found["roc_auc"] is None
    assert (found["accuracy"], found["recall"]) == (1.0, {"negative": 0.0, "positive": 1.0})


@pytest.mark.parametrize(("positive", "expected"), [(1.0, 0.0), (0.5, 0.5), (0.0, 2.0)])
def test_brier_runs_from_0_to_2(positive: float, expected: float) -> None:
    """Sure and right costs nothing, sure and wrong two."""
    assert figures(np.array([1]), _binary([positive]), _LABELS)["brier"] == pytest.approx(expected)


def test_a_calibrated_model_has_no_calibration_error() -> None:
    """Four answers at 0.75 of which three are right have the error 0; of which one is right, 0.5."""
    probabilities = _binary([0.75] * 4)
    assert figures(np.array([1, 1, 1, 0]), probabilities, _LABELS)["calibration_error"] == pytest.approx(0.0)
    assert figures(np.array([1, 0, 0, 0]), probabilities, _LABELS)["calibration_error"] == pytest.approx(0.5)


def test_full_certainty_falls_into_the_last_bin() -> None:
    """A probability of exactly one is counted with its neighbours, not past the end."""
    together = abs(1 / 2 - (1.0 + 0.95) / 2)
    found = figures(np.array([0, 1]), _binary([1.0, 0.95]), _LABELS)
    assert found["calibration_error"] == pytest.approx(together)


def test_labels_are_numbered_in_the_models_order() -> None:
    """A label's number is its place among the model's labels."""
    column = pl.Series(["positive", "negative", "positive"])
    assert label_indexes(column, _LABELS).tolist() == [1, 0, 1]


def test_an_unknown_label_is_refused() -> None:
    """A label that the model does not have is named."""
    with pytest.raises(UnusableData, match=r"expected the labels \['negative', 'positive'\], found \['neutral'\] too"):
        label_indexes(pl.Series(["positive", "neutral"]), _LABELS)


def test_evaluation_takes_a_part_apart(classifier: Classifier, prepared: Path) -> None:
    """The part is scored as a whole, on its unseen products and by category; the mean is over categories."""
    found = evaluate(classifier, prepared, "reference")
    part = read_part(prepared, "reference")
    assert found["all"]["n"] == found["unseen"]["n"] == len(part)
    assert found["by_category"] == {"shop": {k: v for k, v in found["all"].items() if k != "interval"}}
    assert found["category_mean"] == {name: found["all"][name] for name in ("accuracy", "macro_f1")}
    assert evaluate(classifier, prepared, "validation")["unseen"] is None


def test_scores_keep_the_order_of_the_texts(classifier: Classifier) -> None:
    """Texts are sorted for speed and come back in the order in which they were given."""
    texts = ["Terrible junk, it broke, do not buy.", "Love it.", "Awful.", "Excellent value, works perfectly, great."]
    together = classifier.calibrate(score(classifier, texts).logits)
    assert np.array_equal(together, np.array([classifier.classify(text) for text in texts]))


@pytest.mark.parametrize("labels", [(1, 0, 1), ("positive", "negative", "positive")])
def test_a_plain_file_is_scored(labels: tuple[object, ...], classifier: Classifier, tmp_path: Path) -> None:
    """Labels may be names or the numbers 0 and 1, and the figures are those of the file as it is."""
    texts = ("Absolutely love it, wonderful.", "Terrible, a waste of money.", "Absolutely love it, wonderful.")
    found = evaluate_texts(classifier, _texts(tmp_path / "texts.parquet", *zip(texts, labels, strict=True)))
    assert (found["n"], found["accuracy"], found["roc_auc"]) == (3, 1.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("Fine.", 2)], r"expected the numbers .* as labels in .*texts.parquet, found \[2\] too"),
        ([("Fine.", "good")], r"expected the labels .*, found \['good'\] too"),
        ([("Fine.", 1), (None, 0)], "expected a text and a label in every row of .*texts.parquet"),
    ],
)
def test_a_plain_file_that_cannot_be_scored_is_refused(
    rows: list[tuple[str | None, object]], message: str, classifier: Classifier, tmp_path: Path
) -> None:
    """A number or a name that stands for no label, and an empty cell, are named."""
    with pytest.raises(UnusableData, match=message):
        evaluate_texts(classifier, _texts(tmp_path / "texts.parquet", *rows))


def test_a_plain_file_needs_its_columns(classifier: Classifier, tmp_path: Path) -> None:
    """A missing column, an empty file and one that is no parquet file are told apart."""
    path = tmp_path / "texts.parquet"
    pl.DataFrame({"text": ["Fine."], "stars": [5]}).write_parquet(path)
    with pytest.raises(UnusableData, match=r"lacks the columns \['label'\]; found \['text', 'stars'\]"):
        evaluate_texts(classifier, path)
    pl.DataFrame({"text": ["Fine."], "label": [1]}).clear().write_parquet(path)
    with pytest.raises(UnusableData, match="found an empty file"):
        evaluate_texts(classifier, path)
    path.write_text("text,label")
    with pytest.raises(UnusableData, match=r"cannot read .*texts\.parquet, expected a parquet file"):
        evaluate_texts(classifier, path)
