"""Fine-tunes a DistilBERT on prepared ratings, from top to bottom.

The result is a plain Hugging Face folder with `fit.json`, the record of how it was made. `exporting` turns it into a
bundle.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import torch
import transformers
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from rich.console import Console
from transformers import DistilBertForSequenceClassification, set_seed

from sentiment_api.model.tokenizer import ReviewTokenizer
from sentiment_train.errors import Interrupted, UnusableData, out_of_memory_translated
from sentiment_train.fitting.checkpoints import check_positions, read_config, read_model, read_tokenizer, weights_hash
from sentiment_train.fitting.devices import new_accelerator, uses_bf16
from sentiment_train.fitting.examples import Examples, read_examples
from sentiment_train.fitting.recipe import DEFAULT_RUN_OPTIONS, FitRunOptions, Recipe
from sentiment_train.fitting.reporting import Reporter
from sentiment_train.fitting.run_folder import CONTENTS, RunFolder
from sentiment_train.fitting.teachers import Student, Teacher, mean_probabilities, read_teachers
from sentiment_train.fitting.training import Training
from sentiment_train.prepared import read_data_record, read_part

SMALLER_STEPS = "lower --batch-size or --max-tokens, and raise --gradient-accumulation for as many reviews a step"
"""What helps a fit for which memory is short."""
FEW_STEPS = 100
"""Below it a warning is due: 8 steps on 106 reviews gave a model that called everything positive."""


class FitInputs(msgspec.Struct, frozen=True):
    """What a fit starts from."""

    record: dict[str, Any]
    """Of the data, as `prepare` wrote it down."""
    model: DistilBertForSequenceClassification
    tokenizer: Any
    train: Examples
    validation: Examples
    teachers: list[Teacher]


@out_of_memory_translated(SMALLER_STEPS)
def fit(
    data: Path,
    base: str,
    destination: Path,
    recipe: Recipe,
    console: Console,
    run_options: FitRunOptions = DEFAULT_RUN_OPTIONS,
    teachers: Sequence[Path] = (),
) -> dict[str, Any]:
    """Fine-tune `base` (a DistilBERT folder or hub name) on the prepared folder `data` and write it to `destination`.

    `teachers` are folders that `fit` made of the same data; `recipe.teacher_share` says how far they are believed.
    Returns what `fit.json` holds.

    Raises:
        Diverged: the loss is not finite.
        FolderTaken: `destination` holds something, and the fit is not resumed.
        NotWritten: there is no room for a checkpoint or the model.
        Interrupted: a signal came; a checkpoint was written.
        OutOfMemory: the model, or a step, does not fit into memory.
        UnusableData: `data` is not a prepared folder, or a part is empty or has one label only.
        UnusableCheckpoint: `base` is not a DistilBERT, or has a head for other labels; a teacher cannot teach this; or
            the checkpoint to go on from is missing, damaged or of another fit.
    """
    folder = RunFolder(destination)
    accelerator = new_accelerator()
    if accelerator.is_main_process:  # it alone writes and reads the folder: others may run on other machines
        folder.check(resume=run_options.resume)
    else:
        console = Console(quiet=True)
    console.print(f"will write {destination}: {CONTENTS}")
    inputs = load_inputs(data, base, recipe, teachers)
    identity = _identity(inputs, base, recipe)
    train, validation = inputs.train, inputs.validation
    console.print(f"train on {len(train)} reviews, {train.tokens} tokens; validate on {len(validation)}")

    state = _state_of_all(folder, identity, accelerator) if run_options.resume else None
    if inputs.teachers:
        train.soften(mean_probabilities(inputs.teachers, train, recipe, accelerator, console), recipe.teacher_share)
    training = Training(inputs.model, train, validation, recipe, accelerator)
    if state:
        training.resume(state)
        console.print(f"going on after step {training.step}")
    if training.steps < FEW_STEPS:
        console.print(
            f"only {training.steps} steps: too few to learn much; consider more --epochs or a smaller --batch-size"
        )
    tensorboard = run_options.tensorboard if accelerator.is_main_process else None
    with Reporter(console, training.steps, training.step, tensorboard) as report:
        _run_to_the_end(training, folder, run_options, identity, report)

    outcome = _outcome(training, inputs, base, recipe, accelerator)
    if accelerator.is_main_process:
        _write_model(folder, training, inputs.tokenizer, outcome)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    figures = outcome["validation"]
    console.print(
        f"wrote {destination}: validation accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f}"
    )
    return outcome


def load_inputs(data: Path, base: str, recipe: Recipe, teachers: Sequence[Path] = ()) -> FitInputs:
    """Return the model with a new head, and the reviews as numbers.

    Raises:
        UnusableData: `data` is not a prepared folder, or a part is empty or has one label only.
        UnusableCheckpoint: `base` is not a DistilBERT, or has a head for other labels, or too few positions; or a
            teacher cannot teach this.
    """
    record = read_data_record(data)
    labels = record["labels"]
    set_seed(recipe.seed)
    model = _load_model(base, labels, recipe)
    vocabulary = model.config.vocab_size
    tokenizer = read_tokenizer(base, vocabulary)
    able = read_teachers(teachers, Student(tokenizer, recipe.max_tokens, record))
    with tempfile.TemporaryDirectory() as scratch:
        tokenizer.save_pretrained(scratch)
        reviews = ReviewTokenizer(Path(scratch) / "tokenizer.json", recipe.max_tokens)
    train = read_examples(
        _read_part(data, "train"), reviews, labels, vocabulary, crops=recipe.sentence_crops, seed=recipe.seed
    )
    validation = read_examples(_read_part(data, "validation"), reviews, labels, vocabulary)
    return FitInputs(record, model, tokenizer, train, validation, able)


def _state_of_all(folder: RunFolder, identity: dict[str, Any], accelerator: Accelerator) -> dict[str, Any]:
    """Return the state of the newest checkpoint, which the first process reads and sends to the others."""
    states = [folder.load_checkpoint(identity) if accelerator.is_main_process else {}]
    broadcast_object_list(states)
    return states[0]


def _read_part(data: Path, name: str) -> pl.DataFrame:
    part = read_part(data, name)
    if (found := part["label"].n_unique()) < 2:
        raise UnusableData(
            f"expected at least two labels in the part {name!r} of {data}, found {found} in {len(part)} rows; "
            "prepare more ratings, over more products and a longer time"
        )
    return part.select("text", "label")


def _load_model(base: str, labels: list[str], recipe: Recipe) -> DistilBertForSequenceClassification:
    check_positions(read_config(base, "distilbert"), recipe.max_tokens, base)
    return read_model(
        DistilBertForSequenceClassification,
        base,
        new=("pre_classifier.", "classifier."),
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        dropout=recipe.dropout,
        attention_dropout=recipe.attention_dropout,
        seq_classif_dropout=recipe.head_dropout,
    )


def _identity(inputs: FitInputs, base: str, recipe: Recipe) -> dict[str, Any]:
    """Return what a resumed fit must have in common with the one before."""
    return {
        **msgspec.to_builtins(recipe),
        "data hash": inputs.record["hash"],
        "base sha256": weights_hash(base),
        "teachers": ", ".join(teacher.record["sha256"][:12] for teacher in inputs.teachers) or "none",
    }


def _run_to_the_end(
    training: Training, folder: RunFolder, run_options: FitRunOptions, identity: dict[str, Any], report: Reporter
) -> None:
    if signal_number := training.run(folder, run_options, identity, report):
        raise Interrupted(
            f"stopped after step {training.step} of {training.steps}; the same command with --resume goes on",
            signal_number,
        )


def _write_model(folder: RunFolder, training: Training, tokenizer: Any, outcome: dict[str, Any]) -> None:  # noqa: ANN401 - transformers' tokenizers have no common type
    """Write what the fit made, and its record, as a whole or not at all."""
    model = training.model(folder)

    def write(staging: Path) -> None:
        tokenizer.save_pretrained(staging)
        model.save_pretrained(staging)
        (staging / "fit.json").write_text(json.dumps(outcome, indent=2) + "\n")

    folder.finish(write)


def _outcome(
    training: Training, inputs: FitInputs, base: str, recipe: Recipe, accelerator: Accelerator
) -> dict[str, Any]:
    device = accelerator.device
    kept, seconds = training.history.kept, training.seconds_in_steps()
    return {
        "base": base if not Path(base).is_dir() else Path(base).name,
        "base_sha256": weights_hash(base),
        "recipe": msgspec.to_builtins(recipe),
        "teachers": [teacher.record for teacher in inputs.teachers],
        "data": inputs.record,
        "validation": {name.removeprefix("eval_"): kept[name] for name in kept if name.startswith("eval_")},
        "best_step": kept["step"],
        "steps": training.step,
        "history": training.history.entries,
        "minutes": round(seconds / 60, 1),
        "tokens_per_s": round(training.tokens / seconds),
        "reviews_per_s": round(training.reviews / seconds, 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": accelerator.num_processes,
        "precision": "bf16" if uses_bf16(recipe, device) else "fp32",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
