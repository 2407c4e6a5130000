"""A fitted model and its data in, a bundle out. A bundle that fails its own check is not written."""

import datetime as dt
import json
import secrets
import shutil
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from rich.console import Console
from safetensors.numpy import save_file
from scipy.optimize import minimize_scalar
from sklearn.decomposition import PCA
from transformers import DistilBertForSequenceClassification

from sentiment_api.bundle import (
    CONFIG,
    CPU_MODEL,
    MANIFEST,
    PROJECTION,
    REFERENCE,
    Bundle,
    GoldenText,
    Manifest,
    Projection,
    open_bundle,
    sealed,
    write_manifest,
)
from sentiment_api.classifier import Classifier
from sentiment_api.descriptors import describe
from sentiment_train.answers import label_indexes
from sentiment_train.card import model_card
from sentiment_train.checkpoints import read_model
from sentiment_train.errors import FolderTaken, UnusableCheckpoint, UnusableData
from sentiment_train.evaluation import evaluate
from sentiment_train.fitting import read_data_record
from sentiment_train.golden import GOLDEN_TEXTS
from sentiment_train.preparation import read_part
from sentiment_train.quantization import write_int8
from sentiment_train.scoring import Scores, score

PROJECTED_DIMENSIONS = 32
MIN_AGREEMENT = 0.99
"""Share of validation texts that int8 and fp32 must give the same label."""
MIN_MISTAKES = 20
"""On a validation part with fewer mistakes than these the best temperature is near 0, and every score would be 1."""
MIN_GOLDEN = 4
GOLDEN_MIN_SCORE = 0.6
"""With two labels: no probability within 0.1 of one half."""


class Card(msgspec.Struct, frozen=True):
    """What the model card says that no file shows."""

    licence: str | None = None
    """Of the weights."""
    terms: str | None = None
    """Of the data that the model was trained on."""


def export(
    run: Path, data: Path, destination: Path, *, name: str, max_tokens: int, card: Card, console: Console
) -> Manifest:
    """Write the model that `fit` left in `run` to `destination` as a bundle, and return its manifest.

    `run` may be a bundle too: its weights stay, and all that follows from them is made anew.

    Raises:
        FolderTaken: `destination` exists.
        UnusableData: `data` is not the prepared folder that `run` was fitted on.
        UnusableCheckpoint: `run` is neither a fitted model nor a bundle, or the bundle fails its own check.
    """
    if destination.exists():
        raise FolderTaken(f"{destination} exists; export to a new folder, or remove that one first")
    fitted = _read_fit_record(run)
    _check_same_data(fitted, data)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as scratch:
        staging = Path(scratch) / "bundle"
        staging.mkdir()
        console.print("weights and int8 file")
        _write_weights(run, staging, max_tokens)
        write_int8(staging, staging / CPU_MODEL)
        console.print("temperature and projection, on the validation part")
        bundle = _calibrated(staging, _first_manifest(data, name, max_tokens), read_part(data, "validation"))
        classifier = Classifier.load(bundle, "cpu", torch.get_num_threads())
        console.print("reference, golden texts and figures")
        _reference(classifier, read_part(data, "reference"), bundle).write_parquet(staging / REFERENCE)
        training = _training_record(fitted, evaluate(classifier, data)) | _card_record(staging, card)
        manifest = msgspec.structs.replace(bundle.manifest, golden=_golden(bundle, classifier), training=training)
        (staging / "README.md").write_text(model_card(manifest))
        manifest = sealed(staging, manifest)
        write_manifest(staging, manifest)
        for path in staging.iterdir():
            path.chmod(0o644)  # safetensors writes for its owner only; who serves is often another user
        Classifier.load(open_bundle(staging), "cpu", 1).self_check()
        staging.rename(destination)
    return manifest


