"""The rule for every folder that a command writes: what is there already is never overwritten or mixed with."""

from pathlib import Path

from sentiment_train.errors import FolderTaken


def check_free(folder: Path) -> None:
    """Return when `folder` does not exist or is empty.

    Raises:
        FolderTaken: it is a file, or holds something.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    found = "files in it" if folder.is_dir() else "a file"
    raise FolderTaken(f"expected a new or empty folder {folder}, found {found}; name another one, or remove it first")
