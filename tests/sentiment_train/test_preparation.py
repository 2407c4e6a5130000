"""Ratings files become parts: what is cleaned, what counts as the same text, what is refused and how."""

import datetime as dt
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sentiment_train.errors import FolderTaken, UnusableData
from sentiment_train.preparation import normalized, prepare, read_part, read_ratings
from sentiment_train.splits import PARTS

_ROW = {"text": "Works well.", "rating": 5, "product_id": "0012", "timestamp": "2024-01-05T10:30:00Z"}


def _write(path: Path, *rows: dict[str, Any]) -> Path:
    """Write rows, each the plain one with changes, in the form that the suffix names."""
    frame = pl.DataFrame([_ROW | row for row in rows], strict=False)
    writers: dict[str, Callable[[Path], object]] = {
        ".csv": frame.write_csv,
        ".jsonl": frame.write_ndjson,
        ".gz": lambda path: path.write_bytes(gzip.compress(frame.write_ndjson().encode())),
        ".parquet": frame.write_parquet,
    }
    writers[path.suffix](path)
    return path


def _all_rows(folder: Path) -> pl.DataFrame:
    return pl.concat(read_part(folder, part).with_columns(part=pl.lit(part)) for part in PARTS)


def _prepared_with(reviews: pl.DataFrame, folder: Path, *extra: tuple[str, int, str, dt.datetime]) -> pl.DataFrame:
    """Prepare the shop's reviews and some more, and return the rows of all parts."""
    rows = pl.DataFrame(list(extra), schema=reviews.schema, orient="row")
    pl.concat([reviews, rows]).write_parquet(folder / "more.parquet")
    prepare([folder / "more.parquet"], folder / "out")
    return _all_rows(folder / "out")


def _at(day: int) -> dt.datetime:
    return dt.datetime(2024, 1, day, tzinfo=dt.UTC)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "jsonl.gz", "parquet"])
def test_every_form_of_file_is_read_alike(suffix: str, tmp_path: Path) -> None:
    """Csv, jsonl, zipped jsonl and parquet give the same columns, types and values, and ids keep their zeros."""
    path = _write(tmp_path / f"shop.{suffix}", {}, {"rating": 2, "timestamp": "2024-01-05T10:30:00+02:00"})
    frame = read_ratings(path)
    assert frame.schema == {
        "id": pl.String,
        "text": pl.String,
        "rating": pl.Int8,
        "product_id": pl.String,
        "timestamp": pl.Datetime("us", "UTC"),
        "category": pl.String,
    }
    assert frame.rows() == [
        (None, "Works well.", 5, "0012", dt.datetime(2024, 1, 5, 10, 30, tzinfo=dt.UTC), "shop"),
        (None, "Works well.", 2, "0012", dt.datetime(2024, 1, 5, 8, 30, tzinfo=dt.UTC), "shop"),
    ]


def test_the_form_of_the_file_does_not_change_the_hash(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """The same reviews as csv, jsonl and parquet are prepared with the same hash."""
    as_text = reviews.with_columns(pl.col("timestamp").dt.to_string("iso:strict"))
    as_text.write_csv(tmp_path / "shop.csv")
    as_text.write_ndjson(tmp_path / "shop.jsonl")
    as_text.write_parquet(tmp_path / "shop.parquet")
    records = [prepare([path], tmp_path / f"out{path.suffix}") for path in sorted(tmp_path.glob("shop.*"))]
    assert len(records) == 3
    assert len({record["hash"] for record in records}) == 1


@pytest.mark.parametrize(
    ("written", "hour"), [("2024-01-05", 0), ("2024-01-05 07:00:00", 7), ("2024-01-05T07:00:00.250-02:00", 9)]
)
def test_a_time_without_an_offset_is_utc(written: str, hour: int, tmp_path: Path) -> None:
    """Dates, plain times and times with an offset may stand in one column, and each keeps its moment."""
    frame = read_ratings(_write(tmp_path / "shop.csv", {"timestamp": written}, {}))
    assert frame["timestamp"].dt.hour().to_list() == [hour, 10]


def test_a_column_category_beats_the_files_name(tmp_path: Path) -> None:
    """A category that the file states is kept, also when it is a number."""
    assert read_ratings(_write(tmp_path / "shop.jsonl", {"category": 7}))["category"].to_list() == ["7"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Works  WELL.\n", " works well.", True),
        ("ﬁne café", "Fine cafe\u0301", True),  # NFKC joins the ligature's letters, and the accent to its letter
        ("works well", "works well.", False),
    ],
)
def test_texts_are_compared_by_their_normal_form(first: str, second: str, same: bool) -> None:
    """Case, blanks and Unicode forms make no difference; punctuation does."""
    assert (normalized(first) == normalized(second)) is same


