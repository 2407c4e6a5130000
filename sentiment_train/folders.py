"""The rules for folders that a command writes: never over what is there already, and all of it or nothing."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from sentiment_train.errors import FolderTaken, NotWritten


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
