"""What the owner of a model states for its card: as options of the commands, and as the card has it.

A field that is declared as an option is one of `sentiment-train export` and `card`.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sentiment_train.errors import UnusableData


class CardStatements(msgspec.Struct, frozen=True):
    """What the model card says that no file shows."""

    licence: str | None = None
    """Of the weights."""
    terms: str | None = None
    """Of the data that the model was trained on."""
    notes: str | None = None
    """Limits of this model in its owner's words, Markdown."""
    base_model: str | None = None
    """The hub's name of the base checkpoint, where it was fitted from a folder."""
    datasets: list[str] = []
    """The hub's names of the data."""

    def options(self) -> list[str]:
        """Return them as options of `export`, but for the notes, which come from a file."""
        stated = {"--licence": self.licence, "--terms": self.terms, "--base-model": self.base_model}
        options = [word for option, value in stated.items() if value for word in (option, value)]
        return options + [word for name in self.datasets for word in ("--dataset", name)]


class StatedOptions(msgspec.Struct, frozen=True):
    """What the owner of a model states for its card, as options."""

    licence: Annotated[str | None, typer.Option(help="Of the weights, for the model card.")] = None
    terms: Annotated[str | None, typer.Option(help="Of the training data, for the model card.")] = None
    notes: Annotated[Path | None, typer.Option(help="A Markdown file on the model's limits, for the card.")] = None
    base_model: Annotated[
        str | None, typer.Option(help="The hub's name of the base, for the card, where it was fitted from a folder.")
    ] = None
    dataset: Annotated[
        list[str] | None, typer.Option(help="The hub's name of a data set, for the card; can be repeated.")
    ] = None

    def read(self) -> CardStatements:
        """Return what is stated, the notes read from their file.

        Raises:
            UnusableData: that file cannot be read.
        """
        notes = _read_notes(self.notes) if self.notes is not None else None
        return CardStatements(
            licence=self.licence,
            terms=self.terms,
            notes=notes,
            base_model=self.base_model,
            datasets=self.dataset or [],
        )


def _read_notes(file: Path) -> str:
    """Return what the owner of a model wrote about its limits.

    Raises:
        UnusableData: the file cannot be read, or is no UTF-8.
    """
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableData(f"cannot read {file}, expected a text in UTF-8: {error}") from error
