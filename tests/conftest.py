"""What every test may ask for: a real Postgres, a fresh database in it, the real service as a process, a browser."""

import contextlib
import gc
import os
import shutil
import signal
import socket
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.schema import upgrade
from sentiment_api.model.cores import usable_cores
from sentiment_api.settings import DatabaseSettings
from tests.packages import command_of
from tests.preloaded import Run, end_programs, program

for _name in [name for name in os.environ if name.startswith(("SENTIMENT_", "OTEL_", "APITALLY_"))]:
    del os.environ[_name]  # what `make` or a shell says of another service is not for the tests

_PATIENT = {"SENTIMENT_READ_TIMEOUT_S": "20"}  # a busy machine may stand still for seconds, which is no fault of ours
os.environ.update(_PATIENT)
# Several tests run at once, so that a second thread for a product of matrices only waits: models were compared in 4
# seconds of a core rather than 9. It holds from the workers' start on, since they have what this process has.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})
# A folder without certificates: all servers here are plain HTTP on loopback, and reading the system's certificates for
# each request costs 24 ms of a core, which a test that polls takes from the service that it waits for.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

_TEMPLATE = "template_migrated"
_ROOT = Path(__file__).parents[1]
STARTER = _ROOT / "models" / "starter"
_PATIENCE_S = 120.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class ServiceProcess:
    """`sentiment-api serve` as an operator starts it: a process of its own, on a free port of this machine."""

    def __init__(self, database_url: str, data_dir: Path, port: int, **environment: str) -> None:
        """Nothing runs before `start`."""
        self._log = data_dir / "service.log"
        self._process: Run | None = None
        self._environment = {
            "PATH": os.environ["PATH"],
            "SENTIMENT_DATABASE_URL": database_url,
            "SENTIMENT_DATA_DIR": str(data_dir),
            "SENTIMENT_MODEL": str(STARTER),
            "SENTIMENT_PORT": str(port),
            **_PATIENT,
            **environment,
        }
        self.url = f"http://127.0.0.1:{self._environment['SENTIMENT_PORT']}"

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        with self._log.open("ab") as log:
            service = program("sentiment_api")
            self._process = service.start("serve", environment=self._environment, out=log, err=log)
        wait_until(self.is_ready, "the service is ready")

    def is_ready(self) -> bool:
        """Return whether `/health/ready` answers 200 now; fails the test when the process has ended."""
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal to the main process, SIGKILL to its worker too; wait for the end and return the exit code."""
        assert self._process is not None
        if with_signal == signal.SIGKILL and self._process.poll() is None:
            for worker in psutil.Process(self._process.pid).children():
                worker.kill()
        self._process.send_signal(with_signal)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the main process and return its exit code."""
        assert self._process is not None
        return self._process.wait(timeout=_PATIENCE_S)

    def log(self) -> str:
        """Return everything that the service has printed so far."""
        return self._log.read_text()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds; fail the test when it does not come to hold."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {_PATIENCE_S:.0f} s in vain: {what}"
        time.sleep(0.02)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run the tests in as many processes as there are cores that we may use: a container's quota counts."""
    return usable_cores()


_SLOW_FIXTURES = frozenset(
    {"postgres", "cluster", "victim", "browser", "torch", "fitted", "promtool", "scraping", "build"}
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what asks for a database, a service, a browser, the reference engine or a fitted model."""
    for item in items:
        if not _SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _programs() -> Iterator[None]:
    """What was imported to be run ends with the tests."""
    yield
    end_programs()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """A Postgres server for the whole run, stopped and removed at its end."""
    data_dir = Path(tempfile.mkdtemp(prefix="sentiment-test-", dir=folder_for_databases()))
    # As root the server runs as another user, who has to be able to enter the folder.
    data_dir.chmod(0o755)
    server = EmbeddedServer(data_dir)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(data_dir)


def folder_for_databases() -> str | None:
    """Return where a database is made of 300 files in 14 ms of a core, 90 on a disk; None where memory has no room."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else None


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedServer, anyio_backend: str) -> str:
    """The name of a migrated database that others are copied from."""
    # A test's rows need not outlive a power cut, and copies are quick where nothing waits for the disk.
    await _administer(postgres, "alter system set fsync = off")
    await _administer(postgres, "alter system set max_wal_size = '128MB'")
    await _administer(postgres, "select pg_reload_conf()")
    await _administer(postgres, f"create database {_TEMPLATE}")
    async with connected(_settings(postgres, _TEMPLATE)) as engine:
        await upgrade(engine)
    return _TEMPLATE


