"""The spool: records on disk between the reply and Postgres.

A spool is a numbered folder of segment files. A segment is a run of records, each framed as

    magic (4 bytes)  length (4)  CRC-32 of the payload (4)  payload

so that damage costs the records that it touches and no other. The process appends to one segment; the shipper seals it,
ships it and unlinks it, which works on a full disk too. Segments are named by the millisecond they were begun in.

Each process locks a spool of its own for as long as it lives. The lock falls with the process, however that dies; the
next process that starts takes over what is left.
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
        self._retired: list[IO[bytes]] = []
        self._sealed_bytes = sum(path.stat().st_size for path in self._paths())
        self._dirty = False

    @classmethod
    def claim(cls, root: Path, max_bytes: int) -> Self:
        """Return a spool under `root` that no living process holds, with whatever dead processes left in theirs."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = 0
        while (spool := cls._lock(root / str(number), max_bytes)) is None:
            number += 1
        for folder in filter(Path.is_dir, root.iterdir()):
            spool.take_over(folder)
        return spool

    @classmethod
    def _lock(cls, folder: Path, max_bytes: int) -> Self | None:
        """Return the spool in `folder`, or None while a living process holds it."""
        folder.mkdir(exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return cls(folder, lock, max_bytes)

    def take_over(self, folder: Path) -> None:
        """Move the segments of another spool here, unless it is alive."""
        other = self._lock(folder, self._max_bytes)
        if other is None:
            return
        for path in other.segments():
            self._sealed_bytes += path.stat().st_size
            path.rename(_unused(self.folder, _begun_ms(path)))
        other.close()

    @property
    def size_bytes(self) -> int:
        """How much the spool holds."""
        return self._sealed_bytes + self._file_bytes

    def append(self, payload: bytes) -> None:
        """Write one record. When this returns, killing the process does not lose it.

        Raises:
            SpoolFull: the bound is reached, or the disk is full. Nothing of the record remains.
        """
        framed = frame(payload)
        with self._append_lock:
            if self.size_bytes + len(framed) > self._max_bytes:
                raise SpoolFull("The prediction log is full, so no prediction can be given; try again later.")
            file = self._file
            if file is None or self._file_bytes >= _SEGMENT_BYTES:
                file = self._begin_segment()
            self._write(file, framed)

    def seal(self) -> None:
        """End the segment being written, so that `segments` lists it."""
        with self._append_lock:
            self._retire()
        self.sync()

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
        """Make what was appended survive a power cut. Does nothing when there is nothing new.

        The disk is waited for outside the lock: appends go on meanwhile.
        """
        with self._append_lock:
            retired, self._retired = self._retired, []
            dirty = os.dup(self._file.fileno()) if self._dirty and self._file else None
            self._dirty = False
        for file in retired:
            os.fdatasync(file.fileno())
            file.close()
        if dirty is not None:
            try:
                os.fdatasync(dirty)
            finally:
                os.close(dirty)

    def since(self, milliseconds: int) -> Iterator[bytes]:
        """Yield the payloads appended since that Unix time, in order, and some earlier ones."""
        paths = self._paths()
        begun_before = sum(_begun_ms(path) <= milliseconds for path in paths)
        # One segment more than was being written then: the clock may have been set back a little.
        for path in paths[max(0, begun_before - 2) :]:
            with contextlib.suppress(FileNotFoundError):  # shipped meanwhile
                yield from read_segment(path).payloads

    def oldest_ms(self) -> int | None:
        """Return when the oldest segment was begun, Unix milliseconds; None when the spool is empty."""
        paths = self._paths()
        return _begun_ms(paths[0]) if paths else None

    def close(self) -> None:
        """End the segment and let another process have the spool."""
        self.seal()
        self._lock_file.close()

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.seg"))

    def _begin_segment(self) -> IO[bytes]:
        self._retire()
        path = _unused(self.folder, time.time_ns() // 1_000_000)
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise SpoolFull("The prediction log cannot be written, so no prediction can be given.") from error
        return self._file

    def _retire(self) -> None:
        """Put the segment being written aside, for `sync` to finish."""
        if self._file is not None:
            self._retired.append(self._file)
            self._sealed_bytes += self._file_bytes
        self._file = None
        self._file_bytes = 0
        self._dirty = False

    def _write(self, file: IO[bytes], written: bytes) -> None:
        try:
            done = file.write(written)
        except OSError as error:
            self._cut_back(file)
            raise SpoolFull("The prediction log cannot be written, so no prediction can be given.") from error
        if done != len(written):
            self._cut_back(file)
            raise SpoolFull("The disk of the prediction log is full, so no prediction can be given.")
        self._file_bytes += len(written)
        self._dirty = True

    def _cut_back(self, file: IO[bytes]) -> None:
        file.truncate(self._file_bytes)
        file.seek(self._file_bytes)


class Segment:
    """The readable part of a segment file."""

    def __init__(self, payloads: list[bytes], damaged_bytes: int) -> None:
        """Keep the payloads, in order, and how many bytes were no part of any."""
        self.payloads = payloads
        self.damaged_bytes = damaged_bytes


def frame(payload: bytes) -> bytes:
    """Return the payload as `read_segment` finds it again."""
    return _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


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


def _unused(folder: Path, begun_ms: int) -> Path:
    """Return a segment's path that does not exist, named by that millisecond or one soon after it."""
    while (path := folder / f"{begun_ms:015d}.seg").exists():
        begun_ms += 1
    return path


def _begun_ms(path: Path) -> int:
    return int(path.stem)
