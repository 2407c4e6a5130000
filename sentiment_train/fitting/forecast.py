"""What a fit would do, how long it would take and what memory it would need: found by a few of its steps.

The steps are real ones, on a model that is thrown away; nothing is written.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sentiment_train.errors import out_of_memory_translated
from sentiment_train.fitting.devices import new_accelerator, uses_bf16
from sentiment_train.fitting.examples import Examples, steps_of_epoch
from sentiment_train.fitting.fit import SMALLER_STEPS, load_inputs
from sentiment_train.fitting.optimization import class_weights, warmup_steps
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.fitting.reporting import time_words
from sentiment_train.fitting.run_folder import CONTENTS, RunFolder
from sentiment_train.fitting.training import Training

TIMED_STEPS = 3
_BYTES_PER_PARAMETER = 16
"""fp32 weight, gradient and AdamW's two means."""
_FORTH_COST = 1 / 3
"""Of a step's, per token: no way back, which costs twice the way forth."""


@out_of_memory_translated(SMALLER_STEPS)
def forecast(
    data: Path,
    base: str,
    destination: Path,
    recipe: Recipe,
    console: Console,
    *,
    teachers: Sequence[Path] = (),
    resume: bool = False,
) -> None:
    """Print what `fit` would do with the same arguments.

    Raises:
        FolderTaken: `destination` holds something, and the fit would not be resumed.
        OutOfMemory: the model, or the longest step, does not fit into memory.
        UnusableData: `data` is not a prepared folder, or a part is empty or has one label only.
        UnusableCheckpoint: `base` is not a DistilBERT, or has a head for other labels; a teacher cannot teach this; or
            there is no checkpoint to go on from.
    """
    accelerator = new_accelerator()
    if accelerator.is_main_process:
        RunFolder(destination).check(resume=resume)
    else:
        console = Console(quiet=True)
    console.print(f"would write {destination}: {CONTENTS}")
    inputs = load_inputs(data, base, recipe, teachers)
    parameters = inputs.model.num_parameters()
    training = Training(inputs.model, inputs.train, inputs.validation, recipe, accelerator)
    activations = _measured_activations(training, inputs.model)
    tokens_per_s = _measured_speed(training, recipe, inputs.train)
    asked = len(inputs.teachers) * inputs.train.tokens  # as if teachers were of the model's size
    evaluated = _evaluations(training, recipe) * inputs.validation.tokens
    learned = training.steps / training.steps_per_epoch * sum(_plan(recipe, inputs.train))
    seconds = (learned + (evaluated + asked) * _FORTH_COST) / tokens_per_s
    precision = "bf16" if uses_bf16(recipe, accelerator.device) else "fp32"
    state = parameters * (_BYTES_PER_PARAMETER + 4 * (recipe.average > 0))
    rows = {
        "train": _described(inputs.train),
        "validate": _described(inputs.validation),
        "labels": _labels(inputs.train, inputs.record["labels"], recipe),
        "steps": f"{training.steps_per_epoch} an epoch, {training.steps} in all, "
        f"{warmup_steps(recipe, training.steps)} of them warm-up",
        "device": f"{accelerator.device.type}, {precision}, processes: {accelerator.num_processes}",
        "parameters": f"{parameters / 1e6:.1f} million",
        "memory": f"about {(state + activations) / 1e9:.1f} GB, beside that of the libraries: weights and optimizer "
        f"{state / 1e9:.2f}, longest batch {activations / 1e9:.2f}",
        "time": f"about {time_words(seconds)}: {tokens_per_s:,.0f} tokens/s with padding, measured in "
        f"{training.step - 1 or 1} steps",
    }
    if inputs.teachers:
        rows["teachers"] = f"{len(inputs.teachers)}, believed for {recipe.teacher_share:.0%}; each is asked once"
    table = Table.grid(padding=(0, 2))
    for name, words in rows.items():
        table.add_row(name, words)
    console.print(table)
    console.print("nothing was written")


def _described(examples: Examples) -> str:
    return (
        f"{len(examples)} texts, {examples.tokens} tokens, half of them at most {np.median(examples.lengths):.0f} long"
    )


def _labels(train: Examples, labels: list[str], recipe: Recipe) -> str:
    counts = np.bincount(train.labels, minlength=len(labels))
    weights = class_weights(train.labels, len(labels), recipe.class_weights)
    return ", ".join(
        f"{label} {count} (weight {weight:.2f})" for label, count, weight in zip(labels, counts, weights, strict=True)
    )


def _measured_activations(training: Training, model: torch.nn.Module) -> int:
    """Do the first step, which is the longest one, and return the bytes that it kept for the way back."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, _unchanged):
        training.advance()
    return sum(kept.values())


def _unchanged(tensor: Any) -> Any:  # noqa: ANN401 - torch is untyped
    return tensor


def _measured_speed(training: Training, recipe: Recipe, train: Examples) -> float:
    """Do a few further steps and return the tokens a second, padding included."""
    before, first = training.seconds_in_steps(), training.step
    plan = _plan(recipe, train)
    for _ in range(min(TIMED_STEPS, training.steps - first, len(plan) - first)):
        training.advance()
    if training.step == first:  # the fit has one step
        before, first = 0.0, 0
    return sum(plan[first : training.step]) / (training.seconds_in_steps() - before)


def _plan(recipe: Recipe, train: Examples) -> list[int]:
    """Return the tokens of each step of the first epoch, padding included."""
    size = recipe.batch_size * recipe.gradient_accumulation
    steps = steps_of_epoch(train.lengths, size, recipe.seed, epoch=0)
    return [len(rows) * int(train.lengths[rows].max()) for rows in steps]


def _evaluations(training: Training, recipe: Recipe) -> float:
    return max(1.0, training.steps / training.steps_per_epoch * recipe.evaluations_per_epoch)
