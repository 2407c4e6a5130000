"""Small disks, which are soon full."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.steps import StepFailed

_CHUNK = bytes(1 << 16)


class Skipped(StepFailed):
    """The case cannot be played here; the message says why."""


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of this size on `folder`, made for it, and take it away in the end.

    Raises:
        Skipped: that takes root, or more of it than there is.
    """
    if os.geteuid() != 0:
        raise Skipped("only root can mount a small disk")
    folder.mkdir()
    options = f"size={megabytes}m,mode=0755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        raise Skipped(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, room: int = 0) -> Path:
    """Leave about `room` bytes on a disk, and return the file that takes the rest."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (left := shutil.disk_usage(disk).free - room) > 0:
            file.write(_CHUNK[:left])
    return ballast
