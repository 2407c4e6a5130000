"""A fitted model and its data in, a bundle out. A bundle that fails its own check is not written."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import torch
from rich.console import Console
from safetensors.numpy import save_file
from transformers import DistilBertForSequenceClassification

from sentiment_api.model.bundle import (
    CONFIG,
    CPU_MODEL,
    PROJECTION,
    REFERENCE,
    Bundle,
    Manifest,
    open_bundle,
    sealed,
    write_manifest,
)
from sentiment_api.model.classifier import Classifier
from sentiment_train.errors import UnusableCheckpoint, UnusableData
from sentiment_train.evaluation.answers import answer, answer_part, labelled
from sentiment_train.evaluation.drawing import draw
from sentiment_train.evaluation.figures import all_figures, with_intervals
from sentiment_train.evaluation.scoring import score
from sentiment_train.evaluation.texts import read_texts
from sentiment_train.exporting.card import model_card, stated
from sentiment_train.exporting.card_file import CARD
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.quantization import write_int8
from sentiment_train.exporting.recorded_answers import golden_texts, write_reference
from sentiment_train.exporting.training_record import installed_versions, read_training_record, utc_now
from sentiment_train.exporting.validation import fit_projection, int8_parity, safe_temperature
from sentiment_train.fitting.checkpoints import read_model
from sentiment_train.folders import check_free, staged
from sentiment_train.prepared import held_out_part, label_indexes, read_data_record, read_part

FIGURES = "figures"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


class CalibratedBundle(NamedTuple):
    """A bundle on its way, with what was learned on the validation part."""

    bundle: Bundle
    parity: dict[str, Any]
    """As `validation.int8_parity` returns it."""


def export(
    run: Path,
    data: Path,
    destination: Path,
    *,
    name: str,
    max_tokens: int,
    card: CardStatements,
    console: Console,
    also: Mapping[str, Path] | None = None,
) -> Manifest:
    """Write the model that `fit` left in `run` to `destination` as a bundle, and return its manifest.

    `run` may be a bundle too: its weights stay, and all that follows from them is made anew. Files of labelled texts in
    `also`, by name, are scored once and reported beside the part that is held out; they decide nothing.

    Raises:
        FolderTaken: `destination` exists.
        UnusableData: `data` is not the prepared folder that `run` was fitted on, or a file of `also` cannot be read or
            has other labels.
        UnusableCheckpoint: `run` is neither a fitted model nor a bundle, or the bundle fails its own check.
        NotWritten: the bundle cannot be written; nothing of it is left.
    """
    check_free(destination)  # before the minutes that it takes
    record = read_training_record(run)
    _check_same_data(record, data)
    _check_files(run)
    others = _read_also(also or {}, read_data_record(data)["labels"])
    with staged(destination) as staging:
        console.print("weights and int8 file")
        _write_weights(run, staging, max_tokens)
        write_int8(staging, staging / CPU_MODEL)
        console.print("temperature and projection, on the validation part")
        first = _first_manifest(data, name, max_tokens)
        bundle, found = _calibrated(staging, first, read_part(data, "validation"))
        classifier = Classifier.load(bundle, "cpu", torch.get_num_threads())
        console.print("reference, golden texts and figures")
        write_reference(classifier, read_part(data, "reference"), staging / REFERENCE)
        golden = golden_texts(classifier, Classifier.load(bundle, "torch", torch.get_num_threads()))
        training = {
            **record,
            "created_at": utc_now(),
            "export_versions": installed_versions(),
            "shape": _shape(staging),
            **_measured(classifier, data, staging, record),
            "also": _also(classifier, others),
            "parity": found,
        }
        manifest = stated(msgspec.structs.replace(bundle.manifest, golden=golden, training=training), card)
        (staging / CARD).write_text(model_card(manifest))
        manifest = sealed(staging, manifest)
        write_manifest(staging, manifest)
        _open_to_readers(staging)
        Classifier.load(open_bundle(staging), "cpu", 1).self_check()
    return manifest


def _check_same_data(record: dict[str, Any], data: Path) -> None:
    """Other data could hold what the model trained on: its figures would be too good."""
    expected, found = record["data_hash"], read_data_record(data)["hash"]
    if found != expected:
        raise UnusableData(
            f"expected the prepared folder that the model was fitted on, with the hash {expected[:12]}..., found "
            f"{found[:12]}... in {data}"
        )


def _check_files(run: Path) -> None:
    if missing := [name for name in _TOKENIZER_FILES if not (run / name).is_file()]:
        raise UnusableCheckpoint(f"expected {' and '.join(missing)} in {run}, found none; fit the model again")


def _write_weights(run: Path, staging: Path, max_tokens: int) -> None:
    model = read_model(DistilBertForSequenceClassification, str(run))
    if max_tokens > (positions := model.config.max_position_embeddings):
        raise UnusableCheckpoint(f"expected at most {positions} tokens, which {run} takes, found {max_tokens}")
    model.half().save_pretrained(staging)
    for file in _TOKENIZER_FILES:
        shutil.copy(run / file, staging / file)


def _first_manifest(data: Path, name: str, max_tokens: int) -> Manifest:
    record = read_data_record(data)
    return Manifest(
        name=name, version="", labels=record["labels"], rating_labels=record["rating_labels"], max_tokens=max_tokens
    )


def _calibrated(staging: Path, manifest: Manifest, validation: pl.DataFrame) -> CalibratedBundle:
    """Return the bundle with temperature and projection, both fitted on the answers of the engine that serves.

    Raises:
        UnusableCheckpoint: that engine answers otherwise than the fp16 weights do in fp32.
    """
    raw = Bundle(staging, manifest, projection=None)
    texts, truth = validation["text"].to_list(), label_indexes(validation["label"], manifest.labels)
    int8, fp32 = (score(Classifier.load(raw, engine, torch.get_num_threads()), texts) for engine in ("cpu", "torch"))
    calibrated = msgspec.structs.replace(manifest, temperature=round(safe_temperature(int8.logits, truth), 4))
    projection = fit_projection(int8.pooled)
    save_file({"mean": projection.mean, "components": projection.components}, staging / PROJECTION)
    bundle = Bundle(staging, calibrated, projection)
    calibrate = Classifier.load(bundle, "cpu", 1).calibrate
    return CalibratedBundle(bundle, int8_parity(calibrate(int8.logits), calibrate(fp32.logits), truth))


def _shape(staging: Path) -> str:
    config = json.loads((staging / CONFIG).read_text())
    return f"{config['n_layers']} layers of width {config['dim']}"


def _measured(classifier: Classifier, data: Path, staging: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the part that is held out, and the captions of the pictures that are drawn of them."""
    answers = answer_part(classifier, data, held_out_part(data))
    metrics = all_figures(answers)
    captions = draw(answers, metrics, staging / FIGURES, record.get("history", ()))
    return {"metrics": metrics, "metrics_engine": "cpu", "figures": captions}


def _read_also(files: Mapping[str, Path], labels: list[str]) -> dict[str, tuple[Path, pl.DataFrame]]:
    """Return each file with its reviews, all that can be wrong with them being refused before the minutes of work."""
    return {name: (file, labelled(read_texts(file), file, labels)) for name, file in files.items()}


def _also(classifier: Classifier, others: Mapping[str, tuple[Path, pl.DataFrame]]) -> dict[str, Any]:
    return {
        name: {"file": file.name, **with_intervals(answer(classifier, reviews, file))}
        for name, (file, reviews) in others.items()
    }


def _open_to_readers(staging: Path) -> None:
    """Let everybody read: safetensors writes for its owner only, and who serves is often another user."""
    for path in staging.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
