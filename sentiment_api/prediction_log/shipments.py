"""Shipments: the oldest segments of a spool, read and decoded, that go to Postgres in one transaction."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from sentiment_api.errors import RecordNewer
from sentiment_api.prediction_log.records import Record, decode
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.spool import Spool

MAX_RECORDS = 5_000
MAX_BYTES = 16 << 20
_log = structlog.get_logger(__name__)


class Shipment(NamedTuple):
    """Segments that are shipped together, and what was read from them."""

    paths: list[Path]
    records: list[Record]
    undecodable: list[bytes]
    newer: list[bytes]
    damaged_bytes: int


class ShipmentReader:
    """Reads the shipments of one spool. Its methods read files: they belong on a thread for those."""

    def __init__(self, spool: Spool) -> None:
        """Read nothing yet."""
        self._spool = spool
        self._unreadable: set[Path] = set()

    def next(self) -> Shipment | None:
        """Return the oldest segments, about `MAX_RECORDS` records in all; None when there is nothing to ship."""
        shipment = Shipment([], [], [], [], 0)
        size = 0
        for path in self._spool.segments():
            try:
                segment, segment_bytes = read_segment(path), path.stat().st_size
            except FileNotFoundError:  # it gave way to newer records
                continue
            except OSError as error:  # those behind it are not to wait
                self._report_unreadable(path, error)
                continue
            shipment = shipment._replace(damaged_bytes=shipment.damaged_bytes + segment.damaged_bytes)
            shipment.paths.append(path)
            size += segment_bytes
            _sort_into(shipment, segment.payloads)
            if len(shipment.records) >= MAX_RECORDS or size >= MAX_BYTES:
                break
        return shipment if shipment.paths else None

    def _report_unreadable(self, path: Path, error: OSError) -> None:
        if path not in self._unreadable:
            self._unreadable.add(path)
            _log.error("a segment cannot be read; its records are not shipped", file=str(path), error=error.strerror)


def _sort_into(shipment: Shipment, payloads: list[bytes]) -> None:
    """Decode what can be decoded, and keep the rest apart."""
    for payload in payloads:
        try:
            shipment.records.append(decode(payload))
        except RecordNewer:
            shipment.newer.append(payload)
        except msgspec.DecodeError:
            shipment.undecodable.append(payload)
