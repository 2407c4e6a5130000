"""What one append to the spool takes, for each setting of SENTIMENT_SPOOL_FSYNC, with several threads at it.

    python -m benchmarks log_append                            # half a minute
    python -m benchmarks log_append --folder /var/spool/try    # on the disk that matters to you

Writes log-append.json. The disk is that of the folder; `append` waits for it, the others do not.
"""

import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from benchmarks import result_files
from benchmarks.payload import new_record
from benchmarks.steps import Namespace, option
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.spool import Fsync, Spool
from sentiment_api.prediction_log.takeover import claim_spool

_INTERVAL_S = 0.2
"""As the service syncs with its defaults."""
_SECONDS = 5.0
_BOUND = 4 << 30

OPTIONS = (
    option("--threads", type=int, default=4, help="default 4"),
    option("--folder", type=Path, help="where the spool lies (default: the system's temporary folder)"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    chosen = random.Random(0)  # noqa: S311 - no secret
    payloads = [encode(new_record(chosen)) for _ in range(1000)]
    figures = {}
    for fsync in get_args(Fsync):
        with tempfile.TemporaryDirectory(prefix="sentiment-bench-", dir=options.folder) as folder:
            figures[fsync] = _measured(Path(folder), fsync, payloads, options.threads)
        print(f"{fsync:<9} {json.dumps(figures[fsync])}", flush=True)
    size = statistics.mean(map(len, payloads))
    result = {"threads": options.threads, "record_bytes": size, "figures": figures}
    result_files.write(options.out, "log-append", result)


def _measured(folder: Path, fsync: Fsync, payloads: list[bytes], threads: int) -> dict[str, float]:
    """Return the latencies in microseconds and how many records a second all threads appended."""
    spool = claim_spool(folder, _BOUND, fsync=fsync)
    started = time.perf_counter()
    with _synced(spool), ThreadPoolExecutor(threads) as pool:
        runs = list(pool.map(lambda _: _append(spool, payloads), range(threads)))
    seconds = time.perf_counter() - started
    spool.close()
    latencies_us = sorted(nanoseconds / 1000 for run in runs for nanoseconds in run)
    hundredths = statistics.quantiles(latencies_us, n=1000)
    figures = {"p50_us": hundredths[499], "p99_us": hundredths[989], "max_us": latencies_us[-1]}
    return {name: round(value, 1) for name, value in figures.items()} | {"per_s": round(len(latencies_us) / seconds)}


def _append(spool: Spool, payloads: list[bytes]) -> list[int]:
    """Append for a while, and return what each append took, in nanoseconds."""
    taken = []
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        for payload in payloads[:100]:
            before = time.perf_counter_ns()
            spool.append(payload)
            taken.append(time.perf_counter_ns() - before)
    return taken


@contextmanager
def _synced(spool: Spool) -> Iterator[None]:
    """Sync every so often meanwhile, as the service does."""
    ending = threading.Event()

    def sync() -> None:
        while not ending.wait(_INTERVAL_S):
            spool.sync()

    thread = threading.Thread(target=sync)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
