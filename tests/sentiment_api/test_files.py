"""Files are written whole and to the disk, and a folder's lock is waited for no longer than it may be."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentiment_api.files import folder_lock, publish_once, remove_unfinished, whole_file, write_whole

WRITER_WITH_LITTLE_ROOM = """
import resource, sys
from pathlib import Path
from sentiment_api.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]) / "whole", b"x" * 2000)
except OSError:
    print("refused", list(Path(sys.argv[1]).iterdir()))
"""

SYNCING_WRITER = """
import os, sys
from pathlib import Path
from sentiment_api.files import write_whole
sync = os.fsync
def told(descriptor):
    path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    names = ", ".join(each.name for each in path.iterdir()) if path.is_dir() else ""
    print(f"folder with {names}" if path.is_dir() else f"file of {path.stat().st_size} bytes")
    sync(descriptor)
os.fsync = told
write_whole(Path(sys.argv[1]) / "whole", b"content")
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A folder whose lock somebody holds."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield tmp_path
    os.close(descriptor)


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half of it would be a review that nothing counts and nothing erases."""
    command = [sys.executable, "-c", WRITER_WITH_LITTLE_ROOM, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "refused []\n"


def test_a_writer_that_gives_up_leaves_what_was_there(tmp_path: Path) -> None:
    """Until its block has ended the file is what it was before, and afterwards too when the block has raised."""
    path = tmp_path / "whole"
    path.write_bytes(b"before")

    def give_up() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            file.flush()
            assert path.read_bytes() == b"before"
            raise KeyError

    with pytest.raises(KeyError):
        give_up()
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])


def test_a_file_has_its_name_when_it_is_on_the_disk(tmp_path: Path) -> None:
    """A power cut leaves the old file or the new one: the bytes are synced before the name, and then the name is."""
    command = [sys.executable, "-c", SYNCING_WRITER, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told == "file of 7 bytes\nfolder with whole\n"


def test_a_secret_is_never_open_to_others(tmp_path: Path) -> None:
    """The file has its rights from the start, not only once it is whole."""
    with whole_file(tmp_path / "secret", mode=0o600) as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_the_last_of_two_writers_wins_or_the_first_if_so_asked(tmp_path: Path) -> None:
    """Both write at once, to files of their own."""
    path = tmp_path / "whole"
    with whole_file(path) as first:
        first.write(b"first")
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    write_whole(path, b"third", publish=publish_once)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"first", [path])


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    """Of one file, or of all in a folder; what is whole stays."""
    (tmp_path / "whole").write_bytes(b"whole")
    (tmp_path / "000000000000001.fresh").write_bytes(b"left by release 0.2")
    for name in ("whole", "other"):
        with whole_file(tmp_path / name) as file:
            (unfinished,) = tmp_path.glob(f".{name}.*")
            file.write(b"half")
            file.flush()
            kept = unfinished.with_name(f"{unfinished.stem}0.fresh")
            kept.hardlink_to(unfinished)
    assert len(list(tmp_path.glob("*.fresh"))) == 3
    remove_unfinished(tmp_path, "other")
    assert [path.name.split(".")[1] for path in sorted(tmp_path.glob("*.fresh"))] == ["whole", "fresh"]
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "whole"]


def test_a_name_that_begins_another_leaves_its_unfinished_files_alone(tmp_path: Path) -> None:
    """Cleaning up for `fb.jsonl` does not remove what is being written to `fb.jsonl.gz`."""
    with whole_file(tmp_path / "fb.jsonl.gz") as file:
        remove_unfinished(tmp_path, "fb.jsonl")
        file.write(b"whole")
    assert (tmp_path / "fb.jsonl.gz").read_bytes() == b"whole"


def test_a_lock_that_is_not_given_up_is_an_error(held: Path) -> None:
    """Who waits for a process that hangs is told so, and does not hang with it."""
    with pytest.raises(TimeoutError, match="another process holds the lock"), folder_lock(held, timeout_s=0.05):
        raise AssertionError("two hold the lock")


def test_a_lock_is_had_once_it_is_free(tmp_path: Path) -> None:
    """One after the other; and where there is no folder there is nothing to lock."""
    for _ in range(2):
        with folder_lock(tmp_path, timeout_s=0.0):
            pass
    with folder_lock(tmp_path / "none", timeout_s=0.0):
        pass
