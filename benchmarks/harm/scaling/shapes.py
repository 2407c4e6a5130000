"""Services with the model in each process, or with a process of its own that has it, on the same cores.

Each shape has as many engine threads as there are cores, or one for each process where there are more of those.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from benchmarks import ROOT, STARTER
from benchmarks.harm.scaling.remote_engine import SOCKET
from benchmarks.postgres import Postgres
from benchmarks.processes import clean_environment, wait_until
from benchmarks.service_process import Service, running
from sentiment_api.model.cores import usable_cores


class _ServiceWithoutModel(Service):
    module: ClassVar[str] = "benchmarks.harm.scaling.remote_engine"


@contextlib.contextmanager
def in_process(folder: Path, postgres: Postgres, apis: int) -> Iterator[tuple[list[str], list[int]]]:
    """Run services that have the model in their process; yield their URLs and the processes."""
    threads = max(1, usable_cores() // apis)
    with _services(folder, postgres, [Service] * apis, SENTIMENT_THREADS=str(threads)) as services:
        yield [each.url for each in services], [each.pid for each in services]


@contextlib.contextmanager
def apart(folder: Path, postgres: Postgres, apis: int) -> Iterator[tuple[list[str], list[int]]]:
    """Run services without a model, and one process that has it."""
    path, threads = folder / "model.sock", str(usable_cores())
    command = [sys.executable, "-m", "benchmarks.harm.scaling.model_process", str(path), str(STARTER), threads]
    with subprocess.Popen(command, env=clean_environment(), cwd=ROOT, start_new_session=True) as process:
        try:
            wait_until(path.exists, "the model's process listens")
            asking = str(2 * usable_cores())  # so that one question waits while one is computed
            environment = {"SENTIMENT_THREADS": asking, SOCKET: str(path)}
            with _services(folder, postgres, [_ServiceWithoutModel] * apis, **environment) as services:
                yield [each.url for each in services], [process.pid, *(each.pid for each in services)]
        finally:
            process.kill()


SHAPES = {"in each process": in_process, "a process of its own": apart}


@contextlib.contextmanager
def _services(
    folder: Path, postgres: Postgres, kinds: list[type[Service]], **environment: str
) -> Iterator[list[Service]]:
    database = postgres.new_database()
    data = folder / "data"
    data.mkdir()
    services = [
        kind(folder / f"{number}.log", data, database.url, **environment, SENTIMENT_REQUEST_TIMEOUT_S="60")
        for number, kind in enumerate(kinds)
    ]
    try:
        with running(services):
            yield services
    finally:
        postgres.drop(database)
