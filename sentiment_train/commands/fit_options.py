"""The options of `fit` that fill its recipe and say how it is run: their help, range and panel.

Types and defaults are those of the fields in `fitting.recipe`.
"""

from functools import partial
from typing import Final

import typer

from sentiment_train.commands.option_groups import OptionGroup

learning_option = partial(typer.Option, rich_help_panel="Learning")
_regularization = partial(typer.Option, rich_help_panel="Regularization")
_ending = partial(typer.Option, rich_help_panel="Evaluation and end")
run_option = partial(typer.Option, rich_help_panel="The run")

RECIPE: Final[OptionGroup] = {
    "epochs": learning_option(min=0.01),
    "batch_size": learning_option(min=1, help="Reviews in one pass, over all processes together."),
    "gradient_accumulation": learning_option(min=1, help="Passes of one step."),
    "max_tokens": learning_option(min=8, help="Training texts are cut here."),
    "learning_rate": learning_option(min=0.0),
    "warmup_share": learning_option(min=0.0, max=1.0, help="Of all steps: the rate rises."),
    "scheduler": learning_option(help="How the rate falls to 0."),
    "layer_decay": learning_option(min=0.0, max=1.0, help="Each layer's rate, by that of the next one."),
    "max_grad_norm": learning_option(min=0.0, help="Longer gradients are cut; 0: none."),
    "class_weights": learning_option(help="Give rare labels more weight in the loss."),
    "sentence_crops": learning_option(min=0.0, help="Also train on short pieces: per review of 2 sentences."),
    "weight_decay": _regularization(min=0.0),
    "dropout": _regularization(min=0.0, max=0.9),
    "attention_dropout": _regularization(min=0.0, max=0.9, help="Any slows CPUs down."),
    "head_dropout": _regularization(min=0.0, max=0.9, help="Before the last layer."),
    "label_smoothing": _regularization(min=0.0, max=0.9),
    "average": _ending(min=0.0, max=1.0, help="Average the weights over this last share."),
    "evaluations_per_epoch": _ending(min=1, help="On the validation part."),
    "patience": _ending(min=0, help="Evaluations without a better one: stop and keep the best. 0: to the end."),
    "judge": _ending(help="What better means."),
    "precision": run_option(help="auto: bf16 on GPUs that have it."),
    "seed": run_option(min=0),
}
FIT_RUN: Final[OptionGroup] = {
    "resume": run_option("--resume", help="Go on from the checkpoint in --out."),
    "checkpoint_steps": run_option(min=0, help="A checkpoint each so many steps; 0: by the clock."),
    "checkpoint_minutes": run_option(min=0.1, help="A checkpoint at least so often."),
    "tensorboard": run_option(help="Write TensorBoard's logs to this folder."),
}
