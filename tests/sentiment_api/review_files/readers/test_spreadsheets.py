"""Spreadsheets are read below their titles, and a sheet is asked for where several could be meant."""

import datetime as dt
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.reading import open_review_files

_TITLE: list[object] = ["Reviews of our shop"]
_HEADER: list[object] = ["", "Product", "Stars", "Comment", "Day"]
_DATA: list[list[object]] = [
    [n, f"p{n % 15}", 1 + n % 5, f"Review number {n}, and it is a good one", f"2024-01-{1 + n % 28:02d}"]
    for n in range(40)
]
_FORM = "application/vnd.oasis.opendocument.spreadsheet"
_SPACE = "urn:oasis:names:tc:opendocument:xmlns"
_MANIFEST = (
    f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{_SPACE}:manifest:1.0">'
    f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_FORM}"/></manifest:manifest>'
)


def _ods(path: Path, **sheets: Sequence[Sequence[object]]) -> Path:
    """Write a spreadsheet by hand: its XML is short."""

    def cell(value: object) -> str:
        kind = f'float" office:value="{value}' if isinstance(value, int) else "string"
        text = escape(str(value))
        return f'<table:table-cell office:value-type="{kind}"><text:p>{text}</text:p></table:table-cell>'

    tables = "".join(
        f'<table:table table:name="{name}">'
        + "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for name, rows in sheets.items()
    )
    spaces = " ".join(f'xmlns:{name}="{_SPACE}:{name}:1.0"' for name in ("office", "table", "text"))
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces} office:version="1.2"><office:body>'
        f"<office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", _FORM)
        archive.writestr("META-INF/manifest.xml", _MANIFEST)
        archive.writestr("content.xml", content)
    return path


def _read(path: Path, sheet: str | None = None) -> pl.DataFrame:
    with open_review_files([str(path)], ReadOptions(sheet=sheet)) as files:
        return pl.concat(batch.rows for file in files for batch in file.batches())


def test_a_header_below_titles_is_found(tmp_path: Path) -> None:
    """Whole numbers stay whole, and an index column without a name does no harm."""
    rows = _read(_ods(tmp_path / "shop.ods", Reviews=[_TITLE, [""], _HEADER, *_DATA]))
    assert len(rows) == 40
    assert rows.row(1) == (None, _DATA[1][3], 2, None, "p1", dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "shop")


def test_one_of_several_sheets_is_named(tmp_path: Path) -> None:
    """By name or number; the refusal lists them."""
    path = _ods(tmp_path / "shop.ods", May=[_HEADER, *_DATA], June=[_HEADER, *_DATA[:10]], Notes=[["Nothing here"]])
    with pytest.raises(
        ReviewFileInvalid, match=r"one sheet .* in shop\.ods, found 'May', 'June'; name it with --sheet"
    ):
        _read(path)
    assert (len(_read(path, "June")), len(_read(path, "1"))) == (10, 40)
    with pytest.raises(ReviewFileInvalid, match=r"has no sheet 'July'; it has 'May', 'June', 'Notes'"):
        _read(path, "July")
