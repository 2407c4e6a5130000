"""Granian around the application: one worker, one model copy, one port."""

import asyncio
import ctypes
import gc
import math
import os
import resource
import signal
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from sentiment_api.app import build_app
from sentiment_api.components import build_components
from sentiment_api.database.connection import DATABASE_ERRORS, check_schema, connected
from sentiment_api.database.refusals import refusal_line, sqlstate_of
from sentiment_api.disk_space import NO_ROOM
from sentiment_api.errors import OperatorError, SettingsInvalid
from sentiment_api.inference.batching import LAST_PASS_S
from sentiment_api.lifespan import Lifespan
from sentiment_api.prediction_log.maintenance import SIGN_OFF_TIMEOUT_S
from sentiment_api.settings import ServiceSettings
from sentiment_api.shadow.comparison import SHADOW_STOP_TIMEOUT_S
from sentiment_api.telemetry.logs import configure_logs

_PR_SET_PDEATHSIG = 1
_STOP_PATIENCE_S = LAST_PASS_S + SHADOW_STOP_TIMEOUT_S + SIGN_OFF_TIMEOUT_S + 3.0
"""What a stop takes at most beside the last batch and the drain: engine and shadow that hang, a last word to Postgres,
and 3 s for all that has no time-out of its own."""
_PARENT_POLL_S = 1.0
_READ_BUFFER_BYTES = 32 << 10
"""Of one connection: bounds what the head of a request may be long, and what of a body waits to be asked for."""
_HEAD_TIMEOUT_MS = 30_000
"""How long the head of a request may take, or a connection may be idle: as long as Granian's own."""
_UNSENT_TIMEOUT_MS = 60_000
"""How long a client may take nothing of its reply."""
_LISTENER_POLL_S = 0.1
_OTHER_FILES = 256
"""Beside the connections and the files that they are sent: the spool's, Postgres's, the event loop's."""
_M_ARENA_MAX = -8
_MALLOC_ARENAS = 2
_log = structlog.get_logger(__name__)


def serve(settings: ServiceSettings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        SettingsInvalid: the port is taken, or the data folder cannot be written.
        DatabaseNotReady: the migrations were not applied, or the embedded server does not start.
        SystemExit: with 1 when the worker could not start; it has said why.
    """
    configure_logs(settings.log_format)
    _check_data_dir(settings.data_dir)
    _check_port(settings.host, settings.port)
    asyncio.run(_check_database(settings))
    server = Server(
        "sentiment_api.app",  # named in Granian's own messages; `load` makes the application
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        # Granian bounds connections, and one of HTTP/2 may hold 200 requests. With both versions on, Granian also never
        # ends an idle connection.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEAD_TIMEOUT_MS, max_buffer_size=_READ_BUFFER_BYTES),
        backpressure=_connections(settings.max_connections),
        loop=Loops.asyncio,
        workers=1,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        # Granian would wait for ever, or kill the drain in its middle.
        workers_kill_timeout=kill_timeout_s(settings),
    )

    main_process = os.getpid()

    def load() -> Any:  # noqa: ANN401 - any ASGI application
        _end_with_parent(main_process, kill_timeout_s(settings))
        _share_malloc_arenas()
        end_stalled_replies(settings.port)
        try:
            lifespan = Lifespan(build_components(settings))
            app = build_app(lifespan)
            lifespan.open()  # here and not when Granian starts it, which would print tracebacks if it fails
        except OperatorError as error:
            print(f"sentiment-api: {error}", file=sys.stderr)
            sys.exit(1)
        _freeze_startup_objects()
        return app

    server.serve(target_loader=load, wrap_loader=False)


def kill_timeout_s(settings: ServiceSettings) -> int:
    """Return after how many seconds a service that was told to stop is killed: later than all its own deadlines."""
    return math.ceil(settings.batch_timeout_s + settings.drain_timeout_s + _STOP_PATIENCE_S)


def _connections(wanted: int) -> int:
    """Return how many connections may be served: as many as wanted, or as there may be open files.

    Without files Granian would try to accept the next connection for ever, at full load.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < needed:
            _log.warning("fewer connections than SENTIMENT_MAX_CONNECTIONS; raise `ulimit -n`", open_files=soft)
            return max(1, (soft - _OTHER_FILES) // 2)
    return wanted


def end_stalled_replies(port: int, timeout_ms: int = _UNSENT_TIMEOUT_MS) -> None:
    """Have the system end a connection whose client takes nothing of its reply for so long; Granian keeps it for ever.

    Connections inherit the option from the socket that listens on `port`. Granian makes it after the application, and
    gives it to nobody: a thread waits for it. Only Linux has the option.
    """

    def wait() -> None:
        while not any(_limit_unsent(int(file.name), port, timeout_ms) for file in Path("/proc/self/fd").iterdir()):
            time.sleep(_LISTENER_POLL_S)

    if sys.platform == "linux":
        threading.Thread(target=wait, name="listener-watch", daemon=True).start()


def _limit_unsent(number: int, port: int, timeout_ms: int) -> bool:
    """Set the option if the open file is the socket that listens on `port`; return whether it is."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        with socket.socket(fileno=os.dup(number)) as found:
            if found.family not in (socket.AF_INET, socket.AF_INET6) or found.getsockname()[1] != port:
                return False
            if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return False
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
            return True
    except OSError:  # it was closed meanwhile
        return False


def _check_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / ".writable").touch()
        (data_dir / ".writable").unlink()
    except OSError as error:
        if error.errno in NO_ROOM and data_dir.is_dir():
            return  # what lies in the spool is to be shipped all the same, which makes room
        raise SettingsInvalid(f"cannot write to SENTIMENT_DATA_DIR={data_dir}: {error.strerror}") from error


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsInvalid(
                f"cannot listen on {host}:{port} ({error.strerror}); set another SENTIMENT_PORT"
            ) from error


async def _check_database(settings: ServiceSettings) -> None:
    """Insist on the migrations, unless Postgres is away: then predictions are spooled until it comes back."""
    try:
        async with connected(settings) as engine:
            await check_schema(engine)
    except DATABASE_ERRORS as error:
        kind = sqlstate_of(error) or type(error).__name__
        _log.warning("predictions are spooled: Postgres is away or refuses", error=kind, reason=refusal_line(error))


def _share_malloc_arenas() -> None:
    """Keep glibc from giving each thread an arena of its own: with hundreds of handler threads memory would creep up.

    Under overload the starter's process grew by 100 MB without this, by 50 MB with it, and was as fast.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):  # musl has none
        libc.mallopt(_M_ARENA_MAX, _MALLOC_ARENAS)


def _freeze_startup_objects() -> None:
    """Take all that was made until now, which lives as long as the process, out of the collector's rounds.

    A full round over it held up every request for 170 ms on a slow core. Later rounds look only at what requests left.
    """
    gc.collect()
    gc.freeze()


def _end_with_parent(parent: int, patience_s: float) -> None:
    """Have the worker stop when Granian's main process is killed: it would keep the port and the spool for ever.

    Linux sends it SIGTERM. A thread watches too: for a parent that has gone before that was arranged, for other
    systems, and because without a parent nobody would end a worker whose stop hangs.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_S)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(patience_s)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
