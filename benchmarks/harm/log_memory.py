"""The service's memory under load while Postgres is away, and what becomes of what was spooled.

    python -m benchmarks log_memory                   # ten minutes
    python -m benchmarks log_memory --minutes 60

Writes log-memory.json. Memory is that of the worker, pages that it shares not counted, in MB, as the median of each
tenth of the time. In the end Postgres comes back, and everything acknowledged has to be there.
"""

import dataclasses
import json
import random
import time
from typing import Any

import psutil

from benchmarks import result_files
from benchmarks.harm.stage import LONG, Stage, play
from benchmarks.postgres import own_postgres
from benchmarks.processes import let_pass, tenths
from benchmarks.service_process import Service
from benchmarks.steps import Namespace, option

_SAMPLE_S = 2.0
OPTIONS = (option("--minutes", type=float, default=10.0, help="that Postgres is away (default 10)"),)


def run(options: Namespace) -> int:
    """Measure and write the results; return 1 when something acknowledged is missing or doubled."""
    figures: dict[str, Any] = {"minutes": options.minutes}

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
    figures["predictions"] = dataclasses.asdict(outcome.predictions)
    result_files.write(options.out, "log-memory", figures)
    print(json.dumps(figures, indent=2))
    return 0 if outcome.passed else 1


def _sampled(service: Service, seconds: float) -> list[float]:
    """Return the worker's memory at every moment of a while."""
    worker = psutil.Process(service.worker_pid)
    samples = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        samples.append(float(worker.memory_full_info().uss) / 1e6)
        let_pass(_SAMPLE_S)
    return samples
