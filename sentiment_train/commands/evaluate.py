"""`evaluate`: how good a model is on ratings that it never saw."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Column, Table

from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_api.cores import usable_cores
from sentiment_train.commands import console
from sentiment_train.evaluation import evaluate as evaluate_model
from sentiment_train.evaluation import evaluate_texts


def evaluate(
    model: Annotated[Path, typer.Argument(help="A bundle, or a folder that `fit` made.")],
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made.")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A parquet file to score as it is: text, and label by name or 0 and 1.")
    ] = None,
    engine: Annotated[Literal["cpu", "torch"], typer.Option(help="A folder of `fit` runs on torch only.")] = "torch",
    part: Annotated[Literal["validation", "later"], typer.Option(help="Of the folder.")] = "later",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print accuracy, macro F1, ROC AUC, Brier score and calibration error on ratings that the model never saw.

    They come from a prepared folder (--data) or from one plain file of labelled texts (--texts).
    """
    if (data is None) == (texts is None):
        raise typer.BadParameter("give exactly one of --data and --texts")
    classifier = Classifier.load(open_bundle(model), engine, usable_cores())
    if data is not None:
        result = evaluate_model(classifier, data, part)
        rows = {part: result["all"], f"{part}, unseen": result["unseen"], **result["by_category"]}
    elif texts is not None:
        result = evaluate_texts(classifier, texts)
        rows = {texts.name: result}
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        console.print(_figures_table(rows, title=f"{model}, {engine}"))


def _figures_table(rows: dict[str, dict[str, Any] | None], title: str) -> Table:
    part = Column("part", overflow="fold")
    table = Table(part, "n", "accuracy", "macro F1", "ROC AUC", "Brier", "calibration error", title=title)
    for name, figures in rows.items():
        if figures is not None:
            numbers = (figures[key] for key in ("accuracy", "macro_f1", "roc_auc", "brier", "calibration_error"))
            cells = ("" if number is None else f"{number:.4f}" for number in numbers)
            table.add_row(name, str(figures["n"]), *cells)
    return table
