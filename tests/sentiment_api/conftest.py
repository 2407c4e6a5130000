"""What this room's tests share: the starter on both engines, one service in this process, and records for the log."""

import datetime as dt
import gzip
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.app import create_app
from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import PORT, EmbeddedServer
from sentiment_api.database.tables import drift_metrics, drift_runs
from sentiment_api.model.bundle import Bundle, open_bundle, sealed, write_manifest
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.records import PredictionRecord
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.settings import DatabaseSettings, ServiceSettings
from tests.preloaded import program

SPOOL_BYTES = 16 << 20


@pytest.fixture(scope="session")
def starter() -> Path:
    """The folder of the bundle that comes with the service."""
    return Path(__file__).parents[2] / "models" / "starter"


@pytest.fixture(scope="session")
def bundle(starter: Path) -> Bundle:
    """The starter, checked once."""
    return open_bundle(starter)


@pytest.fixture(scope="session")
def cpu(bundle: Bundle) -> Classifier:
    """The starter on the engine that serves by default, on two threads."""
    return Classifier.load(bundle, "cpu", threads=2)


@pytest.fixture(scope="session")
def torch(bundle: Bundle) -> Classifier:
    """The starter on the reference engine."""
    return Classifier.load(bundle, "torch", threads=2)


@pytest.fixture(scope="session")
def other_model(starter: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of another version: the starter, less sure of what it says."""
    folder = tmp_path_factory.mktemp("bundles") / "other"
    shutil.copytree(starter, folder)
    manifest = msgspec.structs.replace(open_bundle(starter).manifest, name="other", temperature=2.5, golden=[])
    write_manifest(folder, sealed(folder, manifest))
    return folder


@pytest.fixture(scope="session")
async def session_database(postgres: EmbeddedServer, template: str) -> str:
    """The URL of a migrated database that the whole run's client writes to."""
    url = f"postgresql://postgres@/{{}}?host={postgres.folder}&port={PORT}"
    administration = DatabaseSettings(
        database=None, database_url=SecretStr(url.format("postgres")), data_dir=postgres.folder.parent
    )
    async with connected(administration) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"create database test_client template {template}"))
    return url.format("test_client")


@pytest.fixture(scope="session")
def client(session_database: str, starter: Path) -> Iterator[TestClient[Litestar]]:
    """A client of the real application in this process: the real starter, spool and Postgres, no network."""
    with tempfile.TemporaryDirectory(prefix="sentiment-test-") as folder:
        settings = ServiceSettings(
            database=None,
            database_url=SecretStr(session_database),
            data_dir=Path(folder),
            model=starter,
            log_format="json",
        )
        with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
            yield client


@pytest.fixture(scope="session")
def metric() -> Callable[[httpx.Client, str], float]:
    """A function that asks a client for `/metrics` and gives the value of one sample, 0 when there is none."""

    def value(client: httpx.Client, sample: str) -> float:
        lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{sample} ")]
        return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0

    return value


@pytest.fixture
def without_postgres(starter: Path, closed_port: int, tmp_path: Path) -> Callable[..., ServiceSettings]:
    """A function that gives the settings of a service whose Postgres is away; keyword arguments replace others."""

    def settings(**changes: Any) -> ServiceSettings:
        usual: dict[str, Any] = {
            "database": None,
            "database_url": SecretStr(f"postgresql://nobody@127.0.0.1:{closed_port}/nothing"),
            "data_dir": tmp_path,
            "model": starter,
            "drain_timeout_s": 0.1,
        }
        return ServiceSettings(**{**usual, **changes})

    return settings


