"""Where the header of a table of plain cells is, and the names in it."""

import re
from collections import Counter
from collections.abc import Sequence

_LONGEST_NAME = 80
"""Characters; a longer cell is a text."""
_DATA = re.compile(r"[-+]?[\d.,:/ ]*\d[\d.,:/ ]*%?|\d{4}-\d\d-\d\d.*|true|false|https?://.*", re.IGNORECASE)
"""What no column is called: numbers, dates and addresses."""


def header_index(rows: Sequence[Sequence[str]]) -> int | None:
    """Return which of a table's first rows names its columns, None if none does.

    Title rows, which fill less than half of the cells, are passed over.
    """
    widths = Counter(len(row) for row in rows if any(cell.strip() for cell in row))
    typical = max(widths, key=lambda width: (widths[width], width), default=0)
    for index, row in enumerate(rows):
        filled = [cell for cell in row if cell.strip()]
        if len(filled) >= max(2, typical / 2) and len(row) >= typical - 1:
            return index if _names_columns(filled) else None
    return None


def _names_columns(filled: Sequence[str]) -> bool:
    is_data = [len(cell) > _LONGEST_NAME or _DATA.fullmatch(cell.strip()) is not None for cell in filled]
    return not any(is_data)


def column_names(header: Sequence[str]) -> list[str]:
    """Return the names in a header: blanks joined, `column 3` for one that is empty, `name (2)` for a second one."""
    names: list[str] = []
    seen: Counter[str] = Counter()
    for number, cell in enumerate(header, start=1):
        name = " ".join(cell.removeprefix("\ufeff").split()) or f"column {number}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
