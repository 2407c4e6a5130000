"""Start our service and its peers, wait until they answer, pause, measure and stop them.

    with ours(model=base_shape(), SENTIMENT_THREADS="1") as server:
        httpx.post(server.url, json=server.body("Broke after two days."))
        print(server.ready_s, server.sample())

Every server listens on a free port of 127.0.0.1 and serves the folder `model`. What it prints goes to a file of its own
and is shown when it does not start. How much load it gets is not decided here.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import ROOT
from benchmarks.processes import ServerDidNotStart, clean_environment, cpu_s, free_port, process_tree

PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
_OURS = (sys.executable, "-m", "sentiment_api", "serve", "--port", "{port}")
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 20
_QUIET_CORES = 0.4
"""Less than this is idle: LitServe's polling takes about 0.1 of a core."""


@dataclass(frozen=True)
class ResourceUse:
    """What a server has used until now."""

    cpu_s: float
    """Processor time of all its processes since their start, user and system."""
    database_cpu_s: float
    """The same for the Postgres that it logs to; 0 for servers without one."""
    rss_mb: float
    """The most resident memory that one of its processes ever had."""
    pss_mb: float
    """Memory of all its processes at this moment, shared pages once."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    url: str
    """Where predictions are asked for."""
    body: Callable[[str], dict[str, Any]]
    """Makes the JSON body that asks for the prediction of one text."""
    process: subprocess.Popen[bytes]
    ready_s: float
    """From the start of the process to the first prediction answered, as a client sees it."""
    database_pid: int | None = None

    @property
    def pid(self) -> int:
        """The process that was started, which may have others below it."""
        return self.process.pid

    def sample(self) -> ResourceUse:
        """Measure now. Reading the memory maps takes some 10 ms, so not under load."""
        tree = process_tree(self.pid)
        return ResourceUse(
            cpu_s=cpu_s(tree),
            database_cpu_s=cpu_s(process_tree(self.database_pid)) if self.database_pid else 0.0,
            rss_mb=max(_peak_rss_mb(process.pid) for process in tree),
            pss_mb=sum(process.memory_full_info().pss for process in tree) / 1e6,
        )

    def pause(self) -> None:
        """Take the processor from it, so that it does not disturb the measurement of another."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Give the processor back."""
        self._signal(signal.SIGCONT)

    def settle(self, timeout_s: float = 30) -> None:
        """Wait until it has worked off what clients that left had asked for, or until `timeout_s` has passed."""
        deadline = time.monotonic() + timeout_s
        quiet = 0
        while quiet < 2 and time.monotonic() < deadline:
            before_s = cpu_s(process_tree(self.pid))
            time.sleep(0.25)
            quiet = quiet + 1 if cpu_s(process_tree(self.pid)) - before_s < 0.25 * _QUIET_CORES else 0

    def _signal(self, number: signal.Signals) -> None:
        for process in process_tree(self.pid):
            process.send_signal(number)


@contextlib.contextmanager
def ours(model: Path, command: Sequence[str] = _OURS, **environment: str) -> Iterator[Server]:
    """Run this checkout's service, with a Postgres of its own for the prediction log and no cache of answers.

    `environment` sets or replaces SENTIMENT_ variables; `command` is what starts the service.
    """
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(_folder())
        settings = {
            "SENTIMENT_DATABASE": "embedded",
            "SENTIMENT_DATA_DIR": str(folder),
            "SENTIMENT_MODEL": str(model.absolute()),
            "SENTIMENT_CACHE_BYTES": "0",  # the texts come round again, which a shop's do not
            **environment,
        }
        database_pid = opened.enter_context(_database(settings, folder))
        yield opened.enter_context(_running("ours", command, settings, lambda text: {"text": text}, database_pid))


@contextlib.contextmanager
def fastapi_pipeline(model: Path) -> Iterator[Server]:
    """Run FastAPI with a transformers pipeline."""
    command = ["-m", "uvicorn", "benchmarks.speed.serving.peers.fastapi_pipeline:app", "--port", "{port}"]
    with _peer("fastapi", command, model, lambda text: {"text": text}) as server:
        yield server


@contextlib.contextmanager
def litserve_batching(model: Path) -> Iterator[Server]:
    """Run LitServe with batching."""
    command = ["-m", "benchmarks.speed.serving.peers.litserve_batching"]
    with _peer("litserve", command, model, lambda text: {"text": text}) as server:
        yield server


@contextlib.contextmanager
def bentoml_batching(model: Path) -> Iterator[Server]:
    """Run BentoML with adaptive batching."""
    service = "benchmarks.speed.serving.peers.bentoml_batching:BentoSentiment"
    command = ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", "{port}"]
    with _peer("bentoml", command, model, lambda text: {"texts": [text]}) as server:
        yield server


@contextlib.contextmanager
def _peer(name: str, command: list[str], model: Path, body: Callable[[str], dict[str, Any]]) -> Iterator[Server]:
    with _folder() as folder:
        settings = {
            "MODEL": str(model.absolute()),
            "HF_HUB_OFFLINE": "1",
            "BENTOML_HOME": str(folder),
            "BENTOML_DO_NOT_TRACK": "True",
            "DO_NOT_TRACK": "1",
        }
        with _running(name, [str(PEERS_PYTHON), *command], settings, body) as server:
            yield server


@contextlib.contextmanager
def _running(
    name: str,
    command: Sequence[str],
    settings: dict[str, str],
    body: Callable[[str], dict[str, Any]],
    database_pid: int | None = None,
) -> Iterator[Server]:
    """Start `command`, with a free port for `{port}` and as PORT, and stop it in the end with all that it started."""
    port = str(free_port())
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [part.format(port=port) for part in command],
            env={**clean_environment(), "PORT": port, **settings},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        try:
            url = f"http://127.0.0.1:{port}/predict"
            if not _answers(process, url, body("Great value, works perfectly.")):
                output.seek(0)
                raise ServerDidNotStart(f"{name} did not start:\n{output.read().decode(errors='replace')[-2000:]}")
            yield Server(name, url, body, process, time.monotonic() - started, database_pid)
        finally:
            _stop(process)


@contextlib.contextmanager
def _database(settings: dict[str, str], folder: Path) -> Iterator[int]:
    """Migrate a fresh embedded Postgres in `folder` and return the id of its first process."""
    _run_ours(["db", "upgrade"], settings)
    try:
        yield int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    finally:
        _run_ours(["db", "stop"], settings)


def _run_ours(arguments: list[str], settings: dict[str, str]) -> None:
    command = [sys.executable, "-m", "sentiment_api", *arguments]
    environment = {**clean_environment(), **settings}
    finished = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise ServerDidNotStart(f"sentiment-api {' '.join(arguments)} failed:\n{finished.stderr[-2000:]}")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sentiment-bench-"))
    folder.chmod(0o755)  # as root the embedded Postgres runs as another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _answers(process: subprocess.Popen[bytes], url: str, body: dict[str, Any]) -> bool:
    """Wait for the first prediction; False when the process ends before, or after a time that suits no user."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    with httpx.Client(timeout=_START_TIMEOUT_S, trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.post(url, json=body).is_success:
                    return True
            time.sleep(0.02)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then kill whatever of it is still there."""
    tree = process_tree(process.pid)
    for each in tree:
        each.resume()
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    _gone, left = psutil.wait_procs(tree, timeout=1)
    for each in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()


def _peak_rss_mb(pid: int) -> float:
    """Return VmHWM, which psutil does not have."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), 0.0)
