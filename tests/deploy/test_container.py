"""The serving image, run as `compose.yaml` runs it: closed in, asking for keys, on a real Postgres, over real HTTP.

It has to be built before, and is named: CONTAINER_IMAGE=localhost/sentiment-api. CONTAINER_RUN is the beginning of the
command where `podman run --rm --network host` needs more words.
"""

import json
import os
import shlex
import socket
import socketserver
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.embedded import PORT, EmbeddedServer
from sentiment_api.settings import DatabaseSettings
from tests.protocols import Waiting

pytestmark = pytest.mark.anyio

CLOSED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
REVIEW = "The zip broke on the third day, and the seller does not answer."
TASTE = """
import importlib.util, json, os, pathlib, shutil
programs = ("pip", "pip3", "gcc", "cc", "g++", "clang", "ld", "make")
modules = ("pip", "torch", "transformers", "evidently", "pytest")
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
try:
    pathlib.Path("/app/new").touch()
    writable = True
except OSError:
    writable = False
print(json.dumps({
    "user": os.getuid(),
    "capabilities": int(status["CapEff"], 16),
    "writable": writable,
    "programs": [each for each in programs if shutil.which(each)],
    "modules": [each for each in modules if importlib.util.find_spec(each)],
    "system pip": [str(path) for path in pathlib.Path("/usr").rglob("pip/__init__.py")],
}))
"""


class Container:
    """A container of the image; its command's exit code is the container's."""

    def __init__(self, image: str, log: Path, port: int, database_port: int, database: str) -> None:
        """Nothing runs before `start`."""
        self.name = f"sentiment-test-{uuid.uuid4().hex[:8]}"
        self.url = f"http://127.0.0.1:{port}"
        self._image, self._log = image, log
        self._environment = {
            "SENTIMENT_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{database_port}/{database}",
            "SENTIMENT_PORT": str(port),
            "SENTIMENT_KEYS": "required",
        }

    def command(self, *options: str) -> list[str]:
        """Return the command that runs the image closed in; `options` come before the image's name."""
        run = shlex.split(os.environ.get("CONTAINER_RUN", "podman run --rm --network host"))
        variables = [f"--env={name}={value}" for name, value in self._environment.items()]
        return [*run, f"--name={self.name}", *CLOSED, *variables, *options, self._image]

    def start(self, waiting: Waiting) -> None:
        """Start the service and wait until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        waiting(self._is_ready, "the container is ready")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def run(self, *words: str) -> str:
        """Run a podman command on the container and return what it prints; it has to succeed."""
        verb, *rest = words
        done = subprocess.run(["podman", verb, self.name, *rest], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def make_key(self, *scopes: str) -> dict[str, str]:
        """Make a key as a newcomer does, inside the container, and return the header that sends it."""
        options = [word for scope in scopes for word in ("--scope", scope)]
        key = self.run("exec", "sentiment-api", "keys", "create", "-".join(scopes), *options)
        return {"Authorization": f"Bearer {key}"}

    def stop(self) -> int:
        """Send the image's stop signal and return the exit code."""
        subprocess.run(["podman", "stop", "--time=85", self.name], capture_output=True, check=True)
        return self._process.wait(timeout=60)

    def remove(self) -> None:
        """Leave nothing behind, whatever happened."""
        subprocess.run(["podman", "rm", "--force", "--ignore", self.name], capture_output=True, check=False)


class Relay(socketserver.ThreadingTCPServer):
    """Lets a container reach the tests' Postgres, whose socket only its own user may open."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        """Listen on a free port of loopback."""
        self.path = str(path)
        super().__init__(("127.0.0.1", 0), _Passage)


class _Passage(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as inside:
            inside.connect(self.server.path)  # type: ignore[attr-defined]
            back = threading.Thread(target=_pump, args=(inside, self.request), daemon=True)
            back.start()
            _pump(self.request, inside)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def image() -> str:
    """The image's name; without one the test is skipped."""
    name = os.environ.get("CONTAINER_IMAGE")
    if not name:
        pytest.skip("needs a serving image, built from the Containerfile: CONTAINER_IMAGE=its-name make test")
    return name


