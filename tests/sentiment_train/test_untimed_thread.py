"""From texts with stars, or with a polarity alone, to a bundle that is compared and against which drift is measured."""

import json
from pathlib import Path

import polars as pl
import pytest

from drift_jobs.storage.bundle_reference import _read_parquet
from sentiment_api.model.bundle import open_bundle
from sentiment_train.prepared import read_part
from tests.protocols import Command


@pytest.mark.slow
@pytest.mark.parametrize("teaches", ["stars", "sentiment"])
def test_texts_and_what_they_say_are_enough_for_every_command(
    teaches: str, reviews: pl.DataFrame, exported: Path, tmp_path: Path, command: Command
) -> None:
    """prepare, fit, evaluate, export and compare work without products and times, and cards say how it was split."""
    words = {1: "negative", 3: "neutral", 5: "positive"}
    said = reviews.select("text", stars="rating", sentiment=pl.col("rating").replace_strict(words))
    repeated = [said.with_columns(text=pl.format("{} That was in week {}.", "text", pl.lit(week))) for week in range(4)]
    pl.concat(repeated).select("text", teaches).write_csv(tmp_path / "shop.csv")
    recipe = ("--epochs", "4", "--learning-rate", "1e-4", "--batch-size", "4", "--max-tokens", "64")
    steps = (
        ("prepare", tmp_path / "shop.csv", "--out", tmp_path / "data"),
        ("fit", tmp_path / "data", "--base", exported, "--out", tmp_path / "run", *recipe),
        ("evaluate", tmp_path / "run", "--data", tmp_path / "data", "--out", tmp_path / "report"),
        (
            "export",
            tmp_path / "run",
            "--data",
            tmp_path / "data",
            "--out",
            tmp_path / "mine",
            "--name",
            "mine",
            "--max-tokens",
            "96",
        ),
        ("compare", tmp_path / "mine", tmp_path / "mine", "--data", tmp_path / "data", "--engine", "cpu"),
    )
    for step in steps:
        code, words_out, errors = command(*step)
        assert (step[0], errors) == (step[0], ""), words_out
        assert step[0] == "compare" or code == 0
    assert "held_out" in json.loads((tmp_path / "report" / "evaluation.json").read_text())["reviews"]
    manifest = open_bundle(tmp_path / "mine").manifest
    assert manifest.training["split"]["held_out"] == "held_out"
    card = " ".join((tmp_path / "mine" / "README.md").read_text().split())
    assert "(`held_out`)" in card
    assert f"on {'star ratings' if teaches == 'stars' else 'labels'} as a proxy for sentiment" in card
    reference = _read_parquet(tmp_path / "mine" / "reference.parquet")
    assert len(reference) == len(read_part(tmp_path / "data", "reference"))
    assert reference["target"].notna().all()
