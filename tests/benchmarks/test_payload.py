"""The texts that benchmarks send."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks import payload
from benchmarks.steps import StepFailed


def test_reviews_are_drawn_from_all_files_without_their_empty_ones(tmp_path: Path) -> None:
    """The same seed draws the same texts."""
    for name, texts in (("a", ["Works.", " ", "Broke."]), ("b", [None, "Fine. "])):
        pl.DataFrame({"text": texts}).write_parquet(tmp_path / name)
    drawn = payload.texts([tmp_path / "a", tmp_path / "b"], 3)
    assert sorted(drawn) == ["Broke.", "Fine.", "Works."]
    assert payload.texts([tmp_path / "a", tmp_path / "b"], 3) == drawn


def test_files_without_enough_of_them_end_in_a_line(tmp_path: Path) -> None:
    """It says what was expected, and never a text."""
    pl.DataFrame({"text": ["Works."], "stars": [5]}).write_parquet(tmp_path / "few")
    pl.DataFrame({"review": ["Works."]}).write_parquet(tmp_path / "other")
    (tmp_path / "none").write_text("text\nWorks.\n")
    for name, told in (
        ("few", "expected at least 2 texts that are not empty, found 1; name more files"),
        ("other", "expected a parquet file with a column text: ColumnNotFoundError"),
        ("none", "expected a parquet file with a column text: "),
        ("absent", "expected a parquet file with a column text: FileNotFoundError"),
    ):
        with pytest.raises(StepFailed, match=told) as ended:
            payload.texts([tmp_path / name], 2)
        assert "Works" not in str(ended.value)
