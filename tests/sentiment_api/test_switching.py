"""A new model comes into service behind nginx, and no client notices: real processes, real load, the shipped config."""

import contextlib
import re
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.tables import predictions
from sentiment_api.model.bundle import open_bundle
from tests.packages import command_of
from tests.protocols import Waiting

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "sentiment.conf"
MAIN = """
daemon off;
pid nginx.pid;
error_log error.log;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include sentiment.conf;
}
"""
REVIEW = {"text": "The lid never closes properly."}
TIMEOUT_S = 30.0
PACE_S = 0.02


class Load:
    """Clients that ask for predictions all the time: some keep their connection, some open one for each request."""

    def __init__(self, url: str, keeping: int = 2, opening: int = 2) -> None:
        """No client runs before the block."""
        self.answers: list[tuple[str, str]] = []
        """The prediction's id and the model's version, in the order of arrival."""
        self.failures: list[str] = []
        self._url = f"{url}/predict"
        self._ended = threading.Event()
        targets = [self._keep] * keeping + [self._open] * opening
        self._threads = [threading.Thread(target=target) for target in targets]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let each client finish its last request."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _keep(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S) as client:
            while not self._ended.wait(PACE_S):
                self._ask(client)

    def _open(self) -> None:
        while not self._ended.wait(PACE_S):
            with httpx.Client(timeout=TIMEOUT_S) as client:
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        try:
            reply = client.post(self._url, json=REVIEW)
        except httpx.HTTPError as error:
            self.failures.append(type(error).__name__)
            return
        if reply.status_code == 200:
            body = reply.json()
            self.answers.append((body["prediction_id"], body["model"]["version"]))
        else:
            self.failures.append(str(reply.status_code))


@pytest.fixture
def proxy(tmp_path: Path, free_ports: list[int], waiting: Waiting) -> Iterator[str]:
    """The URL of an nginx with the shipped configuration, but for its three ports."""
    command = command_of("nginx-light", "nginx")
    tmp_path.chmod(0o755)
    (tmp_path / "nginx.conf").write_text(MAIN)
    (tmp_path / "sentiment.conf").write_text(_with_ports(CONFIG.read_text(), free_ports))
    url = f"http://127.0.0.1:{free_ports[2]}"
    with (
        (tmp_path / "nginx.log").open("w") as log,
        subprocess.Popen([command, "-p", tmp_path, "-c", "nginx.conf"], stdout=log, stderr=log) as nginx,
    ):
        try:
            waiting(lambda: nginx.poll() is not None or _answers(url), "nginx answers")
            assert nginx.poll() is None, (tmp_path / "nginx.log").read_text()
            yield url
        finally:
            nginx.terminate()


def _with_ports(config: str, ports: list[int]) -> str:
    for shipped, port in zip((8000, 8001, 8080), ports, strict=True):
        config, count = re.subn(rf":{shipped}\b", f":{port}", config)
        assert count == 1
    return config


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(httpx.get(url).status_code)
    return False


@pytest.mark.anyio
async def test_a_new_model_comes_into_service_without_a_failed_request(  # noqa: PLR0917 - each is a fixture
    proxy: str,
    free_ports: list[int],
    new_service: Callable[..., Any],
    data_dir: Path,
    engine: AsyncEngine,
    starter: Path,
    other_model: Path,
    waiting: Waiting,
    drain: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    """Under load the next service starts and the last one stops: all are answered, in the end by the new version."""
    first, second = (open_bundle(model).manifest.version for model in (starter, other_model))
    cached = {"SENTIMENT_CACHE_BYTES": "1000000"}  # so that the load is one of connections, not of the engine
    old = new_service(SENTIMENT_PORT=str(free_ports[0]), **cached)
    with Load(proxy) as load:
        waiting(lambda: len(load.answers) >= 100, "the load is on")
        new = new_service(SENTIMENT_PORT=str(free_ports[1]), SENTIMENT_MODEL=str(other_model), **cached)
        drained = drain(data_dir, "--port", str(free_ports[0]), "--grace", "0", "--stop")
        assert drained.stdout.splitlines()[-1:] == ["stopped"], drained.stdout
        assert old.wait() == 0
        before = len(load.answers)
        waiting(lambda: len(load.answers) >= before + 100, "the load goes on")
    assert new.stop() == 0
    assert load.failures == []
    # A client may be slow to note an answer that it got just before.
    assert {version for _, version in load.answers[before + 20 :]} == {second}
    async with engine.connect() as connection:
        rows = await connection.execute(select(predictions.c.prediction_id, predictions.c.model_version))
        stored = {str(uuid.UUID(str(prediction_id))): version for prediction_id, version in rows}
    assert set(stored.values()) == {first, second}
    assert {prediction_id: stored[prediction_id] for prediction_id, _ in load.answers} == dict(load.answers)
