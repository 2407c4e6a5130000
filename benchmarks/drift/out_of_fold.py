"""Real reviews, each scored by a model that has seen no review of its product: the traffic of all drift benchmarks.

Categories are in one of two folds; a model is fitted on each fold and scores the other. So a shop is to its model what
a new customer's is: other products, of another kind. What is kept of a review are its numbers, as the prediction log
has them, and its place in the source files; no text.
"""

import subprocess
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec
import polars as pl

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_api.model.descriptors import describe
from sentiment_train.evaluation.scoring import score

FOLDS: tuple[tuple[str, ...], ...] = (
    ("all_beauty", "digital_music", "musical_instruments"),
    ("blitzer_books", "blitzer_dvd", "blitzer_electronics", "blitzer_kitchen", "electronics"),
)
"""The categories of each: source files without their ending."""
_HELD_OUT = 10  # one product of so many is kept from training, for early choices and calibration
_PART_ROWS = 400


def read_reviews(folder: Path) -> pl.DataFrame:
    """Return the reviews of all files, the first of each text, with `review` (its number), `fold` and `label`."""
    files = sorted(folder.glob("*.parquet"))
    frames = [pl.read_parquet(path).with_columns(category=pl.lit(path.stem)) for path in files]
    reviews = pl.concat([frame.select("text", "rating", "product_id", "timestamp", "category") for frame in frames])
    named = reviews.with_columns(pl.col("text").str.strip_chars()).filter(pl.col("text") != "")
    unique = named.unique("text", keep="first", maintain_order=True).with_row_index("review")
    label = pl.when(pl.col("rating") > 3).then(pl.lit("positive")).when(pl.col("rating") < 3).then(pl.lit("negative"))
    return unique.with_columns(label=label, fold=pl.col("category").is_in(list(FOLDS[1])).cast(pl.Int64))


def fold_model(reviews: pl.DataFrame, fold: int, *, base: Path, record: Path, work: Path) -> Path:
    """Return the bundle fitted on the reviews of `fold`, after making it when it is not there."""
    bundle = work / f"fold-{fold}"
    if (bundle / "bundle.json").exists():
        return bundle
    data, run = work / f"data-{fold}", work / f"run-{fold}"
    _write_parts(reviews.filter(pl.col("fold") == fold), record, data)
    recipe = "--epochs 1.5 --max-tokens 128 --precision bf16 --learning-rate 1e-4"
    _train("fit", str(data), "--base", str(base), "--out", str(run), *recipe.split())
    _train("export", str(run), "--data", str(data), "--out", str(bundle), "--name", f"fold-{fold}")
    return bundle


def score_texts(folder: Path, texts: Sequence[str]) -> pl.DataFrame:
    """Return what the prediction log would hold of `texts`: descriptors, logits, probabilities, label, embedding."""
    classifier = Classifier.load(open_bundle(folder), "cpu", usable_cores())
    scores = score(classifier, texts)
    probabilities = classifier.calibrate(scores.logits)
    described = [
        msgspec.structs.asdict(describe(text, tokens=len(tokens.ids), truncated=tokens.truncated))
        for text, tokens in zip(texts, scores.tokens, strict=True)
    ]
    return pl.DataFrame(described).with_columns(
        pl.Series("given", [classifier.labels[index] for index in probabilities.argmax(axis=1)]),
        pl.Series("logits", scores.logits.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("probabilities", probabilities.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("embedding", classifier.project(scores.pooled).tolist(), dtype=pl.List(pl.Float32)),
    )


def score_fold(reviews: pl.DataFrame, fold: int, *, base: Path, record: Path, work: Path) -> pl.DataFrame:
    """Return the reviews of `fold` without texts, each with what the model of the other fold says of it.

    It is kept in `work`, and read from there the next time.
    """
    path = work / f"scored-{fold}.parquet"
    if not path.exists():
        bundle = fold_model(reviews, 1 - fold, base=base, record=record, work=work)
        rows = reviews.filter(pl.col("fold") == fold)
        print(f"scoring {len(rows)} reviews of fold {fold}", flush=True)
        scored = pl.concat([rows.drop("text"), score_texts(bundle, rows["text"].to_list())], how="horizontal")
        scored.write_parquet(path)
    return pl.read_parquet(path)


def _write_parts(reviews: pl.DataFrame, record: Path, data: Path) -> None:
    """Write a folder as `sentiment-train prepare` does, of the reviews that have a label."""
    data.mkdir(parents=True, exist_ok=True)
    labelled = reviews.filter(pl.col("label").is_not_null()).with_columns(
        id=pl.col("review").cast(pl.Utf8), product_reviews=pl.len().over("product_id"), unseen=pl.lit(value=False)
    )
    held_out = _hashes(labelled["product_id"]) % _HELD_OUT == 0
    parts = {"train": labelled.filter(~held_out), "validation": labelled.filter(held_out)}
    parts |= {name: parts["validation"].sample(_PART_ROWS, seed=0) for name in ("reference", "later")}
    for name, part in parts.items():
        part.drop("review", "fold").write_parquet(data / f"{name}.parquet")
    (data / "data.json").write_bytes((record / "data.json").read_bytes())


def _hashes(products: pl.Series) -> pl.Series:
    values = [int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) for name in products]
    return pl.Series(values, dtype=pl.Int64)


def _train(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "sentiment_train", *arguments], check=True)
