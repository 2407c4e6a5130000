"""An evaluation as pictures: one PNG each, legible in black and white, on paper as on a screen.

Line style, shade and place tell labels apart, never colour; every axis says what it shows and in which unit.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from sentiment_train.evaluation.answers import LabelledAnswers

History = Sequence[dict[str, Any]]

_DOTS_PER_INCH = 120
_INK, _GREY, _FAINT = "#1a1a1a", "#7a7a7a", "#c8c8c8"
_STYLES = ("-", "--", ":", "-.")
"""Of labels, in their order."""
_SCORE_BINS = [step / 20 for step in range(21)]


class _Shown(NamedTuple):
    """What every picture is drawn from."""

    answers: LabelledAnswers
    evaluation: dict[str, Any]
    history: History

    def percent(self, name: str, label: str | None = None) -> str:
        """Return a figure of all reviews in per cent, `not measured` where it is None."""
        value = self.evaluation["all"][name]
        value = value[label] if label is not None else value
        return "not measured" if value is None else f"{value:.2%}"


def draw(answers: LabelledAnswers, evaluation: dict[str, Any], folder: Path, history: History = ()) -> dict[str, str]:
    """Draw the pictures into `folder`, which is made, and return the caption of each by its file name, in order.

    `evaluation` is what `figures.all_figures` makes of `answers`; `history` is the log of a fit, dicts with `step`,
    and `loss` or `eval_loss`. A picture that would show nothing is left out: ROC and precision by recall where only one
    label occurs, slices and learning curve where there are none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    captions = {}
    for name, figure, caption in _drawn(_Shown(answers, evaluation, history)):
        figure.savefig(folder / name, dpi=_DOTS_PER_INCH, metadata={"Software": None})
        captions[name] = caption
    return captions


def _drawn(shown: _Shown) -> Iterator[tuple[str, Figure, str]]:
    yield "confusion.png", _confusion(shown), "Right and given labels: reviews, and the share of the right label's."
    if len(np.unique(shown.answers.truth)) > 1:
        yield "roc.png", _roc(shown), "ROC: what is found of a label, by what is wrongly taken for it."
        yield "precision.png", _precision(shown), "Precision by recall, as the threshold falls."
    yield "reliability.png", _reliability(shown), "Accuracy by score. On the diagonal a score means what it says."
    yield "scores.png", _scores(shown), "Probabilities by right label."
    if len(_losses(shown.history, "loss")) + len(_losses(shown.history, "eval_loss")) > 1:
        yield "learning.png", _learning(shown), "Loss while the model was trained."
    if shown.evaluation["slices"]:
        yield "slices.png", _slices(shown), "Accuracy by slice, with 95 % intervals; the line is that of all reviews."


