"""`prepare`: ratings to parts."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from sentiment_train.commands import NewFolder, console
from sentiment_train.preparation import prepare as prepare_ratings


def prepare(
    sources: Annotated[
        list[Path], typer.Argument(help="Parquet, csv, jsonl or jsonl.gz files: text, rating, product_id, timestamp.")
    ],
    out: NewFolder,
    labels: Annotated[
        Literal["binary", "three-way"], typer.Option(help="Leave 3 stars out, or call them neutral.")
    ] = "binary",
) -> None:
    """Clean ratings, make texts unique and split them into train, validation, reference and later."""
    console.print(f"will write {out}: train, validation, reference and later as parquet files, and data.json")
    record = prepare_ratings(sources, out, labels=labels)
    left_out = ", ".join(f"{rows} {reason}" for reason, rows in record["rows_left_out"].items())
    table = Table("part", "reviews", "labels", title=f"{record['rows_read']} rows; left out: {left_out}")
    for name, counts in record["parts"].items():
        table.add_row(name, str(counts["rows"]), ", ".join(f"{label} {n}" for label, n in counts["labels"].items()))
    console.print(table)
