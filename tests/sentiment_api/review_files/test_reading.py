"""Ratings files of every form are read alike, their columns and times are recognised, and bad ones are refused."""

import datetime as dt
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions, parse_named
from sentiment_api.review_files.reading import open_review_files

_ROW = {"text": "Works well.", "rating": 5, "product_id": "0012", "timestamp": "2024-01-05T10:30:00Z"}
_MOMENT = dt.datetime(2024, 1, 5, 10, 30, tzinfo=dt.UTC)


def _write(path: Path, *rows: dict[str, Any]) -> Path:
    """Write rows, each the plain one with changes, in the form that the name's ending says."""
    frame = pl.DataFrame([_ROW | row for row in rows], strict=False)
    form = path.name.removesuffix(".gz").rsplit(".", 1)[1]
    if form == "parquet":
        frame.write_parquet(path)
        return path
    lines = (
        frame.write_csv(separator="\t" if form == "tsv" else ",")
        if form in {"csv", "tsv"}
        else "".join(json.dumps(_ROW | row) + "\n" for row in rows)
    ).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def _read(path: Path, **options: Any) -> pl.DataFrame:
    """Read a whole file, and return its good rows."""
    with open_review_files([str(path)], ReadOptions(**options)) as files:
        return pl.concat(batch.rows for file in files for batch in file.batches())


@pytest.mark.parametrize(
    "ending", ["csv", "csv.gz", "tsv", "tsv.gz", "jsonl", "jsonl.gz", "json", "json.gz", "ndjson", "parquet"]
)
def test_every_form_of_file_is_read_alike(ending: str, tmp_path: Path) -> None:
    """Csv, tsv, jsonl and parquet, zipped or not, give the same columns, types and values, and ids keep their zeros."""
    path = _write(tmp_path / f"shop.{ending}", {}, {"rating": 2, "timestamp": "2024-01-05T10:30:00+02:00"})
    frame = _read(path)
    assert frame.schema == {
        "id": pl.String,
        "text": pl.String,
        "rating": pl.Int8,
        "polarity": pl.Int8,
        "product_id": pl.String,
        "timestamp": pl.Datetime("us", "UTC"),
        "category": pl.String,
    }
    assert frame.rows() == [
        (None, "Works well.", 5, None, "0012", _MOMENT, "shop"),
        (None, "Works well.", 2, None, "0012", _MOMENT - dt.timedelta(hours=2), "shop"),
    ]


def test_a_cell_may_hold_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    """What csv quotes is one cell."""
    text = 'It is "fine",\nreally,\n\nI mean it.'
    assert _read(_write(tmp_path / "shop.csv", {"text": text}, {}))["text"].to_list() == [text, "Works well."]


def test_a_tsv_file_does_not_quote(tmp_path: Path) -> None:
    """In a tsv file a quotation mark is a character: one that opens a text and never closes swallows no rows."""
    rows = [f"Number {number}.\t5\t0012\t2024-01-05" for number in range(30)]
    rows[3], rows[20] = '"Quote me.\t5\t0012\t2024-01-05', '"Fine", he said.\t5\t0012\t2024-01-05'
    (tmp_path / "shop.tsv").write_text("\n".join(["text\trating\tproduct_id\ttimestamp", *rows, ""]))
    texts = _read(tmp_path / "shop.tsv")["text"]
    assert len(texts) == 30
    assert [texts[3], texts[20]] == ['"Quote me.', '"Fine", he said.']


@pytest.mark.parametrize("text", ['"Fine", he said.', '"Fine" and "good"', 'A 5" pan', '"', "Fine."])
def test_a_tsv_cell_that_is_quoted_well_loses_its_quotes(text: str, tmp_path: Path) -> None:
    """What programs write that quote all the same is read as it was meant."""
    assert _read(_write(tmp_path / "shop.tsv", {"text": f"Say {text}"}, {"text": f"{text} Good."}))[
        "text"
    ].to_list() == [
        f"Say {text}",
        f"{text} Good.",
    ]


def test_a_tsv_file_that_quotes_after_all_is_read(tmp_path: Path) -> None:
    """Line breaks in quoted cells show that it quotes."""
    assert _read(_write(tmp_path / "shop.tsv", {"text": "Fine,\nreally."}))["text"].to_list() == ["Fine,\nreally."]


