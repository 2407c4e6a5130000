"""A spool that is full says no, or loses its oldest records, as it was told."""

from pathlib import Path

import pytest

from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.takeover import adopt, claim_spool
from tests.protocols import Claim, Payloads, WriteOneSegment

FRAME = 12
"""Bytes that a record costs beside its payload: magic, length and checksum."""


def test_the_bound_refuses_and_loses_nothing(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """At its bound the spool refuses a record whole, and takes it once there is room."""
    spool = claim(tmp_path, bound=100)
    spool.append(b"x" * (100 - FRAME))
    assert spool.size_bytes == 100
    with pytest.raises(SpoolFull):
        spool.append(b"")
    spool.seal()
    assert payloads(spool) == [b"x" * (100 - FRAME)]
    spool.discard(spool.segments()[0])
    spool.append(b"welcome again")
    assert spool.size_bytes == FRAME + len(b"welcome again")
    spool.close()


def test_bytes_are_counted_across_a_restart(
    claim: Claim, payloads: Payloads, write_one_segment: WriteOneSegment, tmp_path: Path
) -> None:
    """A new process counts what an old one left."""
    write_one_segment(tmp_path, [b"left"])
    spool = claim(tmp_path)
    assert spool.size_bytes == FRAME + len(b"left")
    spool.append(b"new")
    assert spool.size_bytes == 2 * FRAME + len(b"left") + len(b"new")
    spool.seal()
    assert payloads(spool) == [b"left", b"new"]
    spool.close()


def test_a_spool_that_may_drop_loses_its_oldest_records_and_counts_them(payloads: Payloads, tmp_path: Path) -> None:
    """At the bound the oldest segments give way, one after the other, also the one that was being written."""
    spool = claim_spool(tmp_path, 3 * (FRAME + 10), when_full="drop_oldest")
    for number in range(2):
        spool.append(b"%010d" % number)
    spool.seal()
    for number in range(2, 4):
        spool.append(b"%010d" % number)
    assert spool.dropped_records == 2
    spool.append(b"%010d" % 4)
    spool.append(b"%010d" % 5)
    assert spool.dropped_records == 5
    assert spool.size_bytes == FRAME + 10
    spool.seal()
    assert payloads(spool) == [b"%010d" % 5]
    spool.close()


def test_a_record_larger_than_the_bound_is_refused_even_where_others_would_give_way(tmp_path: Path) -> None:
    """Dropping everything would not make room for it."""
    spool = claim_spool(tmp_path, 100, when_full="drop_oldest")
    with pytest.raises(SpoolFull):
        spool.append(b"x" * 100)
    spool.append(b"small")
    assert spool.size_bytes == FRAME + len(b"small")
    spool.close()


def test_a_segment_that_gave_way_while_it_was_shipped_is_no_error(tmp_path: Path) -> None:
    """The shipper may finish with a segment that is not there any more: it does not take the next one for it."""
    spool = claim_spool(tmp_path, FRAME + 10, when_full="drop_oldest", fsync="never")
    for _ in range(200):  # some of them within the same millisecond
        spool.append(b"x" * 10)
        spool.seal()
        (shipped,) = spool.segments()
        spool.append(b"y" * 10)
        spool.discard(shipped)
        assert spool.size_bytes == FRAME + 10
    spool.close()


def test_adoption_heeds_the_bound(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """What does not fit stays where it is until there is room: nobody loses or refuses a record for a neighbour's."""
    survivor = claim(tmp_path, bound=3 * (FRAME + 10))
    dead = claim(tmp_path)
    survivor.append(b"own record")
    for number in range(3):
        dead.append(b"%010d" % number)
        dead.seal()
    dead.close()
    assert (adopt(survivor).empty, survivor.adopted_files) == (set(), 2)
    assert survivor.size_bytes == 3 * (FRAME + 10)
    survivor.seal()
    for segment in survivor.segments():
        survivor.discard(segment)
    assert (adopt(survivor).empty, survivor.adopted_files) == ({dead.spool_id}, 3)
    assert payloads(survivor) == [b"%010d" % 2]
    survivor.close()
