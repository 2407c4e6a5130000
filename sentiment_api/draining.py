"""Draining: a process says that it is not ready while it goes on answering, so that no more requests are sent to it.

Files in its spool's folder say so: any user of that folder can write them, and it needs neither a port nor a key.
"""

import contextlib
import os
from pathlib import Path

_FLAG = "draining"
_SERVER = "server"


def announce(spool_folder: Path) -> None:
    """Say that a service has this spool, that it is ready, and which process to send SIGTERM to: the one above it."""
    end_draining(spool_folder)
    with contextlib.suppress(OSError):  # a full disk must not keep a process from shipping what it has
        (spool_folder / _SERVER).write_text(str(os.getppid()))


def withdraw(spool_folder: Path) -> None:
    """Take back what `announce` said: the service ends, or another program has the spool."""
    (spool_folder / _SERVER).unlink(missing_ok=True)


def server_of(spool_folder: Path) -> int | None:
    """Return the process that the service announced; None when it announced none. It may have ended."""
    try:
        return int((spool_folder / _SERVER).read_text())
    except (FileNotFoundError, ValueError):
        return None


def begin_draining(spool_folder: Path) -> None:
    """Have the process that holds this spool say that it is not ready."""
    (spool_folder / _FLAG).touch()


def end_draining(spool_folder: Path) -> None:
    """Have it say that it is ready."""
    (spool_folder / _FLAG).unlink(missing_ok=True)


def is_draining(spool_folder: Path) -> bool:
    """Return whether it was told to drain."""
    return (spool_folder / _FLAG).exists()
