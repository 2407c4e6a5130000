"""A bundle of DistilBERT-base's shape (6 layers of width 768, 66 M weights) with seeded random weights.

Speed does not depend on the weights, so no hub is needed. It is made once, in `benchmarks/.models/`, and serves on
every engine: golden texts and temperature are left out, as random weights have no sentiment.
"""

import shutil
from pathlib import Path

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from benchmarks import ROOT, STARTER
from benchmarks.steps import option
from sentiment_api.model.bundle import CPU_MODEL, Manifest, sealed, write_manifest
from sentiment_train.exporting.quantization import write_int8

MODELS = ROOT / "benchmarks" / ".models"
_BASE = MODELS / "distilbert-base"
MODEL_OR_BASE = option("--model", type=Path, metavar="FOLDER", help="a bundle (default DistilBERT-base's shape)")


def base_shape() -> Path:
    """Return the folder of the bundle, made now if this is the first call."""
    if not (_BASE / "bundle.json").exists():
        _make(_BASE)
    return _BASE


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    labels = ["negative", "positive"]
    config = DistilBertConfig(id2label=dict(enumerate(labels)), label2id={label: n for n, label in enumerate(labels)})
    DistilBertForSequenceClassification(config).eval().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(STARTER / name, folder / name)
    write_int8(folder, folder / CPU_MODEL)
    manifest = Manifest(name="distilbert-base", version="", labels=labels, rating_labels={}, max_tokens=512)
    write_manifest(folder, sealed(folder, manifest))
