"""What users name becomes tables of text cells, whatever the file is packed in and whatever form it has."""

import gzip
import json
import sqlite3
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.forms import open_tables

_ROWS = "text,rating\ngood,5\nbad,1\n"
_FOUND = [("good", "5"), ("bad", "1")]


def read(source: str | Path, *columns: str, options: ReadOptions | None = None) -> list[tuple[object, ...]]:
    """Return the cells of the only table that the source holds."""
    with open_tables(str(source), options or ReadOptions()) as tables:
        (table,) = tables
        names = columns or table.columns
        return [row for batch in table.batches(names) for row in batch.cells.rows()]


def form_of(source: str | Path) -> dict[str, object]:
    """Return the form of the only table that the source holds."""
    with open_tables(str(source), ReadOptions()) as (table,):
        return table.form


def test_a_packed_file_is_told_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    """A gz or zst file reads as what is in it under any name."""
    for name, content in (("a.csv", gzip.compress(_ROWS.encode())), ("b.x", zstandard.compress(_ROWS.encode()))):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path / name) == _FOUND


def test_zst_of_several_frames_reads_whole(tmp_path: Path) -> None:
    """Frames one after the other, with checksums, of repeated bytes or to be skipped, are one file."""
    checked = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False)
    skipped = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    long = "a" * 90_000
    frames = [checked.compress(_ROWS.encode()), skipped, zstandard.compress(f"{long},3\n".encode())]
    (tmp_path / "a.zst").write_bytes(b"".join(frames))
    assert read(tmp_path / "a.zst") == [*_FOUND, (long, "3")]


def test_members_of_a_zip_with_the_same_columns_are_one_table(tmp_path: Path) -> None:
    """Members in folders, gz within zip too, are chained; what systems put beside them is passed over."""
    path = tmp_path / "reviews.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one/a.csv", _ROWS)
        archive.writestr("b.csv.gz", gzip.compress(b"rating,text\n3,fair\n"))
        archive.writestr("__MACOSX/a.csv", b"\0\1")
        archive.writestr(".DS_Store", b"\0\1")
        archive.writestr("README.txt", b"no table")
    assert read(path, "text", "rating") == [*_FOUND, ("fair", "3")]


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["gz", "zst", "zip"])
def test_a_cut_off_archive_is_refused_with_the_remedy(tmp_path: Path, kind: str, kept: float) -> None:
    """A file that ends early never gives fewer rows: one line says to copy it once more."""
    content = ("text,rating\n" + "".join(f"text number {n * 7919},{n % 5}\n" for n in range(50_000))).encode()
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", content)
    else:
        path.write_bytes(gzip.compress(content) if kind == "gz" else zstandard.compress(content))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ReviewFileInvalid, match="copy it once more") as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_a_name_that_exists_wins_over_a_pattern(tmp_path: Path) -> None:
    """Brackets in the name of a file that exists are no pattern; other names are."""
    path = tmp_path / "my ratings (1)[x].csv"
    path.write_text(_ROWS)
    assert read(path) == _FOUND
    assert read(tmp_path / "*.csv") == _FOUND


def test_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    """The parts that Spark writes are chained; its markers are passed over."""
    for number in range(2):
        pq.write_table(pa.table({"text": [f"t{number}"]}), tmp_path / f"part-{number}.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".part-0.parquet.crc").write_bytes(b"crc")
    assert read(tmp_path) == [("t0",), ("t1",)]


@pytest.mark.parametrize("content", [b"%PDF-1.7 x", b"\x89PNG\r\n", bytes(range(256)) * 20])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """A PDF, a picture and bytes that are no text are refused."""
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ReviewFileInvalid):
        read(tmp_path / "a.csv")


