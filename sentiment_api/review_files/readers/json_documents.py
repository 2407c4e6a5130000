"""JSON that is one value: arrays are read entry by entry, and rows are found within objects."""

import json
import re
from collections.abc import Iterator
from typing import Any

from sentiment_api.errors import ReviewFileInvalid

_BUFFER = 1 << 20
"""Characters that are read at once; an entry may be longer."""
_LONGEST_ENTRY = 1 << 26
_LONGEST_DOCUMENT = 1 << 29
"""Characters of a document that is held in memory."""
_BETWEEN = re.compile(r"[\s,]*")
_DEEPEST = 6


def array_items(lines: Iterator[str], name: str) -> Iterator[Any]:
    """Yield the entries of the array that the text is; memory holds one of them at a time.

    Raises:
        ReviewFileInvalid: the text is no array, or ends before it does.
    """
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    buffer, place, is_open = "", 0, False
    for chunk in _chunks(lines):
        buffer = buffer[place:] + chunk
        place = 0
        if not is_open:
            place, is_open = buffer.index("[") + 1, True
        while True:
            place = _after_blanks(buffer, place)
            if place >= len(buffer):
                break
            if buffer[place] == "]":
                if buffer[place + 1 :].strip() or any(line.strip() for line in lines):
                    raise _broken(name)
                return
            try:
                entry, end = decoder.raw_decode(buffer, place)
            except ValueError:
                if len(buffer) - place > _LONGEST_ENTRY:
                    raise _broken(name) from None
                break
            # A number may go on in what follows.
            if end == len(buffer) and not isinstance(entry, dict | list | str):
                break
            yield entry
            place = end
    raise _broken(name)


def _after_blanks(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()


def _broken(name: str) -> ReviewFileInvalid:
    return ReviewFileInvalid(
        f"cannot read {name}: expected a JSON array, found one that is damaged or cut off; copy it once more, or write "
        "one object per line"
    )


def _chunks(lines: Iterator[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BUFFER:
            yield "".join(held)
            held, size = [], 0
    yield "".join(held)


def rows_within(text: str, name: str) -> tuple[str, list[Any]] | None:
    """Return where the rows of a document are, and the rows; None if the document is a row itself.

    Rows are the longest list of objects at any depth, with others that hold the same; or the values of an object that
    are all objects.

    Raises:
        ReviewFileInvalid: the document is no JSON, or holds columns in place of rows.
    """
    if len(text) > _LONGEST_DOCUMENT:
        raise ReviewFileInvalid(f"{name} is too long for one JSON document; write one object per line")
    try:
        document = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ReviewFileInvalid(f"cannot read {name}: expected JSON, found something else or a part of it") from error
    if not isinstance(document, dict):
        raise ReviewFileInvalid(f"cannot read {name}: expected JSON objects with the reviews, found none")
    lists = list(_lists(document, ()))
    if lists:
        longest = max(lists, key=lambda pair: len(pair[1]))
        alike = [pair for pair in lists if _are_alike(pair[1][0], longest[1][0])]
        return ", ".join(".".join(path) for path, _ in alike), [row for _, rows in alike for row in rows]
    members = list(document.values())
    if len(members) > 1 and all(isinstance(member, dict) for member in members):
        if all(not isinstance(value, dict | list) for member in members for value in member.values()) and _are_columns(
            members
        ):
            raise ReviewFileInvalid(
                f"expected rows in {name}, found columns; with pandas, write it by to_json(..., orient='records', "
                "lines=True)"
            )
        return "", members
    if members and all(isinstance(member, list) for member in members):
        raise ReviewFileInvalid(f"expected rows in {name}, found lists of cells; write one object per line")
    return None


def _are_alike(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two objects have most keys in common, as reviews of two products in lists of their own."""
    return 2 * len(row.keys() & other.keys()) > max(len(row), len(other))


def _are_columns(members: list[dict[str, Any]]) -> bool:
    """Whether objects are columns: all have the same many keys, and these are numbers."""
    keys = members[0].keys()
    if any(isinstance(value, dict | list) for member in members for value in member.values()):
        return False
    return all(key.isdigit() for key in keys) and all(member.keys() == keys for member in members)


def _lists(value: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, member in value.items():
        if isinstance(member, list) and member and all(isinstance(each, dict) for each in member):
            yield (*path, key), member
        elif isinstance(member, dict) and len(path) < _DEEPEST:
            yield from _lists(member, (*path, key))
