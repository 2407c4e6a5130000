"""How many cores this process may use: the least of its affinity and its container's CPU quota."""

import math
import os
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def usable_cores() -> int:
    """Return the cores that this process may keep busy, at least 1.

    `os.cpu_count()` ignores both the affinity mask and cgroup quotas, so a container with two cores on a large machine
    would start far too many threads.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(_CGROUP_V2, _CGROUP_V1)
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def _quota(v2: Path, v1: Path) -> float | None:
    """Return the CPU quota in cores, None when there is none."""
    try:
        quota, period = v2.read_text().split() if v2.exists() else _read_v1(v1)
        if quota == "max" or int(quota) <= 0:
            return None
        return int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _read_v1(folder: Path) -> tuple[str, str]:
    return (folder / "cpu.cfs_quota_us").read_text().strip(), (folder / "cpu.cfs_period_us").read_text().strip()
