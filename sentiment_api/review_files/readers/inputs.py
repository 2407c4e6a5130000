"""The bytes behind what a user names: a file, a folder, a pattern, standard input; packed or not.

What is packed is told by its first bytes, not by its name.
"""

import bz2
import glob
import gzip
import lzma
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from sentiment_api.errors import ReviewFileInvalid
from sentiment_api.review_files.libraries import zstandard
from sentiment_api.review_files.options import without_password

DAMAGED = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, zstandard.ZstdError)
"""What unpacking raises for bytes that were changed or cut off."""
_UNPACKED: dict[bytes, tuple[str, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": ("gz", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bz2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zst", lambda file: _unpacked_zst(file)),  # noqa: PLW0108 - it stands below
}
"""By the bytes that packed files begin with: what they are, and what unpacks them."""
_ZIP = b"PK\x03\x04"
_SHEETS = ("xl/", "mimetype", "[Content_Types].xml")
"""Members by which a zip is a spreadsheet."""
_NO_TABLE = (".txt", ".md", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".html", ".py", ".ipynb", ".crc", ".yml", ".yaml")
_NO_TABLE_NAMES = ("readme", "license", "licence", "thumbs.db", "desktop.ini")
_ENDINGS = (
    ".gz", ".bz2", ".xz", ".zst", ".zip", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx",
    ".xls", ".ods",
)  # fmt: skip
_COPY_BYTES = 1 << 20


def _unpacked_zst(file: IO[bytes]) -> Any:  # noqa: ANN401 - zstandard's
    # The library takes a file that is cut off for a shorter one, so its end is looked for first.
    size = os.fstat(file.fileno()).st_size
    while file.tell() < size:
        _pass_frame(file)
        if file.tell() > size:
            raise EOFError("its end is missing")
    file.seek(0)
    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def _pass_frame(file: IO[bytes]) -> None:
    """Move to the end of a zst frame by the sizes that its blocks state, as RFC 8878 has them."""
    begin = file.tell()
    head = file.read(18)
    if head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:  # One to be skipped, of a stated size.
        file.seek(begin + 8 + int.from_bytes(head[4:8], "little"))
        return
    file.seek(begin + zstandard.frame_header_size(head))
    is_last = False
    while not is_last:
        if len(block := file.read(3)) < 3:
            raise EOFError("its end is missing")
        stated = int.from_bytes(block, "little")
        is_last, is_repeated = bool(stated & 1), stated >> 1 & 3 == 1
        file.seek(1 if is_repeated else stated >> 3, os.SEEK_CUR)
    if zstandard.get_frame_parameters(head).has_checksum:
        file.seek(4, os.SEEK_CUR)


class OpenedInput(NamedTuple):
    """Bytes that are being read."""

    content: IO[bytes]
    share: Callable[[], float]
    """Of them that have been read, 0 to 1."""


class Input(NamedTuple):
    """The bytes of one table or of several, unpacked, which can be opened any number of times."""

    name: str
    """What messages call it: `ratings.csv`, or `ratings.zip: 2024.csv`."""
    category: str
    """The file's name without its endings."""
    packed: str
    """How it was packed: `gz`, `zip`; empty if it was not."""
    open: Callable[[], AbstractContextManager[OpenedInput]]
    path: Callable[[], AbstractContextManager[Path]]
    """A file that can be read anywhere, not only from its beginning: the file itself, or a temporary copy."""


