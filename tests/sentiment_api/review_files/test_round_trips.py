"""A table that is written in any dialect, encoding, scale and form of dates is read as what it was."""

import csv
import datetime as dt
import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import open_review_files

_WORDS = st.sampled_from(
    (
        "lamp",
        "it broke",
        "very good",
        "größer",
        "café",
        "5 stars",
        "1, 2 and 3",
        'said "no"',
        "line\nbreak",
        "a; b",
        "a|b",
    )
)
_TEXTS = st.lists(_WORDS, min_size=2, max_size=8).map(lambda words: "Bought a " + " ".join(words) + ".")
_DAYS = st.dates(dt.date(2013, 1, 1), dt.date(2024, 12, 31))
_ROW = st.tuples(_TEXTS, st.integers(1, 5), _DAYS)


class _Form(NamedTuple):
    """How a table is written."""

    delimiter: str
    quoting: Literal[0, 1]
    encoding: str
    line_end: str
    rating: Callable[[int], str]
    day: Callable[[dt.date], str]
    title_rows: int
    pack: Callable[[bytes], bytes]


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export.csv", data)
    return packed.getvalue()


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _named(day: dt.date) -> str:
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day:%y}"


def _seconds(day: dt.date) -> str:
    return str(int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp()))


_QUOTINGS: tuple[Literal[0], Literal[1]] = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
_FORMS = st.builds(
    _Form,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from(_QUOTINGS),
    encoding=st.sampled_from(("utf-8", "utf-8-sig", "utf-16", "cp1252")),
    line_end=st.sampled_from(("\n", "\r\n")),
    rating=st.sampled_from(
        (
            str, "{}.0".format, "{},0".format, "{} stars".format, "{} out of 5".format,
            lambda stars: "★" * stars + "☆" * (5 - stars), lambda stars: f"{20 * stars}%",
            lambda stars: f"{2 * stars}/10",
        )
    ),
    day=st.sampled_from(
        (
            dt.date.isoformat, "{:%d.%m.%Y}".format, "{:%Y%m%d}".format, _named, _seconds,
            lambda day: f"{_MONTHS[day.month - 1]} {day.day}, {day.year}",
        )
    ),
    title_rows=st.integers(0, 2),
    pack=st.sampled_from((bytes, gzip.compress, _zipped)),
)  # fmt: skip


def _written(rows: list[tuple[str, int, dt.date]], form: _Form) -> bytes:
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, delimiter=form.delimiter, quoting=form.quoting, lineterminator=form.line_end)
    writer.writerows([["Our reviews"]] * form.title_rows)
    writer.writerow(["", "review date", "stars", "comment"])
    writer.writerows([n, form.day(day), form.rating(stars), text] for n, (text, stars, day) in enumerate(rows))
    encodes_stars = form.encoding != "cp1252" or "★" not in lines.getvalue()
    return form.pack(lines.getvalue().encode(form.encoding if encodes_stars else "utf-8"))


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(_ROW, min_size=12, max_size=60), form=_FORMS)
def test_what_is_written_is_read(rows: list[tuple[str, int, dt.date]], form: _Form) -> None:
    """No option is needed, no row is lost, and every cell is what it was."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        path.write_bytes(_written(rows, form))
        with open_review_files([str(path)], ReadOptions()) as files:
            read = pl.concat(batch.rows for file in files for batch in file.batches())
    assert read["text"].to_list() == [text for text, _, _ in rows]
    assert read["rating"].to_list() == [stars for _, stars, _ in rows]
    assert read["timestamp"].dt.date().to_list() == [day for _, _, day in rows]
