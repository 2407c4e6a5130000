"""`compare`: whether a candidate may replace the model that serves."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from sentiment_api.errors import SentimentError, place_of
from sentiment_api.model.engines import EngineName
from sentiment_train.commands import console
from sentiment_train.commands.option_groups import OptionGroup, grouped_options
from sentiment_train.comparison.tables import models_table, remarks, slices_table
from sentiment_train.comparison.verdict import Bounds
from sentiment_train.errors import NotComparable, NotWritten, TrainingError, missing_library_translated
from sentiment_train.folders import replace_files

_BOUNDS: Final[OptionGroup] = {
    "accuracy_loss_points": typer.Option(
        "--max-accuracy-loss", min=0.0, help="Points; the lower end of the 95 % interval must be above it."
    ),
    "slice_loss_points": typer.Option(
        "--max-slice-loss", min=0.0, max=100.0, help="Points; no slice may be shown to lose more."
    ),
    "slice_rows": typer.Option("--min-slice-rows", min=1, help="Smaller slices are not judged."),
    "calibration_loss": typer.Option("--max-calibration-loss", min=0.0, help="Of the calibration error, 0 to 1."),
    "slowdown": typer.Option("--max-slowdown", min=0.0, help="B's p95 over A's."),
}


@grouped_options(bounds=_BOUNDS)
def compare(  # noqa: PLR0913 - each is an option of the command line
    a: Annotated[Path, typer.Argument(help="What serves: a bundle, or a folder that `fit` made.")],
    b: Annotated[Path, typer.Argument(help="The candidate: a bundle, or a folder that `fit` made.")],
    *,
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made, and that B was fitted on.")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="Instead: a file of labelled texts, as `evaluate` reads it.")
    ] = None,
    part: Annotated[
        Literal["validation", "later", "held_out"] | None,
        typer.Option(help="Of the folder: the one that is held out unless given."),
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Of both; cpu if both have its file, else torch.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Compare on so many rows only, chosen by their ids.")
    ] = None,
    bounds: Bounds,
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
    if as_json is not None:  # before the minutes that scoring takes
        _check_place(as_json)
    try:
        with missing_library_translated():
            from sentiment_train.comparison import compare, contenders  # noqa: PLC0415 - heavy: --help needs none of it

            found = compare.compare(
                contenders.open_contender(a),
                contenders.open_contender(b),
                contenders.read_rows(data, texts, part, sample),
                bounds,
                console,
                engine=engine,
                allow_other_data=allow_other_data,
            )
    except (TrainingError, SentimentError, OSError) as error:
        raise NotComparable(str(error)) from error
    except Exception as error:  # with Python's exit code, 1, it would say that B may not replace A
        raise NotComparable(_unforeseen(error)) from error
    if as_json is not None:
        _write(as_json, found)
    _show(found)
    raise typer.Exit(0 if found["may_replace"] else 1)


def _check_place(file: Path) -> None:
    if not file.parent.is_dir():
        raise typer.BadParameter(f"expected a folder {file.parent} for {file.name}, found none")
    if file.exists() and not file.is_file():  # it is replaced, which must not happen to a folder or to /dev/stdout
        raise typer.BadParameter(f"expected the name of a file, found {file}, which is none")


def _unforeseen(error: Exception) -> str:
    """Return what happened and where, without its message, which may quote a review."""
    return (
        f"expected to compare the models, found {type(error).__name__} at {place_of(error)}; make "
        "sure that models and data are whole, or report it"
    )


def _write(file: Path, found: dict[str, Any]) -> None:
    try:
        replace_files(file.parent, {file.name: (json.dumps(found, indent=2) + "\n").encode()})
    except NotWritten as error:
        raise NotComparable(str(error)) from error


def _show(found: dict[str, Any]) -> None:
    console.print(models_table(found))
    if any(each["difference"] < 0 for each in found["slices"]):
        console.print(slices_table(found))
    for line in remarks(found):
        console.print(line, highlight=False)
