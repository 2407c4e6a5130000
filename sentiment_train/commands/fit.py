"""`fit`: parts and a base checkpoint to a model; and `import-bert`, which makes a base checkpoint from a BERT."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sentiment_train.commands import NewFolder, console
from sentiment_train.commands.fit_options import FIT_RUN, RECIPE, learning_option, run_option
from sentiment_train.commands.option_groups import grouped_options
from sentiment_train.fitting.recipe import TEACHER_SHARE, FitRunOptions, Recipe

_TEACHER_SHARE = f"What counts their mean answer; the label counts the rest.  [default: {TEACHER_SHARE} with teachers]"


@grouped_options(recipe=RECIPE, run_options=FIT_RUN)
def fit(
    data: Annotated[Path, typer.Argument(help="The folder that `prepare` made.")],
    base: Annotated[str, typer.Option(help="A DistilBERT to start from: a folder or a hub name.")],
    out: Annotated[
        Path,
        typer.Option(help="The folder to write: new or empty. One with files in it is refused, except with --resume."),
    ],
    *,
    recipe: Recipe,
    teachers: Annotated[
        list[Path] | None,
        learning_option("--teacher", help="A fit of the same data, to learn its answers too; can be repeated."),
    ] = None,
    teacher_share: Annotated[float | None, learning_option(min=0.0, max=1.0, help=_TEACHER_SHARE)] = None,
    dry_run: Annotated[
        bool, run_option("--dry-run", help="Say what would be done and how long it would take.")
    ] = False,
    run_options: FitRunOptions,
) -> None:
    """Fine-tune a DistilBERT on prepared ratings.

    Killed or stopped, the same command with --resume goes on, and ends with the same model. On several GPUs, or
    machines: `torchrun --nproc-per-node 2 -m sentiment_train fit ...`.
    """
    recipe = msgspec.structs.replace(recipe, teacher_share=_share(teachers, teacher_share))
    from sentiment_train.fitting import fit, forecast  # noqa: PLC0415 - heavy: --help needs none of it

    if dry_run:
        forecast.forecast(data, base, out, recipe, console, teachers=teachers or (), resume=run_options.resume)
    else:
        fit.fit(data, base, out, recipe, console, run_options, teachers or ())


def import_bert(
    source: Annotated[str, typer.Argument(help="A BERT checkpoint: a folder or a hub name.")],
    out: NewFolder,
) -> None:
    """Re-lay a BERT checkpoint (such as the MiniLM family) as a DistilBERT with equal outputs."""
    from sentiment_train.fitting import bert_import  # noqa: PLC0415 - heavy: --help needs none of it

    model = bert_import.import_bert(source, out)
    config = model.config
    console.print(f"wrote {out}: a DistilBERT of {config.n_layers} layers, width {config.dim}")


def _share(teachers: list[Path] | None, asked: float | None) -> float:
    """Return how far the teachers are believed; 0 without any."""
    if asked and not teachers:
        raise typer.BadParameter("expected --teacher beside --teacher-share, found none")
    return (TEACHER_SHARE if asked is None else asked) if teachers else 0.0
