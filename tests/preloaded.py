"""Programs that are imported once and run often: each run is a process of its own, forked from one that ran nothing.

Until `python -m sentiment_api` reads its arguments it takes 1.5 s of a core, `drift_jobs schedule` 6 s. A run from here
has all that a process has: arguments, environment, folder, standard streams, signals and an exit code. What a library
reads of the environment while it is imported it has from elsewhere: who tests that starts Python itself.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).parents[1]
_LARGEST_REQUEST = 1 << 16
_RUN = "from tests.preloaded import wait_for_runs; run = wait_for_runs(); run()"


class Run:
    """A process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, channel: socket.socket, stderr: IO[str] | None) -> None:
        """The process has started."""
        self._channel = channel
        self._stderr = stderr
        told = channel.recv(64)
        assert told, "the program could not be imported; it has said why"
        self.pid = int(told)
        self.returncode: int | None = None

    @property
    def stderr(self) -> IO[str]:
        """What the process says to nobody else, as it comes."""
        assert self._stderr is not None, "its errors go to a file"
        return self._stderr

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        try:
            return self._ended(0.0)
        except (BlockingIOError, TimeoutError):
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once the process has ended; raise TimeoutError if it does not in time."""
        return self._ended(timeout)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process, of which nothing is to be read any more."""
        self.send_signal(signal.SIGKILL)
        self.wait()
        if self._stderr is not None:
            self._stderr.close()

    def _ended(self, timeout: float | None) -> int:
        if self.returncode is None:
            self._channel.settimeout(timeout)
            self.returncode = os.waitstatus_to_exitcode(int(self._channel.recv(64)))
            self._channel.close()
        return self.returncode


class Program:
    """A package's command line, imported."""

    def __init__(self, package: str, control: socket.socket) -> None:
        """`control` leads to the process that has imported it."""
        self._package = package
        self._control = control

    def start(
        self, *arguments: object, environment: Mapping[str, str], out: IO[Any] | None = None, err: IO[Any] | None = None
    ) -> Run:
        """Start the program in the repository's folder, with PATH beside `environment`.

        It writes to the files given; without them nobody reads what it prints, and its errors come out of `Run.stderr`.
        """
        given = {"PATH": os.environ["PATH"], **environment}
        request = {"argv": [self._package, *map(str, arguments)], "environment": given}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stderr = None
        with ExitStack() as sent:
            if err is None:
                reading, writing = os.pipe()
                stderr, err = os.fdopen(reading, encoding="utf-8"), sent.enter_context(os.fdopen(writing, "wb"))
            out = out or sent.enter_context(Path(os.devnull).open("wb"))
            files = [out.fileno(), err.fileno(), sent.enter_context(theirs).fileno()]
            socket.send_fds(self._control, [json.dumps(request).encode()], files)
        return Run(ours, stderr)

    def run(self, *arguments: object, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """Run the program to its end, like `subprocess.run` with its output captured as text."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            run = self.start(*arguments, environment=environment, out=out, err=err)
            code = run.wait(240)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(map(str, arguments)), code, out.read(), err.read())


_started = ExitStack()


@cache
def program(package: str, *modules: str) -> Program:
    """Return a package's command line. At the first call its `__main__` and `modules` are imported, in a process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-c", _RUN, str(theirs.fileno()), package, *modules]
    # One thread: what is forked has only the thread that forks.
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with theirs:
        files = [theirs.fileno()]
        process = subprocess.Popen(command, cwd=_ROOT, env=environment, pass_fds=files, start_new_session=True)
    _started.enter_context(process)
    _started.enter_context(ours)  # closed first, which ends the process
    return Program(package, ours)


def end_programs() -> None:
    """End the processes that wait to be asked for runs."""
    program.cache_clear()
    _started.close()


def wait_for_runs() -> Callable[[], None]:
    """Return the program's `main` in each process that is asked for; end the process when nobody can ask any more."""
    control = socket.socket(fileno=int(sys.argv[1]))
    package, *modules = sys.argv[2:]
    main: Callable[[], None] = importlib.import_module(f"{package}.__main__").main
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # what was imported is not looked through again by any run
    while True:
        message, files, *_ = socket.recv_fds(control, _LARGEST_REQUEST, 3)
        if not message:
            sys.exit()
        if os.fork() == 0:
            control.close()
            _supervise(socket.socket(fileno=files[2]))
            _become(json.loads(message), files[:2])
            return main
        for file in files:
            os.close(file)
        _reap()


def _supervise(channel: socket.socket) -> None:
    """Return in a new process; this one tells its id, waits for it, tells how it ended, and ends."""
    process = os.fork()
    if process == 0:
        channel.close()
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    channel.send(str(process).encode())
    channel.send(str(os.waitpid(process, 0)[1]).encode())
    os._exit(0)


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Have the arguments, the environment and the standard streams that were asked for."""
    for file, stream in zip(files, (1, 2), strict=True):
        os.dup2(file, stream)
        os.close(file)
    sys.argv = request["argv"]
    os.environ.clear()
    os.environ.update(request["environment"])


def _reap() -> None:
    """Let those go that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
