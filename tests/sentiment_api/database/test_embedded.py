"""The embedded Postgres: starts, survives what machines do to it, and keeps its data."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import EmbeddedServer, _is_misleading
from sentiment_api.errors import DatabaseNotReady
from sentiment_api.settings import DatabaseSettings
from tests.preloaded import program

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture
def server() -> Iterator[EmbeddedServer]:
    """A server of our own that has never run, in a folder that its user may enter."""
    with tempfile.TemporaryDirectory(prefix="sentiment-test-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedServer(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def sleeper(server: EmbeddedServer) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is no Postgres, run by the user of the started server."""
    server.start()
    with subprocess.Popen(["sleep", "600"], user=server.folder.stat().st_uid) as program:
        yield program
        program.kill()


async def ask(server: EmbeddedServer, statement: str) -> object:
    """Run one statement and return its first value, if it returns rows."""
    settings = DatabaseSettings(database="embedded", database_url=None, data_dir=server.folder.parent)
    async with connected(settings) as engine, engine.begin() as connection:
        result = await connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def postmaster(server: EmbeddedServer) -> psutil.Process:
    """Return the server's main process."""
    return psutil.Process(int((server.folder / "postmaster.pid").read_text().split()[0]))


async def test_it_starts_once_stops_once_and_keeps_its_data(server: EmbeddedServer) -> None:
    """The second start and the second stop have nothing to do, and rows outlive a restart."""
    assert not server.answers()
    assert not server.stop()
    assert server.start()
    assert not server.start()
    await ask(server, "create table kept as select 42 as answer")
    assert server.stop()
    assert not server.answers()
    assert not server.stop()
    assert server.start()
    assert await ask(server, "select answer from kept") == 42


async def test_only_its_own_user_can_reach_it(server: EmbeddedServer) -> None:
    """It listens on a socket in a private folder and on no port, and its log holds no statements."""
    server.start()
    assert server.folder.stat().st_mode & 0o777 == 0o700
    assert await ask(server, "show listen_addresses") == ""
    assert await ask(server, "show log_min_error_statement") == "panic"
    listening = [each for each in postmaster(server).net_connections(kind="tcp") if each.status == "LISTEN"]
    assert listening == []


async def test_a_killed_server_comes_back_with_its_data(server: EmbeddedServer, waiting: Callable[..., None]) -> None:
    """After kill -9 the next start recovers what was committed."""
    server.start()
    await ask(server, "create table kept as select 42 as answer")
    process = postmaster(server)
    process.send_signal(signal.SIGKILL)
    waiting(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the postmaster is dead")
    assert server.start()
    assert await ask(server, "select answer from kept") == 42


async def test_a_recycled_process_id_is_not_believed(
    server: EmbeddedServer, sleeper: subprocess.Popen[bytes], waiting: Callable[..., None]
) -> None:
    """When the recorded id is now another program's, of the same user, the server is started all the same."""
    process = postmaster(server)
    recorded = (server.folder / "postmaster.pid").read_text().split("\n")
    process.send_signal(signal.SIGKILL)
    waiting(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "the postmaster is dead")
    (server.folder / "postmaster.pid").write_text("\n".join([str(sleeper.pid), *recorded[1:]]))
    assert server.start()
    assert await ask(server, "select 1") == 1


@pytest.mark.parametrize("content", ["", "no number\n", "1\n", "{ours}\n"])
def test_a_process_id_of_a_stranger_misleads(tmp_path: Path, content: str) -> None:
    """A damaged file, this test and the process of another user would be taken for the server of this folder."""
    pid_file = tmp_path / "postmaster.pid"
    pid_file.write_text(content.format(ours=os.getpid()))
    assert _is_misleading(pid_file, tmp_path)


def test_a_dead_process_id_is_left_to_postgres(tmp_path: Path) -> None:
    """Postgres removes such a file itself, after looking for children that outlived their parent."""
    pid_file = tmp_path / "postmaster.pid"
    pid_file.write_text("999999999\n")
    assert not _is_misleading(pid_file, tmp_path)


def test_two_starts_at_once_give_one_server(server: EmbeddedServer) -> None:
    """Of four threads that start it on an empty folder exactly one has to."""
    started: list[bool] = []
    starts = [threading.Thread(target=lambda: started.append(server.start())) for _ in range(4)]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    assert sorted(started) == [False, False, False, True]
    ours = [each for each in psutil.process_iter() if _runs_in(each, server.folder)]
    assert len([each for each in ours if each.parent() is None or each.parent() not in ours]) == 1


def _runs_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()) == folder
    except psutil.Error:
        return False


def test_a_path_too_long_for_a_socket_is_refused(server: EmbeddedServer) -> None:
    """The kernel takes 107 bytes; a longer path is refused before anything is made, with the setting to change."""
    deep = server.folder.parent / ("x" * 100)
    with pytest.raises(DatabaseNotReady, match="too long for a Unix socket; set a shorter SENTIMENT_DATA_DIR"):
        EmbeddedServer(deep).start()
    assert [path.name for path in deep.iterdir()] == ["postgres.lock"]


def test_nothing_is_opened_to_others(server: EmbeddedServer) -> None:
    """Starting changes no permission of the folders that were there before."""
    folder = server.folder.parent
    before = {path: path.stat().st_mode for path in (folder, *folder.parents)}
    server.start()
    assert {path: path.stat().st_mode for path in before} == before


def test_a_closed_folder_stays_closed() -> None:
    """Below a folder that only its owner may enter, as in /root, the server starts and loosens nothing."""
    with tempfile.TemporaryDirectory(prefix="sentiment-test-") as folder:
        server = EmbeddedServer(Path(folder) / "data")
        try:
            assert server.start()
            assert server.answers()
            assert Path(folder).stat().st_mode & 0o777 == 0o700
            assert server.folder.stat().st_mode & 0o777 == 0o700
        finally:
            server.stop()
            shutil.rmtree(server.folder)


def test_a_dump_is_restored(postgres: EmbeddedServer, tmp_path: Path) -> None:
    """What was dumped comes back, the file is nobody else's to read, and a restore over data that are there fails."""
    file = tmp_path / "dump"
    psql(postgres, "create table dumped as select 7 as number")
    assert database_command(postgres, "dump", str(file)).returncode == 0
    assert file.stat().st_mode & 0o077 == 0
    refused = database_command(postgres, "restore", str(file))
    assert (refused.returncode, '"dumped" already exists' in refused.stderr) == (1, True)
    psql(postgres, "drop table dumped")
    assert database_command(postgres, "restore", str(file)).returncode == 0
    assert psql(postgres, "select number from dumped") == "7\n"
    psql(postgres, "drop table dumped")


def psql(server: EmbeddedServer, statement: str) -> str:
    """Return what `sentiment-api db psql` prints of a statement."""
    return database_command(server, "psql", "-AXtqc", statement).stdout


def database_command(server: EmbeddedServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api db` on the embedded server."""
    return program("sentiment_api").run(
        "db",
        *arguments,
        environment={
            "SENTIMENT_DATABASE": "embedded",
            "SENTIMENT_DATA_DIR": str(server._data_dir),
        },
    )
