"""Segments: files of records that are framed, so that damage costs those that it touches and no other.

A frame is

    magic (4 bytes)  length (4)  CRC-32 of the payload (4)  payload
"""

import struct
import zlib
from pathlib import Path

_MAGIC = b"SPL1"
_HEADER = struct.Struct("<4sII")


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
