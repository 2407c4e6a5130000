"""The files of a spool, read and damaged without the code that is tried here."""

import random
import struct
import zlib
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

_HEADER = struct.Struct("<4sII")
_MAGIC = b"SPL1"
_Damage = tuple[bytes, int, int]
"""The damaged content, and from where to where the old content was touched."""


class Frame(NamedTuple):
    """One record in a segment."""

    start: int
    end: int
    kind: str
    """`prediction` or `feedback`."""
    prediction_id: UUID


class Touched(NamedTuple):
    """What damage to a segment may cost."""

    frames: list[Frame]
    damaged_bytes: int
    """Bytes of the file that belong to no whole record any more."""


class _Subject(msgspec.Struct):
    type: str
    prediction_id: UUID


def segments(root: Path) -> list[Path]:
    """Return the segments of all spools under `root`, oldest first."""
    return sorted(root.glob("*/*.seg"), key=lambda path: path.name)


def framed(payload: bytes) -> bytes:
    """Return the payload as it lies in a segment."""
    return _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def frames(content: bytes) -> list[Frame]:
    """Return the records of an undamaged segment, in order."""
    found = []
    position = 0
    while position < len(content):
        _, length, _ = _HEADER.unpack_from(content, position)
        start, position = position, position + _HEADER.size + length
        subject = msgspec.msgpack.decode(content[start + _HEADER.size : position], type=_Subject)
        found.append(Frame(start, position, subject.type, subject.prediction_id))
    return found


def damage(segment: Path, chosen: random.Random) -> Touched:
    """Do one of several kinds of harm to a segment's bytes; return what it touched."""
    content = segment.read_bytes()
    ways = (_cut_off, _overwritten, _zeroed, _one_bit, _hole, _inserted)
    damaged, start, end = chosen.choice(ways)(content, chosen)
    segment.write_bytes(damaged)
    whole = frames(content)
    touched = [frame for frame in whole if frame.start < end and start < frame.end]
    left = sum(frame.end - frame.start for frame in whole) - sum(frame.end - frame.start for frame in touched)
    return Touched(touched, len(damaged) - left)


def _cut_off(content: bytes, chosen: random.Random) -> _Damage:
    """As after a power cut: the tail is not there."""
    start = chosen.randrange(len(content))
    return content[:start], start, len(content)


def _overwritten(content: bytes, chosen: random.Random) -> _Damage:
    start = chosen.randrange(len(content))
    end = min(len(content), start + chosen.randint(8, 3000))
    return content[:start] + chosen.randbytes(end - start) + content[end:], start, end


def _zeroed(content: bytes, chosen: random.Random) -> _Damage:
    """As after a power cut: a block was never written."""
    start = chosen.randrange(len(content)) // 512 * 512
    end = min(len(content), start + 512)
    return content[:start] + bytes(end - start) + content[end:], start, end


def _one_bit(content: bytes, chosen: random.Random) -> _Damage:
    start = chosen.randrange(len(content))
    flipped = content[start] ^ (1 << chosen.randrange(8))
    return content[:start] + bytes([flipped]) + content[start + 1 :], start, start + 1


def _hole(content: bytes, chosen: random.Random) -> _Damage:
    """Bytes are gone, and what comes after them has moved."""
    start = chosen.randrange(len(content))
    end = min(len(content), start + chosen.randint(1, 500))
    return content[:start] + content[end:], start, end


def _inserted(content: bytes, chosen: random.Random) -> _Damage:
    """Bytes too many, in the middle of a record; the magic among them."""
    frame = chosen.choice(frames(content))
    at = (frame.start + frame.end) // 2
    return content[:at] + chosen.randbytes(100) + _MAGIC + chosen.randbytes(100) + content[at:], at, at + 1
