"""Records that Postgres refuses as data: each a JSON file in its spool's folder, to be read, mended and sent again.

Files, not rows: what Postgres does not take cannot be kept there. They hold what the record held, its text included.
"""

import contextlib
from collections.abc import Collection, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sentiment_api.errors import SetAsideInvalid
from sentiment_api.files import folder_lock, write_whole
from sentiment_api.prediction_log.records import FeedbackRecord, Record, ShadowRecord, encode, kind_of
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import SET_ASIDE, set_aside_files

UNDECODABLE = "undecodable"
"""The reason of bytes whose checksum is right and that are no record."""
_FIXED = ("format", "type", "prediction_id", "feedback_id")


class SetAsideRecord(msgspec.Struct, frozen=True):
    """One record, and why it is not in Postgres."""

    reason: str
    """The SQLSTATE that Postgres answered with, or `undecodable`."""
    record: Record | bytes

    @property
    def name(self) -> str:
        """What it is called: the id of the prediction or of the feedback, that with `shadow-` before it, or a hash."""
        if isinstance(self.record, bytes):
            return f"bytes-{sha256(self.record).hexdigest()[:12]}"
        if isinstance(self.record, FeedbackRecord):
            return str(self.record.feedback_id)
        if isinstance(self.record, ShadowRecord):
            return f"shadow-{self.record.prediction_id}"
        return str(self.record.prediction_id)

    @property
    def kind(self) -> str:
        """`prediction`, `feedback`, `shadow` or `bytes`."""
        return "bytes" if isinstance(self.record, bytes) else kind_of(self.record)

    def save(self, spool_folder: Path) -> None:
        """Write it to its file, and return when it is on the disk. A second time changes nothing."""
        folder = spool_folder / SET_ASIDE
        folder.mkdir(exist_ok=True, mode=0o700)
        write_whole(folder / f"{self.name}.json", msgspec.json.encode(self))


class SetAsideFiles(NamedTuple):
    """The files of all records that are set aside."""

    records: dict[str, tuple[Path, SetAsideRecord]]
    """By name, each with its file."""
    unreadable: dict[str, SetAsideInvalid]
    """Files that are not as they must be, by name."""


def find_all(root: Path) -> SetAsideFiles:
    """Return what is set aside in the spools under `root`."""
    found = SetAsideFiles({}, {})
    for path in (path for folder in sorted(root.glob("*")) for path in set_aside_files(folder)):
        try:
            found.records[path.stem] = (path, _read(path.read_bytes(), path))
        except SetAsideInvalid as error:
            found.unreadable[path.stem] = error
        except FileNotFoundError:  # replayed or erased meanwhile
            continue
    return found


def find(root: Path, names: Collection[str]) -> list[tuple[Path, SetAsideRecord]]:
    """Return the records of these names, each with its file.

    Raises:
        SetAsideInvalid: one of them is not there, or not as it must be.
    """
    found = find_all(root)
    for name in names:
        if name in found.unreadable:
            raise found.unreadable[name]
        if name not in found.records:
            raise SetAsideInvalid(f"expected a name that `sentiment-api set-aside list` prints, found {name}")
    return [found.records[name] for name in names]


def mend(path: Path, changes: dict[str, Any], *, dry_run: bool = False) -> None:
    """Set fields of the record in a file, to JSON values.

    Raises:
        SetAsideInvalid: there is no such field, the value is not of its type, or another process rewrites files there
            and does not end. The file is as it was.
    """
    with _lock(path.parent):
        mended = _mended(path, changes)
        if not dry_run:
            write_whole(path, mended)


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    try:
        with folder_lock(folder):
            yield
    except TimeoutError as error:
        raise SetAsideInvalid(f"{folder}: {error.strerror} of this folder and keeps it; try again later") from error


def _mended(path: Path, changes: dict[str, Any]) -> bytes:
    try:
        content = msgspec.json.decode(path.read_bytes())
        record = content["record"]
    except (FileNotFoundError, msgspec.DecodeError, KeyError, TypeError):
        raise SetAsideInvalid(f"{path}: expected a record set aside, found none; it may have been erased") from None
    if not isinstance(record, dict):
        raise SetAsideInvalid(f"{path.stem}: expected a record with fields, found bytes that are none")
    known = sorted(record.keys() - set(_FIXED))
    for field, value in changes.items():
        if field not in known:
            raise SetAsideInvalid(f"expected one of the fields {', '.join(known)}, found {field}")
        record[field] = value
    return msgspec.json.encode(_read(msgspec.json.encode(content), path))


def replay(files: list[tuple[Path, SetAsideRecord]], spool: Spool) -> list[str]:
    """Put the records back into a spool, from which they are shipped, and return their names.

    What is no record is left where it is.

    Raises:
        SpoolFull: there is no room for all of them; the others stay set aside.
        SetAsideInvalid: another process rewrites files there and does not end; the others stay set aside.
    """
    replayed = []
    for path, _ in files:
        with _lock(path.parent), contextlib.suppress(FileNotFoundError):  # erased meanwhile
            each = _read(path.read_bytes(), path)  # mended meanwhile, perhaps
            if not isinstance(each.record, bytes):
                spool.append(encode(each.record))
                spool.sync()
                path.unlink()
                replayed.append(each.name)
    return replayed


def _read(content: bytes, path: Path) -> SetAsideRecord:
    try:
        return msgspec.json.decode(content, type=SetAsideRecord)
    except msgspec.DecodeError as error:
        # msgspec names the field and the types, never the value.
        raise SetAsideInvalid(f"{path}: {error}") from None
