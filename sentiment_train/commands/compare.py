"""`compare`: whether a candidate may replace the model that serves."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sentiment_api.errors import SentimentError
from sentiment_train.commands import console
from sentiment_train.comparison.compare import compare as compare_models
from sentiment_train.comparison.contenders import Rows, open_contender, plain_rows, prepared_rows, sampled
from sentiment_train.comparison.tables import models_table, remarks, slices_table
from sentiment_train.comparison.verdict import Bounds
from sentiment_train.errors import NotComparable, TrainingError

_BOUNDS = Bounds()


def compare(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    a: Annotated[Path, typer.Argument(help="What serves: a bundle, or a folder that `fit` made.")],
    b: Annotated[Path, typer.Argument(help="The candidate: a bundle, or a folder that `fit` made.")],
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made, and that B was fitted on.")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Instead: a file of labelled texts, as `evaluate` reads it.")
    ] = None,
    part: Annotated[Literal["validation", "later"], typer.Option(help="Of the folder.")] = "later",
    engine: Annotated[
        Literal["cpu", "torch"] | None, typer.Option(help="Of both; cpu if both have its file, else torch.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Compare on so many rows only, chosen by their ids.")
    ] = None,
    max_accuracy_loss: Annotated[
        float, typer.Option(min=0.0, help="Points; the lower end of the 95 % interval must be above it.")
    ] = _BOUNDS.accuracy_loss_points,
    max_slice_loss: Annotated[
        float, typer.Option(min=0.0, max=100.0, help="Points; no slice may be shown to lose more.")
    ] = _BOUNDS.slice_loss_points,
    min_slice_rows: Annotated[int, typer.Option(min=1, help="Smaller slices are not judged.")] = _BOUNDS.slice_rows,
    max_calibration_loss: Annotated[
        float, typer.Option(min=0.0, help="Of the calibration error, 0 to 1.")
    ] = _BOUNDS.calibration_loss,
    max_slowdown: Annotated[float, typer.Option(min=0.0, help="B's p95 over A's.")] = _BOUNDS.slowdown,
    allow_other_data: Annotated[
        bool, typer.Option("--allow-other-data", help="Compare although B may have been trained on these rows.")
    ] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write everything to this file.")] = None,
) -> None:
    """Say whether B may replace A: exit code 0 if so, 1 if not (each reason is named), 2 if it cannot be said.

    Both are tested on the same rows, which neither may have been trained on.
    """
    if (data is None) == (texts is None):
        raise typer.BadParameter("give exactly one of --data and --texts")
    bounds = Bounds(
        accuracy_loss_points=max_accuracy_loss,
        slice_loss_points=max_slice_loss,
        slice_rows=min_slice_rows,
        calibration_loss=max_calibration_loss,
        slowdown=max_slowdown,
    )
    if as_json is not None and not as_json.parent.is_dir():  # before the minutes that scoring takes
        raise typer.BadParameter(f"expected a folder {as_json.parent} for {as_json.name}, found none")
    try:
        rows = _rows(data, texts, part, sample)
        found = compare_models(
            open_contender(a),
            open_contender(b),
            rows,
            bounds,
            console,
            engine=engine,
            allow_other_data=allow_other_data,
        )
        if as_json is not None:
            as_json.write_text(json.dumps(found, indent=2) + "\n")
    except OSError as error:
        raise NotComparable(f"cannot write {as_json}: {error.strerror or error}") from error
    except (TrainingError, SentimentError) as error:
        raise NotComparable(str(error)) from error
    _show(found)
    raise typer.Exit(0 if found["may_replace"] else 1)


def _rows(data: Path | None, texts: Path | None, part: str, sample: int | None) -> Rows:
    rows = prepared_rows(data, part) if data is not None else plain_rows(texts or Path())
    return rows if sample is None else sampled(rows, sample)


def _show(found: dict[str, Any]) -> None:
    console.print(models_table(found))
    if any(each["difference"] < 0 for each in found["slices"]):
        console.print(slices_table(found))
    for line in remarks(found):
        console.print(line, highlight=False)
