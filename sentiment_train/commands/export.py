"""`export`: a model to a bundle that the service takes."""

from pathlib import Path
from typing import Annotated

import typer

from sentiment_train.commands import BaseModel, Datasets, Licence, NewFolder, Notes, Prepared, Terms, console
from sentiment_train.exporting.card import Card
from sentiment_train.exporting.card_file import read_notes
from sentiment_train.exporting.export import export as export_bundle


def export(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    run: Annotated[Path, typer.Argument(help="The folder that `fit` made, or a bundle, to export its weights again.")],
    data: Prepared,
    out: NewFolder,
    name: Annotated[str, typer.Option(help="The model's name, as replies carry it.")],
    max_tokens: Annotated[int, typer.Option(min=8, help="Longer texts are cut when served.")] = 512,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="A file of labelled texts to score once, for the card; can be repeated."
        ),
    ] = None,
    licence: Licence = None,
    terms: Terms = None,
    notes: Notes = None,
    base_model: BaseModel = None,
    dataset: Datasets = None,
) -> None:
    """Turn a fitted model into a bundle that the service takes: int8 file, calibration, reference, golden texts."""
    words = read_notes(notes) if notes is not None else None
    card = Card(licence=licence, terms=terms, notes=words, base_model=base_model, datasets=dataset or [])
    files = dict(_named(each) for each in also or [])
    manifest = export_bundle(run, data, out, name=name, max_tokens=max_tokens, card=card, console=console, also=files)
    figures = manifest.training["metrics"]["all"]
    console.print(
        f"wrote {out}: {manifest.name} {manifest.version}, later accuracy {figures['accuracy']:.4f}, "
        f"macro F1 {figures['macro_f1']:.4f}"
    )


def _named(option: str) -> tuple[str, Path]:
    name, equals, file = option.partition("=")
    if not (name and equals and file):
        raise typer.BadParameter(f"expected --also NAME=FILE, found {option!r}")
    return name, Path(file)
