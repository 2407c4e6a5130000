"""A quotation mark that does not close never swallows rows in silence."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.options import ReadOptions
from sentiment_api.review_files.readers.csv_records import CsvDialect, CsvRows, read_blocks, read_records
from sentiment_api.review_files.reading import open_review_files

_DIALECT = CsvDialect(",", "doubled")
_QUOTED = '"{}, it is good"'


def _file(folder: Path, rows: int, broken: int, *, quoted_every: int, last: bool) -> Path:
    """Write a file in which one text begins with a quotation mark that never closes."""
    lines = ["rating,when,text" if last else "text,rating,when"]
    for number in range(rows):
        text = f"Review number {number} of the shop"
        text = _QUOTED.format(text) if quoted_every and number % quoted_every == 0 else text
        text = f'"Review number {number}' if number == broken else text
        rest = f"{1 + number % 5},2024-01-{1 + number % 28:02d}"
        lines.append(f"{rest},{text}" if last else f"{text},{rest}")
    (folder / "shop.csv").write_text("\n".join(lines) + "\n")
    return folder / "shop.csv"


def _read(path: Path, *, skip_bad_rows: bool = False) -> int:
    with open_review_files([str(path)], ReadOptions(skip_bad_rows=skip_bad_rows)) as files:
        return sum(len(batch.rows) for batch in files[0].batches())


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("quoted_every", [7, 97])
def test_an_open_quotation_mark_costs_one_row(quoted_every: int, last: bool, tmp_path: Path) -> None:
    """It stops the work with its row and line; asked to, all other rows are read."""
    path = _file(tmp_path, 3_000, 300, quoted_every=quoted_every, last=last)
    with pytest.raises(ReviewFileInvalid, match=r"shop\.csv: row 301, in line 302, has a quotation mark that does not"):
        _read(path)
    assert _read(path, skip_bad_rows=True) == 2_999


def test_many_open_quotation_marks_cost_a_row_each(tmp_path: Path) -> None:
    """No line is lost where reading goes on, in whatever block that is."""
    lines = [f'"Review number {n}, it is good",{1 + n % 5}' for n in range(8_000)]
    for broken in range(100, 8_000, 400):
        lines[broken] = f'"Review number {broken},{1 + broken % 5}'
    (tmp_path / "shop.csv").write_text("\n".join(["text,rating", *lines]) + "\n")
    assert _read(tmp_path / "shop.csv", skip_bad_rows=True) == 7_980


@pytest.mark.parametrize("last", [True, False])
def test_a_file_that_quotes_nothing_is_read_whole(last: bool, tmp_path: Path) -> None:
    """Where no cell needs quotation marks, one that opens a text is a character of it."""
    assert _read(_file(tmp_path, 3_000, 300, quoted_every=0, last=last)) == 3_000


def test_two_marks_that_enclose_rows_are_found() -> None:
    """A record whose lines are rows themselves is no text of several lines."""
    text = '4,2024-01-01,"Good\n5,2024-01-02,Fine too\n1,2024-01-03,He called it ""great"""\n2,2024-01-04,Bad\n'
    found = list(read_records(iter(text.splitlines(keepends=True)), _DIALECT, 3))
    assert [record.is_malformed for record in found][:2] == [True, False]
    assert found[-1].cells == ["2", "2024-01-04", "Bad"]


def test_texts_of_several_lines_are_read() -> None:
    """Commas, numbers and empty lines in them make no difference."""
    rows = [
        ["5", "2024-01-01", "Good:\n\n- sound, 5\n- price, 4\nAll in all: fine."],
        ["1", "2024-01-02", "Bad\r\nvery"],
    ]
    written = io.StringIO(newline="")
    csv.writer(written).writerows(rows)
    lines = written.getvalue().splitlines(keepends=True)
    assert [record.cells for record in read_records(iter(lines), _DIALECT, 3) if record.cells] == rows


_CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=12
)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.tuples(_CELL, _CELL, st.just("5")), min_size=1, max_size=30))
def test_what_csv_writes_is_read_in_blocks_and_one_by_one(rows: list[tuple[str, str, str]]) -> None:
    """Both ways give the same records, with as many lines as there are."""
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
    lines = list(io.StringIO(written.getvalue(), newline=""))
    single = list(read_records(iter(lines), _DIALECT, 3))
    blocks = list(read_blocks(iter(lines), _DIALECT, 3))
    flat = [cells for block in blocks for cells in (block.rows if isinstance(block, CsvRows) else [block.cells])]
    assert flat == [record.cells for record in single]
    assert sum(record.lines for record in single) == len(lines)
    assert [tuple(cells) for cells in flat] == rows or any(record.is_malformed for record in single)
