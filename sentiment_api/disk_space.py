"""How much room a disk has for this process's user, and how long the spool lasts on it without Postgres."""

import errno
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

LEAST_FREE_BYTES: Final = 16 << 20
"""Below it the disk counts as full: at the stated rate it lasts a quarter of an hour."""
LEAST_FREE_FILES: Final = 100
"""Each segment of the spool is a file, and so are reports, keys and what Postgres writes."""
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
"""What writing fails with on a full disk: bytes, files or a quota have run out."""
STATED_RATE: Final = 10
"""Predictions a second that hours are stated for where nobody has measured any."""
_RECORD_BYTES: Final = 1_584
"""A review of 617 characters with product and time, in the spool."""


class DiskSpace(NamedTuple):
    """What the disk of a folder has."""

    free_bytes: int
    """What can still be written, without the blocks that are kept for root."""
    size_bytes: int
    free_files: float
    """How many files can still be made; infinite where the file system does not bound them."""

    @property
    def is_full(self) -> bool:
        """Whether so little is left that predictions are refused, or will be within minutes."""
        return self.free_bytes < LEAST_FREE_BYTES or self.free_files < LEAST_FREE_FILES


class SpoolRoom(NamedTuple):
    """What the spool can still take: the smaller of what its bound leaves and what the disk has."""

    disk: DiskSpace
    left_bytes: int
    """What its bound leaves."""

    @property
    def is_short(self) -> bool:
        """Whether the disk is full before the bound is reached."""
        return self.disk.free_bytes < self.left_bytes

    @property
    def hours(self) -> float:
        """How long the spool lasts without Postgres at `STATED_RATE`, in hours."""
        return min(self.disk.free_bytes, self.left_bytes) / (STATED_RATE * _RECORD_BYTES * 3600)


def disk_space(folder: Path) -> DiskSpace:
    """Return what the disk of a folder has. This may take as long as the disk takes to answer: for ever, if it is gone.

    Quotas of a folder (of projects, on XFS and ext4) count as the size of the disk. Quotas of users do not.

    Raises:
        OSError: the folder is not there, or its disk does not say.
    """
    found = os.statvfs(folder)
    files = found.f_favail if found.f_files else math.inf
    return DiskSpace(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, files)


def spool_room(data_dir: Path, max_bytes: int, spooled_bytes: int) -> SpoolRoom:
    """Return what a spool under `data_dir`, which may not exist yet, can still take.

    Raises:
        OSError: the disk does not say.
    """
    return SpoolRoom(disk_space(_existing(data_dir)), max(0, max_bytes - spooled_bytes))


def shown_bytes(number: float) -> str:
    """Return a number of bytes as people read it, such as `1.5 GiB`."""
    power = min(3, int(math.log2(max(1, number)) // 10))
    return f"{number / (1 << 10 * power):.4g} {('bytes', 'KiB', 'MiB', 'GiB')[power]}"


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: what is made lies on that one's disk."""
    folders: Iterator[Path] = iter((folder.absolute(), *folder.absolute().parents))
    return next(each for each in folders if each.exists())
