"""Two models on the same rows: how far they differ, in what, and whether B may replace A.

A is what serves, B the candidate. The tests are in `paired` and `resampling`, the clock in `timing`, and the rules in
`verdict`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import norm

from sentiment_api.classifier import Classifier
from sentiment_api.cores import usable_cores
from sentiment_train.contenders import Contender, Rows, check_labels, common_engine, data_warnings, sampled
from sentiment_train.evaluation import figures, label_indexes
from sentiment_train.paired import holm, loss_beyond, mcnemar, score_interval, visible_loss
from sentiment_train.resampling import Differences, differences
from sentiment_train.scoring import score
from sentiment_train.slices import slices
from sentiment_train.timing import ROUNDS, TIMED_TEXTS, Latency, interleaved
from sentiment_train.verdict import FAMILY_ERROR, Bounds, Evidence, SliceEvidence, failed_rules

EXAMPLES = 10
"""Of rows that only one model gets right, each way."""


class Answers(NamedTuple):
    """What one model says of the n rows."""

    probabilities: NDArray[np.float64]
    """`(n, n_labels)`, in the order of A's labels."""
    right: NDArray[np.bool_]
    """`(n,)`"""
    tokens: NDArray[np.int64]
    """`(n,)`, how many it read."""


def compare(
    a: Contender,
    b: Contender,
    rows: Rows,
    bounds: Bounds,
    console: Console,
    *,
    engine: str | None = None,
    allow_other_data: bool = False,
) -> dict[str, Any]:
    """Return all that was measured about A and B on `rows`, the rules that B fails (`failed`), and `may_replace`.

    Differences are B minus A, as shares of 1. `engine` runs both; None takes `cpu` where both have its file. Everything
    but the time a pass takes is the same on each call.

    Raises:
        NotComparable: the labels differ, or B may have been trained on these rows and `allow_other_data` is not set.
        UnusableData: a label is unknown to the models.
        SelfCheckFailed: a bundle does not give its golden texts the recorded answers.
    """
    check_labels(a, b)
    warnings = data_warnings(a, b, rows, allow_other_data=allow_other_data)
    engine = engine or common_engine(a, b)
    truth = label_indexes(rows.reviews["label"], a.labels)
    console.print(f"scoring {len(truth)} rows of {rows.name} with both models, engine {engine}")
    of_a, of_b = (_answers(model, engine, rows, a.labels, truth) for model in (a, b))
    same_version = a.bundle.manifest.version == b.bundle.manifest.version
    masks = slices(rows.reviews, of_a.tokens)
    measured = statistics(truth, of_a, of_b, _clusters(rows.reviews), masks, bounds, same_version=same_version)
    texts = sampled(rows, TIMED_TEXTS).reviews["text"].to_list()
    console.print(f"timing {len(texts)} texts in {ROUNDS} rounds, one at a time")
    latencies = _latencies(a, b, engine, texts, same_version=same_version)
    found = evidence(measured, slowdown=latencies[1].p95_ms / latencies[0].p95_ms)
    failed = failed_rules(found, bounds)
    return {
        "may_replace": not failed,
        "failed": failed,
        "warnings": warnings,
        "bounds": msgspec.to_builtins(bounds),
        "rows": {"name": rows.name, "n": len(truth), "data_hash": rows.data_hash},
        "engine": engine,
        "a": _model(a, of_a, truth, a.labels, latencies[0]),
        "b": _model(b, of_b, truth, a.labels, latencies[1]),
        **measured,
        "slowdown": found.slowdown,
        "timed": {"texts": len(texts), "rounds": ROUNDS},
        "only_a_right": list(_examples(rows.reviews, truth, of_a, of_b, a.labels)),
        "only_b_right": list(_examples(rows.reviews, truth, of_b, of_a, a.labels)),
    }


def statistics(
    truth: NDArray[np.int64],
    a: Answers,
    b: Answers,
    clusters: NDArray[np.int64],
    masks: Mapping[str, NDArray[np.bool_]],
    bounds: Bounds,
    *,
    same_version: bool = False,
) -> dict[str, Any]:
    """Return how B's figures differ from A's: `accuracy`, `macro_f1` and `calibration_error` with intervals, `slices`.

    `truth` and `clusters` (the number of each row's product) are `(n,)`, as are the `masks` of the slices. Two models
    of the same version answer alike everywhere, so that their interval is 0.
    """
    differ = differences(truth, a.probabilities, b.probabilities, clusters)
    accuracy = _accuracy(differ, a, b, same_version=same_version)
    return {
        "accuracy": {**accuracy, "rows_needed": _rows_needed(accuracy, len(truth), bounds)},
        "macro_f1": differ.macro_f1._asdict(),
        "calibration_error": differ.calibration_error._asdict(),
        "slices": _slices(masks, a, b, bounds),
    }


def evidence(measured: dict[str, Any], slowdown: float) -> Evidence:
    """Return what the rules look at, from what `statistics` returned and B's p95 over A's."""
    return Evidence(
        accuracy_low_points=100 * measured["accuracy"]["low"],
        slices=[
            SliceEvidence(
                name=each["name"], rows=each["rows"], loss_points=-100 * each["difference"], p_beyond=each["p_beyond"]
            )
            for each in measured["slices"]
        ],
        calibration_loss=measured["calibration_error"]["value"],
        slowdown=slowdown,
    )


