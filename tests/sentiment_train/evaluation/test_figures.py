"""The figures of a model, against values worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_train.errors import UnusableData
from sentiment_train.evaluation.answers import LabelledAnswers, answer_part, answer_texts
from sentiment_train.evaluation.figures import all_figures, figures, with_intervals
from sentiment_train.evaluation.scoring import score
from sentiment_train.prepared import label_indexes, read_part

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
    assert found["precision"] == {"negative": 0.5, "neutral": 1.0, "positive": 1.0}
    assert found["support"] == {"negative": 1, "neutral": 2, "positive": 1}
    assert found["confusion"] == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # Neutral: of four pairs with 0.3 and 0.6 against 0.2 and 0.3, three are right and one is a tie.
    assert found["roc_auc"] == pytest.approx((1.0 + 3.5 / 4 + 1.0) / 3)


def test_one_label_has_no_ranking() -> None:
    """Where only one label occurs ROC AUC and average precision are None, and the other figures are still given."""
    found = figures(np.array([1, 1]), _binary([0.9, 0.7]), _LABELS)
    assert found["roc_auc"] is None
    assert found["average_precision"] == {"negative": None, "positive": None}
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
    found = all_figures(answer_part(classifier, prepared, "reference"))
    part = read_part(prepared, "reference")
    assert found["all"]["n"] == found["unseen"]["n"] == len(part)
    assert found["by_category"] == {"shop": {k: v for k, v in found["all"].items() if k != "interval"}}
    assert found["category_mean"] == {name: found["all"][name] for name in ("accuracy", "macro_f1")}
    assert all_figures(answer_part(classifier, prepared, "validation"))["unseen"] is None


def test_scores_keep_the_order_of_the_texts(classifier: Classifier) -> None:
    """Texts are sorted for speed and come back in the order in which they were given."""
    texts = ["Terrible junk, it broke, do not buy.", "Love it.", "Awful.", "Excellent value, works perfectly, great."]
    together = classifier.calibrate(score(classifier, texts).logits)
    assert np.array_equal(together, np.array([classifier.classify(text) for text in texts]))


@pytest.mark.parametrize("labels", [(1, 0, 1), ("positive", "negative", "positive")])
def test_a_plain_file_is_scored(labels: tuple[object, ...], classifier: Classifier, tmp_path: Path) -> None:
    """Labels may be names or the numbers 0 and 1, and the figures are those of the file as it is."""
    texts = ("Absolutely love it, wonderful.", "Terrible, a waste of money.", "Absolutely love it, wonderful.")
    found = with_intervals(
        answer_texts(classifier, _texts(tmp_path / "texts.parquet", *zip(texts, labels, strict=True)))
    )
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
        answer_texts(classifier, _texts(tmp_path / "texts.parquet", *rows))


def test_a_plain_file_needs_its_columns(classifier: Classifier, tmp_path: Path) -> None:
    """A missing column, an empty file and one that is no parquet file are told apart."""
    path = tmp_path / "texts.parquet"
    pl.DataFrame({"text": ["Fine."], "stars": [5]}).write_parquet(path)
    with pytest.raises(UnusableData, match=r"lacks the columns \['label'\]; found \['text', 'stars'\]"):
        answer_texts(classifier, path)
    pl.DataFrame({"text": ["Fine."], "label": [1]}).clear().write_parquet(path)
    with pytest.raises(UnusableData, match="found an empty file"):
        answer_texts(classifier, path)
    path.write_text("text,label")
    with pytest.raises(UnusableData, match=r"cannot read .*texts\.parquet, expected a parquet file"):
        answer_texts(classifier, path)
    with pytest.raises(UnusableData, match=r"expected a file ending in \.parquet, \.csv, \.jsonl, found .*texts\.doc"):
        answer_texts(classifier, tmp_path / "texts.doc")


def test_csv_and_jsonl_give_what_parquet_gives(classifier: Classifier, tmp_path: Path) -> None:
    """In a csv file the labels 0 and 1 are text, and mean the same."""
    rows = pl.DataFrame({"text": ["Absolutely love it, wonderful.", "Terrible, a waste of money."], "label": [1, 0]})
    rows.write_parquet(tmp_path / "texts.parquet")
    rows.write_csv(tmp_path / "texts.csv")
    rows.write_ndjson(tmp_path / "texts.jsonl")
    found = [
        with_intervals(answer_texts(classifier, tmp_path / f"texts.{kind}")) for kind in ("parquet", "csv", "jsonl")
    ]
    assert found[0]["accuracy"] == 1.0
    assert found[0] == found[1] == found[2]


def test_an_empty_part_is_refused(classifier: Classifier, prepared: Path, tmp_path: Path) -> None:
    """A part without rows has nothing to measure; it is named."""
    read_part(prepared, "later").clear().write_parquet(tmp_path / "later.parquet")
    with pytest.raises(UnusableData, match=r"in every row of .*later\.parquet, found an empty file or empty cells"):
        answer_part(classifier, tmp_path, "later")


def _drawn_at_random(labels: list[str], rows: int, **columns: object) -> LabelledAnswers:
    """LabelledAnswers of a model that is right in some nine cases of ten, on reviews with these columns."""
    random = np.random.default_rng(4)
    truth = random.integers(len(labels), size=rows)
    logits = random.normal(size=(rows, len(labels))) + 3.0 * np.eye(len(labels))[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return LabelledAnswers(
        labels, pl.DataFrame({"row": range(rows), **columns}), truth, probabilities, np.full(rows, 30)
    )


@pytest.mark.parametrize("labels", [_LABELS, ["negative", "neutral", "positive"]])
def test_every_figure_lies_in_its_interval(labels: list[str]) -> None:
    """Whatever the labels, each figure has an interval around it, by label where the figure is."""
    found = all_figures(_drawn_at_random(labels, 400, product_id=[f"p{row // 4}" for row in range(400)]))["all"]
    assert set(found) - set(found["interval"]) == {"n", "support", "confusion", "interval"}
    for name, ends in found["interval"].items():
        if name.startswith("calibration_error"):  # chance adds to it in every resample
            assert 0 < ends[0] < ends[1]
        elif isinstance(ends, dict):
            assert all(ends[label][0] <= found[name][label] <= ends[label][1] for label in labels), name
        else:
            assert ends[0] < found[name] < ends[1], name


def test_slices_have_their_own_figures() -> None:
    """A slice's figures are those of its reviews; one of a single label has no macro F1, a small one no interval."""
    answers = _drawn_at_random(_LABELS, 100, rating=[5] * 70 + [4] * 15 + [1] * 15)
    truth = answers.truth.copy()
    truth[-15:] = 0
    answers = answers._replace(truth=truth)
    found = all_figures(answers)["slices"]
    assert list(found) == ["rating: 1", "rating: 4", "rating: 5"]
    last = figures(truth[-15:], answers.probabilities[-15:], _LABELS)
    assert found["rating: 1"] == {
        "n": 15,
        "accuracy": last["accuracy"],
        "interval": None,
        "macro_f1": None,
        "calibration_error": last["calibration_error"],
        "score": pytest.approx(answers.probabilities[-15:].max(axis=1).mean()),
    }
    low, high = found["rating: 5"]["interval"]
    assert low < found["rating: 5"]["accuracy"] < high
    assert found["rating: 5"]["macro_f1"] == figures(truth[:70], answers.probabilities[:70], _LABELS)["macro_f1"]


