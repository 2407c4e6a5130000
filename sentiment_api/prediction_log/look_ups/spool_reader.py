"""Finds in a spool what it holds of one prediction.

The index is made from the segments when something is looked up, so that appending costs nothing more. Each record is
read for it once: those appended since the look-up before, at the first one all that the spool holds.
"""

import contextlib
import threading
import time
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec
import structlog

from sentiment_api.database.partitions import milliseconds_of
from sentiment_api.errors import FilesFailed, RecordNewer
from sentiment_api.prediction_log.look_ups.record_index import RecordIndex
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, decode
from sentiment_api.prediction_log.segments import frames_in, read_payload
from sentiment_api.prediction_log.spool import Spool, SpoolContents

BYTES_AT_ONCE = 16 << 20
"""About how much `find` reads for the index before it lets others go first: some 50 ms of one processor."""
_RECORDS_AT_ONCE = 400
_PAUSE_S = 0.0001
"""A pause after some 2 ms of them: the event loop would wait 5 ms for the interpreter whenever it has waited for
anything else, and feedback for ten times that."""
_CLOCK_SLACK_MS = 60_000
"""How far the clock may have been set back between a prediction and its append."""
_log = structlog.get_logger(__name__)

R = TypeVar("R", PredictionRecord, FeedbackRecord)


class SpooledPrediction(NamedTuple):
    """What the spool holds of one prediction."""

    prediction: PredictionRecord | None
    feedback: FeedbackRecord | None
    """The latest."""


class _Subject(msgspec.Struct):
    """What every release's records say of whom they are about."""

    type: str
    prediction_id: str
    """As text: making an id of it for each record would take a tenth of the time."""


_decoder = msgspec.msgpack.Decoder(_Subject)


class _SegmentReplaced(Exception):
    """The segment was shipped, or rewritten, since the index was asked."""


class SpoolReader:
    """Reads records of one spool by the ids of their predictions. Threads wait for each other."""

    def __init__(self, spool: Spool) -> None:
        """Read nothing yet."""
        self._spool = spool
        self._index = RecordIndex()
        self._lock = threading.Lock()
        self._read_to: dict[int, int] = {}
        """How many bytes of each segment are in the index, by the segment's number."""
        self._complete: set[int] = set()
        """The numbers of the segments that are in the index and do not grow any more."""
        self._unreadable: set[int] = set()
        """Those that the last call could not read; the next one tries again."""

    @property
    def index_bytes(self) -> int:
        """How much memory the index takes."""
        return self._index.size_bytes

    def find(self, prediction_id: UUID) -> SpooledPrediction | None:
        """Return what the spool holds of a prediction; None when that is not known yet, and the call is to be repeated.

        Each call reads about `BYTES_AT_ONCE` for the index at most. Damaged records count as not there.

        Raises:
            FilesFailed: nothing is found, and a segment cannot be read that may hold the prediction.
        """
        with self._lock:
            contents = self._spool.contents()
            self._forget(contents)
            if not self._read_on(contents, milliseconds_of(prediction_id) - _CLOCK_SLACK_MS):
                return None
            paths = {number: path for path, number in contents.numbers.items()}
            try:
                found = SpooledPrediction(
                    self._last(PredictionRecord, prediction_id, paths),
                    self._last(FeedbackRecord, prediction_id, paths),
                )
            except _SegmentReplaced:
                return None
            except OSError as error:
                raise FilesFailed(error.strerror) from error
            if found.prediction is None and self._unreadable:
                raise FilesFailed("a segment of the spool cannot be read")
            return found

    def _forget(self, contents: SpoolContents) -> None:
        """Drop what the index has of segments that are no more."""
        present = set(contents.numbers.values())
        if gone := self._read_to.keys() - present:
            self._index.keep(present)
            self._complete &= present
            for number in gone:
                del self._read_to[number]

    def _read_on(self, contents: SpoolContents, since_ms: int) -> bool:
        """Bring the segments written to since then into the index, or some of them; return whether it has them all."""
        room = BYTES_AT_ONCE
        before, self._unreadable = self._unreadable, set()
        for path, number in contents.numbers.items():
            if number in self._complete:
                continue
            end = contents.written if path == contents.current else None
            if end is None and _modified_ms(path) < since_ms:
                continue
            if room <= 0:
                return False
            try:
                room -= self._read(path, number, end)
            except OSError as error:
                self._unreadable.add(number)
                if number not in before:
                    _log.warning("a segment of the spool cannot be read", file=str(path), error=error.strerror)
        return True

    def _read(self, path: Path, number: int, end: int | None) -> int:
        """Bring what a segment has up to `end`, or all of it, into the index; return how many bytes were read."""
        start = self._read_to.get(number, 0)
        data = _bytes_of(path, start, end)
        keys, positions = [], []
        for count, (position, payload) in enumerate(frames_in(data), 1):
            if (key := _key_of(payload)) is not None:
                keys.append(key)
                positions.append(start + position)
            if count % _RECORDS_AT_ONCE == 0:
                time.sleep(_PAUSE_S)
        self._index.add(number, keys, positions)
        self._read_to[number] = start + len(data)
        if end is None:
            self._complete.add(number)
        return len(data)

    def _last(self, kind: type[R], prediction_id: UUID, paths: dict[int, Path]) -> R | None:
        """Return the last record of a kind that is about a prediction.

        Raises:
            _SegmentReplaced: the index does not say any more where it is.
        """
        key = _key(str(kind.__struct_config__.tag), str(prediction_id))
        for number, position in self._index.places_of(key, lambda each: paths[each].name):
            record = _record_at(paths[number], position)
            if isinstance(record, kind) and record.prediction_id == prediction_id:
                return record
            if self._spool.contents().numbers.get(paths[number]) != number:
                raise _SegmentReplaced
        return None


def _key(kind: str, prediction_id: str) -> int:
    """Return a key for the index. Python's hash of texts is keyed: nobody can choose ids that share one."""
    return hash(kind + prediction_id)


def _key_of(payload: bytes) -> int | None:
    """Return the key of a record, None when it is none."""
    try:
        subject = _decoder.decode(payload)
    except msgspec.DecodeError:
        return None
    return _key(subject.type, subject.prediction_id)


def _modified_ms(path: Path) -> int:
    """Return when a segment was written last, Unix milliseconds; long ago when it is gone."""
    # Not by name: what was begun long before may have been written until then.
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except OSError:
        return 0


def _bytes_of(path: Path, start: int, end: int | None) -> bytes:
    """Return what a segment holds from `start` to `end`, nothing when it is gone."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)
    except FileNotFoundError:  # shipped meanwhile
        return b""


def _record_at(path: Path, position: int) -> object:
    """Return the record at a place, None when there is none any more or it is damaged."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError, RecordNewer):
        payload = read_payload(path, position)
        return None if payload is None else decode(payload)
    return None
