"""Which part of the ratings decides what: nothing that a bundle answers, or measures drift by, is from `later`."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from sentiment_api.model.bundle import PROJECTION, REFERENCE, WEIGHTS, open_bundle
from sentiment_train.exporting.card_statements import CardStatements
from sentiment_train.exporting.export import export
from sentiment_train.prepared import read_part


@pytest.fixture(scope="module")
def other_later(fitted: Path, prepared: Path, quiet: Console, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the same model, exported with every label of `later` turned round and half of its texts gone."""
    folder = tmp_path_factory.mktemp("other-later")
    data = Path(shutil.copytree(prepared, folder / "prepared"))
    later = read_part(data, "later").gather_every(2)
    turned = pl.col("label").replace_strict({"negative": "positive", "positive": "negative"})
    later.with_columns(turned).write_parquet(data / "later.parquet")
    export(fitted, data, folder / "bundle", name="tiny", max_tokens=96, card=CardStatements(), console=quiet)
    return folder / "bundle"


def test_the_figures_are_those_of_later(exported: Path, other_later: Path) -> None:
    """Turned round, what was right is wrong: the part that was changed is the one that is reported."""
    before, after = (open_bundle(folder).manifest.training["metrics"]["all"] for folder in (exported, other_later))
    assert (before["n"], after["n"]) == (14, 7)
    assert before["accuracy"] > 0.8
    assert after["accuracy"] < 0.4


def test_temperature_and_projection_do_not_know_later(exported: Path, other_later: Path) -> None:
    """Calibration and embedding projection are fitted on the validation part, so the version stays as it was."""
    before, after = (open_bundle(folder).manifest for folder in (exported, other_later))
    assert before.temperature == after.temperature
    assert before.files[PROJECTION] == after.files[PROJECTION]
    assert before.files[WEIGHTS] == after.files[WEIGHTS]
    assert before.version == after.version


def test_the_drift_reference_does_not_know_later(exported: Path, other_later: Path) -> None:
    """It comes from a part of its own; but for the salt of its clusters it is the same, row by row."""
    before, after = (pl.read_parquet(folder / REFERENCE).drop("product_cluster") for folder in (exported, other_later))
    assert before.equals(after)


def test_the_parts_share_no_text_and_no_product_that_never_trains(prepared: Path) -> None:
    """Reference and train have no product in common, and no text is in two parts."""
    parts = {name: read_part(prepared, name) for name in ("train", "validation", "reference", "later")}
    texts = pl.concat([part["text"] for part in parts.values()])
    assert texts.is_unique().all()
    assert not set(parts["reference"]["product_id"]) & set(parts["train"]["product_id"])
