"""The spool: records on disk between the reply and Postgres.

A spool is a numbered folder of segment files, each a run of framed records. The process appends to one segment; the
shipper seals it, ships it and unlinks it, which works on a full disk too. Segments are named by the millisecond they
were begun in. Records that a newer release wrote wait in files of their own until a release that can read them starts.

Which process has which spool, and what becomes of dead processes' spools, is `takeover`'s.
"""

import contextlib
import errno
import os
import threading
import time
from itertools import count
from pathlib import Path
from typing import IO, Literal, NamedTuple

from sentiment_api.errors import SpoolFull
from sentiment_api.files import sync_folder, write_whole
from sentiment_api.prediction_log.segments import frame, read_segment
from sentiment_api.prediction_log.spool_folders import (
    NEWER,
    SEGMENT,
    begun_ms,
    oldest_segment,
    segments_in,
    spool_id_of,
    unused_path,
)

_SEGMENT_BYTES = 4 << 20
_SAME_MOMENT_MS = 1_000
"""Names run ahead of the clock by no more than this; beyond it the clock was set back."""
_DISK_FULL = "The disk of the prediction log is full, so no prediction can be given."

Fsync = Literal["append", "interval", "never"]
"""When appended records are made to survive a power cut: before `append` returns, when `sync` is called, or when the
operating system sees fit."""
WhenFull = Literal["refuse", "drop_oldest"]


class SpoolContents(NamedTuple):
    """Which segments a spool consists of, at one moment."""

    numbers: dict[Path, int]
    """A number for each segment, which no other ever has; one that is rewritten gets another number."""
    current: Path | None
    """The segment being written; None when there is none."""
    written: int
    """How many bytes of that one are whole records."""


