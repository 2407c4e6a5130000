"""Compressed bodies, however they are cut, and what one that grows without end costs."""

import contextlib
import gzip
import itertools
import zlib
from collections.abc import Callable

import pytest

from sentiment_api.errors import BodyDamaged
from sentiment_api.http.content_codings import decoder_of

CODINGS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"deflate": zlib.compress}
PIECE = 64 << 10


def unpacked(coding: bytes, pieces: list[bytes]) -> bytes:
    """Return what a body holds that comes in these pieces."""
    decoder = decoder_of([(b"content-encoding", coding)])
    found = b"".join(itertools.chain.from_iterable(map(decoder.decode, pieces)))
    decoder.finish()
    return found


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("cut", [1, 2, 7, 4096])
def test_it_does_not_matter_where_a_body_is_cut(coding: bytes, cut: int) -> None:
    """Bytes come as the network has them, also one by one and empty."""
    body = bytes(number * number % 251 for number in range(3000)) + b"{}" * 20_000
    packed = CODINGS[coding](body)
    pieces = [packed[start : start + cut] for start in range(0, len(packed), cut)]
    assert unpacked(coding, [b"", *pieces, b""]) == body


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE])
def test_nothing_is_left_at_the_edge_of_a_piece(size: int) -> None:
    """A body that fills its last piece is whole."""
    body = bytes(number * number % 251 for number in range(size))
    assert unpacked(b"gzip", [gzip.compress(body)]) == body


def test_a_bomb_is_unpacked_in_small_pieces_until_it_is_refused() -> None:
    """A gigabyte of nothing costs no more than what was unpacked until its ratio is seen."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    pieces = decoder_of([(b"content-encoding", b"gzip")]).decode(bomb)
    taken = 0
    with contextlib.suppress(BodyDamaged):
        while True:
            piece = next(pieces)
            assert len(piece) <= PIECE
            taken += len(piece)
    assert taken <= PIECE + 250 * len(bomb)


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
def test_members_of_gzip_are_one_body(cut: int) -> None:
    """As RFC 1952 has it: programs that pack in parallel write several."""
    packed = b"".join(gzip.compress(part) for part in (b'{"text": ', b"", b'"Lovely."}'))
    assert unpacked(b"gzip", [packed[start : start + cut] for start in range(0, len(packed), cut)]) == (
        b'{"text": "Lovely."}'
    )


@pytest.mark.parametrize(
    "end",
    [b"more", b"\x1fmore", gzip.compress(b"{}")[:-1], gzip.compress(b"") * 64],
    ids=["other bytes", "the first byte alone", "half a member", "members without end"],
)
def test_what_follows_a_member_is_one(end: bytes) -> None:
    """Other bytes, half a member, or members without end are refused."""
    with pytest.raises(BodyDamaged):
        unpacked(b"gzip", [gzip.compress(b"{}") + end])
