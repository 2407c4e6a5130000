"""`fit`: parts and a base checkpoint to a model."""

from pathlib import Path
from typing import Annotated

import typer

from sentiment_train.commands import console
from sentiment_train.fitting.fit import fit as fit_model
from sentiment_train.fitting.forecast import forecast
from sentiment_train.fitting.recipe import TEACHER_SHARE, ClassWeights, Conduct, Judge, Precision, Recipe, Schedule

_DEFAULTS = Recipe()
_LEARNING = "Learning"
_REGULARIZATION = "Regularization"
_ENDING = "Evaluation and end"
_RUN = "The run"


def fit(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    data: Annotated[Path, typer.Argument(help="The folder that `prepare` made.")],
    base: Annotated[str, typer.Option(help="A DistilBERT to start from: a folder or a hub name.")],
    out: Annotated[
        Path,
        typer.Option(help="The folder to write: new or empty. One with files in it is refused, except with --resume."),
    ],
    epochs: Annotated[float, typer.Option(min=0.01, rich_help_panel=_LEARNING)] = _DEFAULTS.epochs,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Reviews in one pass, over all processes together.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.batch_size,
    gradient_accumulation: Annotated[
        int, typer.Option(min=1, help="Passes of one step.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.gradient_accumulation,
    max_tokens: Annotated[
        int, typer.Option(min=8, help="Training texts are cut here.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.max_tokens,
    learning_rate: Annotated[float, typer.Option(min=0.0, rich_help_panel=_LEARNING)] = _DEFAULTS.learning_rate,
    warmup_share: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of all steps: the rate rises.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.warmup_share,
    scheduler: Annotated[
        Schedule, typer.Option(help="How the rate falls to 0.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.scheduler,
    layer_decay: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Each layer's rate, by that of the next one.", rich_help_panel=_LEARNING),
    ] = _DEFAULTS.layer_decay,
    max_grad_norm: Annotated[
        float, typer.Option(min=0.0, help="Longer gradients are cut; 0: none.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.max_grad_norm,
    class_weights: Annotated[
        ClassWeights, typer.Option(help="Give rare labels more weight in the loss.", rich_help_panel=_LEARNING)
    ] = _DEFAULTS.class_weights,
    sentence_crops: Annotated[
        float,
        typer.Option(min=0.0, help="Also train on short pieces: per review of 2 sentences.", rich_help_panel=_LEARNING),
    ] = _DEFAULTS.sentence_crops,
    teachers: Annotated[
        list[Path] | None,
        typer.Option(
            "--teacher",
            help="A fit of the same data, to learn its answers too; can be repeated.",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    teacher_share: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help=f"What counts their mean answer; the label counts the rest.  [default: {TEACHER_SHARE} with teachers]",
            rich_help_panel=_LEARNING,
        ),
    ] = None,
    weight_decay: Annotated[float, typer.Option(min=0.0, rich_help_panel=_REGULARIZATION)] = _DEFAULTS.weight_decay,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9, rich_help_panel=_REGULARIZATION)] = _DEFAULTS.dropout,
    attention_dropout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Any slows CPUs down.", rich_help_panel=_REGULARIZATION)
    ] = _DEFAULTS.attention_dropout,
    head_dropout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Before the last layer.", rich_help_panel=_REGULARIZATION)
    ] = _DEFAULTS.head_dropout,
    label_smoothing: Annotated[
        float, typer.Option(min=0.0, max=0.9, rich_help_panel=_REGULARIZATION)
    ] = _DEFAULTS.label_smoothing,
    average: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Average the weights over this last share.", rich_help_panel=_ENDING),
    ] = _DEFAULTS.average,
    evaluations_per_epoch: Annotated[
        int, typer.Option(min=1, help="On the validation part.", rich_help_panel=_ENDING)
    ] = _DEFAULTS.evaluations_per_epoch,
    patience: Annotated[
        int,
        typer.Option(
            min=0,
            help="Evaluations without a better one: stop and keep the best. 0: to the end.",
            rich_help_panel=_ENDING,
        ),
    ] = _DEFAULTS.patience,
    judge: Annotated[Judge, typer.Option(help="What better means.", rich_help_panel=_ENDING)] = _DEFAULTS.judge,
    precision: Annotated[
        Precision, typer.Option(help="auto: bf16 on GPUs that have it.", rich_help_panel=_RUN)
    ] = _DEFAULTS.precision,
    seed: Annotated[int, typer.Option(min=0, rich_help_panel=_RUN)] = _DEFAULTS.seed,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and how long it would take.", rich_help_panel=_RUN)
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out.", rich_help_panel=_RUN)
    ] = False,
    checkpoint_steps: Annotated[
        int, typer.Option(min=0, help="A checkpoint each so many steps; 0: by the clock.", rich_help_panel=_RUN)
    ] = 0,
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.1, help="A checkpoint at least so often.", rich_help_panel=_RUN)
    ] = 10.0,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write TensorBoard's logs to this folder.", rich_help_panel=_RUN)
    ] = None,
) -> None:
    """Fine-tune a DistilBERT on prepared ratings.

    Killed or stopped, the same command with --resume goes on, and ends with the same model. On several GPUs, or
    machines: `torchrun --nproc-per-node 2 -m sentiment_train fit ...`.
    """
    options = locals()  # the parameters by name, and so the first line: a name bound above it could hide one
    if teacher_share and not teachers:
        raise typer.BadParameter("expected --teacher beside --teacher-share, found none")
    options["teacher_share"] = (TEACHER_SHARE if teacher_share is None else teacher_share) if teachers else 0.0
    recipe = Recipe(**{name: options[name] for name in Recipe.__struct_fields__})
    conduct = Conduct(**{name: options[name] for name in Conduct.__struct_fields__})
    if dry_run:
        forecast(data, base, out, recipe, console, teachers=teachers or (), resume=resume)
    else:
        fit_model(data, base, out, recipe, console, conduct, teachers or ())
