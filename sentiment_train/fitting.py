"""Fine-tunes a DistilBERT on prepared ratings, from top to bottom.

The result is a plain Hugging Face folder with `fit.json`, the record of how it was made. `exporting` turns it into a
bundle.
"""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import torch
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    DistilBertForSequenceClassification,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from sentiment_api.tokenizer import ReviewTokenizer
from sentiment_train.checkpoints import check_model_type, read_model, read_tokenizer
from sentiment_train.errors import UnusableData
from sentiment_train.folders import check_free
from sentiment_train.preparation import read_part

PADDING_MULTIPLE = 8
FEW_STEPS = 100
"""Below it a warning is due: 8 steps on 106 reviews gave a model that called everything positive."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the weights, beside the data and the base checkpoint."""

    epochs: float = 2.0
    batch_size: int = 32
    learning_rate: float = 8e-5
    weight_decay: float = 0.01
    warmup_share: float = 0.06
    max_tokens: int = 160
    """Training texts are cut here; the model may serve longer ones."""
    bf16: bool = False
    seed: int = 0


def fit(data: Path, base: str, destination: Path, recipe: Recipe, console: Console) -> dict[str, Any]:
    """Fine-tune `base` (a DistilBERT folder or hub name) on the prepared folder `data` and write it to `destination`.

    Returns what `fit.json` holds.

    Raises:
        FolderTaken: `destination` holds something.
        UnusableData: `data` is not a prepared folder.
        UnusableCheckpoint: `base` is not a DistilBERT, or has a head for other labels.
    """
    check_free(destination)
    started = time.monotonic()
    record = read_data_record(data)
    set_seed(recipe.seed)
    model = _load_model(base, record["labels"])
    read_tokenizer(base, model.config.vocab_size).save_pretrained(destination)
    tokenizer = ReviewTokenizer(destination / "tokenizer.json", recipe.max_tokens)

    train = TokenizedReviews(read_part(data, "train"), tokenizer, record["labels"])
    validation = TokenizedReviews(read_part(data, "validation"), tokenizer, record["labels"])
    console.print(f"train on {len(train)} reviews, {train.tokens} tokens; validate on {len(validation)}")

    trainer = Trainer(
        model=model,
        args=_arguments(destination, recipe, len(train)),
        train_dataset=train,
        eval_dataset=validation,
        data_collator=pad,
        compute_metrics=_metrics,
        callbacks=[PlainProgress(console)],
    )
    trainer.remove_callback(PrinterCallback)
    if (steps := _steps(recipe, len(train))) < FEW_STEPS:
        console.print(f"only {steps} steps: too few to learn much; consider more --epochs or a smaller --batch-size")
    trainer.train()

    model.save_pretrained(destination)
    shutil.rmtree(destination / "checkpoints", ignore_errors=True)
    outcome = {
        "base": base if not Path(base).is_dir() else Path(base).name,
        "recipe": msgspec.to_builtins(recipe),
        "data": record,
        "validation": {key.removeprefix("eval_"): value for key, value in trainer.evaluate().items()},
        "history": trainer.state.log_history,
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    (destination / "fit.json").write_text(json.dumps(outcome, indent=2) + "\n")
    return outcome


def read_data_record(data: Path) -> dict[str, Any]:
    """Return what `prepare` wrote down about the folder `data`.

    Raises:
        UnusableData: there is no such record.
    """
    path = data / "data.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise UnusableData(f"expected a folder made by `sentiment-train prepare`, found no {path}") from error
    except ValueError as error:
        raise UnusableData(f"{path} is damaged ({error}); prepare the ratings again") from error
    return record


class TokenizedReviews(torch.utils.data.Dataset):  # type: ignore[misc]  # torch is not followed by mypy
    """A part of the prepared ratings as token ids and label indexes, in memory."""

    def __init__(self, part: pl.DataFrame, tokenizer: ReviewTokenizer, labels: list[str]) -> None:
        """Tokenize the column text and number the column label by its place in `labels`."""
        self._examples: list[dict[str, Any]] = [
            {"input_ids": tokens.ids, "labels": labels.index(label), "length": len(tokens.ids)}
            for tokens, label in zip(tokenizer.encode_batch(part["text"].to_list()), part["label"], strict=True)
        ]
        self.tokens: int = sum(example["length"] for example in self._examples)

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._examples[index]


def pad(examples: list[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """Return one batch: input_ids and attention_mask `(n, longest)`, labels `(n,)`, all int64."""
    longest = max(len(example["input_ids"]) for example in examples)
    width = -(-longest // PADDING_MULTIPLE) * PADDING_MULTIPLE
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, example in enumerate(examples):
        ids[row, : len(example["input_ids"])] = torch.tensor(example["input_ids"])
        mask[row, : len(example["input_ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([e["labels"] for e in examples])}


class PlainProgress(TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """One line each logging step: readable in a terminal and in a log file."""

    def __init__(self, console: Console) -> None:
        """Write the lines to `console`."""
        self._console = console

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - transformers' signature
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - transformers' signature
        logs: Mapping[str, Any] | None = None,
        **kwargs: object,  # noqa: ARG002 - transformers' signature
    ) -> None:
        """Print the step, the share done and every figure that transformers logged."""
        figures = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items() if isinstance(value, float))
        self._console.print(f"step {state.global_step}/{state.max_steps}  {figures}", highlight=False)


def _load_model(base: str, labels: list[str]) -> DistilBertForSequenceClassification:
    check_model_type(base, "distilbert")
    return read_model(
        DistilBertForSequenceClassification,
        base,
        new=("pre_classifier.", "classifier."),
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )


def _steps(recipe: Recipe, rows: int) -> int:
    """Return the number of optimizer steps."""
    return int(recipe.epochs * -(-rows // recipe.batch_size))


def _arguments(destination: Path, recipe: Recipe, rows: int) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(destination / "checkpoints"),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=int(recipe.warmup_share * _steps(recipe, rows)),
        lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        bf16=recipe.bf16,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=25,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        seed=recipe.seed,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
    )


def _metrics(prediction: EvalPrediction) -> dict[str, float]:
    guessed = np.argmax(prediction.predictions, axis=1)
    return {
        "accuracy": accuracy_score(prediction.label_ids, guessed),
        "macro_f1": f1_score(prediction.label_ids, guessed, average="macro"),
    }