@contextmanager
def open_inputs(source: str) -> Iterator[list[Input]]:
    """Yield the files that `source` names; copies of standard input and of zipped members go at the end.

    Raises:
        ReviewFileInvalid: there is none, or one cannot be unpacked.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reviews-")))
        paths = [_standard_input(folder)] if source == "-" else _paths(source)
        inputs = [each for path, name in paths for each in _inputs(path, name, folder)]
        if not inputs:
            raise ReviewFileInvalid(f"expected a file of reviews in {source}, found none")
        yield inputs


def _standard_input(folder: Path) -> tuple[Path, str]:
    path = folder / "standard input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, _COPY_BYTES)
    return path, "standard input"


def _paths(source: str) -> list[tuple[Path, str]]:
    """Return the files that a name, a folder or a pattern stands for, and what messages call them."""
    path = Path(source)
    if path.is_dir():
        members = sorted(each for each in path.rglob("*") if _is_part(each, path))
        return [(each, f"{path.name}/{each.relative_to(path)}") for each in members]
    if path.exists():
        return [(path, path.name)]
    found = sorted(map(Path, glob.glob(source, recursive=True)))  # noqa: PTH207 - the pattern may be absolute
    if not found:
        raise ReviewFileInvalid(f"expected a file, a folder or a pattern, found nothing at {without_password(source)}")
    return [pair for each in found for pair in _paths(str(each))]


def _is_part(path: Path, folder: Path) -> bool:
    """Whether a file may be a part of the table in `folder`; Spark writes empty ones too."""
    return path.is_file() and path.stat().st_size > 0 and _may_be_table(path.relative_to(folder))


def _may_be_table(path: Path) -> bool:
    """Whether a member of a folder or a zip may hold reviews: not what systems and authors put beside them."""
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    name = path.name.lower()
    return not hidden and not name.endswith(_NO_TABLE) and not name.startswith(_NO_TABLE_NAMES)


def _inputs(path: Path, name: str, folder: Path) -> Iterator[Input]:
    begin = _first_bytes(path)
    if begin.startswith(_ZIP) and not _is_spreadsheet(path, name):
        yield from _members(path, name, folder)
        return
    found = next((how for mark, how in _UNPACKED.items() if begin.startswith(mark)), None)
    if found is None:
        yield plain_input(path, name)
        return
    packed, unpack = found
    yield Input(
        name, category_of(name), packed, lambda: _opened(path, name, unpack), lambda: _copied(path, name, unpack)
    )


def plain_input(path: Path, name: str) -> Input:
    """Return a file that is not packed."""

    @contextmanager
    def itself() -> Iterator[Path]:
        yield path

    return Input(name, category_of(name), "", lambda: _opened(path, name, None), itself)


def category_of(name: str) -> str:
    """Return a file's name without folders and endings."""
    plain = Path(name.rpartition(": ")[2]).name
    while plain.lower().endswith(_ENDINGS):
        plain = plain.rpartition(".")[0]
    return plain


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise ReviewFileInvalid(f"cannot read {path.name}: {error.strerror}") from error


def _is_spreadsheet(path: Path, name: str) -> bool:
    with unpacking(name), zipfile.ZipFile(path) as archive:
        return any(member.startswith(_SHEETS) for member in archive.namelist())


def _members(path: Path, name: str, folder: Path) -> Iterator[Input]:
    """Yield the tables in a zip, each from a temporary copy: its bytes can be read from their beginning only."""
    with unpacking(name), zipfile.ZipFile(path) as archive:
        for number, member in enumerate(archive.infolist()):
            if member.is_dir() or not _may_be_table(Path(member.filename)):
                continue
            if member.flag_bits & 1:
                raise ReviewFileInvalid(f"cannot read {name}: {member.filename} is encrypted; unzip it first")
            copy = folder / f"{len(os.listdir(folder))}-{number}"  # noqa: PTH208 - a number is needed
            with archive.open(member) as packed, copy.open("wb") as file:
                shutil.copyfileobj(packed, file, _COPY_BYTES)
            for each in _inputs(copy, f"{name}: {member.filename}", folder):
                yield each._replace(packed=f"zip, {each.packed}".rstrip(", "))


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turn what unpacking raises into an error with the remedy.

    Raises:
        ReviewFileInvalid: the file is damaged or cut off.
    """
    try:
        yield
    except DAMAGED as error:
        raise ReviewFileInvalid(
            f"cannot read {name}: it is damaged or cut off ({error}); copy it once more, or pack it again"
        ) from error
    except OSError as error:
        raise ReviewFileInvalid(f"cannot read {name}: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path, name: str, unpack: Callable[[IO[bytes]], Any] | None) -> Iterator[OpenedInput]:
    with unpacking(name), path.open("rb") as raw:
        size = max(os.fstat(raw.fileno()).st_size, 1)
        content = raw if unpack is None else cast("IO[bytes]", unpack(raw))
        yield OpenedInput(content, lambda: min(1.0, raw.tell() / size) if not raw.closed else 1.0)


@contextmanager
def _copied(path: Path, name: str, unpack: Callable[[IO[bytes]], Any]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="reviews-") as copy:
        with _opened(path, name, unpack) as opened:
            shutil.copyfileobj(opened.content, copy, _COPY_BYTES)
        copy.flush()
        yield Path(copy.name)
