"""The whole thread: ratings are prepared, a model is fitted, evaluated and exported, and the service runs it."""

import datetime as dt
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.descriptors import Descriptors
from sentiment_train.errors import FolderTaken, UnusableCheckpoint, UnusableData
from sentiment_train.evaluation.answers import answer_part
from sentiment_train.evaluation.figures import all_figures
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.export import export
from sentiment_train.fitting.fit import fit
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.preparation.prepare import prepare
from sentiment_train.prepared import read_part
from tests.protocols import Export

pytestmark = pytest.mark.slow

_PRAISE = "Absolutely wonderful, works perfectly, love it."
_COMPLAINT = "Terrible junk, it broke, a complete waste of money."


@pytest.fixture
def export_to(prepared: Path, quiet: Console) -> Export:
    """Exports a run to a folder: `export_to(run, folder)`."""

    def make(run: Path, folder: Path) -> object:
        return export(run, prepared, folder, name="tiny", max_tokens=96, card=CardStatements(), console=quiet)

    return make


@pytest.fixture
def run_copy(fitted: Path, tmp_path: Path) -> Path:
    """A copy of the fitted model, to be damaged."""
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return tensors


def test_a_bundle_can_be_exported_again(exported: Path, export_to: Export, tmp_path: Path) -> None:
    """A bundle's own weights give a bundle with the same answers and the same record, and its int8 file anew."""
    export_to(exported, tmp_path / "again")
    first, again = open_bundle(exported).manifest, open_bundle(tmp_path / "again").manifest
    for name in ("model.safetensors", "model.int8.onnx", "tokenizer.json"):
        assert first.files[name] == again.files[name]
    assert again.temperature == first.temperature
    for kept in ("base", "recipe", "data_hash", "rows", "cuts", "minutes"):
        assert again.training[kept] == first.training[kept]


def test_the_bundle_passes_its_own_checks(exported: Path) -> None:
    """The exported folder opens complete, and both engines give its golden texts the recorded answers."""
    bundle = open_bundle(exported)
    assert len(bundle.manifest.golden) >= 4
    for engine in ("cpu", "torch"):
        Classifier.load(bundle, engine, 1).self_check()


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_praise_is_positive_and_complaint_negative(engine: str, exported: Path) -> None:
    """Texts that were never trained on, made of words that were, get the right label."""
    classifier = Classifier.load(open_bundle(exported), engine, 1)
    found = [classifier.labels[classifier.classify(text).argmax()] for text in (_PRAISE, _COMPLAINT)]
    assert found == ["positive", "negative"]


def test_the_manifest_says_how_the_model_was_made(exported: Path, prepared: Path) -> None:
    """Data hash, recipe, rows, labels, figures, licence and terms are in `bundle.json`, and the figures in the card."""
    manifest = open_bundle(exported).manifest
    record = json.loads((prepared / "data.json").read_text())
    assert (manifest.name, manifest.labels, manifest.max_tokens) == ("tiny", ["negative", "positive"], 96)
    assert manifest.training["data_hash"] == record["hash"]
    assert manifest.training["rows"] == {part: counts["rows"] for part, counts in record["parts"].items()}
    assert manifest.training["recipe"]["epochs"] == 40.0
    card = (exported / "README.md").read_text()
    assert "Weights' licence: made in a test\n- Data terms: written by hand\n" in card
    assert f"| later | 14 | {manifest.training['metrics']['all']['accuracy']:.4f} |" in card


def test_the_recorded_figures_can_be_found_again(exported: Path, prepared: Path) -> None:
    """Evaluating the bundle gives the figures that it carries."""
    bundle = open_bundle(exported)
    found = all_figures(answer_part(Classifier.load(bundle, "cpu", 1), prepared, "later"))
    assert found == bundle.manifest.training["metrics"]
    assert found["all"]["accuracy"] > 0.8


def test_the_reference_holds_numbers_and_no_text(exported: Path, prepared: Path) -> None:
    """The columns are those that drift compares, for the rows of the part `reference`, and no text is among them."""
    frame = pl.read_parquet(exported / "reference.parquet")
    described = list(Descriptors.__struct_fields__)
    others = ["rating", "category", "timestamp", "target", "product_cluster"]
    answers = ["label", "score", "logits", "probabilities", "embedding"]
    assert frame.columns == [*described, *others, *answers]
    part = read_part(prepared, "reference")
    assert frame["target"].to_list() == part["label"].to_list()
    everything = frame.write_json()
    assert not [text for text in part["text"] if text in everything]
    assert not [product for product in part["product_id"] if product in everything]


