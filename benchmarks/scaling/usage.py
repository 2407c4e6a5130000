"""What processes have used until now, with all below them."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from benchmarks.servers import process_tree


@dataclass(frozen=True)
class Usage:
    """Of all the processes together, unless it says otherwise."""

    cpu_s: float
    pss_mb: float
    """Memory, pages that several processes share divided among them."""
    private_mb: float
    """Memory that no other process has: what would be free without them."""
    largest_rss_mb: float
    """Resident memory of the largest one, shared pages whole."""


def used(pids: Sequence[int]) -> Usage:
    """Measure now; reading the memory maps takes some 10 ms for each process."""
    times, memory = [], []
    for process in (each for pid in pids for each in process_tree(pid)):
        with contextlib.suppress(psutil.NoSuchProcess):  # one of Postgres's, whose time its parent has then
            times.append(process.cpu_times())
            memory.append(process.memory_full_info())
    return Usage(
        cpu_s=sum(each.user + each.system + each.children_user + each.children_system for each in times),
        pss_mb=sum(each.pss for each in memory) / 1e6,
        private_mb=sum(each.uss for each in memory) / 1e6,
        largest_rss_mb=max(each.rss for each in memory) / 1e6,
    )
