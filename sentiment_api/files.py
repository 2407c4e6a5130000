"""Files that are whole and survive a power cut, and the locks and threads that they are written under.

What is in a file is its writer's; staging of whole folders stays with the embedded server and with training.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import IO, TypeVar

from sentiment_api.errors import FilesFailed

T = TypeVar("T")
Publish = Callable[[Path, Path], object]
"""Gives a finished file its name: called with the unfinished file's path and the final one."""

LOCK_TIMEOUT_S = 30.0
"""How long a folder's lock is waited for. Its holders rewrite a few small files."""
_LOCK_POLL_S = 0.02
_UNFINISHED = ".fresh"
_ANY_USER = 0o666


async def in_file_thread(executor: Executor | None, work: Callable[[], T]) -> T:
    """Return what `work` does with files, in a thread of the executor.

    Raises:
        FilesFailed: it raised OSError.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, work)
    except OSError as error:
        raise FilesFailed(error.strerror) from error


@contextlib.contextmanager
def whole_file(path: Path, *, mode: int = _ANY_USER, publish: Publish = Path.rename) -> Iterator[IO[bytes]]:
    """Yield a file to write; when the block ends, `path` is that file, all of it and on the disk.

    - All or nothing: when the block raises or the process is killed, `path` is what it was before.
    - Afterwards the content and the name survive a power cut.
    - Several writers may be at it at once: each writes a file of its own, and the last `publish` wins.
    - The file is made with `mode` (less the umask) and never has other rights, nor follows a link.

    What a killed process leaves beside `path` is removed by `remove_unfinished`.

    Raises:
        OSError: the file cannot be written. Nothing is left beside `path`.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        publish(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, mode: int = _ANY_USER, publish: Publish = Path.rename) -> None:
    """Give a file this content, as `whole_file` does."""
    with whole_file(path, mode=mode, publish=publish) as file:
        file.write(content)


def publish_once(unfinished: Path, path: Path) -> None:
    """Give a finished file its name unless a file has it: of several writers the first one wins."""
    # A link, not a rename, which would replace what is there.
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(unfinished)


def remove_unfinished(folder: Path, name: str = "") -> None:
    """Remove what killed processes left of files that they wrote in a folder: of all, or of the one of this name.

    The caller knows that nobody writes them now.
    """
    of_name = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]+{re.escape(_UNFINISHED)}")
    for path in folder.glob(f"*{_UNFINISHED}"):
        if not name or of_name.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_lock(folder: Path, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold a folder's lock, so that one process at a time rewrites files in it. Without the folder there is no lock.

    Raises:
        TimeoutError: another process has held it for `timeout_s`.
    """
    if not folder.exists():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder, time.monotonic() + timeout_s)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds the lock", str(folder)) from None
        time.sleep(_LOCK_POLL_S)  # flock itself knows no deadline


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's files survive a power cut, without which their contents are lost, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make what was written to a file survive a power cut, by whomever it was written."""
    with path.open("rb") as file:
        os.fdatasync(file.fileno())