def test_an_evaluation_says_what_it_could_not_measure() -> None:
    """One label, an absent label, few rows and few products are each told in a sentence; a full part needs none."""
    full = _drawn_at_random(_LABELS, 60, product_id=[f"p{row // 3}" for row in range(60)])
    assert all_figures(full)["notes"] == []
    assert all_figures(full)["bootstrap"]["drawn"] == "products"
    one = all_figures(full._replace(truth=np.ones(60, dtype=int)))
    assert one["notes"] == ["every review is labelled positive: ROC AUC and average precision need a second label"]
    absent = _drawn_at_random(["negative", "neutral", "positive"], 60)
    absent = absent._replace(truth=np.where(absent.truth == 1, 0, absent.truth))
    assert all_figures(absent)["notes"][0] == "no review is labelled neutral: ROC AUC needs every label"
    assert all_figures(absent)["all"]["roc_auc"] is None
    few = all_figures(_drawn_at_random(_LABELS, 19))
    assert few["notes"] == ["intervals need 20 reviews, found 19"]
    assert few["all"]["interval"] is None
    products = all_figures(_drawn_at_random(_LABELS, 60, product_id=["a", "b", "c"] * 20))
    assert products["notes"] == [
        "intervals draw single reviews and may be too narrow: products would be drawn from 10 on, found 3"
    ]
    assert products["bootstrap"]["drawn"] == "reviews"


def test_an_evaluation_can_be_written_down(classifier: Classifier, prepared: Path) -> None:
    """It is plain JSON, the same when read again, and names neither a text nor a product of the data."""
    found = all_figures(answer_part(classifier, prepared, "later"))
    words = json.dumps(found, allow_nan=False)
    assert json.loads(words) == found
    part = read_part(prepared, "later")
    assert not [text for text in part["text"] if text in words]
    assert not [product for product in part["product_id"] if f'"{product}"' in words]
