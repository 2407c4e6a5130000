"""Files are read wherever they stand: packed, in folders, behind patterns, in databases; and damage is told."""

import bz2
import datetime as dt
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import open_review_files

_ROWS = [
    {
        "text": f"Review number {n}, and it is a good one",
        "rating": 1 + n % 5,
        "sku": f"p{n % 20}",
        "date": f"2024-01-{1 + n % 28:02d}",
    }
    for n in range(60)
]
_CSV = pl.DataFrame(_ROWS).write_csv().encode()


def _read(source: object, **options: Any) -> tuple[pl.DataFrame, list[dict[str, Any]]]:
    with open_review_files([str(source)], ReadOptions(**options)) as files:
        return pl.concat(batch.rows for file in files for batch in file.batches()), [file.found for file in files]


def _zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("pack", "packed"),
    [
        (gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz"), (zstandard.compress, "zst"),
        (lambda data: _zipped(**{"a/shop.csv": data, "__MACOSX/._shop.csv": b"\0", "readme.txt": b"See"}), "zip"),
        (lambda data: _zipped(**{"shop.csv.gz": gzip.compress(data)}), "zip, gz"),
    ],
)  # fmt: skip
def test_packed_files_are_told_by_their_bytes(pack: Callable[[bytes], bytes], packed: str, tmp_path: Path) -> None:
    """What systems and authors put into an archive beside the table is passed over."""
    (tmp_path / "download").write_bytes(pack(_CSV))
    rows, found = _read(tmp_path / "download")
    assert len(rows) == 60
    assert [each["form"]["packed"] for each in found] == [packed]


def test_parts_of_a_folder_are_one_table(tmp_path: Path) -> None:
    """Spark's folder, with its marks and checksums; nested structs are opened."""
    folder = tmp_path / "reviews.parquet"
    folder.mkdir()
    frame = pl.DataFrame(
        [{"review": {"body": row["text"], "stars": row["rating"]}, "sku": row["sku"]} for row in _ROWS]
    )
    for place in range(3):
        frame.slice(20 * place, 20).write_parquet(folder / f"part-0000{place}.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-00000.parquet.crc").write_bytes(b"crc")
    (folder / "part-00003.parquet").touch()
    rows, (found,) = _read(folder)
    assert set(rows["category"]) == {"reviews"}
    assert len(rows) == 60
    assert found["columns"] == {"text": "review.body", "rating": "review.stars", "product_id": "sku"}
    assert found["name"] == "reviews.parquet: 3 files"


def test_a_pattern_names_files_and_a_file_may_look_like_one(tmp_path: Path) -> None:
    """A name that exists is that file, brackets or not."""
    (tmp_path / "my ratings [1].csv").write_bytes(_CSV)
    (tmp_path / "my ratings 1.csv").write_bytes(_CSV)
    assert len(_read(tmp_path / "my ratings [1].csv")[0]) == 60
    assert len(_read(tmp_path / "my*.csv")[0]) == 120
    with pytest.raises(ReviewFileInvalid, match="found nothing at"):
        _read(tmp_path / "other*.csv")


@pytest.mark.parametrize(
    "document",
    [
        _ROWS,
        {"meta": {"page": 1}, "data": {"reviews": _ROWS}},
        {str(number): row for number, row in enumerate(_ROWS)},
        [{key: {"label": str(value)} for key, value in row.items()} for row in _ROWS],
    ],
    ids=["array", "rows under a key", "object of objects", "labelled values"],
)
def test_json_of_any_shape_is_read(document: Any, tmp_path: Path) -> None:
    """Rows are found, values in objects are opened, and NaN is nothing."""
    text = json.dumps(document, indent=1).replace('"p3"', "NaN")
    (tmp_path / "shop.json").write_text(text)
    rows, _ = _read(tmp_path / "shop.json")
    assert len(rows) == 60
    assert rows["rating"].to_list() == [row["rating"] for row in _ROWS]
    assert rows["timestamp"][1] == dt.datetime(2024, 1, 2, tzinfo=dt.UTC)


def test_no_part_of_a_json_file_is_passed_over(tmp_path: Path) -> None:
    """Lists of alike objects are read together, and what follows an array is refused."""
    (tmp_path / "shop.json").write_text(json.dumps({"app1": _ROWS[:35], "app2": _ROWS[35:], "links": [{"href": "x"}]}))
    assert len(_read(tmp_path / "shop.json")[0]) == 60
    (tmp_path / "shop.json").write_text(json.dumps(_ROWS[:35]) + "\n" + json.dumps(_ROWS[35:]))
    with pytest.raises(ReviewFileInvalid, match=r"found one that is damaged or cut off"):
        _read(tmp_path / "shop.json")


def test_a_text_that_is_an_object_is_opened_or_refused(tmp_path: Path) -> None:
    """Its spelling, with the stars inside, is never a text."""
    nested = [{"text": {"text": row["text"], "languageCode": "en"}, "rating": row["rating"]} for row in _ROWS]
    (tmp_path / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in nested))
    rows, (found,) = _read(tmp_path / "shop.jsonl")
    assert found["columns"]["text"] == "text.text"
    assert rows["text"].to_list() == [row["text"] for row in _ROWS]
    spelled = [
        {"text": json.dumps({"t": row["text"], "stars": row["rating"]}), "rating": row["rating"]} for row in _ROWS
    ]
    (tmp_path / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in spelled))
    with pytest.raises(ReviewFileInvalid, match="found objects or lists as programs write them"):
        _read(tmp_path / "shop.jsonl")


@pytest.mark.parametrize("cut", ["gz", "zip", "json", "parquet"])
def test_what_was_cut_off_is_refused(cut: str, tmp_path: Path) -> None:
    """One line says so, and what to do."""
    parquet = io.BytesIO()
    pl.DataFrame(_ROWS).write_parquet(parquet)
    whole = {
        "gz": gzip.compress(_CSV * 50), "zip": _zipped(**{"a.csv": _CSV}), "json": json.dumps(_ROWS).encode(),
        "parquet": parquet.getvalue(),
    }[cut]  # fmt: skip
    (tmp_path / "shop").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReviewFileInvalid, match=r"cut off.*copy it once more"):
        _read(tmp_path / "shop")


def test_a_database_is_asked_with_a_query(tmp_path: Path) -> None:
    """The result is a table like any other; without a query, or where it fails, one line says so."""
    database = sqlite3.connect(tmp_path / "shop.db")
    with database:
        database.execute("create table reviews (body text, stars integer)")
        database.executemany("insert into reviews values (?, ?)", [(row["text"], row["rating"]) for row in _ROWS])
    database.close()
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    rows, (found,) = _read(url, query="select body as text, stars as rating from reviews")
    assert (len(rows), found["columns"]) == (60, {"text": "text", "rating": "rating"})
    with pytest.raises(ReviewFileInvalid, match=r"expected a query for the database .*--query"):
        _read(url)
    with pytest.raises(ReviewFileInvalid, match="no such table: orders"):
        _read(url, query="select * from orders")


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    """Whatever keeps a database from answering."""
    with pytest.raises(ReviewFileInvalid, match="cannot read the database shop") as refused:
        _read("postgresql://clerk:s3cret@127.0.0.1:1/shop", query="select 1")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(ReviewFileInvalid, match="found nothing at") as mistyped:
        _read("postgresql:/clerk:s3cret@127.0.0.1/shop", query="select 1")
    assert "s3cret" not in str(mistyped.value)
