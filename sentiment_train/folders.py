"""The rules for what a command writes: no folder over what is there already, and all of it or nothing."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from sentiment_train.errors import FolderTaken, NotWritten

_MODE = 0o644


def check_free(folder: Path) -> None:
    """Return when `folder` does not exist or is empty.

    Raises:
        FolderTaken: it is a file, or holds something.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    found = "files in it" if folder.is_dir() else "a file"
    raise FolderTaken(f"expected a new or empty folder {folder}, found {found}; name another one, or remove it first")


@contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield a folder that becomes `destination` at the end, and of which nothing is left after an error.

    Its parent is for what is needed on the way, and goes in any case.

    Raises:
        FolderTaken: `destination` holds something.
        NotWritten: the disk is full, or the place cannot be written.
    """
    check_free(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}-") as scratch:
            staging = Path(scratch) / "folder"
            staging.mkdir()
            yield staging
            staging.rename(destination)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotWritten(
            f"cannot write {destination}: {reason}; nothing of it is left; make room or name another place"
        ) from error


def replace_files(folder: Path, contents: dict[str, bytes]) -> None:
    """Put new files in the place of old ones in `folder` once all of them are on the disk.

    Raises:
        NotWritten: one cannot be written; the old ones stay.
    """
    written: dict[str, str] = {}
    try:
        for name, content in contents.items():
            descriptor, path = tempfile.mkstemp(dir=folder, prefix=f".{name}-")
            written[name] = path
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            Path(path).chmod(_MODE)
        for name, path in written.items():
            Path(path).replace(folder / name)
    except OSError as error:
        for path in written.values():
            Path(path).unlink(missing_ok=True)
        raise NotWritten(f"cannot write to {folder}: {error.strerror or error}; the old files stay") from error