@pytest.fixture
def container(
    image: str,
    postgres: EmbeddedServer,
    database_settings: DatabaseSettings,
    tmp_path: Path,
    new_port: Callable[[], int],
) -> Iterator[Container]:
    """A container, not started, that can reach the fresh database."""
    assert database_settings.database_url is not None
    database = database_settings.database_url.get_secret_value().partition("@/")[2].partition("?")[0]
    with Relay(postgres.folder / f".s.PGSQL.{PORT}") as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        container = Container(image, tmp_path / "log", new_port(), relay.server_address[1], database)
        yield container
        container.remove()
        relay.shutdown()


def test_the_image_can_do_little(container: Container) -> None:
    """It runs as a user without rights on a file system that it cannot change, and has no compiler, pip or torch."""
    command = [*container.command("--entrypoint=python"), "-c", TASTE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    nothing: list[str] = []
    assert found == {
        "user": 10001,
        "capabilities": 0,
        "writable": False,
        "programs": nothing,
        "modules": nothing,
        "system pip": nothing,
    }


async def test_the_main_path(container: Container, engine: AsyncEngine, waiting: Waiting) -> None:
    """From the first key to the metrics: what the README promises of the service holds in the container."""
    container.start(waiting)
    _walk(container, waiting)
    assert container.stop() == 0
    async with engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from predictions")) == 4


async def test_a_stop_under_load_fails_nothing(container: Container, engine: AsyncEngine, waiting: Waiting) -> None:
    """Whoever is connected when the stop signal comes gets an answer; each acknowledged prediction is stored once."""
    container.start(waiting)
    key = container.make_key("predict")
    waiting(lambda: _ask(container.url, key) is not None, "the key is heeded")
    answered: list[str] = []
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(_ask_until_closed, container.url, key, answered) for _ in range(4)]
        waiting(lambda: len(answered) >= 40, "the service is busy")
        assert container.stop() == 0
        for client in clients:
            client.result()
    async with engine.connect() as connection:
        stored = set((await connection.scalars(text("select prediction_id::text from predictions"))).all())
    assert len(set(answered)) == len(answered)
    assert set(answered) <= stored


def _walk(container: Container, waiting: Waiting) -> None:
    """Go the way of a client, of somebody who reads, and of Prometheus, each with a key of its own."""
    client = container.make_key("predict", "feedback")
    reader, scraper = container.make_key("read"), container.make_key("metrics")
    with httpx.Client(base_url=container.url) as http:
        assert http.post("/predict", json={"text": REVIEW}).status_code == 401
        waiting(lambda: http.get("/metrics", headers=scraper).status_code == 200, "the keys are heeded")
        one = http.post("/predict", json={"text": REVIEW, "product_id": "bag-1"}, headers=client).json()
        many = http.post("/predict/batch", json={"items": [{"text": REVIEW}] * 3}, headers=client).json()
        assert (one["label"], len(many["results"])) == ("negative", 3)
        told = http.post("/feedback", json={"prediction_id": one["prediction_id"], "rating": 1}, headers=client)
        assert told.status_code in (200, 202)
        path = f"/predictions/{one['prediction_id']}"
        assert http.get(path, headers=client).status_code == 403
        waiting(lambda: http.get(path, headers=reader).status_code == 200, "the prediction is stored")
        listed = "/predictions?product_id=bag-1"
        waiting(lambda: bool(http.get(listed, headers=reader).json()["predictions"]), "the prediction is listed")
        assert "/predict/batch" in http.get("/docs/openapi.json").json()["paths"]
        assert http.get("/drift/latest", headers=reader).status_code == 404  # no night has been judged yet
        assert 'route="/predict"' in http.get("/metrics", headers=scraper).text


def _ask(url: str, key: dict[str, str]) -> str | None:
    """Return the id of a prediction, asked on a connection of its own; None when the key is not known yet."""
    reply = httpx.post(f"{url}/predict", json={"text": REVIEW}, headers=key, timeout=30)
    return None if reply.status_code == 401 else str(reply.raise_for_status().json()["prediction_id"])


def _ask_until_closed(url: str, key: dict[str, str], answered: list[str]) -> None:
    """Ask on and on, until nobody listens any more. Any other failure is one."""
    while True:
        try:
            answered.append(_ask(url, key) or "")
        except httpx.ConnectError:
            return