def test_the_earliest_of_equal_texts_is_kept(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Of three reviews with one normalized text the earliest stays, wherever it stands in the file."""
    rows = _prepared_with(
        reviews,
        tmp_path,
        ("NOT what I hoped for", 1, "boots", _at(9)),
        ("not what I hoped for", 2, "mug", _at(3)),
        ("Not  what I hoped for ", 1, "lamp", _at(6)),
    )
    kept = rows.filter(pl.col("text").str.contains("hoped"))
    assert kept.select("text", "rating", "product_id").rows() == [("not what I hoped for", 2, "mug")]


def test_html_entities_become_characters(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Entities are unescaped before texts are compared, and the text is stripped."""
    rows = _prepared_with(
        reviews,
        tmp_path,
        (" Salt &amp; pepper&nbsp;", 5, "mug", _at(2)),
        ("salt & pepper", 5, "mug", _at(4)),
    )
    assert rows.filter(pl.col("text").str.contains("(?i)pepper"))["text"].to_list() == ["Salt & pepper"]


def test_rows_without_text_product_or_time_are_dropped(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Empty cells and blank texts leave the data; they do not stop the rest."""
    empty = _write(tmp_path / "empty.csv", {"text": " "}, {"text": None}, {"product_id": None}, {"timestamp": None})
    reviews.write_parquet(tmp_path / "shop.parquet")
    alone = prepare([tmp_path / "shop.parquet"], tmp_path / "alone")
    both = prepare([tmp_path / "shop.parquet", empty], tmp_path / "both")
    assert both["rows_read"] == alone["rows_read"] + 4
    assert both["hash"] == alone["hash"]


def test_every_review_has_an_id_and_its_products_count(prepared: Path, ratings_file: Path) -> None:
    """Without ids in the source an id is a hash of product, time and text; reviews of a product are counted."""
    rows = _all_rows(prepared)
    assert rows["id"].str.contains("^[0-9a-f]{16}$").all()
    assert rows["id"].is_unique().all()
    counts = pl.read_parquet(ratings_file).group_by("product_id").len().rows()
    assert set(rows.select("product_id", "product_reviews").rows()) <= set(counts)


def test_every_review_is_in_exactly_one_part(reviews: pl.DataFrame, prepared: Path) -> None:
    """The parts share no text, and together they are all reviews but those of three stars."""
    rows = _all_rows(prepared)
    assert rows["text"].is_unique().all()
    assert set(rows["text"]) == set(reviews.filter(pl.col("rating") != 3)["text"])
    assert set(rows["part"]) == set(PARTS)


def test_products_decide_what_never_trains(prepared: Path) -> None:
    """Nothing of an unseen product is in train or validation, and the reference is nothing else."""
    unseen = {part: read_part(prepared, part)["unseen"] for part in PARTS}
    assert not unseen["train"].any()
    assert not unseen["validation"].any()
    assert unseen["reference"].all()


def test_binary_labels_leave_three_stars_out(prepared: Path) -> None:
    """One and two stars are negative, four and five positive, and the record says so by rating."""
    assert set(_all_rows(prepared).select("rating", "label").rows()) == {(1, "negative"), (5, "positive")}
    record = json.loads((prepared / "data.json").read_text())
    assert record["labels"] == ["negative", "positive"]
    assert record["rating_labels"] == {
        "1": "negative", "2": "negative", "3": None, "4": "positive", "5": "positive"
    }  # fmt: skip


def test_three_way_labels_call_three_stars_neutral(ratings_file: Path, tmp_path: Path) -> None:
    """With three labels nothing is left out, and their order is from bad to good."""
    record = prepare([ratings_file], tmp_path / "out", labels="three-way")
    assert record["labels"] == ["negative", "neutral", "positive"]
    assert record["rows_left_out"] == {"incomplete": 0, "duplicate": 0, "no label": 0}
    assert set(_all_rows(tmp_path / "out").filter(rating=3)["label"]) == {"neutral"}


def test_the_record_counts_what_the_parts_hold(prepared: Path) -> None:
    """`data.json` holds rows, unseen rows and labels of each part as they can be counted in its file."""
    record = json.loads((prepared / "data.json").read_text())
    for name, counts in record["parts"].items():
        part = read_part(prepared, name)
        assert counts["rows"] == len(part)
        assert counts["unseen"] == part["unseen"].sum()
        assert counts["labels"] == dict(part["label"].value_counts().iter_rows())
    assert record["rows_read"] == 66
    assert record["rows_left_out"] == {"incomplete": 0, "duplicate": 0, "no label": 6}


def test_the_same_ratings_have_the_same_hash(prepared: Path, reviews: pl.DataFrame, tmp_path: Path) -> None:
    """The hash depends on the reviews and not on their order in the file; one changed letter changes it."""
    first = json.loads((prepared / "data.json").read_text())["hash"]
    reviews.reverse().write_parquet(tmp_path / "shop.parquet")
    assert prepare([tmp_path / "shop.parquet"], tmp_path / "reversed")["hash"] == first
    reviews.with_columns(pl.col("text").str.replace("junk", "jump")).write_parquet(tmp_path / "shop.parquet")
    assert prepare([tmp_path / "shop.parquet"], tmp_path / "changed")["hash"] != first


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"rating": 6}, "expected whole ratings from 1 to 5 in .*shop.jsonl, found 1 rows with others, such as 6"),
        ({"rating": 0}, "found 1 rows with others, such as 0"),
        ({"rating": 4.5}, "expected whole ratings from 1 to 5 in .*, found 1 rows with others, such as 4.5"),
        ({"rating": "five"}, "a column of .*shop.jsonl has another type than expected"),
        ({"timestamp": 1378252800}, "as ISO 8601 text or of a date type, found Int64"),
        ({"timestamp": "09/04/2013"}, "as ISO 8601 text, found 1 others, such as '09/04/2013'"),
    ],
)
def test_values_out_of_range_are_refused(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A rating or a time that could be taken for another one stops the work and is named."""
    path = _write(tmp_path / "shop.jsonl", row)
    with pytest.raises(UnusableData, match=message):
        prepare([path], tmp_path / "out")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    """The message lists the columns that lack and those that were found."""
    pl.DataFrame({"text": ["Works well."], "stars": [5], "product_id": ["mug"]}).write_csv(tmp_path / "shop.csv")
    expected = "shop.csv lacks the columns ['rating', 'timestamp']; found ['text', 'stars', 'product_id']"
    with pytest.raises(UnusableData, match=re.escape(expected)):
        read_ratings(tmp_path / "shop.csv")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    """The message lists the suffixes that can be read."""
    with pytest.raises(
        UnusableData, match=r"a file ending in \.parquet, \.csv, \.jsonl, \.jsonl\.gz, found .*shop\.xlsx"
    ):
        read_ratings(tmp_path / "shop.xlsx")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00garbage\x80"])
def test_an_unreadable_file_is_named(suffix: str, content: bytes | None, tmp_path: Path) -> None:
    """A file that is absent, empty or damaged is refused with its name, whatever its form."""
    path = tmp_path / f"shop.{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableData, match=rf"shop\.{suffix}"):
        read_ratings(path)


def test_one_label_only_is_refused(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Praise alone cannot be learned from: part, labels and rows found are named, and nothing is written."""
    reviews.filter(rating=5).write_parquet(tmp_path / "shop.parquet")
    expected = "at least two labels in the part 'train', found 1 in"
    with pytest.raises(UnusableData, match=expected):
        prepare([tmp_path / "shop.parquet"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_rows_at_all_are_refused(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """A file with columns and no rows is told apart from one that works."""
    reviews.clear().write_parquet(tmp_path / "shop.parquet")
    with pytest.raises(UnusableData, match="found 0 in 0 rows"):
        prepare([tmp_path / "shop.parquet"], tmp_path / "out")


def test_a_folder_with_files_is_not_overwritten(ratings_file: Path, tmp_path: Path) -> None:
    """What lies in the folder to write stays as it is."""
    (tmp_path / "train.parquet").write_text("precious")
    with pytest.raises(FolderTaken, match=r"expected a new or empty folder .*, found files in it"):
        prepare([ratings_file], tmp_path)
    assert (tmp_path / "train.parquet").read_text() == "precious"


def test_a_part_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    """A folder that `prepare` did not make, or that lost bytes, is refused with the remedy."""
    with pytest.raises(UnusableData, match=r"made by `sentiment-train prepare`, found no .*later\.parquet"):
        read_part(tmp_path, "later")
    (tmp_path / "later.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnusableData, match=r"later\.parquet is damaged .*; prepare the ratings again"):
        read_part(tmp_path, "later")
