"""The spool: records on disk between the reply and Postgres.

A spool is a numbered folder of segment files. A segment is a run of records, each framed as

    magic (4 bytes)  length (4)  CRC-32 of the payload (4)  payload

so that damage costs the records that it touches and no other. The process appends to one segment; the shipper seals it,
ships it and unlinks it, which works on a full disk too. Segments are named by the millisecond they were begun in.

Each process locks a spool of its own for as long as it lives. The lock falls with the process, however that dies, and
another process may then adopt what is left.
"""

import contextlib
import fcntl
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from sentiment_api.errors import SpoolFull

_MAGIC = b"SPL1"
_HEADER = struct.Struct("<4sII")
_SEGMENT_BYTES = 4 << 20
_LONGEST_WAIT_MS = 120_000  # between a prediction's id and its append: the longest deadline, doubled


class Spool:
    """One process's folder of segments. `append` may be called from any thread."""

    def __init__(self, folder: Path, lock: IO[str], max_bytes: int) -> None:
        """Take over `folder`, whose lock file the caller has locked. Use `claim`."""
        self.folder = folder
        self._lock_file = lock
        self._max_bytes = max_bytes
        self._append_lock = threading.Lock()
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        self._sealed_bytes = sum(path.stat().st_size for path in self._paths())
        self._dirty = False

    @classmethod
    def claim(cls, root: Path, max_bytes: int) -> Self:
        """Return the first spool under `root` that no living process holds, with whatever a dead one left in it."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = 0
        while (spool := cls.adopt(root / str(number), max_bytes)) is None:
            number += 1
        return spool

    @classmethod
    def adopt(cls, folder: Path, max_bytes: int) -> Self | None:
        """Return the spool in `folder`, or None while a living process holds it."""
        folder.mkdir(exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return cls(folder, lock, max_bytes)

    @property
    def size_bytes(self) -> int:
        """How much the spool holds."""
        return self._sealed_bytes + self._file_bytes

    def append(self, payload: bytes) -> None:
        """Write one record. When this returns, killing the process does not lose it.

        Raises:
            SpoolFull: the bound is reached, or the disk is full. Nothing of the record remains.
        """
        frame = _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        with self._append_lock:
            if self.size_bytes + len(frame) > self._max_bytes:
                raise SpoolFull("The prediction log is full, so no prediction can be given; try again later.")
            if self._file is None or self._file_bytes >= _SEGMENT_BYTES:
                self._begin_segment()
            self._write(frame)

    def seal(self) -> None:
        """End the segment being written, so that `segments` lists it."""
        with self._append_lock:
            self._end_segment()

    def segments(self) -> list[Path]:
        """Return the sealed segments, oldest first."""
        with self._append_lock:
            current = self._file.name if self._file else ""
            return [path for path in self._paths() if str(path) != current]

    def discard(self, segment: Path) -> None:
        """Remove a sealed segment."""
        size = segment.stat().st_size
        segment.unlink()
        with self._append_lock:
            self._sealed_bytes -= size

    def sync(self) -> None:
        """Make what was appended survive a power cut. Does nothing when there is nothing new."""
        with self._append_lock:
            if not self._dirty or self._file is None:
                return
            self._dirty = False
            descriptor = os.dup(self._file.fileno())
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def near(self, milliseconds: int) -> Iterator[bytes]:
        """Yield the payloads that can have been appended for an id made at that Unix time, newest segments first."""
        paths = self._paths()
        started = [_begun_ms(path) for path in paths]
        first = max(0, sum(start <= milliseconds for start in started) - 2)
        for path in reversed(paths[first:]):
            if _begun_ms(path) <= milliseconds + _LONGEST_WAIT_MS:
                with contextlib.suppress(FileNotFoundError):  # shipped meanwhile
                    yield from read_segment(path).payloads

    def oldest_ms(self) -> int | None:
        """Return when the oldest segment was begun, Unix milliseconds; None when the spool is empty."""
        paths = self._paths()
        return _begun_ms(paths[0]) if paths else None

    def close(self) -> None:
        """End the segment and let another process have the spool."""
        self.sync()
        self.seal()
        self._lock_file.close()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.seg"))

    def _begin_segment(self) -> None:
        self._end_segment()
        begun = time.time_ns() // 1_000_000
        while (path := self.folder / f"{begun:015d}.seg").exists():
            begun += 1
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise SpoolFull("The prediction log cannot be written, so no prediction can be given.") from error

    def _end_segment(self) -> None:
        if self._file is None:
            return
        if self._dirty:
            os.fdatasync(self._file.fileno())
            self._dirty = False
        self._file.close()
        self._file = None
        self._sealed_bytes += self._file_bytes
        self._file_bytes = 0

    def _write(self, frame: bytes) -> None:
        if self._file is None:
            return
        try:
            written = self._file.write(frame)
        except OSError as error:
            self._cut_back()
            raise SpoolFull("The prediction log cannot be written, so no prediction can be given.") from error
        if written != len(frame):
            self._cut_back()
            raise SpoolFull("The disk of the prediction log is full, so no prediction can be given.")
        self._file_bytes += len(frame)
        self._dirty = True

    def _cut_back(self) -> None:
        if self._file is not None:
            self._file.truncate(self._file_bytes)
            self._file.seek(self._file_bytes)


class Segment:
    """The readable part of a segment file."""

    def __init__(self, payloads: list[bytes], damaged_bytes: int) -> None:
        """Keep the payloads, in order, and how many bytes were no part of any."""
        self.payloads = payloads
        self.damaged_bytes = damaged_bytes


def read_segment(path: Path) -> Segment:
    """Return what can be read of a segment, whatever happened to the file.

    After damage the reading goes on at the next magic whose record has the right checksum.

    Raises:
        FileNotFoundError: the segment is gone.
    """
    data = path.read_bytes()
    payloads: list[bytes] = []
    position = 0
    good = 0
    while (position := data.find(_MAGIC, position)) != -1:
        payload = _payload_at(data, position)
        if payload is None:
            position += 1
            continue
        payloads.append(payload)
        size = _HEADER.size + len(payload)
        good += size
        position += size
    return Segment(payloads, len(data) - good)


def _payload_at(data: bytes, position: int) -> bytes | None:
    start = position + _HEADER.size
    if start > len(data):
        return None
    _, length, checksum = _HEADER.unpack_from(data, position)
    payload = data[start : start + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def _begun_ms(path: Path) -> int:
    return int(path.stem)
