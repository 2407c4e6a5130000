"""Whose spool it is, and what becomes of those that dead processes left."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from sentiment_api.prediction_log.spool_folders import SET_ASIDE, is_held
from sentiment_api.prediction_log.takeover import adopt
from tests.protocols import Claim, Payloads

FRAME = 12
"""Bytes that a record costs beside its payload: magic, length and checksum."""

HOLDER = """
import sys, time
from pathlib import Path
from sentiment_api.prediction_log.takeover import claim_spool
spool = claim_spool(Path(sys.argv[1]), 1 << 20)
spool.append(b"from the other process")
print(spool.folder.name, flush=True)
time.sleep(600)
"""


def test_a_living_process_keeps_its_spool_and_a_dead_one_leaves_it(
    claim: Claim, payloads: Payloads, tmp_path: Path, waiting: Callable[..., None]
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


def test_what_several_dead_processes_left_is_taken_over(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
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


def test_a_neighbour_that_cannot_be_taken_over_holds_up_nobody(
    claim: Claim, payloads: Payloads, tmp_path: Path
) -> None:
    """The others are taken over, a new process starts beside it, and the error is told all the same."""
    survivor, dead, broken = claim(tmp_path), claim(tmp_path), claim(tmp_path)
    dead.append(b"of the dead")
    for spool in (dead, broken):
        spool.close()
    (broken.folder / "lock").unlink()
    (broken.folder / "lock").mkdir()
    assert isinstance(adopt(survivor).error, IsADirectoryError)
    survivor.seal()
    assert payloads(survivor) == [b"of the dead"]
    beside = claim(tmp_path)
    assert beside.folder == dead.folder
    beside.close()
    survivor.close()


def test_a_damaged_id_is_given_anew(claim: Claim, tmp_path: Path) -> None:
    """It names the spool in Postgres and holds no record: nothing hangs on it."""
    claim(tmp_path).close()
    (tmp_path / "0" / "id").write_text("damaged")
    spool = claim(tmp_path)
    assert UUID((tmp_path / "0" / "id").read_text()) == spool.spool_id
    spool.close()


def test_a_living_process_takes_over_from_one_that_dies(
    claim: Claim, payloads: Payloads, tmp_path: Path, waiting: Callable[..., None]
) -> None:
    """`adopt` moves the segments and what was set aside of a process that was killed, and leaves the living alone."""
    survivor = claim(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "1\n"
    (tmp_path / "1" / SET_ASIDE).mkdir()
    (tmp_path / "1" / SET_ASIDE / "a.json").write_text("{}")
    assert (adopt(survivor).empty, survivor.adopted_files) == (set(), 0)
    assert is_held(tmp_path / "1")
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    assert not is_held(tmp_path / "1")
    assert adopt(survivor).empty == {UUID((tmp_path / "1" / "id").read_text())}
    assert survivor.adopted_files == 2, "one segment, and one record set aside"
    assert payloads(survivor) == [b"from the other process"]
    assert (survivor.folder / SET_ASIDE / "a.json").read_text() == "{}"
    adopt(survivor)
    assert survivor.adopted_files == 2
    survivor.close()


def test_records_of_a_newer_release_wait_for_the_next_start(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """They are no segment while this process runs, and one again for the next, which may be newer."""
    spool = claim(tmp_path)
    spool.keep_newer([b"newer", b"still newer"])
    assert (spool.newer_records, spool.segments(), spool.size_bytes) == (2, [], 0)
    spool.close()
    upgraded = claim(tmp_path)
    assert (upgraded.newer_records, payloads(upgraded)) == (0, [b"newer", b"still newer"])
    assert upgraded.size_bytes == 2 * FRAME + len(b"newerstill newer")
    upgraded.close()


def test_what_only_waited_is_taken_over_too(claim: Claim, payloads: Payloads, tmp_path: Path) -> None:
    """A dead spool with nothing but newer records says that there were some: they have to be looked at."""
    dead = claim(tmp_path)
    dead.keep_newer([b"newer"])
    alive = claim(tmp_path)
    dead.close()
    for _ in range(2):
        adopt(alive)
        assert (payloads(alive), alive.adopted_files) == ([b"newer"], 1)
    alive.close()


def test_a_spool_keeps_its_id(claim: Claim, tmp_path: Path) -> None:
    """The next process in the same folder has the same one, another folder another."""
    first = claim(tmp_path)
    beside = claim(tmp_path)
    first.close()
    again = claim(tmp_path)
    assert again.spool_id == first.spool_id
    assert beside.spool_id != first.spool_id
    beside.close()
    again.close()
