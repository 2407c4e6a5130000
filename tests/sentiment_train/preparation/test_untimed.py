"""Only a text and a rating are needed: reviews without products, times or stars are split, and it is said."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from sentiment_api.review_files.options import ReadOptions
from sentiment_train.preparation.prepare import prepare
from sentiment_train.preparation.splits import UNTIMED_PARTS
from sentiment_train.prepared import held_out_part, read_part


@pytest.fixture(scope="session")
def remarks() -> pl.DataFrame:
    """400 made-up remarks and whole stars."""
    things = ("kettle", "lamp", "towel", "radio", "chair", "mug", "clock", "knife")
    words = ("bright", "dull", "quick", "slow", "soft", "rough", "warm", "cold", "light", "heavy")
    texts = [
        f"The {things[n % 8]} of week {n} is {words[n % 10]}, {words[n * 7 % 9]} and {words[n * 3 % 7]}; "
        f"we use it in room {n * 31 % 997}"
        for n in range(400)
    ]
    return pl.DataFrame({"text": texts, "rating": [1 + n % 5 for n in range(400)]})


def _parts(folder: Path) -> pl.DataFrame:
    return pl.concat(read_part(folder, part).with_columns(part=pl.lit(part)) for part in UNTIMED_PARTS)


def test_texts_and_ratings_alone_make_all_parts(remarks: pl.DataFrame, tmp_path: Path) -> None:
    """Each review is a product of its own; one in five is held out, and one in five of the rest is the reference."""
    remarks.write_csv(tmp_path / "shop.csv")
    record = prepare([tmp_path / "shop.csv"], tmp_path / "out")
    rows = _parts(tmp_path / "out")
    assert record["split"] == {
        "unit": "text", "rows_without_product": 400, "rows_without_stars": 0, "held_out": "held_out",
        "held_out_by": "chance",
    }  # fmt: skip
    assert held_out_part(tmp_path / "out") == "held_out"
    shares = {part: counts["rows"] / 320 for part, counts in record["parts"].items()}
    assert shares["held_out"] == pytest.approx(0.2, abs=0.06)
    assert shares["reference"] == pytest.approx(0.16, abs=0.06)
    assert rows["product_id"].is_unique().all()
    assert rows["timestamp"].null_count() == len(rows) == 320
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`held_out` is one in five by another digit" in card
    assert "leakage between products cannot be excluded" in card


def test_no_two_parts_of_an_untimed_set_share_a_product(remarks: pl.DataFrame, tmp_path: Path) -> None:
    """Reviews of one product share its faults, so a product is in one part only."""
    remarks.with_columns(sku=pl.format("p{}", pl.int_range(pl.len()) % 90)).write_csv(tmp_path / "shop.csv")
    record = prepare([tmp_path / "shop.csv"], tmp_path / "out")
    assert record["split"]["unit"] == "product"
    assert set(record["leakage"]["products_in_common"].values()) == {0}


def test_an_untimed_split_depends_on_the_texts_alone(remarks: pl.DataFrame, tmp_path: Path) -> None:
    """The order of rows, the form of the file and the rows that are sorted at once make no difference."""
    remarks.write_csv(tmp_path / "shop.csv")
    remarks.reverse().write_ndjson(tmp_path / "shop.jsonl")
    one, other = (prepare([tmp_path / f"shop.{form}"], tmp_path / form)["hash"] for form in ("csv", "jsonl"))
    assert one == other
    assert prepare([tmp_path / "shop.csv"], tmp_path / "sorted", bin_rows=20)["hash"] == one


def test_the_hash_of_a_timed_set_stays_what_it_was(tmp_path: Path) -> None:
    """A model that was made from data of version 0.2 can be exported and compared on the same data again."""
    words = ("bright", "dull", "quick", "slow", "soft", "rough", "warm", "cold", "light", "heavy")
    things = ("kettle", "lamp", "towel", "radio", "chair", "mug", "clock", "knife")
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = [
        {
            "text": f"The {things[n % 8]} of week {n} is {words[n % 10]}, {words[n * 7 % 9]} and {words[n * 3 % 7]}; "
            f"we use it in room {n * 31 % 997}",
            "rating": float(1 + n % 5),
            "product_id": f"p{n * 13 % 301}",
            "timestamp": start + dt.timedelta(hours=n * 37 % 9001),
        }
        for n in range(2_000)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "full.parquet")
    expected = "fe010eb2094fb8221031e73d87bfb728c12c57af6bee451416e3a6f10caec9c6"
    assert prepare([tmp_path / "full.parquet"], tmp_path / "out")["hash"] == expected


def test_copies_without_times_have_the_rating_of_most(remarks: pl.DataFrame, tmp_path: Path) -> None:
    """One bad rating among fifty good ones of the same remark does not count."""
    copies = pl.DataFrame({"text": ["Good value."] * 51, "rating": [1] + [5] * 50})
    pl.concat([copies, remarks]).write_csv(tmp_path / "shop.csv")
    prepare([tmp_path / "shop.csv"], tmp_path / "out")
    assert _parts(tmp_path / "out").filter(pl.col("text") == "Good value.")["rating"].to_list() == [5]


def test_rows_without_a_product_stand_for_themselves(reviews: pl.DataFrame, tmp_path: Path) -> None:
    """Beside rows that have one they are kept and counted; words for nothing are no product."""
    lacking = reviews.head(6).with_columns(text="Alone: " + pl.col("text"), product_id=pl.Series(["NA", None, ""] * 2))
    pl.concat([reviews, lacking]).write_parquet(tmp_path / "shop.parquet")
    record = prepare([tmp_path / "shop.parquet"], tmp_path / "out")
    assert record["split"]["rows_without_product"] == 6
    assert record["split"]["unit"] == "product, or text where there is none"
    assert record["split"]["held_out"] == "later"


def test_one_file_without_times_makes_the_whole_split_random(
    reviews: pl.DataFrame, remarks: pl.DataFrame, tmp_path: Path
) -> None:
    """The last fifth of a time that only some reviews have would be no fifth of all."""
    reviews.write_parquet(tmp_path / "timed.parquet")
    remarks.write_csv(tmp_path / "untimed.csv")
    record = prepare([tmp_path / "timed.parquet", tmp_path / "untimed.csv"], tmp_path / "out")
    assert list(record["parts"]) == list(UNTIMED_PARTS)
    assert record["split"]["held_out_by"] == "chance"


@pytest.mark.parametrize(("labels", "neutral"), [("binary", 0), ("three-way", 80)])
def test_a_polarity_is_a_label_without_stars(labels: str, neutral: int, remarks: pl.DataFrame, tmp_path: Path) -> None:
    """Positive and negative are labels; neutral is treated as 3 stars are."""
    words = {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}
    said = remarks.select("text", sentiment=pl.col("rating").replace_strict(words))
    said.write_csv(tmp_path / "shop.csv")
    record = prepare([tmp_path / "shop.csv"], tmp_path / "out", labels=labels)
    rows = _parts(tmp_path / "out")
    assert rows["rating"].null_count() == len(rows) == 320 + neutral
    truth = dict(said.rows())
    assert {label for text, label in rows.select("text", "label").rows() if label != truth[text]} == set()
    assert sum(part["without_stars"] for part in record["parts"].values()) == len(rows)


def test_a_rating_counts_before_a_label(remarks: pl.DataFrame, tmp_path: Path) -> None:
    """A named label fills in where there is no rating."""
    mixed = remarks.with_columns(
        rating=pl.when(pl.int_range(pl.len()) % 2 == 0).then("rating"), sentiment=pl.lit("positive")
    )
    mixed.write_csv(tmp_path / "shop.csv")
    options = ReadOptions(columns={"label": "sentiment", "rating": "rating"})
    prepare([tmp_path / "shop.csv"], tmp_path / "out", options=options)
    rows = _parts(tmp_path / "out")
    assert set(rows.filter(pl.col("rating").is_null())["label"]) == {"positive"}
    assert set(rows.filter(pl.col("rating") <= 2)["label"]) == {"negative"}


def test_near_copies_stay_where_nothing_else_is_left(tmp_path: Path) -> None:
    """A small set of remarks that are all alike can be prepared, and it is said that its figures flatter."""
    moods = {1: "The hinge came off in the second week", 5: "Works as hoped, and quietly, every single day"}
    rows = [{"text": f"{moods[1 + 4 * (n % 2)]}. Bought for room {n}.", "rating": 1 + 4 * (n % 2)} for n in range(200)]
    (tmp_path / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = prepare([tmp_path / "shop.jsonl"], tmp_path / "out")
    assert record["near_duplicates"]["kept"]
    assert sum(part["rows"] for part in record["parts"].values()) == 200
    assert "flatter the model" in " ".join((tmp_path / "out" / "README.md").read_text().split())
