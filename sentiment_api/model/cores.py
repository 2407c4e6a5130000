"""How many cores this process may use: the least of its affinity and the CPU quotas of its control groups.

The rule by which the cores are shared: as many engine threads as usable cores, each computing on one; the tokenizer
works in the handler's thread that asks, in as many at once as there are engine threads; the event loop and the handlers
need little, and the system gives it to them at once, since engine threads have a lower priority. A text that is alone
gets all the cores. Nothing else starts threads that compute.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_HIERARCHY = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


_COMPUTING_NICENESS = 5
"""A third of the usual weight: against the threads of this process, and against others that share its cores."""
_LAST_NICENESS = 19


def usable_cores() -> int:
    """Return the cores that this process may keep busy, at least 1.

    `os.cpu_count()` ignores both the affinity mask and quotas, so a container with two cores on a large machine would
    start far too many threads. Half a core is rounded down: a group that uses up its quota stands still, health checks
    included, until the next period.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(_HIERARCHY, _MEMBERSHIP)
    return max(1, affinity if quota is None else min(affinity, int(quota)))


def lower_thread_priority() -> None:
    """Lower the priority of the thread that calls: what only takes a moment need not wait for the end of its turn.

    Only Linux has priorities of threads.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # From what it has: in a service that was started with `nice`, 5 may be higher, which only root may set.
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + _COMPUTING_NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, min(niceness, _LAST_NICENESS))


def deprioritize_process(pid: int) -> None:
    """Give a process the processor only where nobody else wants it, and let it be the first to go for want of memory.

    It is one that was just started: threads that it has already would keep what they have. None of it needs a
    privilege; where the system lacks one of the three, the others are done.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _LAST_NICENESS)
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def cpu_quota(hierarchy: Path, membership: Path) -> float | None:
    """Return the least CPU quota in cores of the process's control groups and all above them; None without any.

    Args:
        hierarchy: where the control groups are mounted, `/sys/fs/cgroup`.
        membership: the file that names the process's groups, `/proc/self/cgroup`.
    """
    quotas = [quota for folder in _groups(hierarchy, membership) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _groups(hierarchy: Path, membership: Path) -> Iterator[Path]:
    """Yield the folders of both versions' groups, up to the mounts; some may not exist.

    A container of version 1 is told its path on the host, which its own mount does not have; the mount itself is its
    group then.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = hierarchy / "cpu" if controllers else hierarchy
        place = PurePosixPath(path.lstrip("/"))
        yield from (mount / each for each in (place, *place.parents))


def _quota(folder: Path) -> float | None:
    """Return the quota that one group sets, in cores."""
    try:
        quota, period = _version_2(folder) if (folder / "cpu.max").exists() else _version_1(folder)
        return None if quota == "max" or int(quota) <= 0 else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _version_2(folder: Path) -> list[str]:
    return (folder / "cpu.max").read_text().split()


def _version_1(folder: Path) -> list[str]:
    return [(folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")]
