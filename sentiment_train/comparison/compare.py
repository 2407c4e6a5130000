"""Two models on the same rows: how far they differ, in what, and whether B may replace A.

A is what serves, B the candidate. The tests are in `paired`, the intervals over products in `intervals`, the clock in
`timing`, and the rules in `verdict`.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.stats import norm

from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_train.comparison.contenders import (
    ComparedRows,
    Contender,
    check_labels,
    common_engine,
    data_warnings,
    sampled,
)
from sentiment_train.comparison.paired import holm, loss_beyond, mcnemar, score_interval, visible_loss
from sentiment_train.comparison.timing import ROUNDS, TIMED_TEXTS, Latency, interleaved
from sentiment_train.comparison.verdict import FAMILY_ERROR, Bounds, ComparisonFigures, SliceFigures, failed_rules
from sentiment_train.evaluation.answers import LabelledAnswers, answer, worst_mistakes
from sentiment_train.evaluation.figures import figures
from sentiment_train.evaluation.intervals import clusters, intervals
from sentiment_train.evaluation.measures import calibration_gap, confusion, equal_bins, of_confusion
from sentiment_train.evaluation.slices import slices

Bools = NDArray[np.bool_]

EXAMPLES = 10
"""Of rows that only one model gets right, each way."""


def compare(
    a: Contender,
    b: Contender,
    rows: ComparedRows,
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
    console.print(f"scoring {len(rows.reviews)} rows of {rows.source.name} with both models, engine {engine}")
    of_a, of_b = (_answers(model, engine, rows, a.labels) for model in (a, b))
    same_version = a.bundle.manifest.version == b.bundle.manifest.version
    measured = statistics(of_a, of_b, bounds, same_version=same_version)
    texts = sampled(rows, TIMED_TEXTS).reviews["text"].to_list()
    console.print(f"timing {len(texts)} texts in {ROUNDS} rounds, one at a time")
    latencies = _latencies(a, b, engine, texts, same_version=same_version)
    judged = comparison_figures(measured, slowdown=latencies[1].p95_ms / latencies[0].p95_ms)
    failed = failed_rules(judged, bounds)
    return {
        "may_replace": not failed,
        "failed": failed,
        "warnings": warnings,
        "bounds": msgspec.to_builtins(bounds),
        "rows": {"name": rows.source.name, "n": len(rows.reviews), "data_hash": rows.data_hash},
        "engine": engine,
        "a": _model(a, of_a, latencies[0]),
        "b": _model(b, of_b, latencies[1]),
        **measured,
        "slowdown": judged.slowdown,
        "timed": {"texts": len(texts), "rounds": ROUNDS},
        "only_a_right": worst_mistakes(of_b.of(_right(of_a)), EXAMPLES),
        "only_b_right": worst_mistakes(of_a.of(_right(of_b)), EXAMPLES),
    }


def statistics(a: LabelledAnswers, b: LabelledAnswers, bounds: Bounds, *, same_version: bool = False) -> dict[str, Any]:
    """Return how B's figures differ from A's: `accuracy`, `macro_f1` and `calibration_error` with intervals, `slices`.

    Both are answers to the same rows, with the same labels in the same order. Two models of the same version answer
    alike everywhere, so that their interval is 0.
    """
    differ = _differences(a, b)
    accuracy = _accuracy(differ["accuracy"], _right(a), _right(b), same_version=same_version)
    return {
        "accuracy": {**accuracy, "rows_needed": _rows_needed(accuracy, len(a.truth), bounds)},
        "macro_f1": differ["macro_f1"],
        "calibration_error": differ["calibration_error"],
        "slices": _slices(slices(a.reviews, a.tokens), _right(a), _right(b), bounds),
    }


def comparison_figures(measured: dict[str, Any], slowdown: float) -> ComparisonFigures:
    """Return what the rules look at, from what `statistics` returned and B's p95 over A's."""
    return ComparisonFigures(
        accuracy_low_points=100 * measured["accuracy"]["low"],
        slices=[
            SliceFigures(
                name=each["name"], rows=each["rows"], loss_points=-100 * each["difference"], p_beyond=each["p_beyond"]
            )
            for each in measured["slices"]
        ],
        calibration_loss=measured["calibration_error"]["value"],
        slowdown=slowdown,
    )


def _answers(model: Contender, engine: str, rows: ComparedRows, labels: list[str]) -> LabelledAnswers:
    """Return the model's answers, with `labels` in that order."""
    classifier = Classifier.load(model.bundle, engine, usable_cores())
    classifier.self_check()
    found = answer(classifier, rows.reviews, rows.source)
    places = [classifier.labels.index(label) for label in labels]
    truth = np.argsort(places)[found.truth]
    return found._replace(labels=labels, truth=truth, probabilities=found.probabilities[:, places])


