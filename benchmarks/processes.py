"""Processes that benchmarks start: their environment and ports, what they have used, and waiting for them."""

import atexit
import contextlib
import os
import socket
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psutil

from benchmarks.steps import StepFailed

PATIENCE_S = 180.0
"""Long, for slow machines: what does not come by then does not come."""
_POLL_S = 0.05
_held_ports = contextlib.ExitStack()
atexit.register(_held_ports.close)


class ServerDidNotStart(StepFailed):
    """The message ends with the last lines that the server printed."""


class WaitedInVain(StepFailed):
    """The message says for what, and how long."""


@dataclass(frozen=True)
class Usage:
    """Of all the processes together, unless it says otherwise."""

    cpu_s: float
    """Processor time since their start, user and system."""
    pss_mb: float
    """Memory, pages that several processes share divided among them."""
    private_mb: float
    """Memory that no other process has: what would be free without them."""
    largest_rss_mb: float
    """Resident memory of the largest one, shared pages whole."""


def used(pids: Sequence[int]) -> Usage:
    """Return what these processes and all below them have used; reading their memory maps takes some 10 ms each."""
    tree = [each for pid in pids for each in process_tree(pid)]
    memory = []
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):  # one of Postgres's
            memory.append(process.memory_full_info())
    return Usage(
        cpu_s=cpu_s(tree),
        pss_mb=sum(each.pss for each in memory) / 1e6,
        private_mb=sum(each.uss for each in memory) / 1e6,
        largest_rss_mb=max(each.rss for each in memory) / 1e6,
    )


def cpu_s(tree: Sequence[psutil.Process]) -> float:
    """Return the processor time of living processes and, through their parents, of those that have ended."""
    total = 0.0
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def process_tree(pid: int) -> list[psutil.Process]:
    """Return the process and all below it; nothing when it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs; one that has ended and waits for its parent does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def tenths(samples: Sequence[float]) -> list[float]:
    """Return the median of each tenth of the samples, in their order."""
    cuts = [len(samples) * number // 10 for number in range(11)]
    parts = (samples[start:end] for start, end in pairwise(cuts))
    return [round(statistics.median(part), 1) for part in parts if part]


def clean_environment() -> dict[str, str]:
    """Return nothing that tunes one server or another, such as OMP_NUM_THREADS."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on, and keep it until this process ends.

    A bound socket that does not listen keeps it from everyone else who asks for any port, also while a server that is
    started again there is down. It lets a server listen that sets SO_REUSEADDR, as servers do.
    """
    holder = _held_ports.enter_context(socket.socket())
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Return as soon as `condition` holds.

    Raises:
        WaitedInVain: it did not come to hold in time.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise WaitedInVain(f"waited {timeout_s:.0f} s in vain until {what}")
        time.sleep(_POLL_S)


def let_pass(seconds: float) -> None:
    """Return when so much time has passed."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, "the time has passed", seconds + PATIENCE_S)
