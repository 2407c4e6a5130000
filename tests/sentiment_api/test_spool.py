"""The spool keeps what was appended, through kills, damage and full disks, and says no when it is full."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.segments import frame, read_segment
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.spool_folders import SET_ASIDE, is_held

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

SYNCING_WRITER = """
import os, sys
from pathlib import Path
from sentiment_api.prediction_log import spool as module
asked = 0
sync = os.fdatasync
def counting(descriptor):
    global asked
    asked += 1
    sync(descriptor)
os.fdatasync = counting
spool = module.Spool.claim(Path(sys.argv[1]), 1 << 20, fsync=sys.argv[2])
for number in range(20):
    spool.append(b"%d" % number)
print(asked)
spool.close()
"""

WRITER_ON_A_BAD_DISK = """
import os, sys, threading
from pathlib import Path
from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.spool import Spool
entered, second_waits = threading.Event(), threading.Event()
sync = os.fdatasync
def failing(descriptor):
    os.fdatasync = sync
    entered.set()
    second_waits.wait()
    raise OSError(5, "Input/output error")
spool = Spool.claim(Path(sys.argv[1]), 1 << 20, fsync="append")
outcomes = []
def append():
    try:
        spool.append(b"record")
        outcomes.append("safe")
    except SpoolFull:
        outcomes.append("refused")
os.fdatasync = failing
threads = [threading.Thread(target=append) for _ in range(2)]
threads[0].start()
entered.wait()
threads[1].start()
while spool.appended_records < 2:
    pass
second_waits.set()
for thread in threads:
    thread.join()
append()
print(outcomes[:2], "then", outcomes[2])
spool.close()
"""

DROPPING_WRITER = """
import resource, sys
from pathlib import Path
from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.spool import Spool
spool = Spool.claim(Path(sys.argv[1]), 1 << 20, when_full="drop_oldest")
resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
written = refused = 0
while refused < 2:
    try:
        spool.append(b"x" * 100)
        written += 1
    except SpoolFull:
        refused += 1
print(f"{written} written, then SpoolFull twice, {spool.dropped_records} dropped")
"""
WRITER_ON_A_FULL_DISK = """
import errno, io, sys
from pathlib import Path
from sentiment_api.prediction_log import spool as module
class Disk(io.FileIO):
    def write(self, data):
        used = sum(path.stat().st_size for path in Path(sys.argv[1]).rglob("*.seg"))
        if used + len(data) > 3 * 13:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)
open_path = Path.open
def opened(self, mode="r", *rest, **options):
    return Disk(str(self), mode) if mode == "xb" else open_path(self, mode, *rest, **options)
Path.open = opened
spool = module.Spool.claim(Path(sys.argv[1]), 1 << 20, when_full="drop_oldest")
for number in range(5):
    spool.append(b"%d" % number)
    spool.seal()
left = [payload for path in spool.segments() for payload in module.read_segment(path).payloads]
print(left, spool.dropped_records, "dropped")
"""
WHOLE_WRITER = """
import resource, sys
from pathlib import Path
from sentiment_api.prediction_log.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]) / "whole.seg", b"x" * 2000)
except OSError:
    print("refused", list(Path(sys.argv[1]).iterdir()))
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
    """Those segments come that were written to since then, whenever and by whomever they were begun, oldest first."""
    now_s = time.time()
    spool = claim(tmp_path)
    for hours in (3, 2, 1):
        spool.append(b"%d hours ago" % hours)
        spool.seal()
        os.utime(spool.segments()[-1], (now_s - hours * 3600,) * 2)
    spool.append(b"now")
    begun_long_ago = spool.segments()[0].with_name("000000000000001.seg")
    begun_long_ago.write_bytes(frame(b"of another process"))
    assert list(spool.since(round(1000 * now_s))) == [b"of another process", b"now"]
    assert list(spool.since(round(1000 * (now_s - 2 * 3600)))) == [
        *(b"of another process", b"2 hours ago", b"1 hours ago", b"now")
    ]
    spool.close()


