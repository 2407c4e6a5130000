"""Plain files as people keep them: columns of text, empty cells, times in words."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_train.evaluation.answers import answer_texts
from sentiment_train.evaluation.figures import all_figures
from sentiment_train.evaluation.texts import read_texts

_ROW: dict[str, Any] = {
    "text": "Love it, wonderful.",
    "label": "positive",
    "id": "a1",
    "rating": "5.0",
    "product_id": "0439023483",
    "timestamp": "2014-03-01T10:00:00Z",
    "category": "books",
    "product_reviews": "12",
    "unseen": "True",
}
_EMPTY = dict.fromkeys(_ROW) | {"text": "Terrible, it broke.", "label": "negative"}


def _written(rows: list[dict[str, Any]], file: Path) -> Path:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": frame.write_csv, ".jsonl": frame.write_ndjson, ".parquet": frame.write_parquet,
    }  # fmt: skip
    writers[file.suffix](file)
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_known_columns_are_read_as_a_prepared_part_has_them(kind: str, tmp_path: Path) -> None:
    """Numbers, times and truths in text become such; an empty cell is null, not unseen, and its id the row."""
    found = read_texts(_written([_ROW, _EMPTY], tmp_path / f"texts.{kind}"))
    assert found.row(0, named=True) == _ROW | {
        "rating": 5,
        "timestamp": dt.date(2014, 3, 1),
        "product_reviews": 12,
        "unseen": True,
    }
    assert found.row(1, named=True) == _EMPTY | {"id": "1", "unseen": False}


def test_what_cannot_be_read_is_null(tmp_path: Path) -> None:
    """Half a star, a time in numbers and words for a count belong to no slice; a column of lists is left out."""
    wrong = _ROW | {"rating": "4.5", "timestamp": "1393668000", "product_reviews": "many", "unseen": "no", "id": ""}
    found = read_texts(_written([wrong | {"category": ["books"]}], tmp_path / "texts.jsonl"))
    row = found.row(0, named=True)
    assert (row["rating"], row["timestamp"], row["product_reviews"]) == (None, None, None)
    assert (row["unseen"], row["id"]) == (False, "0")
    assert "category" not in found.columns


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_ordinary_columns_are_sliced(kind: str, exported: Path, tmp_path: Path) -> None:
    """Times as text, `unseen` as text and missing products and categories are measured all the same."""
    years = [_ROW | {"timestamp": f"{2013 + number % 2}-05-01", "product_id": f"p{number}"} for number in range(20)]
    classifier = Classifier.load(open_bundle(exported), "cpu", 1)
    found = all_figures(answer_texts(classifier, _written([*years, _EMPTY], tmp_path / f"texts.{kind}")))
    assert {"year: 2013", "year: 2014"} <= found["slices"].keys()
    assert (found["all"]["n"], found["unseen"]["n"]) == (21, 20)
    assert {name: each["n"] for name, each in found["by_category"].items()} == {"books": 20}
    assert found["bootstrap"]["drawn"] == "products"
