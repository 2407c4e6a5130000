"""The file of the API keys read last, for a process that starts while Postgres is away.

The file holds what Postgres stores of the active keys: ids, names, hashes, scopes, limits, expiry, and no secret.
Whoever may write it can make keys, as with the table; so only its owner may read or write it.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from sentiment_api.access.keys import Key
from sentiment_api.files import write_whole

KEEP_S: Final = 300.0
"""The file is rewritten this often even if no key changed, so that its age is nearly that of the last read."""
FILE_NAME: Final = "known-keys.json"
_log = structlog.get_logger(__name__)


class KeyFileContent(msgspec.Struct, frozen=True):
    """The content of the file."""

    format_version: Literal[1]
    read_at: float
    """When Postgres had these keys, Unix time."""
    keys: tuple[Key, ...]


class KeyFile:
    """The file. Several processes may share it: each writes all of it, and all of them read the same keys."""

    def __init__(self, path: Path, files: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        """`files` runs reads and writes in its threads. `clock` returns seconds."""
        self._path = path
        self._files = files
        self._clock = clock
        self._saved: list[Key] | None = None
        self._tried_at = 0.0
        self._writing: Future[None] | None = None
        self._writable = True

    def save(self, keys: list[Key], read_at: float) -> None:
        """Start writing the keys if they changed or the file is old. This never waits and never fails.

        A disk that hangs must not delay the next read of the keys, which is when revocations take effect.
        """
        due = keys != self._saved or self._clock() - self._tried_at >= KEEP_S
        if not due or (self._writing is not None and not self._writing.done()):
            return
        self._saved, self._tried_at = keys, self._clock()
        self._writing = self._files.submit(self._write, KeyFileContent(1, read_at, tuple(keys)))

    async def read(self, max_age_s: float) -> KeyFileContent | None:
        """Return the content; None without a file or, with a warning, if it is unreadable, damaged or too old."""
        try:
            content = await asyncio.get_running_loop().run_in_executor(self._files, self._path.read_bytes)
            return _decoded(content, max_age_s)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = error.strerror
        except ValueError as error:
            reason = str(error)
        _log.warning("the file of API keys is ignored", file=str(self._path), reason=reason)
        return None

    def _write(self, known: KeyFileContent) -> None:
        try:
            write_whole(self._path, msgspec.json.encode(known), mode=0o600)
        except OSError as error:
            if self._writable:
                _log.warning(
                    "API keys cannot be kept in a file; a start while Postgres is away will not know those of now",
                    file=str(self._path),
                    reason=error.strerror,
                )
            self._writable = False
        else:
            self._writable = True


def _decoded(content: bytes, max_age_s: float) -> KeyFileContent:
    """Return the keys in the file's content.

    Raises:
        ValueError: it is damaged, from the future or too old.
    """
    try:
        known = msgspec.json.decode(content, type=KeyFileContent)
    except ValueError as error:  # of msgspec, or of UTF-8
        raise ValueError("it is damaged, or of another format") from error
    age_s = time.time() - known.read_at
    if age_s < 0:
        raise ValueError("it is from the future: this machine's clock is wrong, or was")
    if age_s >= max_age_s:
        raise ValueError("it is too old")
    return known
