"""The commands of `sentiment-train`, one file each, and the options that several of them share."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(soft_wrap=True)

Prepared = Annotated[Path, typer.Option("--data", help="The folder that `prepare` made.")]
NewFolder = Annotated[
    Path, typer.Option("--out", help="The folder to write: new or empty. One with files in it is refused.")
]

Licence = Annotated[str | None, typer.Option(help="Of the weights, for the model card.")]
Terms = Annotated[str | None, typer.Option(help="Of the training data, for the model card.")]
Notes = Annotated[Path | None, typer.Option(help="A Markdown file on the model's limits, for the card.")]
BaseModel = Annotated[
    str | None, typer.Option(help="The hub's name of the base, for the card, where it was fitted from a folder.")
]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", help="The hub's name of a data set, for the card; can be repeated.")
]
