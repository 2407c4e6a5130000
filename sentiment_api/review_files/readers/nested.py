"""Objects of JSON as cells: the names of their leaves with dots, and what stands there as text."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sentiment_api.review_files.libraries import pl

_DEEPEST = 5
LeafPath = tuple[str, ...]


def leaves(rows: Iterable[Mapping[str, Any]]) -> dict[str, LeafPath]:
    """Return the ways to all values of the rows that are no objects or lists, by their names: `content.label`."""
    found: dict[str, LeafPath] = {}
    for row in rows:
        for path in _paths(row, ()):
            found.setdefault(".".join(path), path)
    return found


def _paths(value: Mapping[str, Any], above: LeafPath) -> Iterator[LeafPath]:
    for key, member in value.items():
        path = (*above, str(key))
        if isinstance(member, Mapping) and len(path) < _DEEPEST:
            yield from _paths(member, path)
        elif not isinstance(member, Mapping | list):
            yield path


def cells(rows: Sequence[Any], paths: Mapping[str, LeafPath], opened: Counter[str]) -> pl.DataFrame:
    """Return a column of text for each path, null where a row has nothing or an object there; those count in `opened`.

    Rows have the first step of a path as a key.
    """
    columns = {}
    for name, path in paths.items():
        values = [_at(row, path) for row in rows]
        opened[name] += sum(isinstance(value, Mapping | list) for value in values)
        columns[name] = pl.Series([_text(value) for value in values], dtype=pl.String)
    return pl.DataFrame(columns)


def _at(value: Any, path: LeafPath) -> Any:  # noqa: ANN401 - whatever JSON holds
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """Return a value as people write it; None for what is no single value or no number."""
    if isinstance(value, str):
        # Half of a surrogate pair, in which texts cut by length end, cannot be encoded.
        return value if value.isascii() else value.encode(errors="ignore").decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return None
