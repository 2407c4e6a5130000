"""`evaluate`: how good a model is on ratings that it never saw."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Column, Table

from sentiment_api.model.engines import EngineName
from sentiment_train.commands import console
from sentiment_train.evaluation.tables import FigureTable, evaluation_tables, mistakes_table

_WIDEST_NAME = 20


def evaluate(
    model: Annotated[Path, typer.Argument(help="A bundle, or a folder that `fit` made.")],
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="A parquet, csv or jsonl file to score as it is: text, and label by name or 0 and 1."),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="A folder of `fit` runs on torch only.")] = "torch",
    part: Annotated[
        Literal["validation", "later", "held_out"] | None,
        typer.Option(help="Of the folder: the one that is held out unless given."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write JSON, a page and pictures here: new or empty. One with files in it is refused."),
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=0, help="List so many of the worst mistakes, by id; in --out 20 unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure a model on ratings that it never saw: figures with intervals, slices, thresholds, mistakes, pictures.

    They come from a prepared folder (--data) or from one plain file of labelled texts (--texts). Texts of reviews are
    neither printed nor written.
    """
    if (data is None) == (texts is None):
        raise typer.BadParameter("give exactly one of --data and --texts")
    from sentiment_train.evaluation import evaluate  # noqa: PLC0415 - heavy: --help needs none of it

    found = evaluate.evaluate(model, data, texts, part=part, engine=engine, out=out, worst=worst)
    if as_json:
        # A plain file has no parts: what is printed of it are its figures.
        shown = found.figures["all"] if texts else found.figures
        print(json.dumps(shown | ({"mistakes": found.mistakes} if worst else {}), indent=2))
        return
    console.print(f"{found.subject.model} {found.subject.version}, {engine}", highlight=False)
    _show(found.figures, found.mistakes, found.subject.reviews)
    if out is not None:
        console.print(f"wrote {out}: index.html, evaluation.json and figures")


def _show(figures: dict[str, Any], mistakes: list[dict[str, Any]], reviews: str) -> None:
    for table in (*evaluation_tables(figures, reviews), mistakes_table(mistakes)):
        if table.rows:
            console.print(_on_screen(table))
    for note in figures["notes"]:
        console.print(f"note: {note}", highlight=False)


def _on_screen(table: FigureTable) -> Table:
    name, *others = table.columns
    longest = max(len(row[0]) for row in table.rows)
    # An id that is broken in two cannot be copied.
    first = Column(name, overflow="fold", min_width=min(longest, _WIDEST_NAME))
    screen = Table(first, *others, title=table.title)
    for row in table.rows:
        screen.add_row(*row)
    return screen
