"""Files that are whole and survive a power cut, and the locks and threads that they are written under."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeVar

from sentiment_api.errors import FilesFailed

T = TypeVar("T")

_FRESH = ".fresh"


async def in_files(executor: Executor | None, work: Callable[[], T]) -> T:
    """Return what `work` does with files, in a thread of the executor.

    Raises:
        FilesFailed: it raised OSError.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    except OSError as error:
        raise FilesFailed(error.strerror) from error


def write_whole(path: Path, content: bytes) -> None:
    """Give a file this content, all of it or, when cut off, none. When this returns it survives a power cut."""
    written(path, content).rename(path)
    names_to_disk(path.parent)


def written(path: Path, content: bytes) -> Path:
    """Return a file beside `path` that has this content, on the disk."""
    fresh = path.with_suffix(_FRESH)
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


@contextlib.contextmanager
def alone_with(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, if it is there: of those who rewrite files in it one at a time does so."""
    if not folder.exists():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_fresh(folder: Path) -> None:
    """Remove what `written` left in a folder when it was cut off: what it was to replace is there."""
    for path in folder.glob(f"*{_FRESH}"):
        path.unlink()


def names_to_disk(folder: Path) -> None:
    """Make the names of a folder's files survive a power cut, without which their contents are lost, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_to_disk(path: Path) -> None:
    """Make what was written to a file survive a power cut, by whomever it was written."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
