"""The commands of `sentiment-train`: their options, and what they print. The work is done elsewhere.

One file each, but for `import-bert`, which stands beside `fit`, and `card`, beside `export`.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(soft_wrap=True)

NewFolder = Annotated[
    Path, typer.Option("--out", help="The folder to write: new or empty. One with files in it is refused.")
]
