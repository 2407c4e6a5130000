"""The CPU quota of a container, from the files of both cgroup versions."""

import os
from pathlib import Path

import pytest

from sentiment_api.cores import _quota, usable_cores


@pytest.mark.parametrize(
    ("content", "cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2.0),
        ("50000 100000\n", 0.5),
        ("150000 100000\n", 1.5),
        ("", None),
        ("nonsense\n", None),
        ("one two\n", None),
    ],
)
def test_version_2_has_both_numbers_in_one_file(tmp_path: Path, content: str, cores: float | None) -> None:
    """`cpu.max` holds a quota, or `max`, and a period; what cannot be read is no quota."""
    file = tmp_path / "cpu.max"
    file.write_text(content)
    assert _quota(file, tmp_path / "none") == cores


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("-1\n", "100000\n", None), ("400000\n", "100000\n", 4.0), ("25000\n", "100000\n", 0.25), ("x\n", "y\n", None)],
)
def test_version_1_has_a_file_for_each_number(tmp_path: Path, quota: str, period: str, cores: float | None) -> None:
    """A quota of -1 is none; otherwise it is divided by the period."""
    (tmp_path / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu.cfs_period_us").write_text(period)
    assert _quota(tmp_path / "none", tmp_path) == cores


def test_without_either_there_is_no_quota(tmp_path: Path) -> None:
    """A machine without cgroup files has no quota."""
    assert _quota(tmp_path / "none", tmp_path / "nothing") is None


def test_the_usable_cores_lie_within_the_affinity() -> None:
    """At least one core is usable, and never more than the scheduler gives this process."""
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))
