"""The service as a process that harm is done to."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import ROOT, STARTER
from benchmarks.processes import ServerDidNotStart, clean_environment, free_port, is_alive, process_tree, wait_until

Part = Literal["all", "main", "worker"]


class Unhealthy(Exception):
    """The service's health says nothing about the prediction log; the message says what it says."""


class Service:
    """`sentiment-api serve` on a free port, with the starter on one thread."""

    module: ClassVar[str] = "sentiment_api"
    """What Python runs."""

    def __init__(self, log: Path, data_dir: Path, database_url: str, **environment: str) -> None:
        """Nothing runs before `begin`. What it prints is appended to `log`."""
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        port = str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **clean_environment(),
            "SENTIMENT_PORT": port,
            "SENTIMENT_DATA_DIR": str(data_dir),
            "SENTIMENT_DATABASE_URL": database_url,
            "SENTIMENT_MODEL": str(STARTER),
            "SENTIMENT_THREADS": "1",
            "SENTIMENT_DRAIN_TIMEOUT_S": "5",
            **environment,
        }

    def begin(self) -> None:
        """Start its process, and do not wait."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.module, "serve"],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it and return when it is ready.

        Raises:
            ServerDidNotStart: it ended; the message ends with what it printed last.
        """
        self.begin()
        wait_until(self._is_ready, "the service is ready")

    def kill(self, part: Part = "all") -> None:
        """Send SIGKILL to its processes, or to one of them, and return when all are gone.

        A worker whose main process was killed ends by itself, and so does a main process without its worker.
        """
        if (process := self._process) is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).suspend()  # or it would start a worker in between
        tree = process_tree(process.pid)
        for each in {"all": tree, "main": tree[:1], "worker": tree[1:]}[part]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        if part == "worker":
            self._continue()
        wait_until(lambda: process.poll() is not None and not any(map(is_alive, tree)), "the killed service is gone")

    def terminate(self) -> None:
        """Send SIGTERM to its main process, and do not wait."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Wait until it has ended, and return its exit code."""
        process = self._process
        if process is None:
            return 0
        wait_until(lambda: process.poll() is not None, "the service has ended")
        return int(process.returncode)

    @property
    def worker_pid(self) -> int:
        """The process that serves."""
        return int(process_tree(self.pid)[1].pid)

    @property
    def pid(self) -> int:
        """Its main process; 0 before `begin`."""
        return self._process.pid if self._process else 0

    def lives(self) -> bool:
        """Return whether its main process runs."""
        return self._process is not None and self._process.poll() is None

    def log(self) -> dict[str, Any]:
        """Return what it says about the prediction log."""
        reply = self._get("/health/ready")
        found: dict[str, Any] | None = reply.json().get("prediction_log")
        if found is None:
            raise Unhealthy(f"/health/ready answered {reply.status_code}: {reply.text}")
        return found

    def metric(self, name: str) -> float:
        """Return the sum over the samples of this name in its metrics."""
        families = text_string_to_metric_families(self._get("/metrics").text)
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another of the command line's commands with the same settings."""
        return subprocess.run(
            [sys.executable, "-m", "sentiment_api", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def _get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=30, trust_env=False)

    def _is_ready(self) -> bool:
        if not self.lives():
            raise ServerDidNotStart(f"the service ended while it started:\n{self._log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.TransportError):
            return self._get("/health/ready").status_code == 200
        return False

    def _continue(self) -> None:
        if self._process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(self._process.pid).resume()


@contextlib.contextmanager
def running(services: Sequence[Service]) -> Iterator[None]:
    """Start the services, one after the other, and kill all of them in the end."""
    try:
        for service in services:
            service.start()
        yield
    finally:
        for service in services:
            service.kill()
