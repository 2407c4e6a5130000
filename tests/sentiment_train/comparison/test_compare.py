"""Two models on the same rows, as `sentiment-train compare` tells it."""

import json
import resource
import shutil
from pathlib import Path

import msgspec
import polars as pl
import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from sentiment_api.model.bundle import open_bundle, sealed, write_manifest
from sentiment_train.comparison.compare import compare
from sentiment_train.comparison.contenders import ComparedRows, open_contender, plain_rows, prepared_rows, sampled
from sentiment_train.comparison.verdict import Bounds
from sentiment_train.errors import NotComparable
from sentiment_train.fitting.fit import fit
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.preparation.prepare import prepare
from sentiment_train.prepared import read_part
from tests.protocols import Command


@pytest.fixture
def contrary(fitted: Path, tmp_path: Path) -> Path:
    """The fitted model with its answers turned round."""
    folder = Path(shutil.copytree(fitted, tmp_path / "contrary"))
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = -weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def texts_file(tmp_path: Path) -> Path:
    """A plain file of two labelled texts."""
    path = tmp_path / "texts.parquet"
    pl.DataFrame({"text": ["Love it, wonderful, great.", "Terrible junk, it broke."], "label": [1, 0]}).write_parquet(
        path
    )
    return path


def test_a_model_may_replace_itself(exported: Path, prepared: Path, tmp_path: Path, command: Command) -> None:
    """A bundle and its copy differ in nothing, even on 14 rows: exit code 0."""
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    code, words, errors = command("compare", exported, copy, "--data", prepared, "--json", tmp_path / "found.json")
    assert (code, errors) == (0, "")
    assert words.splitlines()[-1] == "verdict: B may replace A"
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["may_replace"]
    assert (found["engine"], found["slowdown"], found["warnings"]) == ("cpu", 1.0, [])
    assert found["accuracy"] | {"rows_needed": None} == found["accuracy"]
    assert (found["accuracy"]["low"], found["accuracy"]["p"]) == (0.0, 1.0)
    version = open_bundle(exported).manifest.version
    assert (found["a"]["version"], found["b"]["version"]) == (version, version)
    assert found["a"]["data_hash"] == found["rows"]["data_hash"]


def test_a_worse_model_may_not(fitted: Path, contrary: Path, prepared: Path, tmp_path: Path, command: Command) -> None:
    """A candidate that is always wrong is refused with exit code 1; what it loses is named by ids, never by texts."""
    options = ("--max-slowdown", 100, "--json", tmp_path / "found.json")  # the clock is not what is tested
    code, words, errors = command("compare", fitted, contrary, "--data", prepared, *options)
    assert (code, errors) == (1, "")
    lines = words.splitlines()
    assert any(line.startswith("failed: accuracy: the 95 % interval of B minus A begins at -") for line in lines)
    assert any(line.startswith("failed: calibration: B's error is ") for line in lines)
    assert lines[-1] == "verdict: B may not replace A (2 failed, see above)"
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["engine"] == "torch"
    part = read_part(prepared, "later")
    listed = {each["id"] for each in found["only_a_right"]}
    assert listed
    assert len(listed) == min(10, found["accuracy"]["lost"])
    assert all(each in words for each in listed)
    everything = words + (tmp_path / "found.json").read_text()
    assert not [text for text in part["text"] if text in everything]


def test_few_rows_are_told_from_a_worse_model(exported: Path, fitted: Path, prepared: Path, command: Command) -> None:
    """Two models that agree on 14 rows are not shown to be equal; the message says how many rows would show it."""
    code, words, _ = command("compare", exported, fitted, "--data", prepared, "--max-calibration-loss", 1)
    assert code == 1
    assert "these rows do not show B to lose more than 0.5 points either: about " in words
    options = ("--max-accuracy-loss", 50, "--max-calibration-loss", 1, "--max-slowdown", 100)
    assert command("compare", exported, fitted, "--data", prepared, *options)[0] == 0


def test_slices_in_which_b_is_worse_are_shown(fitted: Path, contrary: Path, prepared: Path, command: Command) -> None:
    """Slices are judged from `--min-slice-rows` on and listed with the worst first."""
    code, words, _ = command("compare", fitted, contrary, "--data", prepared, "--min-slice-rows", 5)
    assert code == 1
    assert "failed: slice 'rating: " in words
    rows = [line.split("│")[1:6] for line in words.splitlines() if line.startswith("│ rating: ")]
    assert {row[0].strip() for row in rows} == {"rating: 1", "rating: 5"}


def test_plain_texts_are_compared_too(exported: Path, texts_file: Path, command: Command) -> None:
    """With --texts a warning says that the file does not show who trained on it."""
    code, words, errors = command("compare", exported, exported, "--texts", texts_file)
    assert (code, errors) == (0, "")
    assert "2 rows of texts.parquet, engine cpu" in words
    assert "warning: texts.parquet does not show whether a model was trained on its rows" in words


