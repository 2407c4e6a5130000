"""The service's memory under load while Postgres is away, and what becomes of what was spooled.

    python -m benchmarks log_memory                   # ten minutes
    python -m benchmarks log_memory --minutes 60

Writes log-memory.json. Memory is that of the worker, pages that it shares not counted, in MB, as the median of each
tenth of the time. In the end Postgres comes back, and everything acknowledged has to be there.
"""

import argparse
import dataclasses
import json
import random
import signal
import sys
import time
from pathlib import Path

import psutil

from benchmarks import machine
from benchmarks.chaos.command import own_postgres
from benchmarks.chaos.service import Service
from benchmarks.chaos.stage import LONG, Stage, play
from benchmarks.chaos.waiting import let_pass
from benchmarks.log_shipping import tenths

RESULTS = Path(__file__).parent / "results"
_SAMPLE_S = 2.0


def main() -> None:
    """Measure and write the results; exit code 1 when something acknowledged is missing or doubled."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped then, too
    figures: dict[str, float | list[float]] = {}

    def away(stage: Stage) -> None:
        service = stage.service()
        stage.postgres.stop()
        with stage.load(service, pace_s=0.02):
            stage.wait_for_replies()
            figures["uss_mb"] = tenths(_sampled(service, 60 * options.minutes))
            figures["spool_mb"] = service.log()["spool_bytes"] / 1e6
            stage.postgres.start()
        started = time.perf_counter()
        stage.settle()
        figures["shipped_in_s"] = time.perf_counter() - started

    with own_postgres() as postgres:
        outcome = play("log-memory", away, postgres, random.randrange(1 << 31), LONG)  # noqa: S311 - no secret
    print(outcome.line())
    result = {"machine": machine.describe(), "minutes": options.minutes, **figures}
    print(json.dumps(result, indent=2))
    result["predictions"] = dataclasses.asdict(outcome.predictions)
    (RESULTS / "log-memory.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(0 if outcome.passed else 1)


def _sampled(service: Service, seconds: float) -> list[float]:
    """Return the worker's memory at every moment of a while."""
    worker = psutil.Process(service.worker_pid)
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append(float(worker.memory_full_info().uss) / 1e6)
        let_pass(_SAMPLE_S)
    return samples


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks log_memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
