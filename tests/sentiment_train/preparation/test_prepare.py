"""Ratings files become parts: what is cleaned, what counts as the same text, what is refused and how."""

import datetime as dt
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_train.errors import FolderTaken, UnusableData
from sentiment_train.preparation.duplicates import normalized
from sentiment_train.preparation.prepare import prepare
from sentiment_train.preparation.splits import PARTS
from sentiment_train.prepared import read_part

_ROW = {"text": "Works well.", "rating": 5, "product_id": "0012", "timestamp": "2024-01-05T10:30:00Z"}


_PRAISED = (
    "The handle of this pan stays cool on the stove and the lid fits well, so I cook with it every day "
    "and my neighbour has bought one just like it after she had tried mine for a week."
)
_NEARLY = _PRAISED.replace("a week.", "a month!")


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


def test_rows_without_text_or_time_are_dropped(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Empty cells and blank texts leave the data; they do not stop the rest."""
    empty = _write(tmp_path / "empty.csv", {"text": " "}, {"text": None}, {"text": "NA"}, {"timestamp": None})
    reviews.write_parquet(tmp_path / "shop.parquet")
    alone = prepare([tmp_path / "shop.parquet"], tmp_path / "alone")
    both = prepare([tmp_path / "shop.parquet", empty], tmp_path / "both")
    assert both["rows_read"] == alone["rows_read"] + 4
    assert both["hash"] == alone["hash"]
    assert both["rows_left_out"] == {"no text": 3, "no time": 1, "no label": 6}


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
    assert record["rows_left_out"] == {}
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
    assert record["rows_left_out"] == {"no label": 6}


def test_the_same_ratings_have_the_same_hash(prepared: Path, reviews: pl.DataFrame, tmp_path: Path) -> None:
    """The hash depends on the reviews and not on their order in the file; one changed letter changes it."""
    first = json.loads((prepared / "data.json").read_text())["hash"]
    reviews.reverse().write_parquet(tmp_path / "shop.parquet")
    assert prepare([tmp_path / "shop.parquet"], tmp_path / "reversed")["hash"] == first
    reviews.with_columns(pl.col("text").str.replace("junk", "jump")).write_parquet(tmp_path / "shop.parquet")
    assert prepare([tmp_path / "shop.parquet"], tmp_path / "changed")["hash"] != first


def test_the_hash_can_be_worked_out_from_the_parts(prepared: Path) -> None:
    """It covers bytes that no version of Python or of a library decides: texts with their lengths, whole numbers."""
    digest = hashlib.sha256()

    def add_text(text: str) -> None:
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)

    def add_number(number: int) -> None:
        digest.update(number.to_bytes(8, "little", signed=True))

    for part in ("train", "validation", "reference", "later"):
        add_text(part)
        for row in read_part(prepared, part).iter_rows(named=True):
            add_text(row["text"])
            add_number(row["rating"])
            add_text(row["product_id"])
            add_number((row["timestamp"] - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1))
            add_text(row["category"])
    assert json.loads((prepared / "data.json").read_text())["hash"] == digest.hexdigest()


def test_one_label_only_is_refused(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Praise alone cannot be learned from: part, labels and rows found are named, and nothing is written."""
    reviews.filter(rating=5).write_parquet(tmp_path / "shop.parquet")
    expected = "at least two labels in the part 'train', found 1 in"
    with pytest.raises(UnusableData, match=expected):
        prepare([tmp_path / "shop.parquet"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _near_record(reviews: pl.DataFrame, folder: Path, first: tuple[str, int], second: tuple[str, int]) -> Any:
    """Prepare the shop with two nearly equal texts, each by product and day; return their rows and the record."""
    rows = _prepared_with(
        reviews, folder, (_PRAISED, 5, first[0], _at(first[1])), (_NEARLY, 5, second[0], _at(second[1]))
    )
    kept = rows.filter(pl.col("text").str.contains("neighbour"))
    return kept.select("part", "text").rows(), json.loads((folder / "out" / "data.json").read_text())


@pytest.mark.parametrize(
    ("first", "second", "part", "taken_from"),
    [
        (("lamp", 2), ("lamp", 30), "later", "train"),
        (("lamp", 30), ("lamp", 2), "later", "train"),
        (("lamp", 2), ("kettle", 2), "reference", "train"),
        (("lamp", 2), ("fridge", 2), "validation", "train"),
        (("fridge", 2), ("lamp", 30), "later", "validation"),
    ],
)
def test_a_near_copy_of_a_held_out_text_does_not_train(
    first: tuple[str, int],
    second: tuple[str, int],
    part: str,
    taken_from: str,
    reviews: pl.DataFrame,
    tmp_path: Path,
) -> None:
    """Of two nearly equal texts in two parts the one that trains goes, whichever is older, and is counted by both."""
    kept, record = _near_record(reviews, tmp_path, first, second)
    assert [where for where, _ in kept] == [part]
    assert record["near_duplicates"]["left_out"][taken_from][part] == 1
    assert record["rows_left_out"]["near duplicate"] == 1


@pytest.mark.parametrize(
    ("first", "second", "held_out"), [(("lamp", 2), ("lamp", 3), 0), (("kettle", 2), ("lamp", 30), 1)]
)
def test_near_copies_that_cannot_leak_stay(
    first: tuple[str, int], second: tuple[str, int], held_out: int, reviews: pl.DataFrame, tmp_path: Path
) -> None:
    """Within one part, and between the two that never train, near copies stay; the latter are counted."""
    kept, record = _near_record(reviews, tmp_path, first, second)
    assert len(kept) == 2
    assert record["near_duplicates"]["reference_near_later"] == held_out
    assert "near duplicate" not in record["rows_left_out"]


def test_copies_across_parts_are_counted(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Of an exact copy in a later part the earlier stays, and the record counts what would have leaked."""
    rows = _prepared_with(reviews, tmp_path, (_PRAISED, 5, "lamp", _at(2)), (_PRAISED.upper(), 5, "lamp", _at(30)))
    assert rows.filter(pl.col("text").str.to_lowercase() == _PRAISED.lower())["part"].to_list() == ["train"]
    assert json.loads((tmp_path / "out" / "data.json").read_text())["copies_across_parts"] == 1


def test_an_id_of_the_source_is_kept_where_it_is_unique(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Ids that two reviews share are replaced by hashes, so that every id names one review."""
    ids = [f"r{max(number, 5)}" for number in range(len(reviews))]
    reviews.with_columns(pl.Series("review_id", ids)).write_csv(tmp_path / "shop.csv")
    prepare([tmp_path / "shop.csv"], tmp_path / "out")
    kept = _all_rows(tmp_path / "out")["id"]
    assert kept.is_unique().all()
    assert set(kept.filter(kept.str.starts_with("r"))) <= set(ids[6:])
    assert len(kept.filter(~kept.str.starts_with("r"))) == 6


def test_rows_without_an_id_get_one(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """A file with ids and one without may be prepared together."""
    reviews[:40].with_columns(id=pl.int_range(40).cast(pl.String)).write_csv(tmp_path / "one.csv")
    reviews[40:].write_csv(tmp_path / "two.csv")
    prepare([tmp_path / "one.csv", tmp_path / "two.csv"], tmp_path / "out")
    lengths = _all_rows(tmp_path / "out")["id"].str.len_chars()
    assert set(lengths) == {1, 2, 16}


def test_more_rows_than_a_bin_come_out_in_order_of_time(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Sorted on disk, thousands of reviews in random order come out by time, in every part, with none lost."""
    many = pl.concat([reviews.with_columns(text=pl.col("text") + f" Number {n} of {n * n}.") for n in range(60)])
    many = many.filter(pl.col("rating") != 3).sample(fraction=1.0, shuffle=True, seed=4)
    many.write_parquet(tmp_path / "shop.parquet", row_group_size=700)
    prepare([tmp_path / "shop.parquet"], tmp_path / "out", bin_rows=500)
    parts = {part: read_part(tmp_path / "out", part) for part in PARTS}
    assert all(rows["timestamp"].is_sorted() for rows in parts.values())
    record = json.loads((tmp_path / "out" / "data.json").read_text())
    assert sum(map(len, parts.values())) == 3600 - record["rows_left_out"]["near duplicate"]
    assert record["leakage"]["texts_in_common"] == 0


def test_the_card_says_what_the_record_counts(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """README.md of the folder names parts, lengths, dates, labels, what was left out and why, and the hash."""
    _prepared_with(reviews, tmp_path, ("?!", 5, "lamp", _at(2)), ("Nice &amp; warm<br>coat", 5, "lamp", _at(2)))
    card, record = ((tmp_path / "out" / name).read_text() for name in ("README.md", "data.json"))
    assert json.loads(record)["hash"] in card
    train = json.loads(record)["parts"]["train"]
    assert f"| train | {train['rows']} | 0 | {train['products']} | 2024-01-01 | 2024-01-" in card
    assert f"| train | {train['labels']['negative']} (" in card
    for line in ("| hardly any text | 1 |", "| no label | 6 |", "| HTML entities | 1 |", "| markup | 1 |"):
        assert line in card


def test_a_full_disk_leaves_nothing(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """When the disk is full in the middle, nothing half-written is left, and one line says so."""
    reviews.write_parquet(tmp_path / "shop.parquet")
    arguments = ["prepare", tmp_path / "shop.parquet", "--out", tmp_path / "new" / "out"]
    # A process may write files of 4 KiB: the next byte is refused as by a full disk.
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "from sentiment_train.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"sentiment-train: cannot write {tmp_path / 'new' / 'out'}: File too large")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "new").iterdir()) == []


def test_no_rows_at_all_are_refused(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """A file with columns and no rows is told apart from one that works, and so is one whose rows are all left out."""
    reviews.clear().write_parquet(tmp_path / "shop.parquet")
    with pytest.raises(ReviewFileInvalid, match=r"expected rows in shop\.parquet, found none"):
        prepare([tmp_path / "shop.parquet"], tmp_path / "out")
    reviews.with_columns(timestamp=pl.lit("missing")).write_parquet(tmp_path / "shop.parquet")
    with pytest.raises(UnusableData, match="expected ratings to split, found 0 in 66 rows"):
        prepare([tmp_path / "shop.parquet"], tmp_path / "out", options=ReadOptions(columns={"timestamp": "timestamp"}))


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