def test_b_of_other_data_is_refused(exported: Path, reviews: pl.DataFrame, tmp_path: Path, command: Command) -> None:
    """On rows of another folder, which B may have been trained on, nothing can be said, unless the user insists."""
    reviews.head(58).write_parquet(tmp_path / "other.parquet")
    prepare([tmp_path / "other.parquet"], tmp_path / "other")
    code, _, errors = command("compare", exported, exported, "--data", tmp_path / "other")
    assert code == 2
    assert errors.startswith("sentiment-train: B was trained on the data ")
    assert errors.count("\n") == 1
    code, words, _ = command("compare", exported, exported, "--data", tmp_path / "other", "--allow-other-data")
    assert code == 0
    assert "warning: A was trained on the data " in words
    assert "warning: B was trained on the data " in words


def test_other_labels_are_refused(
    exported: Path, ratings_file: Path, base: Path, recipe: Recipe, quiet: Console, tmp_path: Path, command: Command
) -> None:
    """A model of three labels is no replacement for one of two: exit code 2."""
    prepare([ratings_file], tmp_path / "three", labels="three-way")
    fit(tmp_path / "three", str(base), tmp_path / "run", msgspec.structs.replace(recipe, epochs=0.2), quiet)
    code, _, errors = command("compare", exported, tmp_path / "run", "--data", tmp_path / "three")
    assert code == 2
    assert "expected two models with the same labels" in errors


def test_labels_in_another_order_are_the_same_labels(
    exported: Path, prepared: Path, quiet: Console, tmp_path: Path
) -> None:
    """A model that numbers the labels the other way round is compared label by label."""
    folder = Path(shutil.copytree(exported, tmp_path / "turned"))
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    manifest = open_bundle(exported).manifest
    turned = msgspec.structs.replace(manifest, labels=manifest.labels[::-1], golden=[])
    write_manifest(folder, sealed(folder, turned))
    rows = prepared_rows(prepared, "later")
    found = compare(open_contender(exported), open_contender(folder), rows, Bounds(), quiet, engine="torch")
    assert (found["accuracy"]["gained"], found["accuracy"]["lost"]) == (0, 0)
    assert found["calibration_error"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert not found["accuracy"]["same_version"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_model_cannot_be_compared(which: int, exported: Path, prepared: Path, command: Command) -> None:
    """Exit code 1 means that B is worse; a folder that is not there is exit code 2 and one line."""
    models = [exported, exported]
    models[which] = prepared / "none"
    code, _, errors = command("compare", *models, "--data", prepared)
    assert code == 2
    assert errors.startswith("sentiment-train: expected a model bundle, found no folder")
    assert errors.count("\n") == 1


def test_what_nobody_foresaw_is_no_verdict(exported: Path, prepared: Path, tmp_path: Path, command: Command) -> None:
    """A failure of any kind is exit code 2 and one line; Python's own exit code, 1, would say that B is worse."""
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    (data / "data.json").write_text("{}")
    code, _, errors = command("compare", exported, exported, "--data", data)
    assert code == 2
    assert errors.startswith(
        "sentiment-train: expected to compare the models, found KeyError at sentiment_train/comparison/contenders.py:"
    )
    assert errors.count("\n") == 1


def test_a_full_disk_leaves_the_old_file(exported: Path, prepared: Path, tmp_path: Path, command: Command) -> None:
    """What `--json` cannot write whole it does not write at all: exit code 2, and the file is as it was."""
    file = tmp_path / "found.json"
    file.write_text("{}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        code, _, errors = command("compare", exported, exported, "--data", prepared, "--json", file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert errors == f"sentiment-train: cannot write to {tmp_path}: File too large; the old files stay\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("found.json", "{}")]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--data", "x", "--texts", "y"),
        ("--data", "x", "--json", "no/such/folder/f"),
        ("--data", "x", "--json", "/dev/null"),
    ],
)
def test_wrong_usage_is_exit_code_2(options: tuple[str, ...], exported: Path, command: Command) -> None:
    """One source is needed, and a place for the file."""
    assert command("compare", exported, exported, *options)[0] == 2


def test_a_damaged_fit_record_cannot_be_compared(fitted: Path, tmp_path: Path) -> None:
    """A run whose record is cut off does not say what it was trained on."""
    folder = Path(shutil.copytree(fitted, tmp_path / "run"))
    (folder / "fit.json").write_text('{"data": {}}')
    with pytest.raises(NotComparable, match=r"fit.json is damaged .*; fit the model again"):
        open_contender(folder)


def test_a_sample_is_chosen_by_ids() -> None:
    """The same ids are drawn whatever the order of rows and whatever else is there; a larger sample holds a smaller."""
    reviews = pl.DataFrame({"id": [f"r{number}" for number in range(200)], "text": "It works.", "label": "positive"})
    rows = ComparedRows(Path("later.parquet"), reviews, None)
    small, large = (set(sampled(rows, size).reviews["id"]) for size in (20, 50))
    turned = rows._replace(reviews=reviews.reverse())
    assert len(small) == 20
    assert small < large
    assert set(sampled(turned, 20).reviews["id"]) == small
    assert sampled(rows, 500).reviews.equals(reviews)


def test_rows_of_a_plain_file_have_their_number_as_id(texts_file: Path) -> None:
    """Without ids the rows are numbered from 0, as text."""
    assert plain_rows(texts_file).reviews["id"].to_list() == ["0", "1"]