def test_a_neighbour_that_cannot_be_taken_over_holds_up_nobody(tmp_path: Path) -> None:
    """The others are taken over, a new process starts beside it, and the error is raised all the same."""
    survivor, dead, broken = claim(tmp_path), claim(tmp_path), claim(tmp_path)
    dead.append(b"of the dead")
    for spool in (dead, broken):
        spool.close()
    (broken.folder / "lock").unlink()
    (broken.folder / "lock").mkdir()
    with pytest.raises(IsADirectoryError):
        survivor.adopt()
    survivor.seal()
    assert payloads(survivor) == [b"of the dead"]
    beside = claim(tmp_path)
    assert beside.folder == dead.folder
    beside.close()
    survivor.close()


def test_a_damaged_id_is_given_anew(tmp_path: Path) -> None:
    """It names the spool in Postgres and holds no record: nothing hangs on it."""
    claim(tmp_path).close()
    (tmp_path / "0" / "id").write_text("damaged")
    spool = claim(tmp_path)
    assert UUID((tmp_path / "0" / "id").read_text()) == spool.spool_id
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


def test_a_spool_that_may_drop_loses_its_oldest_records_and_counts_them(tmp_path: Path) -> None:
    """At the bound the oldest segments give way, one after the other, also the one that was being written."""
    spool = Spool.claim(tmp_path, 3 * (FRAME + 10), when_full="drop_oldest")
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
    spool = Spool.claim(tmp_path, 100, when_full="drop_oldest")
    with pytest.raises(SpoolFull):
        spool.append(b"x" * 100)
    spool.append(b"small")
    assert spool.size_bytes == FRAME + len(b"small")
    spool.close()


def test_a_segment_that_gave_way_while_it_was_shipped_is_no_error(tmp_path: Path) -> None:
    """The shipper may finish with a segment that is not there any more."""
    spool = Spool.claim(tmp_path, FRAME + 10, when_full="drop_oldest")
    spool.append(b"x" * 10)
    spool.seal()
    (shipped,) = spool.segments()
    spool.append(b"y" * 10)
    spool.discard(shipped)
    assert spool.size_bytes == FRAME + 10
    spool.close()


def test_with_a_sync_for_each_append_all_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    """The system is asked for it, by one thread for all that wait; with `never` it is not asked at all."""
    asked = {mode: _syncs(tmp_path / mode, mode) for mode in ("append", "interval", "never")}
    assert asked["append"] >= 20
    assert asked["interval"] == 0
    assert asked["never"] == 0


def _syncs(root: Path, mode: str) -> int:
    """Return how often a process asked the system to sync while it appended 20 records."""
    traced = subprocess.run(
        [sys.executable, "-c", SYNCING_WRITER, str(root), mode], capture_output=True, text=True, check=True
    )
    return int(traced.stdout)


