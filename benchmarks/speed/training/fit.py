"""What `sentiment-train fit` makes of a processor, beside the plain Trainer example of transformers' documentation.

    python -m benchmarks fit --data prepared --base base     # two cores: about half an hour on a quiet machine

Both sides take the same reviews, base, seed, rate, schedule and number of steps. The plain one pads every text to the
longest that is allowed (padding="max_length"), takes texts in random order and keeps DistilBERT's attention dropout;
ours is `fit` as it is. Rounds alternate; medians are kept. Both models are then judged on the same held-out reviews.

Seconds of the clock and of the processor are both recorded: on a machine that others use, the latter say more.
Writes fit.json.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from transformers import (
    AutoTokenizer,
    DistilBertForSequenceClassification,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)
from transformers.utils import logging as transformers_logging

from benchmarks import result_files
from benchmarks.steps import Namespace, option, rounds
from sentiment_train.fitting.devices import new_accelerator, wait_for_device
from sentiment_train.fitting.fit import load_inputs
from sentiment_train.fitting.optimization import warmup_steps
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.fitting.training import Training

Side = dict[str, float]

OPTIONS = (
    option("--data", type=Path, required=True, metavar="FOLDER", help="made by `sentiment-train prepare`"),
    option("--base", required=True, help="a DistilBERT: a folder or a hub name"),
    option("--steps", type=int, default=40, help="default 40"),
    option("--batch-size", type=int, default=16, help="default 16"),
    option("--max-tokens", type=int, default=Recipe().max_tokens, help=f"default {Recipe().max_tokens}"),
    rounds(3),
    option("--seed", type=int, default=0, help="default 0"),
    option("--judged", type=int, default=400, help="validation reviews that judge both models (default 400)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    recipe = Recipe(epochs=1.0, batch_size=options.batch_size, max_tokens=options.max_tokens, seed=options.seed)
    measured: list[dict[str, Side]] = []
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        data = Path(folder)
        wanted = {"train": options.steps * options.batch_size, "validation": options.judged}
        _sample(options.data, data, wanted, options.seed)
        for _ in range(options.rounds):
            measured.append({"plain": _plain(data, options.base, recipe), "ours": _ours(data, options.base, recipe)})
            print(json.dumps(measured[-1]), flush=True)
    sides = result_files.medians(measured)
    result = {
        "threads": torch.get_num_threads(),
        "steps": options.steps,
        "batch_size": options.batch_size,
        "max_tokens": options.max_tokens,
        "base": Path(options.base).name,
        "medians": sides,
        "times_as_fast": {
            clock: round(sides["plain"][clock] / sides["ours"][clock], 2) for clock in ("seconds", "processor_seconds")
        },
        "rounds": measured,
    }
    result_files.write(options.out, "fit", result)
    print(json.dumps(result["times_as_fast"]))


def _sample(source: Path, data: Path, wanted: dict[str, int], seed: int) -> None:
    """Write a prepared folder of so many reviews of each part."""
    for part, n in wanted.items():
        reviews = pl.read_parquet(source / f"{part}.parquet")
        reviews.sample(min(n, len(reviews)), seed=seed, shuffle=True).write_parquet(data / f"{part}.parquet")
    (data / "data.json").write_bytes((source / "data.json").read_bytes())


def _ours(data: Path, base: str, recipe: Recipe) -> Side:
    """Fit as the command does, without its checkpoints."""
    start = load_inputs(data, base, recipe)
    training = Training(start.model, start.train, start.validation, recipe, new_accelerator())

    def run() -> None:
        while not training.is_ended:
            training.advance()

    return _timed(run, training)


def _plain(data: Path, base: str, recipe: Recipe) -> Side:
    """Fit as the text-classification example does."""
    start = load_inputs(data, base, recipe)
    set_seed(recipe.seed)
    model = DistilBertForSequenceClassification.from_pretrained(base, num_labels=len(start.record["labels"]))
    tokenizer = AutoTokenizer.from_pretrained(base)
    texts = pl.read_parquet(data / "train.parquet")["text"].to_list()
    encoded = tokenizer(texts, padding="max_length", max_length=recipe.max_tokens, truncation=True)
    rows = [
        {"input_ids": ids, "attention_mask": mask, "labels": int(label)}
        for ids, mask, label in zip(encoded["input_ids"], encoded["attention_mask"], start.train.labels, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="sentiment-bench-") as folder:
        arguments = _arguments(folder, recipe, len(rows))
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=default_data_collator)
        trainer.remove_callback(PrinterCallback)
        judge = Training(model, start.train, start.validation, recipe, new_accelerator())
        return _timed(trainer.train, judge)


def _arguments(folder: str, recipe: Recipe, rows: int) -> TrainingArguments:
    """Return the example's arguments, with what the recipe has too taken from it."""
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=warmup_steps(recipe, -(-rows // recipe.batch_size)),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=recipe.seed,
        use_cpu=not torch.cuda.is_available(),
    )


def _timed(run: Callable[[], object], judge: Training) -> Side:
    """Run a fit, and judge the model afterwards."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    wait_for_device(new_accelerator().device)
    taken = {"seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    return {**taken, **{f"validation_{name}": value for name, value in judge.validate().items()}}
