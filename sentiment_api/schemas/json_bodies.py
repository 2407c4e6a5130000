"""What a body must be before it is parsed: UTF-8, and not more JSON values than any legal request has.

A parser takes up to a hundred times the memory of its input: 8 MB of `{"1":1,"2":1,...` took 700 MB and 7 s. So values
are counted first. Commas and brackets outnumber the values that follow them; only if there are many, those within
strings are told apart.
"""

import re
from typing import Final

from sentiment_api.errors import FieldError, NotJson, RequestInvalid

_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_SLICE_BYTES: Final = 64 << 10
_MAX_DEPTH: Final = 512
"""Beyond what pydantic reads."""
# Possessive, so that a long string takes no memory. A string may lack its end: the parser says so.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[,\[\]{}]', re.DOTALL)
_STRING, _OPENING, _CLOSING = ord('"'), b"[{", b"]}"
_EXPECTED: Final = "expected a JSON object in UTF-8, as GET /docs describes it."
EMPTY: Final = f"The body is empty; {_EXPECTED}"
NOT_JSON: Final = "The body is not JSON in UTF-8, or is nested too deeply."


def checked_json(body: bytes, max_values: int) -> bytes:
    """Return the body without the byte order mark that it may have.

    Raises:
        NotJson: it is blank, packed, nested too deeply, or in UTF-16 or UTF-32.
        RequestInvalid: it holds more than `max_values` values.
    """
    body = body.removeprefix(_MARK)
    if not body or body.isspace():
        raise NotJson(EMPTY)
    if body.startswith(_GZIP):
        raise NotJson("The body is packed with gzip; say so with Content-Encoding: gzip.")
    if b"\x00" in body[:4] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):  # JSON begins with ASCII
        raise NotJson(f"The body is in UTF-16 or UTF-32; {_EXPECTED}")
    if _may_hold_more(body, max_values):
        _count_values(body, max_values)
    return body


def _may_hold_more(body: bytes, max_values: int) -> bool:
    """Return whether the body has more commas and opening brackets than that, those within strings included."""
    found = 0
    for start in range(0, len(body), _SLICE_BYTES):
        part = body[start : start + _SLICE_BYTES]
        found += len(part) - len(part.translate(None, b",[{"))
        if found > max_values:
            return True
    return False


def _count_values(body: bytes, max_values: int) -> None:
    """Count what is outside of strings. Each value begins a list or an object, or stands before or after a comma."""
    values = strings = depth = 0
    for token in _TOKEN.finditer(body):
        kind = body[token.start()]
        values += kind != _STRING and kind not in _CLOSING
        strings += kind == _STRING
        depth += (kind in _OPENING) - (kind in _CLOSING)
        if not 0 <= depth <= _MAX_DEPTH:  # closings without openings are no value, and would be counted for ever
            raise NotJson(NOT_JSON)
        # Two strings for each value, its key and itself, is as many as JSON can have.
        if values > max_values or strings > 2 * (max_values + 1):
            raise RequestInvalid([FieldError("", f"must hold at most {max_values} values in all")])