def test_a_sync_that_fails_refuses_all_records_that_it_was_for(tmp_path: Path) -> None:
    """No thread is told that its record is safe because another's sync has used up the error; later records are."""
    failing = subprocess.run(
        [sys.executable, "-c", WRITER_ON_A_BAD_DISK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert failing.stdout == "['refused', 'refused'] then safe\n"


def test_where_nothing_can_give_way_the_record_is_refused(tmp_path: Path) -> None:
    """A disk that takes no record at all ends in a refusal, not in trying for ever."""
    command = [sys.executable, "-c", DROPPING_WRITER, str(tmp_path)]
    limited = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert limited.stdout == "0 written, then SpoolFull twice, 0 dropped\n"


def test_a_full_disk_drops_the_oldest_and_takes_the_newest(tmp_path: Path) -> None:
    """Where the disk is full before the bound is reached, segments give way all the same, and only as far as needed."""
    command = [sys.executable, "-c", WRITER_ON_A_FULL_DISK, str(tmp_path)]
    full = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert full.stdout == "[b'2', b'3', b'4'] 2 dropped\n"


def test_adoption_heeds_the_bound(tmp_path: Path) -> None:
    """What does not fit stays where it is until there is room: nobody loses or refuses a record for a neighbour's."""
    survivor = claim(tmp_path, bound=3 * (FRAME + 10))
    dead = claim(tmp_path)
    survivor.append(b"own record")
    for number in range(3):
        dead.append(b"%010d" % number)
        dead.seal()
    dead.close()
    assert survivor.adopt()
    assert (survivor.size_bytes, survivor.emptied) == (3 * (FRAME + 10), set())
    survivor.seal()
    for segment in survivor.segments():
        survivor.discard(segment)
    assert survivor.adopt()
    assert (payloads(survivor), survivor.emptied) == ([b"%010d" % 2], {dead.spool_id})
    survivor.close()


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half of it would be a review that nothing counts and nothing erases."""
    command = [sys.executable, "-c", WHOLE_WRITER, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "refused []\n"


def test_a_living_process_takes_over_from_one_that_dies(tmp_path: Path, waiting: Callable[..., None]) -> None:
    """`adopt` moves the segments and what was set aside of a process that was killed, and leaves the living alone."""
    survivor = claim(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "1\n"
    (tmp_path / "1" / SET_ASIDE).mkdir()
    (tmp_path / "1" / SET_ASIDE / "a.json").write_text("{}")
    assert not survivor.adopt()
    assert survivor.emptied == set()
    assert is_held(tmp_path / "1")
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    assert not is_held(tmp_path / "1")
    assert survivor.adopt()
    assert survivor.emptied == {UUID((tmp_path / "1" / "id").read_text())}
    assert payloads(survivor) == [b"from the other process"]
    assert (survivor.folder / SET_ASIDE / "a.json").read_text() == "{}"
    assert not survivor.adopt()
    survivor.close()


def test_records_of_a_newer_release_wait_for_the_next_start(tmp_path: Path) -> None:
    """They are no segment while this process runs, and one again for the next, which may be newer."""
    spool = claim(tmp_path)
    spool.keep_newer([b"newer", b"still newer"])
    assert (spool.newer_records, spool.segments(), spool.size_bytes) == (2, [], 0)
    spool.close()
    upgraded = claim(tmp_path)
    assert (upgraded.newer_records, payloads(upgraded)) == (0, [b"newer", b"still newer"])
    assert upgraded.size_bytes == 2 * FRAME + len(b"newerstill newer")
    upgraded.close()


def test_what_only_waited_is_taken_over_too(tmp_path: Path) -> None:
    """A dead spool with nothing but newer records says that there were some: they have to be looked at."""
    dead = claim(tmp_path)
    dead.keep_newer([b"newer"])
    alive = claim(tmp_path)
    dead.close()
    assert alive.adopt()
    assert payloads(alive) == [b"newer"]
    assert not alive.adopt()
    alive.close()


def test_a_replaced_segment_holds_what_it_was_given(tmp_path: Path) -> None:
    """Fewer records take its place, or none, and the bytes are counted."""
    spool = claim(tmp_path)
    for record in (b"one", b"two"):
        spool.append(record)
    spool.seal()
    (segment,) = spool.segments()
    spool.replace(segment, [b"two"])
    assert (payloads(spool), spool.size_bytes) == ([b"two"], FRAME + 3)
    spool.replace(segment, [])
    assert (payloads(spool), spool.size_bytes) == ([], 0)
    spool.close()


def test_what_a_cut_off_replacement_left_is_removed(tmp_path: Path) -> None:
    """Half a file beside the whole one holds reviews that nothing else would ever erase."""
    write_one_segment(tmp_path, [b"whole"])
    half = tmp_path / "0" / "000000000000001.fresh"
    half.write_bytes(b"half")
    spool = claim(tmp_path)
    assert not half.exists()
    assert payloads(spool) == [b"whole"]
    spool.close()


def test_a_spool_keeps_its_id(tmp_path: Path) -> None:
    """The next process in the same folder has the same one, another folder another."""
    first = claim(tmp_path)
    beside = claim(tmp_path)
    first.close()
    again = claim(tmp_path)
    assert again.spool_id == first.spool_id
    assert beside.spool_id != first.spool_id
    beside.close()
    again.close()
