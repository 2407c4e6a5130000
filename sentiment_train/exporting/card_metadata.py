"""The metadata on top of a model card, in the form of the Hugging Face hub: YAML that its site and its tools read."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from sentiment_api.model.bundle import Manifest
from sentiment_train.prepared import held_out_name

_LICENCES = (
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "unlicense", "mpl-2.0", "openrail"),
    *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
    *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
)
"""Of the names that the hub knows, those that weights have."""
_METRICS = {"accuracy": ("accuracy", "accuracy"), "macro_f1": ("f1", "macro F1"), "roc_auc": ("roc_auc", "ROC AUC")}
"""What the hub calls each figure, and what we do."""


def metadata(manifest: Manifest) -> str:
    """Return the YAML of a card, without the lines of dashes around it."""
    training = manifest.training
    data = ModelCardData(
        language="en",
        library_name="transformers",
        pipeline_tag="text-classification",
        license=_licence(training.get("licence")),
        base_model=training.get("base_model") or _hub_name(training["base"]),
        datasets=training.get("datasets") or None,
        tags=["sentiment", "product-reviews", "distilbert", "onnx", "int8"],
        model_name=manifest.name,
        eval_results=list(_results(training)),
    )
    words: str = data.to_yaml()
    return words


def _hub_name(base: str) -> str | None:
    """Return the base when it is a name on the hub, owner/model; of a folder the record has the last part alone."""
    return base if "/" in base else None


def _licence(stated: str | None) -> str | None:
    """Return the hub's name of a licence that begins with it, `other` for any other that is stated."""
    if not stated:
        return None
    first = re.split(r"[\s,;(]", stated.strip().lower())[0]
    return first if first in _LICENCES else "other"


def _results(training: Mapping[str, Any]) -> Iterator[EvalResult]:
    metrics = training["metrics"]
    held_out = held_out_name(training)
    parts = {held_out: metrics["all"], f"{held_out}, unseen products": metrics["unseen"]}
    for split, figures in parts.items():
        yield from _of_set("prepared-ratings", "held-out ratings", split, figures)
    for name, figures in (training.get("also") or {}).items():
        yield from _of_set(name, name, None, figures)


def _of_set(kind: str, name: str, split: str | None, figures: Mapping[str, Any] | None) -> Iterator[EvalResult]:
    for key, (metric, words) in _METRICS.items() if figures else ():
        if figures is not None and figures[key] is not None:
            yield EvalResult(
                task_type="text-classification",
                dataset_type=kind,
                dataset_name=name,
                dataset_split=split,
                metric_type=metric,
                metric_name=words,
                metric_value=round(figures[key], 4),
            )
