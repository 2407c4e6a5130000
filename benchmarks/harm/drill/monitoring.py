"""Prometheus and Alertmanager as processes, with the repository's rules and routes."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harm.drill import shortening
from benchmarks.processes import ServerDidNotStart, free_port, wait_until

_TIMEOUT_S = 30.0
_RESEND_DELAY = "1m"
"""Prometheus' own, which is a flag and in no file."""


class Prometheus:
    """One that runs."""

    def __init__(self, address: str) -> None:
        """`address` is its host and port."""
        self._url = f"http://{address}"

    def scrapes(self) -> int:
        """Return how many targets answer it."""
        return len(self._get("query", query="up == 1")["result"])

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        alerts = self._get("alerts")["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        reply = httpx.get(f"{self._url}/api/v1/{what}", params=parameters, timeout=_TIMEOUT_S, trust_env=False)
        data: dict[str, Any] = reply.raise_for_status().json()["data"]
        return data


@contextlib.contextmanager
def monitoring(folder: Path, factor: int, service: str, webhook: str) -> Iterator[Prometheus]:
    """Run both until the block ends; Prometheus scrapes the service at this host and port, and both of them.

    Raises:
        ServerDidNotStart: one of them is not installed, or ended; the message says which.
    """
    targets = {
        "sentiment-api": service,
        "prometheus": f"127.0.0.1:{free_port()}",
        "alertmanager": f"127.0.0.1:{free_port()}",
    }
    shortening.write_prometheus(folder, factor, targets)
    shortening.write_alertmanager(folder, factor, webhook)
    resend = f"--rules.alert.resend-delay={shortening.shortened(_RESEND_DELAY, factor)}"
    with (
        running(folder, "prometheus-alertmanager", targets["alertmanager"], "--cluster.listen-address="),
        running(folder, "prometheus", targets["prometheus"], resend),
    ):
        prometheus = Prometheus(targets["prometheus"])
        wait_until(lambda: prometheus.scrapes() == len(targets), "Prometheus has scraped the service and itself")
        yield prometheus


@contextlib.contextmanager
def running(folder: Path, command: str, address: str, *options: str) -> Iterator[None]:
    """Run one of them on this host and port, with its files in `folder`, until the block ends.

    Raises:
        ServerDidNotStart: it is not installed, or ended; the message says which.
    """
    name = command.removeprefix("prometheus-")
    path = shutil.which(command) or shutil.which(name)
    if path is None:
        raise ServerDidNotStart(f"expected {command}, found none; on Debian: apt install {command}")
    storage = "--storage.tsdb.path" if name == "prometheus" else "--storage.path"
    line = [path, f"--config.file={name}.yml", f"{storage}={name}-data", f"--web.listen-address={address}", *options]
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(line, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            wait_until(lambda: _is_ready(address) or process.poll() is not None, f"{name} is ready")
            if process.poll() is not None:
                raise ServerDidNotStart(f"{name} ended:\n{(folder / f'{name}.log').read_text()[-2000:]}")
            yield
        finally:
            process.terminate()


def _is_ready(address: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://{address}/-/ready", timeout=_TIMEOUT_S, trust_env=False).is_success
    return False
