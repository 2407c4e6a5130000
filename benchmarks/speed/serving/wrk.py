"""Send texts to a server with wrk, as many at a time as there are connections, and say how that went.

wrk is a closed loop: a connection sends its next text when the answer to the last one is there. Latencies are those of
the answers that came within the time; what was still waiting at its end is not counted, which flatters a server whose
answers take a good part of that time.
"""

import json
import math
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.speed.serving.servers import Server
from benchmarks.steps import StepFailed

_SCRIPT = Path(__file__).parent / "wrk.lua"
_TIMEOUT_S = 30
"""How long wrk waits for one answer."""


class LoadFailed(StepFailed):
    """wrk is not installed, or ended with an error."""


@dataclass(frozen=True)
class WrkFigures:
    """How the answers came."""

    seconds: float
    answers: int
    """Answers with status 2xx."""
    refused: int
    """Answers with another status."""
    timed_out: int
    broken: int
    """Connections that could not be made or were closed."""
    p50_ms: float | None
    """None for this and the others where more than 1 % was refused: wrk times refusals too, and they come fast."""
    p95_ms: float | None
    p99_ms: float | None

    @property
    def errors(self) -> int:
        """Everything that was no prediction."""
        return self.refused + self.timed_out + self.broken


def require_wrk() -> None:
    """Return if wrk is installed.

    Raises:
        LoadFailed: it is not.
    """
    if shutil.which("wrk") is None:
        raise LoadFailed("expected the load generator wrk, found none; on Debian: apt install wrk")


def write_bodies(server: Server, texts: list[str], folder: Path) -> Path:
    """Write what asks `server` for each of `texts` to a file in `folder`, one body a line, and return the file."""
    path = folder / f"{server.name}.jsonl"
    path.write_text("".join(json.dumps(server.body(text)) + "\n" for text in texts))
    return path


def send(
    server: Server, bodies: Path, connections: int, seconds: int, *, requests: int = 0, first: int = 0
) -> WrkFigures:
    """Send `bodies` from line `first` on over `connections` for `seconds`, or until `requests` answers when not 0.

    Raises:
        LoadFailed: there is no wrk, or it failed.
    """
    require_wrk()
    shape = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    timeout = ["--timeout", f"{_TIMEOUT_S}s"]
    arguments = ["--", str(bodies), str(first), str(requests)]
    command = ["wrk", *shape, *timeout, "--script", str(_SCRIPT), server.url, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    report = finished.stdout.strip().splitlines()
    if finished.returncode != 0 or not report or not report[-1].startswith("{"):
        raise LoadFailed(f"wrk failed: {finished.stderr.strip() or finished.stdout[-500:]}")
    return _load(json.loads(report[-1]), connections)


def _load(report: dict[str, Any], connections: int) -> WrkFigures:
    answers, duration_us = report["answers"], report["duration_us"]
    times_us = _measured(Counter(dict(report["histogram_us"])), answers, duration_us, connections)
    if report["refused"] > 0.01 * answers:
        times_us = []
    return WrkFigures(
        seconds=duration_us / 1e6,
        answers=answers - report["refused"],
        refused=report["refused"],
        timed_out=report["timed_out"],
        broken=report["broken"],
        p50_ms=_percentile_ms(times_us, 0.50),
        p95_ms=_percentile_ms(times_us, 0.95),
        p99_ms=_percentile_ms(times_us, 0.99),
    )


def _measured(histogram: Counter[int], answers: int, duration_us: int, connections: int) -> list[int]:
    """Return the latencies that wrk has measured, sorted, in microseconds.

    wrk 4.0 and 4.1 add to their histogram what a client that sends at a fixed rate would have seen (`stats_correct` in
    stats.c): for each latency of at least twice the mean also that minus the mean, minus twice the mean, ... Texts take
    very different times, so this would hide them. It is undone here, from the longest down.
    """
    if answers // connections > 0 and histogram.total() > answers:
        expected = duration_us // (answers // connections)
        for latency in sorted(histogram, reverse=True):
            for added in range(latency - expected, expected, -expected):
                histogram[added] -= histogram[latency]
    return sorted(histogram.elements())


def _percentile_ms(ordered_us: list[int], share: float) -> float | None:
    """Return the smallest value that at least `share` of them do not exceed (nearest rank); None for none."""
    return ordered_us[max(0, math.ceil(share * len(ordered_us)) - 1)] / 1000 if ordered_us else None
