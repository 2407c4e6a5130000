"""`export`: a model to a bundle that the service takes; and `card`, which writes a bundle's model card again."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from sentiment_train.commands import NewFolder, console
from sentiment_train.commands.option_groups import OptionGroup, grouped_options
from sentiment_train.exporting.card_statements import CardStatements, read_notes

_STATED: Final[OptionGroup] = {
    "licence": typer.Option(help="Of the weights, for the model card."),
    "terms": typer.Option(help="Of the training data, for the model card."),
    "notes": typer.Option(help="A Markdown file on the model's limits, for the card."),
    "base_model": typer.Option(help="The hub's name of the base, for the card, where it was fitted from a folder."),
    "dataset": typer.Option(help="The hub's name of a data set, for the card; can be repeated."),
}


class StatedOptions(msgspec.Struct, frozen=True):
    """What the owner of a model states for its card, as options."""

    licence: str | None = None
    terms: str | None = None
    notes: Path | None = None
    base_model: str | None = None
    dataset: list[str] | None = None

    def read(self) -> CardStatements:
        """Return what is stated, the notes read from their file.

        Raises:
            UnusableData: that file cannot be read.
        """
        return CardStatements(
            licence=self.licence,
            terms=self.terms,
            notes=None if self.notes is None else read_notes(self.notes),
            base_model=self.base_model,
            datasets=self.dataset or [],
        )


@grouped_options(stated=_STATED)
def export(
    run: Annotated[Path, typer.Argument(help="The folder that `fit` made, or a bundle, to export its weights again.")],
    data: Annotated[Path, typer.Option("--data", help="The folder that `prepare` made.")],
    out: NewFolder,
    name: Annotated[str, typer.Option(help="The model's name, as replies carry it.")],
    *,
    max_tokens: Annotated[int, typer.Option(min=8, help="Longer texts are cut when served.")] = 512,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="A file of labelled texts to score once, for the card; can be repeated."
        ),
    ] = None,
    stated: StatedOptions,
) -> None:
    """Turn a fitted model into a bundle that the service takes: int8 file, calibration, reference, golden texts."""
    from sentiment_train.exporting import export  # noqa: PLC0415 - heavy: --help needs none of it

    card = stated.read()
    files = dict(_named(each) for each in also or [])
    manifest = export.export(run, data, out, name=name, max_tokens=max_tokens, card=card, console=console, also=files)
    from sentiment_train.prepared import held_out_name  # noqa: PLC0415 - heavy: --help needs none of it

    figures, held_out = manifest.training["metrics"]["all"], held_out_name(manifest.training)
    console.print(
        f"wrote {out}: {manifest.name} {manifest.version}, {held_out} accuracy {figures['accuracy']:.4f}, "
        f"macro F1 {figures['macro_f1']:.4f}"
    )


@grouped_options(stated=_STATED)
def card(
    model: Annotated[Path, typer.Argument(help="A bundle that `export` made.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="Write the card to this new file, and leave the bundle as it is.")
    ] = None,
    stated: StatedOptions,
) -> None:
    """Write the model card of a bundle again, in the form of the Hugging Face hub, with what is stated here.

    What is not stated stays as it was. The bundle's version stays as well.
    """
    from sentiment_train.exporting import card_file  # noqa: PLC0415 - heavy: --help needs none of it

    statements = stated.read()
    if out is None:
        manifest = card_file.rewrite_card(model, statements)
        console.print(f"wrote {model / card_file.CARD}: {manifest.name} {manifest.version}, the version as it was")
    else:
        card_file.write_card(out, card_file.restated(model, statements)[1])
        console.print(f"wrote {out}")


def _named(option: str) -> tuple[str, Path]:
    name, equals, file = option.partition("=")
    if not (name and equals and file):
        raise typer.BadParameter(f"expected --also NAME=FILE, found {option!r}")
    return name, Path(file)