def _answers(model: Contender, engine: str, rows: Rows, labels: list[str], truth: NDArray[np.int64]) -> Answers:
    classifier = Classifier.load(model.bundle, engine, usable_cores())
    classifier.self_check()
    scores = score(classifier, rows.reviews["text"].to_list())
    probabilities = classifier.calibrate(scores.logits)[:, [classifier.labels.index(label) for label in labels]]
    right = probabilities.argmax(axis=1) == truth
    return Answers(probabilities, right, np.array([len(tokens.ids) for tokens in scores.tokens]))


def _clusters(reviews: pl.DataFrame) -> NDArray[np.int64]:
    """Return the number of each row's product, or of the row itself where products are not known."""
    if "product_id" not in reviews.columns:
        return np.arange(len(reviews))
    return np.unique(reviews["product_id"].to_numpy(), return_inverse=True)[1]


def _accuracy(differ: Differences, a: Answers, b: Answers, *, same_version: bool) -> dict[str, Any]:
    """Return the difference of accuracy with its interval and McNemar's test.

    The interval reaches as far as the wider of two at each end: that over products, which is too narrow with few of
    them, and Tango's over rows, for which a hundred rows without a disagreement are no proof. Two models of the same
    version answer alike everywhere, so that theirs is 0.
    """
    gained, lost = int(np.sum(b.right & ~a.right)), int(np.sum(a.right & ~b.right))
    p, test = mcnemar(gained, lost)
    low, high = (0.0, 0.0) if same_version else score_interval(gained, lost, len(a.right))
    return {
        "value": differ.accuracy.value,
        "low": min(low, differ.accuracy.low),
        "high": max(high, differ.accuracy.high),
        "gained": gained,
        "lost": lost,
        "p": p,
        "test": test,
        "same_version": same_version,
    }


def _rows_needed(accuracy: dict[str, Any], n: int, bounds: Bounds, power: float = 0.9) -> int | None:
    """Return about how many such rows let an equal model pass the rule of accuracy with the chance `power`.

    The interval of n rows shrinks with their root. None when the models are the same, or no loss is allowed.
    """
    if accuracy["high"] == accuracy["low"] or bounds.accuracy_loss_points <= 0:
        return None
    half = (accuracy["high"] - accuracy["low"]) / 2
    wanted = bounds.accuracy_loss_points / 100 / float(1 + norm.ppf(power) / norm.ppf(0.975))
    return int(np.ceil(n * (half / wanted) ** 2))


def _latencies(
    a: Contender, b: Contender, engine: str, texts: list[str], *, same_version: bool
) -> tuple[Latency, Latency]:
    """Return the latencies on one engine thread; the same version has the same files, and one latency."""
    first, second = (Classifier.load(model.bundle, engine, 1) for model in (a, b))
    of_a, of_b = interleaved(first, second, texts)
    return (of_a, of_a) if same_version else (of_a, of_b)


def _slices(masks: Mapping[str, NDArray[np.bool_]], a: Answers, b: Answers, bounds: Bounds) -> list[dict[str, Any]]:
    """Return each slice with its paired tests, that in which B loses most first; only large ones are judged.

    `p` is that of equal accuracy and `p_beyond` that of losing at most the bound (see `verdict`), both after Holm's
    correction over the judged slices. `visible_loss` is the loss that would have been refused four times of five.
    """
    found = [_slice(name, a.right[mask], b.right[mask], bounds) for name, mask in masks.items()]
    judged = [each for each in found if each["judged"]]
    for key in ("p", "p_beyond"):
        for each, corrected in zip(judged, holm([each[key] for each in judged]), strict=True):
            each[key] = float(corrected)
    margin = bounds.slice_loss_points / 100
    for each in judged:
        counts = each["gained"], each["lost"], each["rows"]
        each["visible_loss"] = visible_loss(*counts, margin, FAMILY_ERROR / len(judged))
    return sorted(found, key=lambda each: each["difference"])


def _slice(name: str, a: NDArray[np.bool_], b: NDArray[np.bool_], bounds: Bounds) -> dict[str, Any]:
    gained, lost = int(np.sum(b & ~a)), int(np.sum(a & ~b))
    return {
        "name": name,
        "rows": len(a),
        "judged": len(a) >= bounds.slice_rows,
        "accuracy_a": float(a.mean()),
        "accuracy_b": float(b.mean()),
        "difference": (gained - lost) / len(a),
        "gained": gained,
        "lost": lost,
        "p": mcnemar(gained, lost)[0],
        "p_beyond": loss_beyond(gained, lost, len(a), bounds.slice_loss_points / 100),
    }


def _model(
    model: Contender, answers: Answers, truth: NDArray[np.int64], labels: list[str], latency: Latency
) -> dict[str, Any]:
    found = figures(truth, answers.probabilities, labels)
    return {**model.described(), "figures": found, "latency": latency._asdict()}


def _examples(
    reviews: pl.DataFrame, truth: NDArray[np.int64], right: Answers, wrong: Answers, labels: list[str]
) -> Iterator[dict[str, Any]]:
    """Yield rows that only the first model gets right, the second's surest mistakes first; ids, never texts."""
    differing = np.flatnonzero(right.right & ~wrong.right)
    surest = differing[np.argsort(-wrong.probabilities[differing].max(axis=1), kind="stable")][:EXAMPLES]
    for row in surest.tolist():
        yield {
            "id": reviews["id"][row],
            "label": labels[truth[row]],
            "given": labels[int(wrong.probabilities[row].argmax())],
            "score": float(wrong.probabilities[row].max()),
            "tokens": int(wrong.tokens[row]),
        }