def _temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the fitted temperature; at least 1 when the model made too few mistakes to learn its sureness from."""
    mistakes = int(np.sum(logits.argmax(axis=1) != truth))
    fitted = fit_temperature(logits, truth)
    return fitted if mistakes >= MIN_MISTAKES else max(1.0, fitted)


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Return the temperature that minimizes the negative log-likelihood of `truth` `(n,)` under `logits / temperature`.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """

    def loss(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        log_sums = np.logaddexp.reduce(scaled, axis=1)
        return float(np.mean(log_sums - scaled[np.arange(len(truth)), truth]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def _read_fit_record(run: Path) -> dict[str, Any]:
    path = run / "fit.json"
    if not path.exists() and (run / MANIFEST).exists():
        return _fit_record_of(open_bundle(run).manifest)
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise UnusableCheckpoint(f"expected a folder made by `sentiment-train fit`, found no {path}") from error
    except ValueError as error:
        raise UnusableCheckpoint(f"{path} is damaged ({error}); fit the model again") from error
    return record


def _fit_record_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a bundle's own record keeps of its fit."""
    record = manifest.training
    if missing := {"base", "recipe", "minutes", "rows", "data_hash", "cuts"} - record.keys():
        raise UnusableCheckpoint(
            f"expected a bundle that `sentiment-train export` made, found one without a record of its training "
            f"({', '.join(sorted(missing))}); export the folder that `sentiment-train fit` made"
        )
    parts = {part: {"rows": rows} for part, rows in record["rows"].items()}
    data = {"hash": record["data_hash"], "parts": parts, "cuts": record["cuts"]}
    return {"base": record["base"], "recipe": record["recipe"], "minutes": record["minutes"], "data": data}


def _check_same_data(fitted: dict[str, Any], data: Path) -> None:
    """Other data could hold what the model trained on: its figures would be too good."""
    expected, found = fitted["data"]["hash"], read_data_record(data)["hash"]
    if found != expected:
        raise UnusableData(
            f"expected the prepared folder that the model was fitted on, with the hash {expected[:12]}..., found "
            f"{found[:12]}... in {data}"
        )


def _write_weights(run: Path, staging: Path, max_tokens: int) -> None:
    model = read_model(DistilBertForSequenceClassification, str(run))
    if max_tokens > (positions := model.config.max_position_embeddings):
        raise UnusableCheckpoint(f"expected at most {positions} tokens, which {run} takes, found {max_tokens}")
    model.half().save_pretrained(staging)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(run / file, staging / file)


def _first_manifest(data: Path, name: str, max_tokens: int) -> Manifest:
    record = read_data_record(data)
    return Manifest(
        name=name, version="", labels=record["labels"], rating_labels=record["rating_labels"], max_tokens=max_tokens
    )


def _calibrated(staging: Path, manifest: Manifest, validation: pl.DataFrame) -> Bundle:
    """Return the bundle with temperature and projection, both fitted on the answers of the engine that serves."""
    raw = Bundle(staging, manifest, projection=None)
    texts = validation["text"].to_list()
    scores = score(Classifier.load(raw, "cpu", torch.get_num_threads()), texts)
    _check_parity(raw, scores, texts)
    temperature = _temperature(scores.logits, label_indexes(validation["label"], manifest.labels))
    projection = _fit_projection(scores.pooled)
    save_file({"mean": projection.mean, "components": projection.components}, staging / PROJECTION)
    return Bundle(staging, msgspec.structs.replace(manifest, temperature=round(temperature, 4)), projection)


def _check_parity(raw: Bundle, int8: Scores, texts: list[str]) -> None:
    fp32 = score(Classifier.load(raw, "torch", torch.get_num_threads()), texts)
    agreement = float(np.mean(int8.logits.argmax(axis=1) == fp32.logits.argmax(axis=1)))
    if agreement < MIN_AGREEMENT:
        raise UnusableCheckpoint(
            f"expected int8 and fp32 to agree on {MIN_AGREEMENT:.0%} of the validation texts, found {agreement:.1%}"
        )


def _fit_projection(pooled: NDArray[np.float32]) -> Projection:
    pca = PCA(min(PROJECTED_DIMENSIONS, *pooled.shape), random_state=0).fit(pooled)
    return Projection(pca.mean_.astype(np.float32), np.ascontiguousarray(pca.components_, dtype=np.float32))


def _reference(classifier: Classifier, reviews: pl.DataFrame, bundle: Bundle) -> pl.DataFrame:
    """Return the rows that drift is measured against: numbers about each review, never its text."""
    scores = score(classifier, reviews["text"].to_list())
    probabilities = classifier.calibrate(scores.logits)
    described = [
        msgspec.structs.asdict(describe(text, tokens=len(tokens.ids), truncated=tokens.truncated))
        for text, tokens in zip(reviews["text"], scores.tokens, strict=True)
    ]
    salt = secrets.token_bytes(16)  # forgotten, so that no product can be recognized
    return pl.DataFrame(described).with_columns(
        reviews["rating"],
        reviews["category"],
        reviews["timestamp"],
        pl.Series("target", reviews["label"]),
        pl.Series("product_cluster", [_cluster(product_id, salt) for product_id in reviews["product_id"]]),
        pl.Series("label", [bundle.manifest.labels[index] for index in probabilities.argmax(axis=1)]),
        pl.Series("score", probabilities.max(axis=1), dtype=pl.Float32),
        pl.Series("logits", scores.logits.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("probabilities", probabilities.tolist(), dtype=pl.List(pl.Float32)),
        pl.Series("embedding", classifier.project(scores.pooled).tolist(), dtype=pl.List(pl.Float32)),
    )


def _cluster(product_id: str, salt: bytes) -> str:
    return blake2b(product_id.encode(), key=salt, digest_size=8).hexdigest()


def _golden(bundle: Bundle, cpu: Classifier) -> list[GoldenText]:
    """Return the golden texts on which the engines agree and are sure.

    Raises:
        UnusableCheckpoint: fewer than `MIN_GOLDEN` are left, or all have one label.
    """
    reference = Classifier.load(bundle, "torch", torch.get_num_threads())
    golden = []
    for text in GOLDEN_TEXTS:
        answers = {"cpu": cpu.classify(text), "torch": reference.classify(text)}
        if _is_sure(list(answers.values())):
            golden.append(GoldenText(text, {engine: np.round(found, 5).tolist() for engine, found in answers.items()}))
    labels = {int(np.argmax(text.probabilities["torch"])) for text in golden}
    if len(golden) < MIN_GOLDEN or len(labels) < 2:
        raise UnusableCheckpoint(
            f"expected at least {MIN_GOLDEN} golden texts of two labels with a score of {GOLDEN_MIN_SCORE} or more, "
            f"found {len(golden)} of {len(labels)}: this model is not sure of plain praise and complaint yet; "
            "fit it with more --epochs or on more ratings"
        )
    return golden


def _is_sure(answers: list[NDArray[np.float64]]) -> bool:
    same_label = len({int(answer.argmax()) for answer in answers}) == 1
    return same_label and all(answer.max() >= GOLDEN_MIN_SCORE for answer in answers)


def _training_record(fitted: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "base": fitted["base"],
        "recipe": fitted["recipe"],
        "data_hash": fitted["data"]["hash"],
        "rows": {part: counts["rows"] for part, counts in fitted["data"]["parts"].items()},
        "cuts": fitted["data"]["cuts"],
        "minutes": fitted["minutes"],
        "metrics": metrics,
        "metrics_engine": "cpu",
    }


def _card_record(staging: Path, card: Card) -> dict[str, Any]:
    config = json.loads((staging / CONFIG).read_text())
    shape = f"{config['n_layers']} layers of width {config['dim']}"
    return {"shape": shape, **msgspec.structs.asdict(card)}
