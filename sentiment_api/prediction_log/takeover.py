"""Taking over: a process claims a spool, and brings into it what dead processes left in theirs.

Each process locks a spool of its own for as long as it lives. The lock falls with the process, however that dies; what
is left in the spool is taken over by any other process that shares the root, at its start or while it runs.
"""

import contextlib
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sentiment_api.errors import SettingsInvalid
from sentiment_api.files import folder_lock, remove_unfinished, sync_file, sync_folder
from sentiment_api.prediction_log.spool import Fsync, Spool, WhenFull
from sentiment_api.prediction_log.spool_folders import (
    SET_ASIDE,
    files_of_records,
    first_free,
    segments_in,
    set_aside_files,
    spool_id_of,
    try_lock,
)


class Adoption(NamedTuple):
    """What `adopt` found in the spools beside one's own that no living process holds."""

    empty: set[UUID]
    """The ids of those in which nothing is left."""
    error: OSError | None
    """Why one of them could not be read or moved. The others were taken over."""


def claim_spool(root: Path, max_bytes: int, *, when_full: WhenFull = "refuse", fsync: Fsync = "interval") -> Spool:
    """Return a spool under `root` that no living process holds, with whatever dead processes left in theirs.

    With `when_full` as `drop_oldest` a full spool loses its oldest records instead of refusing new ones.

    Raises:
        SettingsInvalid: `root` cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder, lock = first_free(root)
        spool = Spool(folder, lock, max_bytes, when_full, fsync)
        _bring_in(spool, folder)
    except OSError as error:
        raise SettingsInvalid(f"cannot keep predictions in {root}: {error.strerror}") from error
    with contextlib.suppress(OSError):  # neighbours must not keep this one from starting; `adopt` is called again
        adopt(spool)
    return spool


def adopt(spool: Spool) -> Adoption:
    """Take over what dead processes left in their spools beside this one. `spool.adopted_files` counts it.

    What does not fit into this one's bound stays there, for the next time.

    Raises:
        OSError: the folder of all spools cannot be read.
    """
    root = spool.folder.parent
    adoption = Adoption(set(), None)
    for folder in [each for each in root.iterdir() if each.is_dir() and each != spool.folder]:
        try:
            if _take_over(spool, folder):
                adoption.empty.add(spool_id_of(folder))
        except OSError as error:
            adoption = adoption._replace(error=error)
    return adoption


def _take_over(spool: Spool, folder: Path) -> bool:
    """Move the records of another spool to this one, unless its process lives; return whether it is dead and empty."""
    lock = try_lock(folder)
    if lock is None:
        return False
    with lock:
        _bring_in(spool, folder)
        return not files_of_records(folder) and not set_aside_files(folder)


def _bring_in(spool: Spool, folder: Path) -> None:
    """Make the records in a folder, which may be the spool's own, part of the spool.

    They survive a power cut afterwards, as the one who wrote them may have been killed before they did.
    """
    for place in (folder, folder / SET_ASIDE):
        with folder_lock(place):
            remove_unfinished(place)
    moved = [spool.take_in(path) for path in files_of_records(folder)]
    if folder != spool.folder:
        _move_set_aside(spool, folder)
    if spool.fsync != "never":
        for path in segments_in(spool.folder) if any(moved) or folder == spool.folder else []:
            sync_file(path)
        sync_folder(spool.folder)


def _move_set_aside(spool: Spool, folder: Path) -> None:
    with folder_lock(folder / SET_ASIDE):
        for path in set_aside_files(folder):
            (spool.folder / SET_ASIDE).mkdir(exist_ok=True, mode=0o700)
            path.rename(spool.folder / SET_ASIDE / path.name)
            spool.adopted_files += 1