class Spool:
    """One process's folder of segments. `append` may be called from any thread."""

    def __init__(self, folder: Path, lock: IO[bytes], max_bytes: int, when_full: WhenFull, fsync: Fsync) -> None:
        """Write to `folder`, whose lock file the caller has locked. Use `takeover.claim_spool`."""
        self.folder = folder
        self.spool_id = spool_id_of(folder)
        self.fsync = fsync
        self.appended_records = 0
        self.dropped_records = 0
        """How many records gave way to newer ones, since the start."""
        self.newer_records = 0
        """How many records wait for a newer release."""
        self.adopted_files = 0
        """How many files were taken over from dead processes, since the start."""
        self._lock_file = lock
        self._max_bytes = max_bytes
        self._when_full = when_full
        self._append_lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._synced = 0
        self._not_synced = 0
        self._folder_synced = True
        self._file: IO[bytes] | None = None
        self._file_bytes = 0
        self._begun_ms = 0
        self._retired: list[IO[bytes]] = []
        self._sealed_bytes = sum(path.stat().st_size for path in self._paths())
        self._next_number = count()
        self._numbers = {path: next(self._next_number) for path in self._paths()}
        self._dirty = False

    @property
    def size_bytes(self) -> int:
        """How much the spool holds."""
        return self._sealed_bytes + self._file_bytes

    @property
    def fill_ratio(self) -> float:
        """How much of its bound the spool holds, 0 to 1."""
        return self.size_bytes / self._max_bytes

    def append(self, payload: bytes) -> None:
        """Write one record. When this returns, killing the process does not lose it.

        Raises:
            SpoolFull: the bound is reached, or the disk is full, and nothing of the record remains; or it was written
                and could not be synced, and may be shipped all the same.
        """
        framed = frame(payload)
        with self._append_lock:
            self._write_or_make_room(framed)
            self.appended_records += 1
            number = self.appended_records
        if self.fsync == "append":
            try:
                self._sync_up_to(number)
            except OSError as error:
                raise SpoolFull("The prediction log cannot be written, so no prediction can be given.") from error

    def take_in(self, path: Path) -> bool:
        """Make a file of records one of the segments; return whether it was none yet and there is room for it."""
        with self._append_lock:
            size = path.stat().st_size
            is_here = path.parent == self.folder
            if is_here and path.suffix == SEGMENT:
                return False
            if not is_here and self.size_bytes + size > self._max_bytes:
                return False
            segment = path.rename(unused_path(self.folder, begun_ms(path)))
            self._numbers[segment] = next(self._next_number)
            self._sealed_bytes += size
            self.adopted_files += not is_here
        return True

    def seal(self) -> None:
        """End the segment being written, so that `segments` lists it."""
        with self._append_lock:
            self._retire()
        self.sync()

    def segments(self) -> list[Path]:
        """Return the sealed segments, oldest first."""
        paths = self._paths()  # before the lock, as there may be thousands: what is begun meanwhile is not among them
        with self._append_lock:
            current = Path(self._file.name) if self._file else None
        return [path for path in paths if path != current]

    def contents(self) -> SpoolContents:
        """Return which segments there are, the one being written among them; no file is touched for it."""
        with self._append_lock:
            current = Path(self._file.name) if self._file else None
            return SpoolContents(self._numbers.copy(), current, self._file_bytes)

    def discard(self, segment: Path) -> None:
        """Remove a sealed segment; nothing when it had to give way meanwhile."""
        with self._append_lock, contextlib.suppress(FileNotFoundError):
            self._unlink(segment)

    def rewrite(self, segment: Path, payloads: list[bytes]) -> None:
        """Have a sealed segment hold these payloads instead, or remove it when there are none.

        Nothing when it had to give way meanwhile.
        """
        if payloads:
            write_whole(segment, b"".join(map(frame, payloads)), publish=self._swap)
        else:
            self.discard(segment)
            sync_folder(self.folder)
        if segment.suffix == NEWER:
            self._count_newer()

    def _swap(self, rewritten: Path, segment: Path) -> None:
        """Put a finished file in the place of a segment, unless that had to give way meanwhile."""
        with self._append_lock:
            if segment.exists():
                grown = rewritten.stat().st_size - segment.stat().st_size
                rewritten.rename(segment)
                if segment.suffix == SEGMENT:
                    self._sealed_bytes += grown
                    self._numbers[segment] = next(self._next_number)

    def newer_files(self) -> list[Path]:
        """Return the files of records that wait for a newer release."""
        return sorted(self.folder.glob(f"*{NEWER}"))

    def keep_newer(self, payloads: list[bytes]) -> None:
        """Put records that a newer release wrote where the next one that starts looks for them."""
        path = unused_path(self.folder, time.time_ns() // 1_000_000, NEWER)
        write_whole(path, b"".join(map(frame, payloads)))
        self._count_newer()

    def sync(self) -> None:
        """Make what was appended survive a power cut, unless it never should. Does nothing when there is nothing new.

        The disk is waited for outside the lock of `append`: that goes on meanwhile.
        """
        with self._sync_lock:
            self._sync()

    def oldest_ms(self) -> int | None:
        """Return when the oldest segment was begun, Unix milliseconds; None when the spool is empty."""
        path = oldest_segment(self.folder)
        return None if path is None else begun_ms(path)

    def close(self) -> None:
        """End the segment and let another process have the spool."""
        self.seal()
        self._lock_file.close()

    def _sync_up_to(self, number: int) -> None:
        """Return when the record of that number is on the disk. Threads that wait here share one round of it."""
        with self._sync_lock:
            if number <= self._not_synced:
                raise OSError("a sync that this record was part of has failed")
            if self._synced < number:
                self._sync()

    def _sync(self) -> None:
        try:
            self._synced = self._sync_appended()
        except OSError:
            # The system reports such a failure once and then takes the pages for written: syncing again proves nothing.
            with self._append_lock:
                self._retire()
                self._not_synced = self.appended_records
            raise

    def _sync_appended(self) -> int:
        """Sync what was appended until now, and return the number of the last record."""
        with self._append_lock:
            appended = self.appended_records
            retired, self._retired = self._retired, []
            dirty = os.dup(self._file.fileno()) if self._dirty and self._file else None
            self._dirty = False
            new_names, self._folder_synced = not self._folder_synced, True
        with contextlib.ExitStack() as opened:
            for file in retired:
                opened.enter_context(file)
            if dirty is not None:
                opened.callback(os.close, dirty)
            for descriptor in [*(file.fileno() for file in retired), *([] if dirty is None else [dirty])]:
                self._to_disk(descriptor)
        if new_names and self.fsync != "never":
            sync_folder(self.folder)  # a file survives a power cut when its name does
        return appended

    def _to_disk(self, descriptor: int) -> None:
        if self.fsync != "never":
            os.fdatasync(descriptor)

    def _paths(self) -> list[Path]:
        return segments_in(self.folder)

    def _write_or_make_room(self, framed: bytes) -> None:
        while True:
            try:
                self._check_room(len(framed))
                file = self._file
                if file is None or self._file_bytes >= _SEGMENT_BYTES:
                    file = self._begin_segment()
                self._write(file, framed)
            except _NoRoom as error:
                if self._when_full == "refuse" or not self._drop_oldest():
                    raise SpoolFull(str(error)) from error.__cause__
            else:
                return

    def _check_room(self, needed: int) -> None:
        if self.size_bytes + needed > self._max_bytes:
            raise _NoRoom("The prediction log is full, so no prediction can be given; try again later.")

    def _drop_oldest(self) -> bool:
        """Remove the oldest segment, which may be the one being written; return whether there was one to give way."""
        oldest = next((path for path in self._paths() if path.stat().st_size), None)
        if oldest is None:
            return False
        if self._file is not None and self._file.name == str(oldest):
            self._retire()
        self.dropped_records += len(read_segment(oldest).payloads)
        self._unlink(oldest)
        return True

    def _count_newer(self) -> None:
        self.newer_records = sum(len(read_segment(path).payloads) for path in self.newer_files())

    def _unlink(self, segment: Path) -> None:
        self._numbers.pop(segment, None)
        size = segment.stat().st_size
        segment.unlink()
        self._sealed_bytes -= size if segment.suffix == SEGMENT else 0

    def _begin_segment(self) -> IO[bytes]:
        self._retire()
        path = unused_path(self.folder, self._next_name_ms())
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise _refusal(error) from error
        self._numbers[path] = next(self._next_number)
        self._begun_ms = begun_ms(path)
        self._folder_synced = False
        return self._file

    def _next_name_ms(self) -> int:
        """Return the millisecond to name a segment by: not one that a segment had which gave way within it.

        The shipper may have that one in its hands, and would remove the new one for it.
        """
        now_ms = time.time_ns() // 1_000_000
        return self._begun_ms + 1 if 0 <= self._begun_ms - now_ms < _SAME_MOMENT_MS else now_ms

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
            raise _refusal(error) from error
        if done != len(written):
            self._cut_back(file)
            raise _NoRoom(_DISK_FULL)
        self._file_bytes += len(written)
        self._dirty = True

    def _cut_back(self, file: IO[bytes]) -> None:
        file.truncate(self._file_bytes)
        file.seek(self._file_bytes)


class _NoRoom(Exception):
    """A record does not fit, unless others give way."""


def _refusal(error: OSError) -> Exception:
    """Return what an error of writing is to the spool: where the disk is not full, dropping records would not help."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _NoRoom(_DISK_FULL)
    return SpoolFull("The prediction log cannot be written, so no prediction can be given.")