def _right(answers: LabelledAnswers) -> Bools:
    right: Bools = answers.given == answers.truth
    return right


def _differences(a: LabelledAnswers, b: LabelledAnswers) -> dict[str, dict[str, float | None]]:
    """Return `value`, `low` and `high` of each difference; the ends are None where there are too few rows for them."""

    def statistics_of(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        of_a, of_b = (_compared(each, weights) for each in (a, b))
        return {name: of_b[name] - of_a[name] for name in of_a}

    n = len(a.truth)
    whole = statistics_of(np.ones((1, n)))
    ends = intervals(statistics_of, clusters(a.reviews.get_column("product_id", default=None), n))
    return {name: {"value": float(value[0]), **_ends(ends.get(name))} for name, value in whole.items()}


def _ends(ends: NDArray[np.float64] | None) -> dict[str, float | None]:
    return {"low": None, "high": None} if ends is None else {"low": float(ends[0]), "high": float(ends[1])}


def _compared(answers: LabelledAnswers, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return accuracy, macro F1 and calibration error `(m,)` for weights `(m, n)`."""
    of_labels = of_confusion(confusion(answers.truth, answers.probabilities, weights))
    gap = calibration_gap(answers.truth, answers.probabilities, weights, equal_bins(answers.score))
    return {"accuracy": of_labels["accuracy"], "macro_f1": of_labels["macro_f1"], "calibration_error": gap}


def _accuracy(differ: dict[str, float | None], a: Bools, b: Bools, *, same_version: bool) -> dict[str, Any]:
    """Return the difference of accuracy with its interval and McNemar's test; `a` and `b` say where they are right.

    The interval reaches as far as the wider of two at each end: that over products, and Tango's over rows, for which a
    hundred rows without a disagreement are no proof.
    """
    gained, lost = int(np.sum(b & ~a)), int(np.sum(a & ~b))
    p, test = mcnemar(gained, lost)
    low, high = (0.0, 0.0) if same_version else score_interval(gained, lost, len(a))
    return {
        "value": differ["value"],
        "low": low if differ["low"] is None else min(low, differ["low"]),
        "high": high if differ["high"] is None else max(high, differ["high"]),
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


def _slices(masks: dict[str, Bools], a: Bools, b: Bools, bounds: Bounds) -> list[dict[str, Any]]:
    """Return each slice with its paired tests, that in which B loses most first; only large ones are judged.

    `p` is that of equal accuracy and `p_beyond` that of losing at most the bound (see `verdict`), both after Holm's
    correction over the judged slices. `visible_loss` is the loss that would have been refused four times of five.
    """
    found = [_slice(name, a[mask], b[mask], bounds) for name, mask in masks.items()]
    judged = [each for each in found if each["judged"]]
    for key in ("p", "p_beyond"):
        for each, corrected in zip(judged, holm([each[key] for each in judged]), strict=True):
            each[key] = float(corrected)
    margin = bounds.slice_loss_points / 100
    for each in judged:
        counts = each["gained"], each["lost"], each["rows"]
        each["visible_loss"] = visible_loss(*counts, margin, FAMILY_ERROR / len(judged))
    return sorted(found, key=lambda each: each["difference"])


def _slice(name: str, a: Bools, b: Bools, bounds: Bounds) -> dict[str, Any]:
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


def _model(model: Contender, answers: LabelledAnswers, latency: Latency) -> dict[str, Any]:
    found = figures(answers.truth, answers.probabilities, answers.labels)
    return {**model.described(), "figures": found, "latency": latency._asdict()}
