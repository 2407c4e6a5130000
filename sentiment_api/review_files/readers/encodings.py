"""In which encoding a file of text is, found by reading all of it, and how many lines it has.

UTF-8 and UTF-16 are certain. Bytes that are neither are Western European: cp1252, or Latin-1 where cp1252 has no letter
for one of them. Where that is not likely either, the encoding is asked for.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.readers.inputs import Input

_BLOCK_BYTES = 1 << 20
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Encodings by the mark that files in them begin with; the mark of UTF-16 begins that of UTF-32."""
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"
_MOST_HIGH_BYTES = 0.25
"""Of letters that are not ASCII in a Western European text; Russian, Greek or Chinese ones have more."""
_ASCII_LETTERS = bytes(range(ord("A"), ord("Z") + 1)) + bytes(range(ord("a"), ord("z") + 1))
_HIGH = bytes(range(0x80, 0x100))


class TextForm(NamedTuple):
    """How the bytes of a file become lines of text."""

    encoding: str
    """A name that Python knows."""
    lines: int
    """Ended by LF, CR LF or CR; the last one need not end."""
    has_quotes: bool
    """Whether a quotation mark occurs."""
    is_damaged: bool = False
    """Whether bytes are in another encoding; they are read as U+FFFD."""


def text_form(source: Input, encoding: str | None, *, may_be_damaged: bool = False) -> TextForm:
    """Return the encoding of the file, `encoding` unless that is None, and the number of its lines.

    Raises:
        ReviewFileInvalid: it is not in `encoding`, unless it may be damaged; or its encoding cannot be found out.
    """
    found = _known(encoding) if encoding is not None else _found_by_mark(source)
    if found is not None:
        return _checked(source, found, may_be_damaged=may_be_damaged)
    try:
        return _decoded(source, "utf-8")
    except UnicodeDecodeError:
        found = _single_byte_encoding(source)
    if found is not None:
        return _decoded(source, found)
    if may_be_damaged:
        return _decoded(source, "utf-8", is_damaged=True)
    raise ReviewFileInvalid(
        f"expected one encoding in {source.name}, found UTF-8 with some bytes of another; save it as UTF-8 once more, "
        "or give --skip-bad-rows to leave out the rows that are not"
    )


def _known(encoding: str) -> str:
    try:
        # Not every codec is of text: rot13 and base64 are none.
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, TypeError) as error:
        raise ReviewFileInvalid(f"expected the name of an encoding such as latin-1, found {encoding!r}") from error


def _found_by_mark(source: Input) -> str | None:
    """Return the encoding whose mark the file begins with, or that shows in its zeros; None if there is none."""
    with source.open() as opened:
        begin = opened.content.read(4096)
    marked = (name for mark, name in _MARKS.items() if begin.startswith(mark))
    return next(marked, None) or _unmarked_utf16(begin)


def _unmarked_utf16(begin: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: every other byte of a header in it is zero."""
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if len(begin) < 4 or max(even, odd) < len(begin) / 4:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _checked(source: Input, encoding: str, *, may_be_damaged: bool) -> TextForm:
    try:
        return _decoded(source, encoding)
    except UnicodeError as error:
        if may_be_damaged and isinstance(error, UnicodeDecodeError):
            return _decoded(source, encoding, is_damaged=True)
        raise ReviewFileInvalid(
            f"expected {encoding} in {source.name}, found something else{_place(source, encoding)}; leave --encoding "
            "out to have it found, or give --skip-bad-rows to leave such rows out"
        ) from error


def _decoded(source: Input, encoding: str, *, is_damaged: bool = False) -> TextForm:
    """Return the form of the file.

    Raises:
        UnicodeError: it is in another encoding, and not said to be damaged.
    """
    bytes_decoder = codecs.getincrementaldecoder(encoding)("replace" if is_damaged else "strict")
    decoder = io.IncrementalNewlineDecoder(bytes_decoder, translate=True)
    lines, last, has_quotes = 0, "\n", False
    with source.open() as opened:
        while True:
            block = opened.content.read(_BLOCK_BYTES)
            text = decoder.decode(block, final=not block)
            lines += text.count("\n")
            has_quotes = has_quotes or '"' in text
            last = text[-1:] or last
            if not block:
                return TextForm(encoding, lines + (last != "\n"), has_quotes, is_damaged)


def _place(source: Input, encoding: str) -> str:
    """Return in which line the file is first in another encoding than `encoding`, for a message."""
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = 1
    with source.open() as opened:
        for line in opened.content:
            try:
                decoder.decode(line)
            except UnicodeDecodeError:
                return f" in line {lines}"
            except UnicodeError:
                return ""
            lines += 1
    return ""


def _single_byte_encoding(source: Input) -> str | None:
    """Return cp1252 or latin-1 for a file that is not UTF-8, None for one that is but for some bytes.

    Raises:
        ReviewFileInvalid: too much of it is not ASCII.
    """
    high = letters = well_coded = damaged = 0
    in_cp1252 = True
    with source.open() as opened:
        while block := opened.content.read(_BLOCK_BYTES):
            high += len(block) - len(block.translate(None, _HIGH))
            letters += len(block) - len(block.translate(None, _ASCII_LETTERS))
            in_cp1252 = in_cp1252 and len(block.translate(None, _NOT_IN_CP1252)) == len(block)
            text = block.decode("utf-8", errors="replace")
            replaced = text.count("\ufffd")
            damaged += replaced
            well_coded += len(text) - len(text.encode("ascii", errors="ignore")) - replaced
    if well_coded > damaged:
        return None
    if high > _MOST_HIGH_BYTES * (letters + high):
        raise ReviewFileInvalid(
            f"expected UTF-8, UTF-16 or a Western European encoding in {source.name}, found another; name it, such as "
            "--encoding cp1251 or --encoding gb18030"
        )
    return "cp1252" if in_cp1252 else "latin-1"


@contextmanager
def open_text(source: Input, form: TextForm) -> Iterator[tuple[Iterator[str], Callable[[], float]]]:
    """Yield the lines of the file with their ends, without its mark, and what tells how much of it has been read."""
    errors = "replace" if form.is_damaged else "strict"
    with (
        source.open() as opened,
        io.TextIOWrapper(opened.content, form.encoding, errors, newline="") as texts,
    ):
        first = next(texts, "").removeprefix("\ufeff")
        yield chain([first] if first else [], texts), opened.share
