"""The steps of an export on numbers whose right answers are known, and what a bundle keeps and does not keep."""

import io
import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console

from sentiment_api.model.bundle import open_bundle, sealed
from sentiment_api.model.classifier import Classifier
from sentiment_train.errors import UnusableCheckpoint, UnusableData
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.export import export
from sentiment_train.exporting.recorded_answers import write_reference
from sentiment_train.exporting.training_record import MOST_LOSSES, compact_history, read_training_record
from sentiment_train.exporting.validation import fit_temperature, int8_parity
from sentiment_train.prepared import read_part
from tests.protocols import Command

Floats = NDArray[np.float64]

_NEWER_KEYS: dict[str, Any] = {
    "base_sha256": "ab" * 32,
    "history": [
        {"step": 25, "loss": 0.5, "learning_rate": 1e-5},
        {"step": 50, "eval_loss": 0.4},
        {"step": 50, "loss": 0.3},
    ],
    "steps": 50,
    "device": "cpu",
    "precision": "fp32",
    "versions": {"torch": "2.13.0"},
}


@pytest.fixture
def run_copy(fitted: Path, tmp_path: Path) -> Path:
    """A copy of the fitted model, to be changed."""
    return Path(shutil.copytree(fitted, tmp_path / "run"))


def _changed(run: Path, changes: dict[str, Any], dropped: tuple[str, ...] = ()) -> None:
    record = json.loads((run / "fit.json").read_text()) | changes
    (run / "fit.json").write_text(json.dumps({key: value for key, value in record.items() if key not in dropped}))


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: to the writer it looks like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    """Labels drawn from softmax(logits / temperature) give the temperature back within 5 %."""
    random = np.random.default_rng(11)
    logits = random.normal(0.0, 3.0, (20_000, 3)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)  # argmax(x + Gumbel noise) is a draw from softmax(x)
    truth = (logits / temperature + noise).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_of_a_model_that_is_never_wrong_is_bounded() -> None:
    """Without a single error the best temperature would be 0; it sharpens, and stays above exp(-3)."""
    logits = np.array([[4.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    assert np.exp(-3) <= fit_temperature(logits, np.array([0, 1])) < 0.2


def _answers(wrong: int, rows: int = 1_000) -> Floats:
    """Probabilities 0.9 and 0.1, the right label being 0; the first rows are wrong."""
    probabilities = np.tile([0.9, 0.1], (rows, 1))
    probabilities[:wrong] = [0.1, 0.9]
    return probabilities


def test_parity_is_recorded() -> None:
    """Agreement, distances and both accuracies are those of the rows that differ."""
    found = int8_parity(_answers(9), _answers(5), np.zeros(1_000, dtype=np.int64))
    assert found == {
        "texts": 1_000,
        "agreement": 0.996,
        "mean_distance": pytest.approx(0.0032),
        "max_distance": pytest.approx(0.8),
        "accuracy_int8": 0.991,
        "accuracy_fp32": 0.995,
    }


def test_int8_may_not_lose_half_a_point() -> None:
    """Six more mistakes on 1,000 texts are refused although 99 % of labels agree; gaining as many is not."""
    truth = np.zeros(1_000, dtype=np.int64)
    with pytest.raises(UnusableCheckpoint, match=r"to lose at most 0.5% of accuracy .* found 0.60%"):
        int8_parity(_answers(9), _answers(3), truth)
    int8_parity(_answers(3), _answers(9), truth)
    with pytest.raises(UnusableCheckpoint, match=r"to agree on 99% of the .*, found 98.9% of 1000: .*; fit it with"):
        int8_parity(_answers(3), _answers(14), truth)


def test_one_row_of_a_short_part_is_no_proof_of_a_loss() -> None:
    """On 25 texts a single row is four points; one label may change there, and two may not."""
    truth = np.zeros(25, dtype=np.int64)
    found = int8_parity(_answers(1, rows=25), _answers(0, rows=25), truth)
    assert (found["agreement"], found["accuracy_int8"]) == (0.96, 0.96)
    with pytest.raises(UnusableCheckpoint, match=r"or on all but one, found 92.0% of 25: .* more --epochs or on more"):
        int8_parity(_answers(0, rows=25), _answers(2, rows=25), truth)


def test_a_long_history_is_thinned() -> None:
    """All evaluations stay, at most some 200 losses, the first and the last among them, and no other figure."""
    history: list[dict[str, Any]] = [{"step": step, "loss": 1 / step, "grad_norm": 1.0} for step in range(1, 1_001)]
    history[500:500] = [{"step": 500, "eval_loss": 0.25, "eval_accuracy": 0.9, "eval_runtime": 3.0}]
    kept = compact_history(history)
    losses = [entry for entry in kept if "loss" in entry]
    assert len(losses) <= MOST_LOSSES + 1
    assert (losses[0]["step"], losses[-1]["step"]) == (1, 1_000)
    assert {"step": 500, "eval_loss": 0.25, "eval_accuracy": 0.9} in kept
    assert {key for entry in losses for key in entry} == {"step", "loss"}
    assert compact_history([]) == []


def test_a_record_of_an_older_fit_is_enough(run_copy: Path) -> None:
    """A `fit.json` without the keys that came later is read; what it does not know is left out."""
    _changed(run_copy, {}, dropped=tuple(_NEWER_KEYS))
    record = read_training_record(run_copy)
    assert record["base"] == json.loads((run_copy / "fit.json").read_text())["base"]
    assert not record.keys() & _NEWER_KEYS.keys()


def test_a_bundle_keeps_what_is_needed_to_repeat_it(
    run_copy: Path, prepared: Path, quiet: Console, tmp_path: Path
) -> None:
    """Base, versions, history, commands and pictures are in the bundle, and still there when it is exported again."""
    _changed(run_copy, _NEWER_KEYS)
    texts = tmp_path / "cells.parquet"
    pl.DataFrame({"text": ["Love it, great.", "Terrible junk."], "label": [1, 0]}).write_parquet(texts)
    options: dict[str, Any] = {
        "name": "tiny",
        "max_tokens": 96,
        "card": CardStatements(licence="MIT"),
        "console": quiet,
    }
    first = export(run_copy, prepared, tmp_path / "first", also={"cells": texts}, **options)
    training = first.training
    assert training["base_sha256"] == _NEWER_KEYS["base_sha256"]
    assert training["versions"] == {"torch": "2.13.0"}
    assert {"torch", "onnx", "sentiment-service"} <= training["export_versions"].keys()
    assert [entry["step"] for entry in training["history"]] == [25, 50, 50]
    assert training["commands"][1].startswith("sentiment-train fit prepared --base ")
    assert "--epochs 40.0" in training["commands"][1]
    assert training["commands"][2].endswith("--max-tokens 96 --also cells=cells.parquet --licence MIT")
    assert 0.99 <= training["parity"]["agreement"] <= 1.0
    pictures = {path.name for path in (tmp_path / "first" / "figures").iterdir()}
    assert {"confusion.png", "reliability.png", "learning.png"} <= pictures == set(training["figures"])
    assert training["also"]["cells"]["n"] == 2
    again = export(tmp_path / "first", prepared, tmp_path / "again", **options)
    for key in ("base_sha256", "versions", "history", "recipe", "steps"):
        assert again.training[key] == training[key]
    assert again.version == first.version
    assert again.training["also"] == {}


def test_figures_and_card_leave_the_version_as_it_is(exported: Path, tmp_path: Path) -> None:
    """The version is made of what decides answers: other pictures and another card change checksums alone."""
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    manifest = open_bundle(folder).manifest
    (folder / "README.md").write_text("# Another card\n")
    (folder / "figures" / "confusion.png").unlink()
    (folder / "figures" / "another.png").write_bytes(b"no picture")
    changed = sealed(folder, msgspec.structs.replace(manifest, training={}))
    assert changed.version == manifest.version
    assert changed.files != manifest.files


def test_another_set_is_scored_by_the_engine_that_serves(
    fitted: Path, prepared: Path, tmp_path: Path, command: Command
) -> None:
    """`--also NAME=FILE` records the figures of a plain file, which the card shows."""
    texts = tmp_path / "cells.csv"
    pl.DataFrame({"text": ["Love it, great.", "Terrible junk."], "label": [1, 0]}).write_csv(texts)
    out = tmp_path / "out"
    options = ("--data", prepared, "--name", "tiny", "--max-tokens", 96)
    code, _, errors = command("export", fitted, "--out", out, "--also", f"uci={texts}", *options)
    assert (code, errors) == (0, "")
    figures = open_bundle(out).manifest.training["also"]["uci"]
    assert (figures["file"], figures["n"], figures["accuracy"]) == ("cells.csv", 2, 1.0)
    assert "| uci | 2 | 1.0000 | 1.0000 |" in (out / "README.md").read_text()


@pytest.mark.parametrize("option", ["uci", "=file", "uci="])
def test_another_set_needs_a_name_and_a_file(option: str, fitted: Path, prepared: Path, command: Command) -> None:
    """Half an option is an error of usage."""
    code, _, errors = command("export", fitted, "--data", prepared, "--out", "x", "--name", "x", "--also", option)
    assert code == 2
    assert "expected --also NAME=FILE" in errors


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot read"), ("text,label\nFine.,good\n", "expected the labels")]
)
def test_an_unusable_set_is_refused_first(
    content: str | None, message: str, fitted: Path, prepared: Path, tmp_path: Path
) -> None:
    """A file of `also` that does not exist or has other labels ends the export before any work, without a bundle."""
    file, shown = tmp_path / "cells.csv", io.StringIO()
    if content is not None:
        file.write_text(content)
    options: dict[str, Any] = {"name": "b", "max_tokens": 96, "card": CardStatements(), "console": Console(file=shown)}
    with pytest.raises(UnusableData, match=message):
        export(fitted, prepared, tmp_path / "out" / "b", also={"uci": file}, **options)
    assert shown.getvalue() == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["model.safetensors", "model.int8.onnx"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    file: str, exported: Path, fitted: Path, prepared: Path, tmp_path: Path, command: Command
) -> None:
    """Wherever the room ends, the message says so and neither a bundle nor scratch is left."""
    out = tmp_path / "out" / "bundle"
    with _largest_file((exported / file).stat().st_size - 1):
        code, _, errors = command("export", fitted, "--data", prepared, "--out", out, "--name", "b", "--max-tokens", 96)
    assert code == 1
    assert errors.startswith(f"sentiment-train: cannot write {out}: ")
    assert errors.count("\n") == 1
    assert "nothing of it is left" in errors
    assert list((tmp_path / "out").iterdir()) == []


def test_a_reference_that_does_not_fit_is_an_error_of_the_disk(exported: Path, prepared: Path, tmp_path: Path) -> None:
    """The parquet file's writer hides nothing: its failure is translated as any other's."""
    classifier = Classifier.load(open_bundle(exported), "cpu", 1)
    with _largest_file(1_000), pytest.raises(OSError, match="File too large"):
        write_reference(classifier, read_part(prepared, "reference"), tmp_path / "reference.parquet")


def test_a_run_without_its_tokenizer_is_refused(run_copy: Path, prepared: Path, quiet: Console, tmp_path: Path) -> None:
    """A missing file of the run is named."""
    (run_copy / "tokenizer_config.json").unlink()
    with pytest.raises(UnusableCheckpoint, match=r"expected tokenizer_config.json in .*run, found none"):
        export(run_copy, prepared, tmp_path / "out", name="b", max_tokens=96, card=CardStatements(), console=quiet)
