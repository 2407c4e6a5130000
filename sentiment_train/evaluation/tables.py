"""An evaluation as tables of words, the same ones for a terminal and for a page."""

from collections.abc import Iterable
from typing import Any, NamedTuple

_FIGURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC AUC",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "log_loss": "log loss",
}
_MORE_FIGURES = {"calibration_error_equal_mass": "calibration error, bins of equal number"}
_BY_LABEL = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "average precision"}


class FigureTable(NamedTuple):
    """A title, the names of the columns, and rows of as many cells; the first cell of a row is its name."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def evaluation_tables(evaluation: dict[str, Any], name: str) -> list[FigureTable]:
    """Return all tables of an evaluation of the reviews called `name`: three that sum up, and those of details."""
    summary = [figures_table(evaluation, name), intervals_table(evaluation, name), labels_table(evaluation)]
    return [*summary, slices_table(evaluation), abstain_table(evaluation), thresholds_table(evaluation)]


def figures_table(evaluation: dict[str, Any], name: str) -> FigureTable:
    """Return the figures of all reviews, called `name`, of unseen products, of each category, and their mean."""
    parts = {name: evaluation["all"], f"{name}, unseen": evaluation["unseen"], **evaluation["by_category"]}
    rows = [_row(part, figures) for part, figures in parts.items() if figures]
    if (mean := evaluation["category_mean"]) and len(evaluation["by_category"]) > 1:
        rows.append(["mean of categories", "", *(_cell(mean.get(key)) for key in _FIGURES)])
    return FigureTable("Figures", ["part", "n", *_FIGURES.values()], rows)


def intervals_table(evaluation: dict[str, Any], name: str) -> FigureTable:
    """Return each figure of all reviews, and of unseen products, with its interval; no rows where there is none."""
    parts = {name: evaluation["all"], f"{name}, unseen": evaluation["unseen"]}
    measured = {part: figures for part, figures in parts.items() if figures and figures["interval"]}
    rows = [
        [words, *(_with_interval(figures[key], figures["interval"][key]) for figures in measured.values())]
        for key, words in (_FIGURES | _MORE_FIGURES).items()
    ]
    level, drawn = evaluation["bootstrap"]["level"], evaluation["bootstrap"]["drawn"]
    return FigureTable(f"{level:.0%} intervals, over {drawn}", ["figure", *measured], rows if measured else [])


def labels_table(evaluation: dict[str, Any]) -> FigureTable:
    """Return precision, recall, F1 and average precision of each label, with intervals where there are some."""
    figures = evaluation["all"]
    rows = [
        [label, str(n), *(_with_interval(figures[key][label], _ends(figures, key, label)) for key in _BY_LABEL)]
        for label, n in figures["support"].items()
    ]
    return FigureTable("Labels", ["label", "n", *_BY_LABEL.values()], rows)


def slices_table(evaluation: dict[str, Any]) -> FigureTable:
    """Return the figures of each slice."""
    rows = [
        [
            name,
            str(found["n"]),
            _with_interval(found["accuracy"], found["interval"]),
            *(_cell(found[key]) for key in ("macro_f1", "score", "calibration_error")),
        ]
        for name, found in evaluation["slices"].items()
    ]
    return FigureTable("Slices", ["slice", "n", "accuracy", "macro F1", "mean score", "calibration error"], rows)


def abstain_table(evaluation: dict[str, Any]) -> FigureTable:
    """Return the share of answers and their accuracy when those below a score are left out."""
    rows = [
        [f"{row['score']:.2f}", str(row["n"]), _cell(row["coverage"]), _cell(row["accuracy"])]
        for row in evaluation["abstain"]
    ]
    return FigureTable("Answers from a score on", ["score", "n", "coverage", "accuracy"], rows)


def thresholds_table(evaluation: dict[str, Any]) -> FigureTable:
    """Return what other thresholds on the second label's probability would give; no rows with more than two labels."""
    labels = list(evaluation["all"]["support"])
    keys = {key: words for key, words in _BY_LABEL.items() if key != "average_precision"}
    rows = [
        [
            f"{row['threshold']:.2f}",
            _cell(row["accuracy"]),
            *(_cell(row[key][label]) for label in labels for key in keys),
        ]
        for row in evaluation["thresholds"] or ()
    ]
    columns = ["threshold", "accuracy", *(f"{label}: {words}" for label in labels for words in keys.values())]
    return FigureTable(f"{labels[1]} from a threshold on", columns, rows)


def mistakes_table(mistakes: Iterable[dict[str, Any]]) -> FigureTable:
    """Return the worst mistakes by id."""
    columns = ["id", "product_id", "label", "given", "probability of the label", "loss", "tokens"]
    rows = [
        [
            *(row["id"], row["product_id"] or "", row["label"], row["given"]),
            *(f"{row['probability']:.4f}", f"{row['loss']:.2f}", str(row["tokens"])),
        ]
        for row in mistakes
    ]
    return FigureTable("Worst mistakes", columns, rows)


def _row(name: str, figures: dict[str, Any]) -> list[str]:
    return [name, str(figures["n"]), *(_cell(figures[key]) for key in _FIGURES)]


def _ends(figures: dict[str, Any], key: str, label: str) -> list[float] | None:
    ends: list[float] | None = figures["interval"][key][label] if figures["interval"] else None
    return ends


def _cell(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"


def _with_interval(number: float | None, ends: list[float] | None) -> str:
    return _cell(number) + (f" ({ends[0]:.4f} to {ends[1]:.4f})" if ends else "")
