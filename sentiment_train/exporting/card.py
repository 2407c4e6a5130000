"""The model card, `README.md` of a bundle, in the form of the Hugging Face hub.

All of it follows from the manifest, so that the card of a bundle can be written again at any time.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sentiment_api.model.bundle import Manifest
from sentiment_train.evaluation.tables import (
    FigureTable,
    abstain_table,
    figures_table,
    intervals_table,
    labels_table,
    slices_table,
)
from sentiment_train.exporting.card_metadata import metadata
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.training_record import base_name, command_lines
from sentiment_train.prepared import held_out_name

_UNSTATED = "as the owner of the base checkpoint and of the data states; not recorded by the export"
_ADVISED_SCORES = (0.8, 0.9, 0.95)
_FIGURE_NAMES = ("accuracy", "macro_f1", "roc_auc", "brier", "calibration_error", "log_loss", "interval")
_LATER_KEYS: dict[str, Any] = {
    "slices": {},
    "abstain": [],
    "bootstrap": {"level": 0.95, "drawn": "products"},
    "notes": [],
}
"""What metrics of bundles lack that were exported before these figures were made."""


def stated(manifest: Manifest, card: CardStatements) -> Manifest:
    """Return `manifest` with the statements of `card`, those that it makes, and the commands that go with them."""
    statements = {key: value for key, value in msgspec.structs.asdict(card).items() if value}
    with_statements = msgspec.structs.replace(manifest, training=manifest.training | statements)
    everything = with_statements.training
    kept = CardStatements(**{key: everything[key] for key in CardStatements.__struct_fields__ if everything.get(key)})
    commands = command_lines(with_statements, kept.options())
    return msgspec.structs.replace(manifest, training=everything | {"commands": commands})


def model_card(manifest: Manifest) -> str:
    """Return the card of a bundle that `export` made."""
    sections = (
        _summary(manifest),
        _use(manifest),
        _data(manifest),
        _making(manifest),
        _figures(manifest),
        _calibration(manifest),
        _limits(manifest),
        _licence(manifest),
    )
    return f"---\n{metadata(manifest).strip()}\n---\n\n" + "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _summary(manifest: Manifest) -> Iterator[str]:
    training = manifest.training
    yield f"# {manifest.name}\n"
    base = training.get("base_model") or base_name(training)
    yield (
        f"Sentiment of English product reviews: {', '.join(manifest.labels)}. A DistilBERT ({training['shape']}), "
        f"fine-tuned from `{base}` on {_taught_by(training)} as a proxy for sentiment: {_ratings(manifest)}.\n"
    )
    yield f"- {_headline(training['metrics']['all'], held_out_name(training))}"
    yield "- Weights: fp16 in `model.safetensors`, int8 for the service's `cpu` engine in `model.int8.onnx`."
    yield f"- Weights' licence: {training.get('licence') or _UNSTATED}"
    yield f"- Data terms: {training.get('terms') or _UNSTATED}"
    yield f"- Longest input: {manifest.max_tokens} tokens; longer texts are cut and say so."
    yield f"- Probabilities are softmax of the logits divided by the temperature {manifest.temperature}."


def _taught_by(training: Mapping[str, Any]) -> str:
    """Return what the model learned from; older records were all of stars."""
    split = training.get("split", {})
    without, rows = split.get("rows_without_stars", 0), sum(training["rows"].values())
    return "star ratings" if not without else "labels" if without >= rows else "star ratings and labels"


def _headline(figures: Mapping[str, Any], held_out: str) -> str:
    ends = figures.get("interval") or {}
    words = [
        f"{name} {figures[key]:.3f}" + (f" ({ends[key][0]:.3f} to {ends[key][1]:.3f})" if ends.get(key) else "")
        for key, name in (("accuracy", "accuracy"), ("macro_f1", "macro F1"))
    ]
    which = "later than its training" if held_out == "later" else "held out of its training"
    return f"On {figures['n']} reviews {which}: {', '.join(words)}."


def _use(manifest: Manifest) -> Iterator[str]:
    yield "## Intended use\n"
    yield (
        "To tell whether a review is content with a product: to sort, count and follow reviews. Not to judge persons, "
        "and not as the only ground of a decision about somebody.\n"
    )
    yield "Served, with calibrated probabilities, by this project's service, or opened as any DistilBERT:\n"
    yield "```sh\nSENTIMENT_MODEL=this-folder sentiment-api serve\n```\n"
    yield "```python\nfrom transformers import pipeline\n"
    yield 'classify = pipeline("text-classification", model="this-folder")\n```\n'
    yield f"transformers does not know the temperature: divide the logits by {manifest.temperature} there."


def _data(manifest: Manifest) -> Iterator[str]:
    training = manifest.training
    yield "## Data and terms\n"
    counts = training.get("label_counts", {})
    labels = manifest.labels if counts else []
    rows = [
        [part, str(n), *(str(counts[part].get(label, 0)) for label in labels)] for part, n in training["rows"].items()
    ]
    yield _markdown(FigureTable("", ["part", "reviews", *labels], rows)) + "\n"
    yield (
        f"{_split_rules(training.get('split', {}))} Drift is measured against `reference`, which neither trained nor "
        f"is reported. Hash of the prepared data: `{training['data_hash']}`. No text of them is in this folder.\n"
    )
    yield f"Terms: {training.get('terms') or _UNSTATED}"


def _split_rules(split: Mapping[str, Any]) -> str:
    """Return by what the parts were divided; older records were all of products and times."""
    without, chance = split.get("rows_without_product", 0), split.get("held_out_by") == "chance"
    units = {"text": "review", "product": "product"}
    unit = units.get(split.get("unit", "product"), "product (or review without one)")
    rest = (
        f"another {unit} in five, since not all reviews had a time (`held_out`)"
        if chance
        else "the last fifth of each category's time (`later`)"
    )
    unknown = (
        f" Of {without} reviews no product is known: leakage between products cannot be excluded." if without else ""
    )
    unseen = f"one {unit} in five never trained (`unseen`)"
    return f"Texts were made unique before the split; {unseen}, nor did {rest}.{unknown}"


def _making(manifest: Manifest) -> Iterator[str]:
    training = manifest.training
    yield "## How it was made\n"
    base = f"Base: `{base_name(training)}`"
    yield base + (f", SHA-256 of its weights `{training['base_sha256']}`." if "base_sha256" in training else ".")
    if teachers := training.get("teachers"):
        yield (
            f"What it learned of each text is for {training['recipe']['teacher_share']:.0%} the mean answer of "
            f"{len(teachers)} other fit{'s' if len(teachers) > 1 else ''} of the same data, and for the rest the label."
        )
    facts = [
        f"{training[key]} {words}" for key, words in (("steps", "steps"), ("minutes", "minutes")) if key in training
    ]
    facts += [f"on {training['device']}"] if "device" in training else []
    facts += [f"in {training['precision']}"] if "precision" in training else []
    yield f"The fit took {', '.join(facts)}; exported {training['created_at']}."
    versions = training.get("versions") or {}
    for words, found in (("Fitted", versions), ("Exported", training.get("export_versions") or {})):
        if found:
            yield f"{words} with {', '.join(f'{name} {number}' for name, number in found.items())}."
    if "commands" in training:
        yield "\n```sh"
        yield from training["commands"]
        yield "```"


def _figures(manifest: Manifest) -> Iterator[str]:
    training, metrics = manifest.training, _completed(manifest.training["metrics"])
    yield "## Figures\n"
    held_out = held_out_name(training)
    yield f"On the part `{held_out}`, by the engine that serves (`{training['metrics_engine']}`).\n"
    yield _markdown(figures_table(metrics, held_out)) + "\n"
    by_label = [labels_table(metrics)] if "support" in metrics["all"] else []
    yield from _sections([intervals_table(metrics, held_out), *by_label, slices_table(metrics)])
    if also := training.get("also"):
        yield "### Other sets\n\nScored once, as they are; they chose nothing.\n"
        yield _markdown(_also_table(also)) + "\n"
    for note in metrics["notes"]:
        yield f"Note: {note}.\n"
    if pictures := training.get("figures"):
        yield "### Pictures\n"
        yield from (f"![{caption}](figures/{name})\n" for name, caption in pictures.items())
    if found := training.get("parity"):
        yield "### int8 and fp32\n"
        yield (
            f"On {found['texts']} held-out texts the int8 file gives the label of the weights of this folder, which "
            f"are fp16 and compute in fp32, in {found['agreement']:.2%}; probabilities differ by "
            f"{found['mean_distance']:.4f} on average and {found['max_distance']:.4f} at most; accuracy "
            f"{found['accuracy_int8']:.4f} and "
            f"{found['accuracy_fp32']:.4f}."
        )


def _calibration(manifest: Manifest) -> Iterator[str]:
    metrics = _completed(manifest.training["metrics"])
    yield "## Calibration, and when to abstain\n"
    yield (
        f"The temperature {manifest.temperature} was fitted on the validation part. On "
        f"`{held_out_name(manifest.training)}` a score differs by {metrics['all']['calibration_error']:.3f} on average "
        "from the accuracy that it promises (expected "
        "calibration error, 15 bins)."
    )
    if metrics["abstain"]:
        yield "\nLeave a review to a person when its score is low: where answers count from a score on,\n"
        yield from (f"- {line}" for line in _advice(metrics["abstain"]))
        yield "\n" + _markdown(abstain_table(metrics))


def _advice(abstain: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in abstain:
        if row["score"] in _ADVISED_SCORES and row["accuracy"] is not None:
            covered, right = row["coverage"], row["accuracy"]
            yield f"from {row['score']:g} on: {covered:.1%} of reviews are answered, {right:.1%} of them rightly"


def _limits(manifest: Manifest) -> Iterator[str]:
    yield "## Limits\n"
    yield (
        "English product reviews. Other languages, other kinds of text and irony are not what it was trained on. Stars "
        "are a proxy: some reviews praise with one star. It is no judgement of persons."
    )
    if notes := manifest.training.get("notes"):
        yield f"\n{notes.strip()}"


def _licence(manifest: Manifest) -> Iterator[str]:
    yield "## Licence\n"
    yield f"Weights: {manifest.training.get('licence') or _UNSTATED}"


def _ratings(manifest: Manifest) -> str:
    return ", ".join(f"{rating} star: {label or 'left out'}" for rating, label in manifest.rating_labels.items())


def _sections(tables: Sequence[FigureTable]) -> Iterator[str]:
    for table in tables:
        if table.rows:
            yield f"### {table.title}\n\n{_markdown(table)}\n"


def _also_table(also: Mapping[str, Mapping[str, Any]]) -> FigureTable:
    rows = [
        [name, str(figures["n"]), *("" if figures[key] is None else f"{figures[key]:.4f}" for key in _FIGURE_NAMES[:5])]
        for name, figures in also.items()
    ]
    return FigureTable("", ["set", "n", "accuracy", "macro F1", "ROC AUC", "Brier", "calibration error"], rows)


def _markdown(table: FigureTable) -> str:
    lines = (table.columns, ["---"] * len(table.columns), *table.rows)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _completed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics with None and nothing for what an older export did not measure."""

    def completed(figures: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if figures is None else {**dict.fromkeys(_FIGURE_NAMES), **figures}

    return {
        **_LATER_KEYS,
        **metrics,
        "all": completed(metrics["all"]),
        "unseen": completed(metrics["unseen"]),
        "by_category": {name: completed(figures) for name, figures in metrics["by_category"].items()},
    }
