"""What is decided before a fit: the recipe, which makes the weights, and the options of the run, which do not.

A field that is declared as an option is one of `sentiment-train fit`: its type, range, default and help stand here, and
nowhere else.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

ClassWeights = Literal["none", "balanced", "square-root"]
Schedule = Literal["linear", "cosine"]
Precision = Literal["auto", "fp32", "bf16"]
Judge = Literal["loss", "macro_f1"]

TEACHER_SHARE = 0.8
"""Where there are teachers and nothing else is said."""

learning_option = partial(typer.Option, rich_help_panel="Learning")
_regularization = partial(typer.Option, rich_help_panel="Regularization")
_ending = partial(typer.Option, rich_help_panel="Evaluation and end")
run_option = partial(typer.Option, rich_help_panel="The run")


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the weights, beside the data and the base checkpoint."""

    epochs: Annotated[float, learning_option(min=0.01)] = 2.0
    batch_size: Annotated[int, learning_option(min=1, help="Reviews in one pass, over all processes together.")] = 32
    gradient_accumulation: Annotated[int, learning_option(min=1, help="Passes of one step.")] = 1
    """A step learns from `batch_size` times as many reviews."""
    max_tokens: Annotated[int, learning_option(min=8, help="Training texts are cut here.")] = 160
    """The model may serve longer ones."""
    learning_rate: Annotated[float, learning_option(min=0.0)] = 8e-5
    warmup_share: Annotated[float, learning_option(min=0.0, max=1.0, help="Of all steps: the rate rises.")] = 0.06
    """It rises from 0 to `learning_rate` in them, and falls to 0 in the rest."""
    scheduler: Annotated[Schedule, learning_option(help="How the rate falls to 0.")] = "linear"
    layer_decay: Annotated[
        float, learning_option(min=0.0, max=1.0, help="Each layer's rate, by that of the next one.")
    ] = 1.0
    """What each layer's learning rate is multiplied by, beside that of the layer above; 1 is one rate for all."""
    max_grad_norm: Annotated[float, learning_option(min=0.0, help="Longer gradients are cut; 0: none.")] = 1.0
    class_weights: Annotated[ClassWeights, learning_option(help="Give rare labels more weight in the loss.")] = "none"
    sentence_crops: Annotated[
        float, learning_option(min=0.0, help="Also train on short pieces: per review of 2 sentences.")
    ] = 0.0
    teacher_share: float = 0.0
    """Of what is learned of a text: the teachers' mean probabilities; the rest is its label. Above 0 with teachers."""
    weight_decay: Annotated[float, _regularization(min=0.0)] = 0.01
    dropout: Annotated[float, _regularization(min=0.0, max=0.9)] = 0.1
    attention_dropout: Annotated[float, _regularization(min=0.0, max=0.9, help="Any slows CPUs down.")] = 0.0
    """With any of it torch has no fast attention on CPUs: 1.2 times the time at 128 tokens, 1.7 times at 256."""
    head_dropout: Annotated[float, _regularization(min=0.0, max=0.9, help="Before the last layer.")] = 0.2
    label_smoothing: Annotated[float, _regularization(min=0.0, max=0.9)] = 0.0
    average: Annotated[float, _ending(min=0.0, max=1.0, help="Average the weights over this last share.")] = 0.0
    """The model is the mean of the weights over this share of the steps; 0 takes the last weights."""
    evaluations_per_epoch: Annotated[int, _ending(min=1, help="On the validation part.")] = 1
    patience: Annotated[
        int, _ending(min=0, help="Evaluations without a better one: stop and keep the best. 0: to the end.")
    ] = 0
    """0 keeps the last model."""
    judge: Annotated[Judge, _ending(help="What better means.")] = "loss"
    """The figure of the validation part that says which evaluation is better."""
    precision: Annotated[Precision, run_option(help="auto: bf16 on GPUs that have it.")] = "auto"
    """auto is fp32 elsewhere. Weights and optimizer are in fp32 either way."""
    seed: Annotated[int, run_option(min=0)] = 0


class FitRunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a fit is run; none of it changes the weights."""

    resume: Annotated[bool, run_option("--resume", help="Go on from the checkpoint in --out.")] = False
    checkpoint_steps: Annotated[int, run_option(min=0, help="A checkpoint each so many steps; 0: by the clock.")] = 0
    checkpoint_minutes: Annotated[float, run_option(min=0.1, help="A checkpoint at least so often.")] = 10.0
    tensorboard: Annotated[Path | None, run_option(help="Write TensorBoard's logs to this folder.")] = None


DEFAULT_RUN_OPTIONS = FitRunOptions()