@pytest.fixture
async def database_settings(postgres: EmbeddedServer, template: str) -> AsyncIterator[DatabaseSettings]:
    """Settings that name a fresh, migrated, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    await _administer(postgres, f"create database {name} template {template} strategy file_copy")
    yield _settings(postgres, name)
    await _administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
async def engine(database_settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """An engine on a fresh, migrated, empty database."""
    async with connected(database_settings) as engine:
        yield engine


def _settings(server: EmbeddedServer, name: str) -> DatabaseSettings:
    url = f"postgresql://postgres@/{name}?host={server.folder}&port=5432"
    return DatabaseSettings(database=None, database_url=SecretStr(url), data_dir=server.folder.parent)


async def _administer(server: EmbeddedServer, statement: str) -> None:
    """Run one statement that cannot run in a transaction."""
    connection = await asyncpg.connect(host=str(server.folder), port=5432, user="postgres", database="postgres")
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def waiting() -> Callable[[Callable[[], bool], str], None]:
    """The function that waits for a condition: `waiting(condition, what)`."""
    return wait_until


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for a service's spool and log, with a path short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="sentiment-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def new_service(
    database_settings: DatabaseSettings, data_dir: Path, new_port: Callable[[], int]
) -> Iterator[Callable[..., ServiceProcess]]:
    """A function that starts a service on the fresh database; its keyword arguments are environment variables."""
    started: list[ServiceProcess] = []

    def start(**environment: str) -> ServiceProcess:
        assert database_settings.database_url is not None
        url = database_settings.database_url.get_secret_value()
        process = ServiceProcess(url, data_dir, new_port(), **environment)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.stop(signal.SIGKILL)


@pytest.fixture
def service(new_service: Callable[..., ServiceProcess]) -> ServiceProcess:
    """A running service on the fresh database."""
    return new_service()


@pytest.fixture(scope="module")
def new_shared_service() -> Iterator[Callable[..., ServiceProcess]]:
    """A function that starts a service that all tests of a module share, with Postgres away."""
    with contextlib.ExitStack() as at_end:

        def start(**environment: str) -> ServiceProcess:
            folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="sentiment-test-")))
            away, port = (at_end.enter_context(held_port()) for _ in range(2))
            process = ServiceProcess(f"postgresql://nobody@127.0.0.1:{away}/nothing", folder, port, **environment)
            process.start()
            at_end.callback(process.stop, signal.SIGKILL)
            return process

        yield start


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """Yield a TCP port of the loopback interface that nothing listens on.

    A bound socket that does not listen keeps it, until the block ends, from everyone who asks the system for any port.
    It refuses connections, and lets a server listen there that sets SO_REUSEADDR, as servers do.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(scope="session")
def hold_port() -> Callable[[], contextlib.AbstractContextManager[int]]:
    """The function that keeps a port on which nothing listens, while a block runs."""
    return held_port


@pytest.fixture
def new_port() -> Iterator[Callable[[], int]]:
    """A function that gives a port that nothing listens on, kept until the test ends, each time another one."""
    with contextlib.ExitStack() as held:
        yield lambda: held.enter_context(held_port())


@pytest.fixture
def free_ports(new_port: Callable[[], int]) -> list[int]:
    """Three TCP ports of the loopback interface that nothing listens on."""
    return [new_port() for _ in range(3)]


@pytest.fixture
def closed_port(new_port: Callable[[], int]) -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    return new_port()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = command_of("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was not run: a line for each thing that is missing, with how to get it."""
    skipped = terminalreporter.getreports("skipped")
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    if reasons:
        terminalreporter.section("not run")
    for reason, tests in reasons.most_common():
        terminalreporter.line(f"{tests} tests: {reason}" if tests > 1 else f"1 test: {reason}")


def pytest_collection_finish() -> None:
    """Spare the collector what stays to the end: modules and tests."""
    gc.collect()
    gc.freeze()