def _confusion(shown: _Shown) -> Figure:
    labels = shown.answers.labels
    counts = np.array(shown.evaluation["all"]["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _empty(1.4 + 1.5 * len(labels), 1.0 + 1.2 * len(labels))
    axes.imshow(shares, cmap="Greys", vmin=0.0, vmax=1.0, aspect="auto")
    for (right, given), count in np.ndenumerate(counts):
        colour = "white" if shares[right, given] > 0.5 else _INK
        words = f"{count:,}\n{shares[right, given]:.1%}"
        axes.text(given, right, words, ha="center", va="center", color=colour, fontsize=11)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_yticks(range(len(labels)), labels, rotation=90, va="center")
    axes.tick_params(length=0)
    axes.set(xlabel="given label", ylabel="right label")
    axes.spines[:].set_visible(True)
    return figure


def _roc(shown: _Shown) -> Figure:
    answers = shown.answers
    figure, axes = _empty(4.6, 4.4)
    axes.plot([0, 1], [0, 1], color=_FAINT, linewidth=1)
    for style, place in zip(_STYLES, _ranked(answers), strict=False):
        fallout, recall, _ = roc_curve(answers.truth == place, answers.probabilities[:, place])
        axes.plot(fallout, recall, style, color=_INK, label=answers.labels[place])
    axes.set(
        xlabel="false positive rate: of the others, taken for it", ylabel="true positive rate: of the label, found"
    )
    axes.legend(title=f"area {shown.percent('roc_auc')}", loc="lower right", frameon=False)
    _percent(axes)
    return figure


def _ranked(answers: LabelledAnswers) -> list[int]:
    """Return the labels that occur; of two the second alone, as the first one's curve is its mirror image."""
    return [place for place in np.unique(answers.truth).tolist() if len(answers.labels) > 2 or place == 1]


def _precision(shown: _Shown) -> Figure:
    answers = shown.answers
    figure, axes = _empty(4.6, 4.4)
    for place in np.unique(answers.truth).tolist():
        precision, recall, _ = precision_recall_curve(answers.truth == place, answers.probabilities[:, place])
        name = f"{answers.labels[place]}, average {shown.percent('average_precision', answers.labels[place])}"
        axes.plot(recall, precision, _STYLES[place % 4], color=_INK, label=name, drawstyle="steps-pre")
    axes.set(xlabel="recall: of the label, found", ylabel="precision: of those given, right", ylim=(None, 1.02))
    axes.legend(loc="lower left", frameon=False)
    _percent(axes)
    return figure


def _reliability(shown: _Shown) -> Figure:
    bins = shown.evaluation["reliability"]
    figure, (axes, below) = _stacked(4.6, 5.2)
    lowest = min(bins[0]["low"], 0.5)
    axes.plot([lowest, 1], [lowest, 1], color=_FAINT, linewidth=1)
    axes.plot([each["score"] for each in bins], [each["accuracy"] for each in bins], "o-", color=_INK, markersize=4)
    axes.set(
        ylabel="accuracy", xlim=(lowest, 1.0), ylim=(min(lowest, *(each["accuracy"] for each in bins)) - 0.03, 1.03)
    )
    axes.set_title(f"calibration error {shown.percent('calibration_error')}", loc="left", fontsize=9)
    bars = below.bar(
        [each["low"] for each in bins],
        [each["n"] for each in bins],
        [each["high"] - each["low"] for each in bins],
        align="edge",
        color=_FAINT,
        edgecolor=_INK,
        linewidth=0.6,
    )
    below.bar_label(bars, [f"{each['n']:,}" for each in bins], fontsize=7)
    below.set(xlabel="score: probability of the given label", ylabel="reviews\n(log scale)", yscale="log")
    below.set(ylim=(0.7, 4 * max(each["n"] for each in bins)), yticks=[])
    below.minorticks_off()
    _percent(axes)
    return figure


def _scores(shown: _Shown) -> Figure:
    answers = shown.answers
    binary = len(answers.labels) == 2
    column = np.ones_like(answers.truth) if binary else answers.truth
    probability = answers.probabilities[np.arange(len(column)), column]
    figure, axes = _empty(5.4, 3.8)
    for place in np.unique(answers.truth).tolist():
        axes.hist(
            probability[answers.truth == place],
            _SCORE_BINS,
            histtype="step",
            color=_INK,
            linestyle=_STYLES[place % 4],
            linewidth=1.4,
            label=answers.labels[place],
        )
    axes.set(
        xlabel=f"probability of {answers.labels[1] if binary else 'the right label'}", ylabel="reviews (log scale)"
    )
    axes.set(yscale="log", xlim=(0.0, 1.0), ylim=(0.7, None))
    axes.legend(title="right label", loc="upper center", frameon=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def _slices(shown: _Shown) -> Figure:
    slices = shown.evaluation["slices"]
    figure, axes = _empty(6.8, 1.0 + 0.21 * len(slices))
    axes.axvline(shown.evaluation["all"]["accuracy"], color=_GREY, linewidth=1)
    for place, found in enumerate(slices.values()):
        low, high = found["interval"] or (found["accuracy"], found["accuracy"])
        axes.plot([low, high], [place, place], color=_INK, linewidth=1.2)
        axes.plot(found["accuracy"], place, "o", color=_INK, mfc=_INK if found["interval"] else "white", markersize=4)
        axes.annotate(f"{found['n']:,}", (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.set_yticks(range(len(slices)), list(slices), fontsize=8)
    axes.set(xlabel="accuracy", ylim=(len(slices) - 0.4, -0.6))
    axes.annotate("reviews", (1.01, -1.1), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.grid(axis="y", color=_FAINT, linewidth=0.4)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure


def _learning(shown: _Shown) -> Figure:
    figure, axes = _empty(5.4, 3.8)
    for key, style, name in (("loss", "-", "training"), ("eval_loss", "o--", "validation")):
        if found := _losses(shown.history, key):
            axes.plot(*zip(*found, strict=True), style, color=_INK, linewidth=1.2, markersize=4, label=name)
    axes.set(xlabel="step", ylabel="loss (cross entropy, nats)", ylim=(0.0, None))
    axes.legend(loc="upper right", frameon=False)
    return figure


def _losses(history: History, key: str) -> list[tuple[float, float]]:
    return [(entry["step"], entry[key]) for entry in history if key in entry and "step" in entry]


def _empty(width_inches: float, height_inches: float) -> tuple[Figure, Axes]:
    figure = Figure((width_inches, height_inches), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _stacked(width_inches: float, height_inches: float) -> tuple[Figure, tuple[Axes, Axes]]:
    """Return a figure of two places over one another that share their x axis, the upper one three times as high."""
    figure = Figure((width_inches, height_inches), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return figure, (upper, lower)


def _percent(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
