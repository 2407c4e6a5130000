"""Compressed request bodies: gzip and deflate (RFC 9110, 8.4.1), unpacked piece by piece as they arrive.

A body that unpacks to more than its route takes costs no more than that limit: what is beyond is never unpacked.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from sentiment_api.errors import BodyDamaged, EncodingUnsupported

ACCEPTED: Final = ("gzip", "deflate")
_PIECE_BYTES: Final = 64 << 10
_FREE_BYTES: Final = 64 << 10
_MAX_RATIO: Final = 250
"""Beyond the first bytes. Reviews as JSON shrink to a fifth, repeated ones to a hundredth, zeros to a thousandth."""
_GZIP_MAGIC: Final = b"\x1f"  # its first byte: the second may come later
_MAX_MEMBERS: Final = 64
"""Programs that pack in parallel make one of each 128 KiB. Empty ones cost time, and no bytes."""
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class Decoder(Protocol):
    """Turns the bytes of a body as they were sent into those that were meant."""

    def decode(self, sent: bytes) -> Iterator[bytes]:
        """Yield what these bytes hold, in pieces of bounded size.

        Raises:
            BodyDamaged: they are not what the header says.
        """
        ...

    def finish(self) -> None:
        """Check that the body is whole.

        Raises:
            BodyDamaged: it ends too early.
        """
        ...


def decoder_of(headers: Iterable[tuple[bytes, bytes]]) -> Decoder:
    """Return the decoder for a request's `Content-Encoding`.

    Raises:
        EncodingUnsupported: it is neither gzip nor deflate, or there are several.
    """
    given = b",".join(value for name, value in headers if name == b"content-encoding").decode("latin-1").lower()
    codings = [coding for coding in (each.strip() for each in given.split(",")) if coding not in ("", "identity")]
    match codings:
        case []:
            return _Identity()
        case ["gzip" | "x-gzip"]:
            return _Inflater("gzip")
        case ["deflate"]:
            return _Inflater("deflate")
    found = "several codings" if len(codings) > 1 else "another one"
    raise EncodingUnsupported(
        f"Expected a body without Content-Encoding, or with one of {', '.join(ACCEPTED)}; found {found}.",
        headers={"Accept-Encoding": ", ".join(ACCEPTED)},
    )


class _Identity:
    """Bytes that were not compressed."""

    def decode(self, sent: bytes) -> Iterator[bytes]:
        yield sent

    def finish(self) -> None:
        """Whole, as HTTP has said where the body ends."""


class _Inflater:
    """Unpacks gzip members, or one zlib stream; `deflate` also without zlib's frame, as some clients send it."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate: zlib._Decompress | None = None
        self._taken = self._given = 0
        self._members = 0

    def decode(self, sent: bytes) -> Iterator[bytes]:
        self._taken += len(sent)
        more = bool(sent)
        while more:
            inflate = self._inflate
            if inflate is None or (inflate.eof and self._coding == "gzip" and sent.startswith(_GZIP_MAGIC)):
                inflate = self._begin(sent)
            piece = self._unpack(inflate, sent)
            self._given += len(piece)
            if self._given > _FREE_BYTES + _MAX_RATIO * self._taken:
                raise BodyDamaged(f"The body unpacks to more than {_MAX_RATIO} times its size.")
            sent = inflate.unconsumed_tail or inflate.unused_data
            # A full piece may leave output within zlib, without any input.
            more = bool(sent) or (len(piece) == _PIECE_BYTES and not inflate.eof)
            if piece:
                yield piece

    def finish(self) -> None:
        if self._taken and not (self._inflate and self._inflate.eof):
            raise BodyDamaged(f"The body ends before its {self._coding} data does.")

    def _begin(self, sent: bytes) -> "zlib._Decompress":
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise BodyDamaged(f"The body has more than {_MAX_MEMBERS} gzip members.")
        bits = _GZIP_WINDOW if self._coding == "gzip" else zlib.MAX_WBITS
        if self._coding == "deflate" and not _has_zlib_header(sent):
            bits = -bits
        self._inflate = zlib.decompressobj(bits)
        return self._inflate

    def _unpack(self, inflate: "zlib._Decompress", sent: bytes) -> bytes:
        if inflate.eof:
            raise BodyDamaged(f"There are bytes after the end of the body's {self._coding} data.")
        try:
            return inflate.decompress(sent, _PIECE_BYTES)
        except zlib.error:
            raise BodyDamaged(f"The body is not {self._coding} data, as its Content-Encoding says.") from None


def _has_zlib_header(sent: bytes) -> bool:
    """Return whether a stream begins as RFC 1950 says: method 8, and two bytes that 31 divides."""
    return sent[0] & 0x0F == zlib.DEFLATED and (len(sent) == 1 or (sent[0] << 8 | sent[1]) % 31 == 0)
