"""The service's hold on the shadow's process: starts it behind everything else, asks it, stands it still, ends it."""

import contextlib
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from sentiment_api.errors import ShadowFailed
from sentiment_api.model.cores import deprioritize_process
from sentiment_api.shadow.scoring import Failure, Message, Question, ShadowAnswer, ShadowModel, Started

T = TypeVar("T", Started, ShadowModel, ShadowAnswer)

_encode = msgspec.msgpack.Encoder().encode
_messages: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)

ANSWER_TIMEOUT_S = 300.0
"""How long the process may run on without an answer. It is behind everything else, hence slow, but not that slow."""
START_TIMEOUT_S = 300.0
"""How long it may run until Python is up, before it reads the model."""
_LOOK_S = 1.0
_END_TIMEOUT_S = 2.0


class Scorer(Protocol):
    """What scores texts for the shadow. `start`, `load` and `score` block and are called from one thread."""

    def start(self) -> None:
        """Begin, from nothing; return as soon as `pause` is heeded.

        Raises:
            ShadowFailed: it cannot begin.
        """
        ...

    def load(self) -> ShadowModel:
        """Return which model scores, once it is loaded and checked.

        Raises:
            ShadowFailed: it cannot be loaded.
        """
        ...

    def score(self, text: str, *, whole: bool) -> ShadowAnswer:
        """Return the answer for one text.

        Raises:
            ShadowFailed: there is none, nor will there be another.
        """
        ...

    def pause(self) -> None:
        """Use no processor until `resume`. From any thread, at once."""
        ...

    def resume(self) -> None:
        """Go on. From any thread, at once."""
        ...

    def discard(self) -> None:
        """Forget the text in hand; who waits for its answer gets ShadowFailed, and `start` comes next. As `pause`."""
        ...

    def stop(self) -> None:
        """End; whoever waits for an answer gets ShadowFailed. From any thread."""
        ...


class ShadowProcess:
    """A process that scores with the bundle in a folder. It ends with the thread that called `start`."""

    def __init__(self, folder: Path, engine: str, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Nothing runs before `start`. One that runs for `answer_timeout_s` without a pause or an answer has failed."""
        self._folder = folder
        self._engine = engine
        self._answer_timeout_s = answer_timeout_s
        self._runs_since = math.inf
        """On the clock of `time.monotonic`; infinite while it is paused."""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """See `Scorer`."""
        self._end()
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        with theirs:
            self._run(theirs.fileno())
        self._received(Started, START_TIMEOUT_S)

    def load(self) -> ShadowModel:
        """See `Scorer`."""
        return self._received(ShadowModel, self._answer_timeout_s)

    def score(self, text: str, *, whole: bool) -> ShadowAnswer:
        """See `Scorer`."""
        if self._connection is not None:
            with contextlib.suppress(OSError):  # then nothing is received either
                self._connection.send_bytes(_encode(Question(text, whole)))
        return self._received(ShadowAnswer, self._answer_timeout_s)

    def pause(self) -> None:
        """Have the system stand the process still: whatever its priority, it takes nothing from a quota of time."""
        self._runs_since = math.inf
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)
        self._runs_since = time.monotonic()

    def discard(self) -> None:
        """Kill it: nothing else reaches a text that is being computed on, and stopped it would not even hear of it."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """Kill it: it has nothing to lose."""
        self._stopped = True
        self._end()

    def _end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):  # a disk that hangs holds it: it ends with that
                    self._process.wait(_END_TIMEOUT_S)

    def _run(self, descriptor: int) -> None:
        command = [sys.executable, "-m", "sentiment_api.shadow.scoring", str(descriptor)]
        with self._lock:
            if self._stopped:
                raise ShadowFailed("stopped before it was loaded")
            try:
                self._process = subprocess.Popen(
                    [*command, str(self._folder), self._engine],
                    pass_fds=[descriptor],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                )
            except OSError as error:
                raise ShadowFailed(f"no process can be started for it: {error.strerror}") from error
            self._runs_since = time.monotonic()
            deprioritize_process(self._process.pid)

    def _received(self, kind: type[T], timeout_s: float) -> T:
        assert self._connection is not None  # noqa: S101 - `start` comes first
        try:
            self._wait_for(self._connection, timeout_s)
            message: Any = _messages.decode(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise ShadowFailed(f"its process ended{self._how()}") from None
        if isinstance(message, Failure):
            raise ShadowFailed(message.reason)
        if not isinstance(message, kind):
            raise ShadowFailed(f"expected {kind.__name__} from its process, found {type(message).__name__}")
        return message

    def _wait_for(self, connection: Connection, timeout_s: float) -> None:
        """Return when there is something to receive.

        Raises:
            ShadowFailed: the process ran too long without an answer.
        """
        asked = time.monotonic()
        while not connection.poll(min(_LOOK_S, timeout_s)):
            if time.monotonic() - max(asked, self._runs_since) > timeout_s:
                raise ShadowFailed(f"its process ran for {timeout_s:g} s without an answer")

    def _how(self) -> str:
        with self._lock:
            if self._process is None:
                return ""
            try:
                status = self._process.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return " the connection and runs on"
        return f" by signal {-status}" if status < 0 else f" with exit code {status}"

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
