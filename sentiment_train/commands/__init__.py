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
