"""Segments: files of records that are framed, so that damage costs those that it touches and no other.

A frame is

    magic (4 bytes)  length (4)  CRC-32 of the payload (4)  payload
"""

import struct
import zlib
from collections.abc import Iterator
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

    Raises:
        FileNotFoundError: the segment is gone.
    """
    data = path.read_bytes()
    payloads = [payload for _, payload in frames_in(data)]
    return Segment(payloads, len(data) - sum(_HEADER.size + len(payload) for payload in payloads))


def frames_in(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the payloads in a segment's bytes, each with the place of its frame, in bytes from the start.

    After damage the reading goes on at the next magic whose record has the right checksum.
    """
    position = 0
    while (position := data.find(_MAGIC, position)) != -1:
        payload = _payload_at(data, position)
        if payload is None:
            position += 1
            continue
        yield position, payload
        position += _HEADER.size + len(payload)


def read_payload(path: Path, position: int) -> bytes | None:
    """Return the payload whose frame begins at that place of a segment, None where there is none or it is damaged.

    Raises:
        FileNotFoundError: the segment is gone.
    """
    with path.open("rb") as file:
        file.seek(position)
        header = file.read(_HEADER.size)
        if not header.startswith(_MAGIC) or len(header) < _HEADER.size:
            return None
        _, length, _ = _HEADER.unpack(header)
        return _payload_at(header + file.read(length), 0)


def _payload_at(data: bytes, position: int) -> bytes | None:
    start = position + _HEADER.size
    if start > len(data):
        return None
    _, length, checksum = _HEADER.unpack_from(data, position)
    payload = data[start : start + length]
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None