def test_the_reference_is_what_the_bundle_answers(exported: Path, prepared: Path) -> None:
    """Logits, probabilities, label and score are those of the engine that serves; clusters are those of products."""
    frame, part = pl.read_parquet(exported / "reference.parquet"), read_part(prepared, "reference")
    classifier = Classifier.load(open_bundle(exported), "cpu", 1)
    for row, text in zip(frame.iter_rows(named=True), part["text"], strict=True):
        probabilities = classifier.classify(text)
        assert row["probabilities"] == pytest.approx(probabilities.tolist(), abs=1e-6)
        assert row["label"] == classifier.labels[probabilities.argmax()]
        assert row["score"] == pytest.approx(probabilities.max(), abs=1e-6)
        assert row["tokens"] == len(classifier.encode(text).ids)
    clusters = frame.with_columns(part["product_id"]).group_by("product_cluster").agg(pl.col("product_id").n_unique())
    assert clusters["product_id"].to_list() == [1] * part["product_id"].n_unique()


def test_hugging_face_opens_the_folder(exported: Path) -> None:
    """`from_pretrained` on the bundle's folder gives the torch engine's logits."""
    model = AutoModelForSequenceClassification.from_pretrained(exported, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(exported)
    texts = [_PRAISE, _COMPLAINT]
    with torch.inference_mode():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits.numpy()
    engine = Classifier.load(open_bundle(exported), "torch", 1)
    found = engine.forward([engine.encode(text).ids for text in texts]).logits
    assert np.abs(found - logits).max() < 1e-5
    assert model.config.id2label == {0: "negative", 1: "positive"}


def test_the_same_seed_gives_the_same_weights(
    prepared: Path, base: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """Two fits with one seed agree in every bit; another seed gives other weights."""
    short = msgspec.structs.replace(recipe, epochs=1.0)
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        fit(prepared, str(base), tmp_path / name, msgspec.structs.replace(short, seed=seed), quiet)
    first, second, other = (_weights(tmp_path / name) for name in ("first", "second", "other"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_three_labels_go_the_whole_way(
    ratings_file: Path, base: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """With neutral as a third label the thread ends in a bundle that passes its checks, too."""
    prepare([ratings_file], tmp_path / "prepared", labels="three-way")
    fit(tmp_path / "prepared", str(base), tmp_path / "run", recipe, quiet)
    out = tmp_path / "bundle"
    export(
        tmp_path / "run", tmp_path / "prepared", out, name="tiny", max_tokens=96, card=CardStatements(), console=quiet
    )
    classifier = Classifier.load(open_bundle(out), "cpu", 1)
    classifier.self_check()
    assert classifier.labels == ["negative", "neutral", "positive"]
    texts = (_PRAISE, "Average, okay, neither good nor bad.", _COMPLAINT)
    assert [int(classifier.classify(text).argmax()) for text in texts] == [2, 1, 0]


def test_an_existing_folder_is_not_exported_to(fitted: Path, export_to: Export, tmp_path: Path) -> None:
    """A folder with a file in it is refused before anything is computed, and the file stays."""
    (tmp_path / "notes.md").write_text("mine")
    with pytest.raises(FolderTaken, match="expected a new or empty folder"):
        export_to(fitted, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


@pytest.mark.parametrize(
    ("bias", "found"), [(0.01, "found 0 of 0"), (40.0, "found 12 of 1")], ids=["never sure", "always praise"]
)
def test_a_model_that_knows_nothing_is_not_exported(
    bias: float,
    found: str,
    prepared: Path,
    base: Path,
    recipe: Recipe,
    quiet: Console,
    export_to: Export,
    tmp_path: Path,
) -> None:
    """A model that cannot tell praise from complaint is refused, and neither a bundle nor scratch is left behind."""
    untaught = msgspec.structs.replace(recipe, epochs=1.0, learning_rate=0.0)
    fit(prepared, str(base), tmp_path / "run", untaught, quiet)
    weights = _weights(tmp_path / "run")
    weights["classifier.weight"] *= 0.0
    weights["classifier.bias"] = torch.tensor([0.0, bias])
    save_file(weights, tmp_path / "run" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnusableCheckpoint, match=f"{found}: this model is not sure of plain praise and complaint"):
        export_to(tmp_path / "run", tmp_path / "out" / "bundle")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_int8_file_that_answers_otherwise_is_not_exported(run_copy: Path, export_to: Export, tmp_path: Path) -> None:
    """Weights whose int8 form gives other labels are refused with the share that agrees."""
    weights = _weights(run_copy)
    for layer in range(2):
        for name in ("attention.out_lin", "ffn.lin2"):
            # A channel's scale follows its largest weight; one that all channels have is taken out by the norm.
            weights[f"distilbert.transformer.layer.{layer}.{name}.weight"][:, 0] = 600.0
    save_file(weights, run_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnusableCheckpoint, match="expected int8 and fp32 to agree on 99% of the validation texts"):
        export_to(run_copy, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_more_tokens_than_the_model_takes_are_refused(
    fitted: Path, prepared: Path, quiet: Console, tmp_path: Path
) -> None:
    """A bundle cannot promise longer texts than the model has positions for."""
    with pytest.raises(UnusableCheckpoint, match=r"expected at most 128 tokens, .* found 129"):
        export(fitted, prepared, tmp_path / "out", name="tiny", max_tokens=129, card=CardStatements(), console=quiet)


def test_other_data_than_the_fits_is_refused(
    fitted: Path, reviews: pl.DataFrame, quiet: Console, tmp_path: Path
) -> None:
    """Other ratings could hold what the model trained on, so an export on them is refused."""
    later = reviews.with_columns(pl.col("timestamp") + dt.timedelta(days=1))
    later.write_parquet(tmp_path / "other.parquet")
    prepare([tmp_path / "other.parquet"], tmp_path / "other")
    with pytest.raises(UnusableData, match="expected the prepared folder that the model was fitted on"):
        export(
            fitted,
            tmp_path / "other",
            tmp_path / "out",
            name="tiny",
            max_tokens=96,
            card=CardStatements(),
            console=quiet,
        )


@pytest.mark.parametrize(
    ("content", "message"), [(None, "found no .*fit.json"), ("{", "fit.json is damaged .*; fit the model again")]
)
def test_a_folder_without_a_fit_is_not_exported(
    content: str | None, message: str, run_copy: Path, export_to: Export, tmp_path: Path
) -> None:
    """A folder whose record is missing or cut off is refused with the remedy."""
    (run_copy / "fit.json").unlink()
    if content is not None:
        (run_copy / "fit.json").write_text(content)
    with pytest.raises(UnusableCheckpoint, match=message):
        export_to(run_copy, tmp_path / "bundle")


def test_a_bert_is_not_fitted_as_it_is(prepared: Path, recipe: Recipe, quiet: Console, tmp_path: Path) -> None:
    """A BERT checkpoint is refused instead of being filled with random weights, and nothing is written."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=40, **shape)).save_pretrained(tmp_path / "bert")
    with pytest.raises(UnusableCheckpoint, match=r"of type 'distilbert' in .*, found 'bert'"):
        fit(prepared, str(tmp_path / "bert"), tmp_path / "out", recipe, quiet)
    assert not (tmp_path / "out").exists()


def test_a_half_precision_base_is_fitted_in_fp32(
    exported: Path, prepared: Path, recipe: Recipe, quiet: Console, tmp_path: Path
) -> None:
    """A bundle, whose weights are fp16, can be the next base: steps too small for fp16 are not lost."""
    fit(prepared, str(exported), tmp_path / "run", msgspec.structs.replace(recipe, epochs=0.2), quiet)
    assert {tensor.dtype for tensor in _weights(tmp_path / "run").values()} == {torch.float32}


def test_a_fit_does_not_write_into_a_filled_folder(
    prepared: Path, base: Path, recipe: Recipe, quiet: Console, fitted: Path
) -> None:
    """An earlier run is never overwritten."""
    with pytest.raises(FolderTaken, match="name another one, or remove it first"):
        fit(prepared, str(base), fitted, recipe, quiet)
