"""`card`: the model card of a bundle, written again."""

from pathlib import Path
from typing import Annotated

import typer

from sentiment_train.commands import BaseModel, Datasets, Licence, Notes, Terms, console
from sentiment_train.exporting.card import CARD, Card
from sentiment_train.exporting.card_file import read_notes, restated, rewrite_card, write_card


def card(
    model: Annotated[Path, typer.Argument(help="A bundle that `export` made.")],
    out: Annotated[
        Path | None, typer.Option(help="Write the card to this new file, and leave the bundle as it is.")
    ] = None,
    licence: Licence = None,
    terms: Terms = None,
    notes: Notes = None,
    base_model: BaseModel = None,
    dataset: Datasets = None,
) -> None:
    """Write the model card of a bundle again, in the form of the Hugging Face hub, with what is stated here.

    What is not stated stays as it was. The bundle's version stays as well.
    """
    words = read_notes(notes) if notes is not None else None
    statements = Card(licence=licence, terms=terms, notes=words, base_model=base_model, datasets=dataset or [])
    if out is None:
        manifest = rewrite_card(model, statements)
        console.print(f"wrote {model / CARD}: {manifest.name} {manifest.version}, the version as it was")
    else:
        write_card(out, restated(model, statements)[1])
        console.print(f"wrote {out}")
