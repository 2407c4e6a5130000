"""The spool keeps what was appended, through kills, damage and full disks, and says no when it is full."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.spool import Spool, read_segment

BOUND = 1 << 20
FRAME = 12
"""Bytes that a record costs beside its payload: magic, length and checksum."""

HOLDER = """
import sys, time
from pathlib import Path
from sentiment_api.prediction_log.spool import Spool
spool = Spool.claim(Path(sys.argv[1]), 1 << 20)
spool.append(b"from the other process")
print(spool.folder.name, flush=True)
time.sleep(600)
"""

WRITER_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool = Spool.claim(Path(sys.argv[1]), 1 << 20)
written = refused = 0
while refused < 2:
    try:
        spool.append(b"x" * 100)
        written += 1
    except SpoolFull:
        refused += 1
print(f"{written} written, then SpoolFull twice, {spool.size_bytes} bytes")
spool.close()
"""


def claim(root: Path, bound: int = BOUND) -> Spool:
    """Return the first free spool under `root`."""
    return Spool.claim(root, bound)


def payloads(spool: Spool) -> list[bytes]:
    """Return all sealed payloads, oldest first."""
    return [payload for segment in spool.segments() for payload in read_segment(segment).payloads]


def write_one_segment(root: Path, records: list[bytes]) -> Path:
    """Return the segment of a spool that was closed after these records."""
    spool = claim(root)
    for record in records:
        spool.append(record)
    spool.close()
    return next(root.glob("0/*.seg"))


def test_what_was_appended_is_read_in_order_and_gone_after_discard(tmp_path: Path) -> None:
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


def test_sealing_an_empty_spool_makes_no_segment(tmp_path: Path) -> None:
    """Without a record there is nothing to seal."""
    spool = claim(tmp_path)
    spool.seal()
    assert spool.segments() == []
    spool.close()


def test_each_seal_begins_another_segment(tmp_path: Path) -> None:
    """Records of one millisecond in several segments keep their order."""
    spool = claim(tmp_path)
    for number in range(20):
        spool.append(b"%d" % number)
        spool.seal()
    assert len(spool.segments()) == 20
    assert payloads(spool) == [b"%d" % number for number in range(20)]
    spool.close()


def test_a_torn_tail_costs_the_last_record(tmp_path: Path) -> None:
    """A record that was cut off in its middle is damage, and those before it are read."""
    segment = write_one_segment(tmp_path, [b"first", b"second", b"third"])
    os.truncate(segment, segment.stat().st_size - 2)
    read = read_segment(segment)
    assert read.payloads == [b"first", b"second"]
    assert read.damaged_bytes == FRAME + len(b"third") - 2


def test_a_damaged_middle_costs_only_what_it_touches(tmp_path: Path) -> None:
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


def test_a_payload_that_holds_the_magic_is_one_record(tmp_path: Path) -> None:
    """The mark between records may stand in a review."""
    segment = write_one_segment(tmp_path, [b"SPL1 SPL1", b"SPL1"])
    assert read_segment(segment).payloads == [b"SPL1 SPL1", b"SPL1"]


def test_the_bound_refuses_and_loses_nothing(tmp_path: Path) -> None:
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


def test_a_disk_that_takes_no_more_loses_no_record(tmp_path: Path) -> None:
    """When a record can be written only in part, `append` refuses it and nothing of it remains."""
    limited = subprocess.run(
        [sys.executable, "-c", WRITER_WITH_LITTLE_ROOM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert limited.stdout == "8 written, then SpoolFull twice, 896 bytes\n"
    read = read_segment(next(tmp_path.glob("0/*.seg")))
    assert (read.payloads, read.damaged_bytes) == ([b"x" * 100] * 8, 0)


def test_bytes_are_counted_across_a_restart(tmp_path: Path) -> None:
    """A new process counts what an old one left."""
    write_one_segment(tmp_path, [b"left"])
    spool = claim(tmp_path)
    assert spool.size_bytes == FRAME + len(b"left")
    spool.append(b"new")
    assert spool.size_bytes == 2 * FRAME + len(b"left") + len(b"new")
    spool.seal()
    assert payloads(spool) == [b"left", b"new"]
    spool.close()


def test_a_living_process_keeps_its_spool_and_a_dead_one_leaves_it(
    tmp_path: Path, waiting: Callable[..., None]
) -> None:
    """While another process lives its spool is passed over; after kill -9 it is taken with all that is in it."""
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "0\n"
    beside = claim(tmp_path)
    assert beside.folder.name == "1"
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    adopted = claim(tmp_path)
    assert adopted.folder.name == "0"
    assert payloads(adopted) == [b"from the other process"]
    beside.close()
    adopted.close()


def test_what_several_dead_processes_left_is_taken_over(tmp_path: Path) -> None:
    """One process that starts after two have died finds the records of both in its own spool, counted."""
    left = [claim(tmp_path), claim(tmp_path)]
    for number, spool in enumerate(left):
        spool.append(b"left by %d" % number)
    for spool in left:
        spool.close()
    survivor = claim(tmp_path)
    assert sorted(payloads(survivor)) == [b"left by 0", b"left by 1"]
    assert survivor.size_bytes == sum(path.stat().st_size for path in survivor.segments())
    assert list((tmp_path / "1").glob("*.seg")) == []
    survivor.close()


def test_a_spool_is_private(tmp_path: Path) -> None:
    """Only the service's user may enter a spool: it holds reviews."""
    spool = claim(tmp_path / "spool")
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert spool.folder.parent.stat().st_mode & 0o777 == 0o700
    spool.close()


def test_since_gives_what_was_appended_from_a_time_on(tmp_path: Path) -> None:
    """Those segments come that can hold the time or follow it, oldest first, and no much older ones."""
    now = time.time_ns() // 1_000_000
    spool = claim(tmp_path)
    for hours in (3, 2, 1):
        spool.append(b"%d hours ago" % hours)
        spool.seal()
        newest = spool.segments()[-1]
        newest.rename(newest.with_name(f"{now - hours * 3_600_000:015d}.seg"))
    spool.append(b"now")
    assert list(spool.since(now + 1000)) == [b"1 hours ago", b"now"]
    assert list(spool.since(now - 3_600_000 + 1)) == [b"2 hours ago", b"1 hours ago", b"now"]
    assert list(spool.since(0)) == [b"3 hours ago", b"2 hours ago", b"1 hours ago", b"now"]
    spool.close()


def test_the_oldest_segment_tells_the_lag(tmp_path: Path) -> None:
    """`oldest_ms` is when the oldest segment was begun, within the call."""
    before = time.time_ns() // 1_000_000
    spool = claim(tmp_path)
    spool.append(b"first")
    after = time.time_ns() // 1_000_000
    oldest = spool.oldest_ms()
    assert oldest is not None
    assert before <= oldest <= after
    spool.close()
