"""The model card, `README.md` of a bundle, in the form of the Hugging Face hub."""

from typing import Any

from sentiment_api.bundle import Manifest

_CARD = """---
language: en
library_name: transformers
pipeline_tag: text-classification
---

# {name}

Sentiment of English product reviews: {labels}. A DistilBERT ({layers}), fine-tuned from `{base}` on star ratings as a
proxy for sentiment: {ratings}.

- Weights: fp16 in `model.safetensors`, int8 for the service's `cpu` engine in `model.int8.onnx`.
- Weights' licence: {licence}
- Data terms: {terms}
- Longest input: {max_tokens} tokens; longer texts are cut and say so.
- Probabilities are softmax of the logits divided by the temperature {temperature}.

## Data

{rows}. Texts were made unique before the split; one product in five never trained (`unseen`), nor did the last fifth of
each category's time (`later`). Hash of the prepared data: `{data_hash}`.

## Figures

On the part `later`, scored by the int8 engine that serves:

| part | reviews | accuracy | macro F1 | ROC AUC | Brier | calibration error |
|---|---|---|---|---|---|---|
{figures}

Unweighted mean over categories: accuracy {mean_accuracy:.3f}, macro F1 {mean_f1:.3f}.

## Limits

English product reviews. Other languages, other kinds of text and irony are not what it was trained on. Stars are a
proxy: some reviews praise with one star. It is no judgement of persons.
"""
_UNSTATED = "as the owner of the base checkpoint and of the data states; not recorded by the export"


def model_card(manifest: Manifest) -> str:
    """Return the card of a bundle, from its manifest alone."""
    training = manifest.training
    metrics = training["metrics"]
    parts = {"later": metrics["all"], "later, unseen products": metrics["unseen"], **metrics["by_category"]}
    return _CARD.format(
        name=manifest.name,
        labels=", ".join(manifest.labels),
        layers=training["shape"],
        base=training["base"],
        ratings=_ratings(manifest),
        licence=training.get("licence") or _UNSTATED,
        terms=training.get("terms") or _UNSTATED,
        max_tokens=manifest.max_tokens,
        temperature=manifest.temperature,
        rows=", ".join(f"{part} {rows} reviews" for part, rows in training["rows"].items()),
        data_hash=training["data_hash"],
        figures="\n".join(_row(name, figures) for name, figures in parts.items() if figures),
        mean_accuracy=metrics["category_mean"]["accuracy"],
        mean_f1=metrics["category_mean"]["macro_f1"],
    )


def _ratings(manifest: Manifest) -> str:
    return ", ".join(f"{rating} star: {label or 'left out'}" for rating, label in manifest.rating_labels.items())


def _row(name: str, figures: dict[str, Any]) -> str:
    auc = "" if figures["roc_auc"] is None else f"{figures['roc_auc']:.3f}"
    return (
        f"| {name} | {figures['n']} | {figures['accuracy']:.3f} | {figures['macro_f1']:.3f} | {auc} "
        f"| {figures['brier']:.3f} | {figures['calibration_error']:.3f} |"
    )