def test_json_lines_have_dotted_leaves_and_numbered_lines(tmp_path: Path) -> None:
    """NaN is no cell, an object in place of a value is none either, and blank lines count as lines only."""
    path = tmp_path / "a.json"
    path.write_text('{"t": {"text": "a"}, "r": NaN, "l": [1]}\n\n{"t": {"text": "b"}, "r": {"x": 1}}\n')
    with open_tables(str(path), ReadOptions()) as (table,):
        (batch,) = table.batches(["t.text", "r"])
        assert "l" not in table.columns
    assert (batch.cells.rows(), list(batch.numbers)) == ([("a", None), ("b", None)], [1, 3])


@pytest.mark.parametrize(
    ("document", "under"),
    [([{"t": "a"}, {"t": "b"}], None), ({"feed": {"entry": [{"t": "a"}, {"t": "b"}]}}, "feed.entry"),
     ({"id1": {"t": "a"}, "id2": {"t": "b"}}, None)],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_are_found_in_json_of_any_shape(
    tmp_path: Path, document: object, under: str | None, encoding: str, indent: int | None
) -> None:
    """Arrays, rows under a key and objects of objects give the same rows, on one line or on many."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document, indent=indent), encoding=encoding)
    assert read(path, "t") == [("a",), ("b",)]
    assert form_of(path).get("rows_under") == under


@pytest.mark.parametrize("content", ['[{"t": "a"}, {"t": ', '[{"t": "a"}'])
def test_a_cut_off_array_is_refused(tmp_path: Path, content: str) -> None:
    """An array that does not end is never read as a shorter one."""
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(ReviewFileInvalid, match="copy it once more"):
        read(tmp_path / "a.json")


def test_columns_of_pandas_are_refused_with_the_remedy(tmp_path: Path) -> None:
    """The orient that pandas writes unless asked holds columns: the message names the one with rows."""
    (tmp_path / "a.json").write_text('{"text": {"0": "a", "1": "b"}, "rating": {"0": 5, "1": 1}}')
    with pytest.raises(ReviewFileInvalid, match="orient='records'"):
        read(tmp_path / "a.json")


def test_parquet_cells_are_written_as_people_write_them(tmp_path: Path) -> None:
    """Members of structs are columns, dates stay dates, lists are left out."""
    table = pa.table({
        "s": [{"text": "a"}], "f": [4.0], "i": [4], "b": [True], "d": [date(2024, 1, 2)], "l": [[1]],
        "c": pa.array(["x"]).dictionary_encode(),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [("a", "4.0", "4", "true", date(2024, 1, 2), "x")]


def test_a_query_gives_the_rows_of_a_database(tmp_path: Path) -> None:
    """A URL with a query reads; without one the message names the option."""
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table r (text, rating)")
        connection.execute("insert into r values ('a', 5)")
    url = f"sqlite:///{path}"
    assert read(url, options=ReadOptions(query="select * from r")) == [("a", "5")]
    with pytest.raises(ReviewFileInvalid, match="--query"):
        read(url)


def test_no_message_holds_the_password() -> None:
    """A database that does not answer is refused without the password of its URL."""
    with pytest.raises(ReviewFileInvalid) as refused:
        read("postgresql://me:hush@127.0.0.1:1/shop", options=ReadOptions(query="select 1"))
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("text", [":x", "b:c", "a::b", "100%"])
def test_a_query_is_taken_as_it_stands(tmp_path: Path, text: str) -> None:
    """Colons and percent signs in a query are no parameters."""
    query = f"select '{text}' as a"
    assert read(f"sqlite:///{tmp_path / 'a.db'}", options=ReadOptions(query=query)) == [(text,)]


def test_columns_of_one_name_in_a_query_are_refused(tmp_path: Path) -> None:
    """The message names the column that stands twice."""
    with pytest.raises(ReviewFileInvalid, match="gives a twice"):
        read(f"sqlite:///{tmp_path / 'a.db'}", options=ReadOptions(query="select 1 as a, 2 as a"))


def test_a_port_that_is_no_number_is_refused() -> None:
    """The URL of a database is not taken for a file's name, and its password is not shown."""
    with pytest.raises(ReviewFileInvalid, match="port") as refused:
        read("postgresql://me:hush@host:port/shop", options=ReadOptions(query="select 1"))
    assert "hush" not in str(refused.value)
