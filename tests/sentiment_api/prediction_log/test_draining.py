"""A service that drains goes on answering, says that it is not ready, and then stops."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.protocols import Drain


def test_a_draining_service_is_not_ready_and_serves_on(
    service: Any, data_dir: Path, drain: Drain, waiting: Callable[..., None]
) -> None:
    """Ready answers 503 with the reason, live and predictions 200; it can be taken back. The log tells of both."""
    drained = drain(data_dir, "--grace", "0")
    assert drained.returncode == 0
    ready = httpx.get(f"{service.url}/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert httpx.get(f"{service.url}/health/live").status_code == 200
    assert httpx.post(f"{service.url}/predict", json={"text": "Works well."}).status_code == 200
    waiting(lambda: "draining: not ready" in service.log(), "the log tells")
    drain(data_dir, "--undo")
    assert httpx.get(f"{service.url}/health/ready").status_code == 200
    waiting(lambda: "ready again" in service.log(), "the log tells")


def test_drain_and_stop_ends_the_service_and_the_next_start_is_ready(
    service: Any, data_dir: Path, drain: Drain
) -> None:
    """The command returns when the process has ended, and what it said of itself ends with it."""
    stopped = drain(data_dir, "--grace", "0", "--stop")
    assert (stopped.returncode, stopped.stdout.splitlines()[-1]) == (0, "stopped")
    assert service.wait() == 0
    assert "all predictions are in Postgres" in service.log()
    service.start()
    assert service.is_ready()


def test_without_a_service_there_is_nothing_to_drain(tmp_path: Path, drain: Drain) -> None:
    """Exit code 1 tells a hook that nothing was done."""
    none = drain(tmp_path)
    assert (none.returncode, none.stdout) == (1, "no service runs on this SENTIMENT_DATA_DIR\n")