def test_a_csv_file_may_part_its_cells_with_semicolons(tmp_path: Path) -> None:
    """As spreadsheet programs write it in countries where the comma is the decimal point."""
    (tmp_path / "shop.csv").write_text("text;rating;product_id;timestamp\nGood, and cheap;5,0;0012;2024-01-05\n")
    assert _read(tmp_path / "shop.csv").select("text", "rating").rows() == [("Good, and cheap", 5)]


def test_names_in_the_header_may_be_quoted(tmp_path: Path) -> None:
    """What csv quotes is one name, and a line may end as Windows has it."""
    header = '"text","rating, of 5","product_id","timestamp"'
    (tmp_path / "shop.csv").write_bytes(f"{header}\r\nWorks well.,5,0012,2024-01-05\r\n".encode())
    assert _read(tmp_path / "shop.csv", columns=parse_named(["rating=rating, of 5"]))["rating"].to_list() == [5]


def test_a_file_without_line_breaks_is_no_csv_file(tmp_path: Path) -> None:
    """A header that nobody can have written is refused in one line that does not quote it."""
    (tmp_path / "shop.csv").write_text("no line ends here " * 20_000)
    with pytest.raises(
        ReviewFileInvalid, match=r"cannot read shop\.csv: expected a header line and rows of at least two cells"
    ):
        _read(tmp_path / "shop.csv")


