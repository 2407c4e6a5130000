"""The CPU quota of a container, from the files of both versions of control groups."""

import os
import sys
import threading
from pathlib import Path

import pytest

from sentiment_api.model.cores import cpu_quota, lower_thread_priority, usable_cores


@pytest.fixture
def hierarchy(tmp_path: Path) -> Path:
    """An empty folder where control groups are mounted."""
    folder = tmp_path / "cgroup"
    folder.mkdir()
    return folder


def membership(tmp_path: Path, *lines: str) -> Path:
    """Return a file like `/proc/self/cgroup`."""
    file = tmp_path / "membership"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def version_2(group: Path, content: str) -> None:
    """Set the quota of a group of version 2."""
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.max").write_text(content)


def version_1(group: Path, quota: str, period: str = "100000") -> None:
    """Set the quota of a group of version 1."""
    group.mkdir(parents=True, exist_ok=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text(f"{period}\n")


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
def test_version_2_has_both_numbers_in_one_file(
    tmp_path: Path, hierarchy: Path, content: str, cores: float | None
) -> None:
    """`cpu.max` holds a quota, or `max`, and a period; what cannot be read is no quota."""
    version_2(hierarchy, content)
    assert cpu_quota(hierarchy, membership(tmp_path, "0::/")) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("400000", 4.0), ("25000", 0.25), ("x", None)])
def test_version_1_has_a_file_for_each_number(tmp_path: Path, hierarchy: Path, quota: str, cores: float | None) -> None:
    """A quota of -1 is none; otherwise it is divided by the period."""
    version_1(hierarchy / "cpu", quota)
    assert cpu_quota(hierarchy, membership(tmp_path, "3:cpuset:/", "2:cpu,cpuacct:/", "0::/")) == cores


def test_a_quota_above_the_group_holds_too(tmp_path: Path, hierarchy: Path) -> None:
    """Of the quotas on the way from the process's group to the mount the least one counts."""
    version_2(hierarchy / "shop.slice", "300000 100000\n")
    version_2(hierarchy / "shop.slice" / "api.service", "400000 100000\n")
    version_2(hierarchy / "other.slice", "100000 100000\n")
    assert cpu_quota(hierarchy, membership(tmp_path, "0::/shop.slice/api.service")) == 3.0


def test_a_container_that_is_told_the_hosts_path(tmp_path: Path, hierarchy: Path) -> None:
    """Version 1 names a path that the container's own mount does not have; the mount's quota counts."""
    version_1(hierarchy / "cpu", "150000")
    assert cpu_quota(hierarchy, membership(tmp_path, "4:cpu,cpuacct:/docker/0123")) == 1.5


def test_without_control_groups_there_is_no_quota(tmp_path: Path, hierarchy: Path) -> None:
    """A machine without these files has no quota."""
    assert cpu_quota(hierarchy, tmp_path / "none") is None


def test_the_usable_cores_lie_within_the_affinity() -> None:
    """At least one core is usable, and never more than the scheduler gives this process."""
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_a_computing_thread_lets_the_others_of_its_process_go_first() -> None:
    """The priority of the thread that asks is lowered, and no other."""
    nice: list[int] = []

    def compute() -> None:
        lower_thread_priority()
        nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()

    assert nice[0] > before
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
