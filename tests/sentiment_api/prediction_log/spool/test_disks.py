"""Disks that are full, or fail: each in a process of its own, whose files the system limits."""

import subprocess
import sys
from pathlib import Path

from sentiment_api.prediction_log.segments import read_segment

WRITER_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.takeover import claim_spool
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool = claim_spool(Path(sys.argv[1]), 1 << 20)
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
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.takeover import claim_spool
asked = 0
sync = os.fdatasync
def counting(descriptor):
    global asked
    asked += 1
    sync(descriptor)
os.fdatasync = counting
spool = claim_spool(Path(sys.argv[1]), 1 << 20, fsync=sys.argv[2])
for number in range(20):
    spool.append(b"%d" % number)
print(asked)
spool.close()
"""

WRITER_ON_A_BAD_DISK = """
import os, sys, threading
from pathlib import Path
from sentiment_api.errors import SpoolFull
from sentiment_api.prediction_log.takeover import claim_spool
entered, second_waits = threading.Event(), threading.Event()
sync = os.fdatasync
def failing(descriptor):
    os.fdatasync = sync
    entered.set()
    second_waits.wait()
    raise OSError(5, "Input/output error")
spool = claim_spool(Path(sys.argv[1]), 1 << 20, fsync="append")
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
from sentiment_api.prediction_log.takeover import claim_spool
spool = claim_spool(Path(sys.argv[1]), 1 << 20, when_full="drop_oldest")
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
from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.takeover import claim_spool
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
spool = claim_spool(Path(sys.argv[1]), 1 << 20, when_full="drop_oldest")
for number in range(5):
    spool.append(b"%d" % number)
    spool.seal()
left = [payload for path in spool.segments() for payload in read_segment(path).payloads]
print(left, spool.dropped_records, "dropped")
"""


def test_a_disk_that_takes_no_more_loses_no_record(tmp_path: Path) -> None:
    """When a record can be written only in part, `append` refuses it and nothing of it remains."""
    limited = subprocess.run(
        [sys.executable, "-c", WRITER_WITH_LITTLE_ROOM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert limited.stdout == "8 written, then SpoolFull twice, 896 bytes\n"
    read = read_segment(next(tmp_path.glob("0/*.seg")))
    assert (read.payloads, read.damaged_bytes) == ([b"x" * 100] * 8, 0)


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
