"""Draining: a process says that it is not ready while it goes on answering, so that no more requests are sent to it.

A file in its spool's folder says so: any user of that folder can write it, and it needs neither a port nor a key.
"""

from pathlib import Path

_FLAG = "draining"


def begin_draining(spool_folder: Path) -> None:
    """Have the process that holds this spool say that it is not ready."""
    (spool_folder / _FLAG).touch()


def end_draining(spool_folder: Path) -> None:
    """Have it say that it is ready. A process that starts does so, too."""
    (spool_folder / _FLAG).unlink(missing_ok=True)


def is_draining(spool_folder: Path) -> bool:
    """Return whether it was told to drain."""
    return (spool_folder / _FLAG).exists()
