"""`export`: a model to a bundle that the service takes."""

from pathlib import Path
from typing import Annotated

import typer

from sentiment_train.commands import Prepared, console
from sentiment_train.exporting import Card
from sentiment_train.exporting import export as export_bundle


def export(
    run: Annotated[Path, typer.Argument(help="The folder that `fit` made, or a bundle, to export its weights again.")],
    data: Prepared,
    out: Annotated[Path, typer.Option(help="The bundle's folder, which must not exist yet.")],
    name: Annotated[str, typer.Option(help="The model's name, as replies carry it.")],
    max_tokens: Annotated[int, typer.Option(min=8, help="Longer texts are cut when served.")] = 512,
    licence: Annotated[str | None, typer.Option(help="Of the weights, for the model card.")] = None,
    terms: Annotated[str | None, typer.Option(help="Of the training data, for the model card.")] = None,
) -> None:
    """Turn a fitted model into a bundle that the service takes: int8 file, calibration, reference, golden texts."""
    card = Card(licence=licence, terms=terms)
    manifest = export_bundle(run, data, out, name=name, max_tokens=max_tokens, card=card, console=console)
    figures = manifest.training["metrics"]["all"]
    console.print(
        f"wrote {out}: {manifest.name} {manifest.version}, later accuracy {figures['accuracy']:.4f}, "
        f"macro F1 {figures['macro_f1']:.4f}"
    )
