"""What is shipped together: the oldest segments of a spool, read and decoded."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from sentiment_api.errors import RecordNewer
from sentiment_api.prediction_log.records import Record, decode
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.spool import Spool

MAX_GROUP_RECORDS = 5_000
MAX_GROUP_BYTES = 16 << 20
_log = structlog.get_logger(__name__)


class Group(NamedTuple):
    """Segments that are shipped together, and what was read from them."""

    paths: list[Path]
    records: list[Record]
    undecodable: list[bytes]
    newer: list[bytes]
    damaged_bytes: int


class Groups:
    """The groups of one spool. Its methods read files: they belong on a thread for those."""

    def __init__(self, spool: Spool) -> None:
        """Read nothing yet."""
        self._spool = spool
        self._unreadable: set[Path] = set()

    def oldest(self) -> Group | None:
        """Return the oldest segments, about `MAX_GROUP_RECORDS` records in all; None when there is nothing to ship."""
        group = Group([], [], [], [], 0)
        size = 0
        for path in self._spool.segments():
            try:
                segment, segment_bytes = read_segment(path), path.stat().st_size
            except FileNotFoundError:  # it gave way to newer records
                continue
            except OSError as error:  # those behind it are not to wait
                self._tell_unreadable(path, error)
                continue
            group = group._replace(damaged_bytes=group.damaged_bytes + segment.damaged_bytes)
            group.paths.append(path)
            size += segment_bytes
            _sort_into(group, segment.payloads)
            if len(group.records) >= MAX_GROUP_RECORDS or size >= MAX_GROUP_BYTES:
                break
        return group if group.paths else None

    def _tell_unreadable(self, path: Path, error: OSError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.error("a segment cannot be read; its records are not shipped", file=str(path), error=error.strerror)


def _sort_into(group: Group, payloads: list[bytes]) -> None:
    """Decode what can be decoded, and keep the rest apart."""
    for payload in payloads:
        try:
            group.records.append(decode(payload))
        except RecordNewer:
            group.newer.append(payload)
        except msgspec.DecodeError:
            group.undecodable.append(payload)
