"""The API keys that were read last, in a file: a process that starts while Postgres is away lets in whom it lets in.

The file holds what Postgres has of the living keys: ids, names, hashes, scopes, limits and ends, and no secret. Who may
write it can make keys, as who may write the table can; so it is its owner's alone.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from sentiment_api.access.keys import Key
from sentiment_api.prediction_log.files import file_to_disk, names_to_disk

KEEP_S: Final = 300.0
"""How old the file may grow while the keys stay as they are: it costs nothing, and the day is at most this shorter."""
FILE_NAME: Final = "known-keys.json"
_log = structlog.get_logger(__name__)


class KnownKeys(msgspec.Struct, frozen=True):
    """What the file holds."""

    format_version: Literal[1]
    read_at: float
    """When Postgres had these keys, Unix time."""
    keys: tuple[Key, ...]


class KeyFile:
    """One file, which several processes may share: each writes the whole of it, and they all read the same keys."""

    def __init__(self, path: Path, files: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        """The file is written and read in a thread of `files`. `clock` tells seconds."""
        self._path = path
        self._files = files
        self._clock = clock
        self._kept: list[Key] | None = None
        self._tried_at = 0.0
        self._writing: Future[None] | None = None
        self._works = True

    def keep(self, keys: list[Key], read_at: float) -> None:
        """Begin to write the keys if they are others than before or the file is old. This never waits, nor fails.

        A disk that does not answer must not hold up the reading of the keys, by which revoked ones are heeded.
        """
        due = keys != self._kept or self._clock() - self._tried_at >= KEEP_S
        if not due or (self._writing is not None and not self._writing.done()):
            return
        self._kept, self._tried_at = keys, self._clock()
        self._writing = self._files.submit(self._write, KnownKeys(1, read_at, tuple(keys)))

    async def read(self, max_age_s: float) -> KnownKeys | None:
        """Return what the file holds; None when there is no file or, with a warning, when it cannot be believed."""
        try:
            content = await asyncio.get_running_loop().run_in_executor(self._files, self._path.read_bytes)
            return _believed(content, max_age_s)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = error.strerror
        except ValueError as error:
            reason = str(error)
        _log.warning("the file of API keys is ignored", file=str(self._path), reason=reason)
        return None

    def _write(self, known: KnownKeys) -> None:
        try:
            _write_whole(self._path, msgspec.json.encode(known))
        except OSError as error:
            if self._works:
                _log.warning(
                    "API keys cannot be kept in a file; a start while Postgres is away will not know those of now",
                    file=str(self._path),
                    reason=error.strerror,
                )
            self._works = False
        else:
            self._works = True


def _believed(content: bytes, max_age_s: float) -> KnownKeys:
    """Return what the file's content says.

    Raises:
        ValueError: it is damaged, from the future or too old.
    """
    try:
        known = msgspec.json.decode(content, type=KnownKeys)
    except ValueError as error:  # of msgspec, or of UTF-8
        raise ValueError("it is damaged, or of another format") from error
    age_s = time.time() - known.read_at
    if age_s < 0:
        raise ValueError("it is from the future: this machine's clock is wrong, or was")
    if age_s >= max_age_s:
        raise ValueError("it is too old")
    return known


def _write_whole(path: Path, content: bytes) -> None:
    """Give the file this content, all or none of it, for nobody else to read; several processes may do so at once."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        file_to_disk(fresh)
        fresh.rename(path)
        names_to_disk(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
