"""How much room a disk has, how long the spool lasts on it, and what an operator is told of it at the start."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from structlog.testing import capture_logs

from sentiment_api.app import create_app
from sentiment_api.commands.disk import check_disk, line_on
from sentiment_api.disk_space import DiskSpace, SpoolRoom, disk_space, shown_bytes, spool_room
from sentiment_api.errors import DiskUnusable
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import ServiceSettings, SpoolSettings

GIB = 1 << 30
DISK = DiskSpace(free_bytes=2 * GIB, size_bytes=10 * GIB, free_files=math.inf)
SETTINGS = SpoolSettings(data_dir=Path("data"), spool_max_bytes=GIB)


def test_free_is_what_this_user_may_write(tmp_path: Path) -> None:
    """Blocks that are kept for root do not count as free."""
    found, disk = disk_space(tmp_path), os.statvfs(tmp_path)
    assert found.size_bytes == disk.f_blocks * disk.f_frsize
    assert found.free_bytes <= disk.f_bfree * disk.f_frsize
    assert found.free_files == (disk.f_favail if disk.f_files else math.inf)


@pytest.mark.parametrize(
    ("free_bytes", "left_bytes", "hours", "short"), [(2 * GIB, GIB, 18.8, False), (GIB // 2, GIB, 9.4, True)]
)
def test_the_smaller_of_bound_and_free_space_counts(
    free_bytes: int, left_bytes: int, hours: float, *, short: bool
) -> None:
    """The spool lasts as long as the smaller one, at ten records a second of 1,584 bytes."""
    room = SpoolRoom(DISK._replace(free_bytes=free_bytes), left_bytes)
    assert (round(room.hours, 1), room.is_short) == (hours, short)


def test_what_is_spooled_already_needs_no_room(tmp_path: Path) -> None:
    """Only what the bound leaves is compared with the disk, and a folder that is not made yet is on its parent's."""
    room = spool_room(tmp_path / "not" / "made", 3_000, 1_000)
    assert (room.left_bytes, room.disk.size_bytes) == (2_000, disk_space(tmp_path).size_bytes)
    assert spool_room(tmp_path, 1_000, 3_000).left_bytes == 0


def test_check_says_how_long_the_spool_lasts() -> None:
    """One line has the free bytes, the bound and the hours, and names the setting where the disk has less."""
    lasts = "hours at 10 predictions a second"
    enough = f"2 GiB free, enough for the spool's 1 GiB: without Postgres 18.8 {lasts}"
    assert line_on(SpoolRoom(DISK, GIB), SETTINGS) == enough
    little = f"512 MiB free, too little for SENTIMENT_SPOOL_MAX_BYTES, 1 GiB: without Postgres 9.4 {lasts}"
    assert line_on(SpoolRoom(DISK._replace(free_bytes=GIB // 2), GIB), SETTINGS) == little


@pytest.mark.parametrize(
    ("disk", "found"),
    [
        (DISK._replace(free_bytes=8_192, free_files=5_000), "found 8 KiB and 5,000 files;"),
        (DISK._replace(free_files=0), "found 2 GiB and 0 files;"),
    ],
    ids=["bytes", "files"],
)
def test_check_fails_on_a_full_disk(disk: DiskSpace, found: str) -> None:
    """Predictions are refused there, or soon will be, whether bytes or files have run out."""
    with pytest.raises(DiskUnusable) as refusal:
        line_on(SpoolRoom(disk, GIB), SETTINGS)
    message = str(refusal.value)
    assert message.startswith("expected at least 16 MiB and 100 files free on the disk of SENTIMENT_DATA_DIR=data, ")
    assert found in message


def test_check_looks_at_the_segments_that_are_there(tmp_path: Path) -> None:
    """The spools' own bytes are taken off the bound before it is compared."""
    (tmp_path / "spool" / "0").mkdir(parents=True)
    with (tmp_path / "spool" / "0" / "000000000000001.seg").open("wb") as segment:
        segment.truncate(GIB)  # takes no room on the disk
    assert ": without Postgres 0.0 hours" in check_disk(SpoolSettings(data_dir=tmp_path, spool_max_bytes=GIB))


def test_the_start_warns_of_a_disk_with_less_room_than_the_spool_may_take(
    without_postgres: Callable[..., ServiceSettings], cpu: Classifier
) -> None:
    """The warning has the free bytes, the hours and the remedy; with room enough there is none, and both serve."""
    expected = "the disk has less room than the spool may take"
    for bound, warnings in ((1 << 60, 1), (1 << 20, 0)):
        with capture_logs() as logged, TestClient(create_app(without_postgres(spool_max_bytes=bound), cpu)):
            pass
        found: list[Any] = [line for line in logged if line["event"] == expected]
        assert [line["log_level"] for line in found] == ["warning"] * warnings
        for line in found:
            assert line["hours_without_postgres"] > 0
            assert line["at_predictions_per_s"] == 10
            assert line["remedy"] == "make room, or lower SENTIMENT_SPOOL_MAX_BYTES"


def test_bytes_are_shown_as_people_read_them() -> None:
    """In the largest unit of which there is at least one, up to GiB."""
    shown = [shown_bytes(number) for number in (0, 1023, 8_192, 1536 * 1024, GIB, 5_000 * GIB)]
    assert shown == ["0 bytes", "1023 bytes", "8 KiB", "1.5 MiB", "1 GiB", "5000 GiB"]
