"""Draining: a process says that it is not ready while it goes on answering, so that no more requests are sent to it.

Files in its spool's folder say so: any user of that folder can write them, and it needs neither a port nor a key.
"""

import contextlib
import os
from pathlib import Path

_FLAG = "draining"
_SERVER = "server"
_PORT = "port"


def announce(spool_folder: Path, port: int) -> None:
    """Say that a service has this spool, that it is ready, where, and which process to send SIGTERM to: its parent."""
    end_draining(spool_folder)
    with contextlib.suppress(OSError):  # a full disk must not keep a process from shipping what it has
        (spool_folder / _PORT).write_text(str(port))
        (spool_folder / _SERVER).write_text(str(os.getppid()))


def withdraw(spool_folder: Path) -> None:
    """Take back what `announce` said: the service ends, or another program has the spool."""
    for name in (_SERVER, _PORT):
        (spool_folder / name).unlink(missing_ok=True)


def server_of(spool_folder: Path) -> int | None:
    """Return the process that the service announced; None when it announced none. It may have ended."""
    return _number(spool_folder / _SERVER)


def port_of(spool_folder: Path) -> int | None:
    """Return the port that the service announced; None when it announced none, as release 0.1 does not."""
    return _number(spool_folder / _PORT)


def begin_draining(spool_folder: Path) -> None:
    """Have the process that holds this spool say that it is not ready."""
    (spool_folder / _FLAG).touch()


def end_draining(spool_folder: Path) -> None:
    """Have it say that it is ready."""
    (spool_folder / _FLAG).unlink(missing_ok=True)


def is_draining(spool_folder: Path) -> bool:
    """Return whether it was told to drain."""
    return (spool_folder / _FLAG).exists()


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
