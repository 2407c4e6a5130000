"""`fit`: parts and a base checkpoint to a model."""

from pathlib import Path
from typing import Annotated

import typer

from sentiment_train.commands import NewFolder, console
from sentiment_train.fitting import Recipe
from sentiment_train.fitting import fit as fit_model

_DEFAULTS = Recipe()


def fit(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    data: Annotated[Path, typer.Argument(help="The folder that `prepare` made.")],
    base: Annotated[str, typer.Option(help="A DistilBERT to start from: a folder or a hub name.")],
    out: NewFolder,
    epochs: Annotated[float, typer.Option(min=0.01)] = _DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(min=1)] = _DEFAULTS.batch_size,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = _DEFAULTS.learning_rate,
    max_tokens: Annotated[int, typer.Option(min=8, help="Training texts are cut here.")] = _DEFAULTS.max_tokens,
    bf16: Annotated[bool, typer.Option(help="Mixed precision; faster where the processor has it.")] = _DEFAULTS.bf16,
    seed: Annotated[int, typer.Option()] = _DEFAULTS.seed,
) -> None:
    """Fine-tune a DistilBERT on prepared ratings."""
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        bf16=bf16,
        seed=seed,
    )
    console.print(f"will write {out}: weights, configuration, tokenizer and fit.json, the record of the run")
    outcome = fit_model(data, base, out, recipe, console)
    validation = outcome["validation"]
    console.print(
        f"wrote {out}: validation accuracy {validation['accuracy']:.4f}, macro F1 {validation['macro_f1']:.4f}"
    )
