"""What the owner of a model states for its card."""

from pathlib import Path

import msgspec

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


def read_notes(file: Path) -> str:
    """Return what the owner of a model wrote about its limits.

    Raises:
        UnusableData: the file cannot be read, or is no UTF-8.
    """
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableData(f"cannot read {file}, expected a text in UTF-8: {error}") from error