@pytest.fixture
def drain() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """A function that runs `sentiment-api drain` for the services of a data folder."""

    def run(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return program("sentiment_api").run("drain", *arguments, environment={"SENTIMENT_DATA_DIR": str(data_dir)})

    return run


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An empty spool of our own."""
    spool = claim_spool(tmp_path / "spool", SPOOL_BYTES)
    yield spool
    spool.close()


@pytest.fixture(scope="session")
def new_record() -> Callable[..., PredictionRecord]:
    """A function that makes a record; its keyword arguments replace what an ordinary prediction would say."""
    return _record


def _record(**changes: object) -> PredictionRecord:
    usual: dict[str, Any] = {
        "prediction_id": uuid7(),
        "request_id": str(uuid.uuid4()),
        "idempotency_key": None,
        "source": "api",
        "api_key_name": None,
        "product_id": "mug-7",
        "event_timestamp": dt.datetime(2026, 11, 1, 8, 30, tzinfo=dt.UTC),
        "text": "The lid never closes properly.",
        "text_hash": bytes(16),
        "metadata": {"shop": "de"},
        "descriptors": {"words": 5},
        "descriptors_version": 1,
        "tokens": 8,
        "truncated": False,
        "logits": [1.5, -1.5],
        "label": "negative",
        "score": 0.95,
        "probabilities": {"negative": 0.95, "positive": 0.05},
        "embedding": [0.25, -0.5],
        "model_name": "starter",
        "model_version": "0123456789ab",
        "engine": "cpu",
        "latency_ms": 4.5,
    }
    return PredictionRecord(**{**usual, **changes})


@pytest.fixture
def store_run(engine: AsyncEngine, bundle: Bundle) -> Callable[..., Awaitable[uuid.UUID]]:
    """A function that stores a drift run on the starter, as the drift job does, and gives its id.

    `day` is the day of November 2026 that it judged, `metrics` are its metrics; other arguments replace columns.
    """

    async def store(*, day: int = 21, metrics: list[dict[str, Any]] | None = None, **columns: Any) -> uuid.UUID:
        run = _run(day) | {"model_version": bundle.manifest.version} | columns
        async with engine.begin() as connection:
            await connection.execute(insert(drift_runs).values(run))
            for metric in metrics or []:
                await connection.execute(insert(drift_metrics).values(_metric(run["run_id"]) | metric))
        run_id: uuid.UUID = run["run_id"]
        return run_id

    return store


def _run(day: int) -> dict[str, Any]:
    end = dt.datetime(2026, 11, day, tzinfo=dt.UTC) + dt.timedelta(days=1)
    return {
        "run_id": uuid7(),
        "revision": 1,
        "window_start": end - dt.timedelta(days=1),
        "window_end": end,
        "reference": "bundle",
        "model_name": "starter",
        "started_at": end + dt.timedelta(hours=2),
        "finished_at": end + dt.timedelta(hours=2, seconds=10),
        "n_current": 800,
        "n_reference": 5000,
        "verdict": "none",
        "reason": "none of 15 tests found a change",
    }


def _metric(run_id: uuid.UUID) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "metric": "words",
        "family": "inputs",
        "direction": "none",
        "verdict": "none",
        "n": 800,
    }


class Receiver(ThreadingHTTPServer):
    """An OTLP endpoint that keeps what it is sent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        """Listen on a free port of the loopback interface."""
        super().__init__(("127.0.0.1", 0), _OtlpHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.received: list[tuple[str, bytes]] = []
        """Each request's path and its body, unpacked."""
        self.headers: list[str] = []
        self.status = 200
        self.asked = 0
        self.answers = threading.Event()
        """Unset it and clients are kept waiting."""
        self.answers.set()

    def bodies(self, path: str) -> list[bytes]:
        """Return the bodies that came for one path."""
        return [body for asked, body in self.received if asked == path]

    def everything(self) -> bytes:
        """Return all that was sent, headers included."""
        return b"".join(body for _, body in self.received) + "".join(self.headers).encode()


class _OtlpHandler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.asked += 1
        self.server.answers.wait()
        if self.server.status == 200:
            self.server.received.append((self.path, body))
            self.server.headers.append(str(self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def new_receiver() -> Iterator[Callable[[], Receiver]]:
    """A function that starts a receiver of OTLP."""
    started: list[Receiver] = []

    def start() -> Receiver:
        started.append(Receiver())
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return started[-1]

    yield start
    for receiver in started:
        receiver.answers.set()
        receiver.shutdown()
        receiver.server_close()


@pytest.fixture
def receiver(new_receiver: Callable[[], Receiver]) -> Receiver:
    """A running receiver of OTLP."""
    return new_receiver()
