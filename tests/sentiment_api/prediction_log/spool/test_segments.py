"""What was appended is read back, whatever a crash or a bad disk did to the file."""

import os
import time
from pathlib import Path

from sentiment_api.prediction_log.segments import frame, read_segment
from tests.protocols import Claim, Payloads, WriteOneSegment

FRAME = 12
"""Bytes that a record costs beside its payload: magic, length and checksum."""


def test_what_was_appended_is_read_in_order_and_gone_after_discard(
    claim: Claim, payloads: Payloads, tmp_path: Path
) -> None:
    """Sealed segments give the payloads back, and a discarded segment leaves nothing."""
    spool = claim(tmp_path)
    for record in (b"one", b"", b"three"):
        spool.append(record)
    assert spool.segments() == [], "what is being written is not yet a segment to ship"
    spool.seal()
    assert payloads(spool) == [b"one", b"", b"three"]
    for segment in spool.segments():
        spool.discard(segment)
    assert (spool.segments(), spool.size_bytes, spool.oldest_ms()) == ([], 0, None)
    spool.close()


def test_sealing_an_empty_spool_makes_no_segment(claim: Claim, tmp_path: Path) -> None:
    """Without a record there is nothing to seal."""
    spool = claim(tmp_path)
    spool.seal()
    assert spool.segments() == []
    spool.close()


def test_each_seal_begins_another_segment(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """Records of one millisecond in several segments keep their order."""
    spool = claim(tmp_path)
    for number in range(20):
        spool.append(b"%d" % number)
        spool.seal()
    assert len(spool.segments()) == 20
    assert payloads(spool) == [b"%d" % number for number in range(20)]
    spool.close()


def test_a_torn_tail_costs_the_last_record(write_one_segment: WriteOneSegment, tmp_path: Path) -> None:
    """A record that was cut off in its middle is damage, and those before it are read."""
    segment = write_one_segment(tmp_path, [b"first", b"second", b"third"])
    os.truncate(segment, segment.stat().st_size - 2)
    read = read_segment(segment)
    assert read.payloads == [b"first", b"second"]
    assert read.damaged_bytes == FRAME + len(b"third") - 2


def test_a_damaged_middle_costs_only_what_it_touches(write_one_segment: WriteOneSegment, tmp_path: Path) -> None:
    """A changed byte in one record, be it in its frame or in its payload, loses that record alone."""
    segment = write_one_segment(tmp_path, [b"first", b"second", b"third"])
    whole = segment.read_bytes()
    start = whole.index(b"second") - FRAME
    for position in range(start, start + FRAME + len(b"second")):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        segment.write_bytes(damaged)
        assert read_segment(segment).payloads == [b"first", b"third"], position
        assert read_segment(segment).damaged_bytes == FRAME + len(b"second"), position


def test_a_payload_that_holds_the_magic_is_one_record(write_one_segment: WriteOneSegment, tmp_path: Path) -> None:
    """The mark between records may stand in a review."""
    segment = write_one_segment(tmp_path, [b"SPL1 SPL1", b"SPL1"])
    assert read_segment(segment).payloads == [b"SPL1 SPL1", b"SPL1"]


def test_its_contents_are_numbered_segments(claim: Claim, tmp_path: Path) -> None:
    """Those found, taken in, rewritten and being written have each a number of their own; what is gone has none."""
    left = claim(tmp_path)
    left.append(b"left")
    left.close()
    spool = claim(tmp_path)
    spool.append(b"now")
    found, current = spool.contents().numbers
    assert spool.contents() == ({found: 0, current: 1}, current, FRAME + 3)
    spool.seal()
    assert spool.contents() == ({found: 0, current: 1}, None, 0)
    spool.rewrite(found, [b"less"])
    assert spool.contents().numbers == {found: 2, current: 1}
    spool.discard(current)
    newer = spool.folder / "000000000000001.newer"
    newer.write_bytes(frame(b"newer"))
    assert spool.take_in(newer)
    assert spool.contents().numbers == {found: 2, newer.with_suffix(".seg"): 3}
    spool.close()


def test_the_oldest_segment_tells_the_lag(claim: Claim, tmp_path: Path) -> None:
    """`oldest_ms` is when the oldest segment was begun, within the call."""
    before = time.time_ns() // 1_000_000
    spool = claim(tmp_path)
    spool.append(b"first")
    after = time.time_ns() // 1_000_000
    oldest = spool.oldest_ms()
    assert oldest is not None
    assert before <= oldest <= after
    spool.close()


def test_a_replaced_segment_holds_what_it_was_given(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """Fewer records take its place, or none, and the bytes are counted."""
    spool = claim(tmp_path)
    for record in (b"one", b"two"):
        spool.append(record)
    spool.seal()
    (segment,) = spool.segments()
    spool.rewrite(segment, [b"two"])
    assert (payloads(spool), spool.size_bytes) == ([b"two"], FRAME + 3)
    spool.rewrite(segment, [])
    assert (payloads(spool), spool.size_bytes) == ([], 0)
    spool.close()


def test_what_a_cut_off_replacement_left_is_removed(
    claim: Claim, payloads: Payloads, write_one_segment: WriteOneSegment, tmp_path: Path
) -> None:
    """Half a file beside the whole one holds reviews that nothing else would ever erase."""
    write_one_segment(tmp_path, [b"whole"])
    half = tmp_path / "0" / "000000000000001.fresh"
    half.write_bytes(b"half")
    spool = claim(tmp_path)
    assert not half.exists()
    assert payloads(spool) == [b"whole"]
    spool.close()


def test_a_spool_is_private(claim: Claim, tmp_path: Path) -> None:
    """Only the service's user may enter a spool: it holds reviews."""
    spool = claim(tmp_path / "spool")
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert spool.folder.parent.stat().st_mode & 0o777 == 0o700
    spool.close()