def test_a_mark_at_the_beginning_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """Files of spreadsheet programs, which begin with a byte order mark, are read."""
    for name in ("shop.csv", "shop.jsonl"):
        path = _write(tmp_path / name, {})
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert len(_read(path)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-8-sig"])
def test_only_a_line_feed_ends_a_line_of_json(encoding: str, tmp_path: Path) -> None:
    """What Unicode calls a line break may stand in a text, whatever the file's encoding."""
    text = "Très\x85bien." if encoding == "latin-1" else "Works\u2028well, très\x85bien."
    lines = [json.dumps(_ROW | {"text": each}, ensure_ascii=False) for each in (text, "Plain.")]
    (tmp_path / "shop.jsonl").write_bytes("\r\n".join(lines).encode(encoding))
    read = _read(tmp_path / "shop.jsonl", encoding=encoding)["text"].to_list()
    assert [re.split(r"\W+", each) for each in read] == [re.split(r"\W+", text), ["Plain", ""]]


def test_half_an_emoji_does_not_stop_the_work(tmp_path: Path) -> None:
    """A text that was cut in the middle of an emoji loses that half, and whole ones stay."""
    line = json.dumps(_ROW | {"text": "Works \N{GRINNING FACE} well, really \ud83d"})
    (tmp_path / "shop.jsonl").write_text(line + "\n")
    assert _read(tmp_path / "shop.jsonl")["text"].to_list() == ["Works \N{GRINNING FACE} well, really "]


def test_keys_that_a_line_lacks_are_empty(tmp_path: Path) -> None:
    """A row without its product has none, which is no error; other keys are not looked at."""
    path = tmp_path / "shop.jsonl"
    path.write_text(json.dumps(_ROW | {"images": [{"url": "x"}]}) + '\n\n{"text": "No product here", "rating": 4}\n')
    assert _read(path).select("text", "product_id", "timestamp").rows() == [
        ("Works well.", "0012", _MOMENT),
        ("No product here", None, None),
    ]


_RAW_TIME = 1_704_450_600  # 2024-01-05 10:30 UTC


@pytest.mark.parametrize(
    "row",
    [
        {"asin": "0012", "reviewText": "Works well.", "overall": 5.0, "unixReviewTime": _RAW_TIME},
        {"asin": "1", "parent_asin": "0012", "text": "Works well.", "rating": 5.0, "timestamp": _RAW_TIME * 1000},
        {"business_id": "0012", "stars": 5, "text": "Works well.", "date": "2024-01-05 10:30:00", "review_id": "a"},
        {"Product_Id": "0012", "Review_Body": "Works well.", "STAR_RATING": "5", "review_date": "2024-01-05T10:30"},
        {"product/productId": "0012", "review/text": "Works well.", "review/score": "5", "review/time": f"{_RAW_TIME}"},
        {"product_id": "0012", "text": "Works well.", "rating": 5, "timestamp": _RAW_TIME * 1_000_000},
    ],
)  # fmt: skip
def test_the_names_of_known_sets_are_recognised(row: dict[str, Any], tmp_path: Path) -> None:
    """Amazon 2014 and 2023, Yelp, Amazon's own set and SNAP need no option; case makes no difference."""
    (tmp_path / "shop.jsonl").write_text(json.dumps(row) + "\n")
    read = _read(tmp_path / "shop.jsonl").select("text", "rating", "product_id", "timestamp").rows()
    assert read == [("Works well.", 5, "0012", _MOMENT)]


def test_other_names_are_given_by_role(tmp_path: Path) -> None:
    """A named column beats one that would be recognised."""
    path = _write(tmp_path / "shop.csv", {"Body": "Named text."})
    assert _read(path, columns=parse_named(["text=Body"]))["text"].to_list() == ["Named text."]


@pytest.mark.parametrize(
    ("written", "hour"), [("2024-01-05", 0), ("2024-01-05 07:00:00", 7), ("2024-01-05T07:00:00.250-02:00", 9)]
)
def test_a_time_without_an_offset_is_utc(written: str, hour: int, tmp_path: Path) -> None:
    """Dates, plain times and times with an offset may stand in one column, and each keeps its moment."""
    frame = _read(_write(tmp_path / "shop.csv", {"timestamp": written}, {}))
    assert frame["timestamp"].dt.hour().to_list() == [hour, 10]


@pytest.mark.parametrize("moment", [_MOMENT, _MOMENT.replace(tzinfo=None), _MOMENT.date()])
def test_a_date_type_is_taken_as_it_is(moment: dt.date, tmp_path: Path) -> None:
    """Parquet's dates and times, with a zone or without, are moments already; a time of day is none."""
    path = _write(tmp_path / "shop.parquet", {"timestamp": moment})
    assert _read(path)["timestamp"].dt.date().to_list() == [_MOMENT.date()]
    assert _read(_write(tmp_path / "shop.parquet", {"timestamp": _MOMENT.time()}))["timestamp"].to_list() == [None]


def test_times_of_two_units_are_refused(tmp_path: Path) -> None:
    """One of the two must be wrong, and nobody can tell which."""
    path = _write(tmp_path / "shop.jsonl", {"timestamp": 1_704_450_600}, {"timestamp": 1_704_450_600_000})
    with pytest.raises(ReviewFileInvalid, match="found milliseconds and seconds"):
        _read(path, skip_bad_rows=True)


def test_a_column_category_beats_the_files_name(tmp_path: Path) -> None:
    """A category that the file states is kept, also when it is a number; an empty one is the file's name."""
    path = _write(tmp_path / "shop.jsonl", {"category": 7}, {"category": None})
    assert _read(path)["category"].to_list() == ["7", "shop"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_an_empty_category_is_the_files_name(ending: str, tmp_path: Path) -> None:
    """A category without a letter is none, in every form of file alike."""
    path = _write(tmp_path / f"shop.{ending}", {"category": "books"}, {"category": ""})
    assert _read(path)["category"].to_list() == ["books", "shop"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"rating": 6}, "column 'rating', found 1 of 31 ratings above 5; say --scale 5 --skip-bad-rows or --scale 10"),
        ({"rating": 0}, "found ratings from 0 to 5; say --scale 0:5 or --scale 5 --skip-bad-rows"),
        ({"rating": "4 of the 7 we bought"}, "expected ratings in shop.jsonl, found '4 of the 7 we bought' in row 31;"),
        ({"rating": "A text that slipped into this column in 2024."}, "found a text of 45 characters in row 31"),
        ({"timestamp": 1378252}, "expected times from 1990 .* in shop.jsonl, found '1378252' in row 31"),
        ({"timestamp": "2202-01-05"}, "found '2202-01-05' in row 31; mend it or give --skip-bad-rows"),
        ({"text": "x " * 60_000}, "expected texts of at most 100000 characters in shop.jsonl, found 120000 in row 31"),
    ],
)
def test_values_out_of_range_are_refused_or_skipped(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A rating or a time that cannot be trusted stops the work and is named, or is left out when that is asked for."""
    path = _write(tmp_path / "shop.jsonl", *[{}] * 30, row)
    with pytest.raises(ReviewFileInvalid, match=message):
        _read(path)
    assert len(_read(path, skip_bad_rows=True)) == 30


def test_the_row_of_a_json_file_is_its_line(tmp_path: Path) -> None:
    """A bad value is named by the number of its line, empty lines counted, so that an editor finds it."""
    lines = [json.dumps(_ROW), "", "", json.dumps(_ROW), "", json.dumps(_ROW | {"timestamp": "2202-01-05"})]
    (tmp_path / "shop.jsonl").write_text("\n".join(lines))
    with pytest.raises(ReviewFileInvalid, match="found '2202-01-05' in row 6;"):
        _read(tmp_path / "shop.jsonl")


@pytest.mark.parametrize(("begin", "what"), [(b"%PDF-1.7", "a PDF"), (b"\x89PNG\r\n", "a picture")])
def test_other_forms_are_refused_by_name(begin: bytes, what: str, tmp_path: Path) -> None:
    """The message says what the file is, whatever it is called."""
    (tmp_path / "shop.csv").write_bytes(begin + b"\n1 0 obj")
    with pytest.raises(ReviewFileInvalid, match=rf"found {what} in shop\.csv"):
        _read(tmp_path / "shop.csv")


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl", "parquet"])
def test_the_form_is_told_by_the_bytes(ending: str, tmp_path: Path) -> None:
    """A name without an ending, or with a wrong one, makes no difference."""
    _write(tmp_path / f"shop.{ending}", {}).rename(tmp_path / "download (1)")
    assert _read(tmp_path / "download (1)")["text"].to_list() == ["Works well."]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00garbage\x80"])
def test_an_unreadable_file_is_named(ending: str, content: bytes | None, tmp_path: Path) -> None:
    """A file that is absent, empty or damaged is refused with its name, whatever its form."""
    path = tmp_path / f"shop.{ending}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReviewFileInvalid, match=rf"shop\.{ending}"):
        _read(path)


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    """A zipped file that ends too early is refused, however much of it can be read."""
    path = _write(tmp_path / "shop.csv.gz", *[{"text": f"Number {n} of {n * n}"} for n in range(2000)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(
        ReviewFileInvalid, match=r"cannot read shop\.csv\.gz: it is damaged or cut off .*; copy it once more"
    ):
        _read(path)


def test_a_file_that_was_zipped_in_parts_is_read_whole(tmp_path: Path) -> None:
    """Zipped files may be appended to each other, as logs often are."""
    path = _write(tmp_path / "shop.csv.gz", *[{"text": f"Number {n} of {n * n}"} for n in range(2000)])
    lines = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(lines[:30_000]) + gzip.compress(lines[30_000:]))
    assert len(_read(path)) == 2000


def _damage(path: Path, lines: bytes) -> None:
    """Write `lines` zipped, and after them bytes that no zipped file can hold."""
    zipped = zlib.compressobj(wbits=31)
    path.write_bytes(zipped.compress(lines) + zipped.flush(zlib.Z_FULL_FLUSH) + b"\xff" * 50)


@pytest.mark.parametrize("ending", ["csv.gz", "jsonl.gz"])
def test_a_zipped_file_that_is_damaged_is_named(ending: str, tmp_path: Path) -> None:
    """Bytes that cannot be unzipped are one line with a remedy."""
    path = _write(tmp_path / f"shop.{ending}", {}, {})
    _damage(path, gzip.decompress(path.read_bytes()))
    with pytest.raises(ReviewFileInvalid, match=rf"cannot read shop\.{ending}: .*invalid block type.* it again"):
        _read(path)


def test_damage_behind_another_encoding_is_no_second_error(tmp_path: Path) -> None:
    """The encoding is told without its place when the search for the place meets damaged bytes."""
    path = tmp_path / "shop.jsonl.gz"
    line = json.dumps(_ROW | {"text": "Très bien."}, ensure_ascii=False) + "\n"
    _damage(path, line.encode("latin-1") * 3000)
    with pytest.raises(ReviewFileInvalid, match=r"cannot read shop\.jsonl\.gz: it is damaged"):
        _read(path)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "jsonl", "jsonl.gz"])
def test_another_encoding_is_found_and_can_be_named(ending: str, tmp_path: Path) -> None:
    """What is no UTF-8 is read as Western European; another encoding than the named one is refused with its line."""
    path = tmp_path / f"shop.{ending}"
    if ending.startswith("jsonl"):
        lines = "".join(
            json.dumps(_ROW | {"text": text}, ensure_ascii=False) + "\n" for text in ("Plain.", "Très bien.")
        )
    else:
        lines = pl.DataFrame([_ROW, _ROW | {"text": "Très bien."}]).write_csv(
            separator="\t" if ending == "tsv" else ","
        )
    data = lines.encode("latin-1")
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    line = data[: data.index(b"\xe8")].count(b"\n") + 1
    with pytest.raises(
        ReviewFileInvalid, match=rf"expected utf-8 in shop.*, found something else in line {line}; leave"
    ):
        _read(path, encoding="utf-8")
    assert _read(path)["text"].to_list()[-1] == "Très bien."
    assert _read(path, encoding="latin-1")["text"].to_list()[-1] == "Très bien."
    with pytest.raises(ReviewFileInvalid, match="expected the name of an encoding such as latin-1, found 'klingon'"):
        _read(path, encoding="klingon")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("shop.csv", b"only,three,cells\n", "shop.csv: row 2, in line 3, has 3 cells where the header has 4"),
        ("shop.jsonl", b'{"text": "Half a row\n', "expected a JSON object in line 2, found something else"),
        ("shop.jsonl", b"[1, 2]\n", "expected a JSON object in line 2, found something else"),
    ],
)
def test_a_line_that_is_no_row_is_told_or_skipped(name: str, line: bytes, message: str, tmp_path: Path) -> None:
    """The message has the number of the line and not its text; asked to, the work goes on without it."""
    path = _write(tmp_path / name, {})
    path.write_bytes(path.read_bytes() + line + _write(tmp_path / f"x{name}", {}).read_bytes().splitlines(True)[-1])
    with pytest.raises(ReviewFileInvalid, match=message) as refused:
        _read(path)
    assert "Half a row" not in str(refused.value)
    assert len(_read(path, skip_bad_rows=True)) == 2


@pytest.mark.parametrize("good", [1, 3])
@pytest.mark.parametrize("form", ["csv", "csv.gz", "tsv"])
def test_bad_rows_at_the_end_are_counted(form: str, good: int, tmp_path: Path) -> None:
    """Rows that are left out count where no good one follows, too."""
    path = _write(tmp_path / f"shop.{form}", *[{}] * max(good, 1))
    written = gzip.decompress(path.read_bytes()) if form == "csv.gz" else path.read_bytes()
    data = b"".join(written.splitlines(keepends=True)[: good + 1]) + b"half a row\n" * 5
    path.write_bytes(gzip.compress(data) if form == "csv.gz" else data)
    with open_review_files([str(path)], ReadOptions(skip_bad_rows=True)) as files:
        batches = list(files[0].batches())
    assert sum(len(batch.rows) for batch in batches) == good
    assert sum(batch.left_out.get("unreadable row", 0) for batch in batches) == 5


def test_what_feedback_exports_is_read_as_it_is(tmp_path: Path) -> None:
    """The columns of `sentiment-api db export-feedback` need no option, and the prediction's id becomes the id."""
    path = tmp_path / "feedback.jsonl.gz"
    row = {
        "text": "Works well.", "rating": 5, "product_id": "0012", "timestamp": "2024-01-05T10:30:00+00:00",
        "prediction_id": "018cd8f2-1a40-7a31-b6cb-4cbb6f0c2d11",
    }  # fmt: skip
    path.write_bytes(gzip.compress((json.dumps(row) + "\n" + json.dumps(row | {"product_id": None}) + "\n").encode()))
    assert _read(path).rows() == [
        (row["prediction_id"], "Works well.", 5, None, product, _MOMENT, "feedback") for product in ("0012", None)
    ]
