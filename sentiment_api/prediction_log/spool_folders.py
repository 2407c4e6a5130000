"""A spool as a folder: which process holds it, its id, and which files lie in it."""

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from sentiment_api.files import sync_folder, write_whole

SET_ASIDE = "set-aside"
"""The folder, in a spool's, of records that Postgres refuses as data."""
SEGMENT = ".seg"
NEWER = ".newer"
"""Of files of records that wait for a newer release."""
_SET_ASIDE_BY_0_1 = "set-aside.frames"


def files_of_records(folder: Path) -> list[Path]:
    """Return the segments, and what was not shipped from one and is looked at again.

    That is what waits for a newer release, which this one may be; and what release 0.1 set aside in a file of its own.
    """
    return [*segments_in(folder), *sorted(folder.glob(f"*{NEWER}")), *folder.glob(_SET_ASIDE_BY_0_1)]


def segments_in(folder: Path) -> list[Path]:
    """Return the segments, oldest first.

    Raises:
        OSError: the folder is not there or cannot be read. It must not look like an empty one.
    """
    return [folder / name for name in sorted(_segment_names(folder))]


def oldest_segment(folder: Path) -> Path | None:
    """Return the first of `segments_in`, None when there is none: a twentieth of the work, as there may be thousands.

    Raises:
        OSError: as `segments_in`.
    """
    name = min(_segment_names(folder), default=None)
    return None if name is None else folder / name


def _segment_names(folder: Path) -> Iterator[str]:
    return (name for name in os.listdir(folder) if name.endswith(SEGMENT))  # noqa: PTH208 - a path for each takes longer


def set_aside_files(folder: Path) -> list[Path]:
    """Return the files of the records that are set aside in a spool, by name."""
    return sorted((folder / SET_ASIDE).glob("*.json"))


def is_held(folder: Path) -> bool:
    """Return whether a living process holds the spool in `folder`; False where it is another user's."""
    with contextlib.suppress(FileNotFoundError, PermissionError), (folder / "lock").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def first_free(root: Path) -> tuple[Path, IO[bytes]]:
    """Return the folder with the lowest number that no living process holds, and its lock."""
    for number in itertools.count():
        with contextlib.suppress(PermissionError):  # another user's; `adopt` tells
            if (lock := try_lock(root / str(number))) is not None:
                return root / str(number), lock
    raise AssertionError("numbers do not end")


def try_lock(folder: Path) -> IO[bytes] | None:
    """Return the lock of the spool in `folder`; None while a living process has it."""
    if not folder.exists():
        folder.mkdir(exist_ok=True, mode=0o700)
        sync_folder(folder.parent)
    lock = (folder / "lock").open("ab", buffering=0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def spool_id_of(folder: Path) -> UUID:
    """Return the id of the spool in `folder`, which it has from its first process on, unless the disk is full."""
    path = folder / "id"
    with contextlib.suppress(FileNotFoundError, ValueError):
        return UUID(path.read_text())
    spool_id = uuid4()
    with contextlib.suppress(OSError):
        write_whole(path, str(spool_id).encode())
    return spool_id


def unused_path(folder: Path, milliseconds: int, suffix: str = SEGMENT) -> Path:
    """Return a segment's path that does not exist, named by that millisecond or one soon after it."""
    while (path := folder / f"{milliseconds:015d}{suffix}").exists():
        milliseconds += 1
    return path


def begun_ms(path: Path) -> int:
    """Return when a segment was begun, Unix milliseconds."""
    return int(path.stem) if path.stem.isdecimal() else path.stat().st_mtime_ns // 1_000_000
