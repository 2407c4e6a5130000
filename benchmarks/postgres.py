"""A Postgres that harm is done to, and the databases in it."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
from pydantic import SecretStr

from benchmarks.processes import is_alive, process_tree, wait_until
from sentiment_api.database import schema
from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import PORT, EmbeddedServer, run_program
from sentiment_api.settings import DatabaseSettings

_TIMEOUT_S = 30.0
_TEMPLATE = "chaos_template"


class Database:
    """One database. Each statement has a connection of its own."""

    def __init__(self, server: EmbeddedServer, name: str) -> None:
        """Name it; it need not exist yet."""
        self.name = name
        self.folder = server.folder
        self.url = f"postgresql://postgres@/{name}?host={server.folder}&port={PORT}"
        self._data_dir = server.folder.parent

    @property
    def settings(self) -> DatabaseSettings:
        """What connects to it."""
        return DatabaseSettings(database=None, database_url=SecretStr(self.url), data_dir=self._data_dir)

    def run(self, statement: str, *values: object) -> None:
        """Run a statement outside of any transaction, one that sets something even when the default is read-only."""
        self.column(statement, *values)

    def column(self, query: str, *values: object) -> list[Any]:
        """Return the first column of a query's rows."""
        return asyncio.run(self._column(query, values))

    @contextlib.contextmanager
    def running(self, statements: str) -> Iterator[None]:
        """Have statements run meanwhile, which may end with their connection."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, self._execute(statements))
            yield

    def stored(self) -> tuple[list[UUID], list[UUID]]:
        """Return the `prediction_id`s of all rows of predictions, and of feedback."""
        tables = ("predictions", "feedback")
        predictions, feedback = (self.column(f"select prediction_id::text from {table}") for table in tables)  # noqa: S608
        return list(map(UUID, predictions)), list(map(UUID, feedback))

    def upgrade(self) -> None:
        """Apply the migrations."""
        asyncio.run(self._migrate(None))

    def downgrade(self, revision: str) -> None:
        """Take the schema back."""
        asyncio.run(self._migrate(revision))

    async def _column(self, query: str, values: tuple[object, ...]) -> list[Any]:
        connection = await asyncpg.connect(self.url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
        try:
            return [row[0] for row in await connection.fetch(query, *values)]
        finally:
            await connection.close(timeout=_TIMEOUT_S)

    async def _execute(self, statements: str) -> None:
        connection = await asyncpg.connect(self.url, timeout=_TIMEOUT_S)
        try:
            await connection.execute(statements)
        finally:
            connection.terminate()

    async def _migrate(self, revision: str | None) -> None:
        async with connected(self.settings) as engine:
            await (schema.upgrade(engine) if revision is None else schema.downgrade(engine, revision))


def failover_url(primary: Database, standby: Database) -> str:
    """Return the URL of a database on two servers."""
    folders = ",".join(str(each.folder) for each in (primary, standby))
    return f"postgresql://postgres@/{primary.name}?host={folders}&port={PORT},{PORT}"


class Postgres:
    """A server of our own."""

    def __init__(self, folder: Path) -> None:
        """Its data will lie in `folder`."""
        self._server = EmbeddedServer(folder)

    @property
    def administration(self) -> Database:
        """The database that is always there."""
        return Database(self._server, "postgres")

    def start(self) -> None:
        """Start it, unless it runs."""
        self._server.start()

    def stop(self) -> None:
        """Stop it, as an administrator would."""
        self._server.stop()

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: not any(map(is_alive, processes)), "the killed Postgres is gone")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it answer nobody meanwhile, while its connections stay."""
        processes = self._processes()
        self._signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(processes, signal.SIGCONT)

    def new_standby(self, folder: Path) -> "Postgres":
        """Start a server in `folder` that follows this one, which knows it as `standby`, and return it."""
        place = folder / "postgres"
        place.mkdir(parents=True, mode=0o700)
        owner = self._server.folder.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        source = f"host={self._server.folder} port={PORT} user=postgres application_name=standby"
        run_program("pg_basebackup", "-D", str(place), "-d", source, "-R", "-c", "fast").check_returncode()
        (place / f".s.PGSQL.{PORT}.lock").unlink()  # copied, too
        standby = Postgres(folder)
        standby.start()
        return standby

    def wait_for_standby(self, *, at_commit: bool) -> None:
        """Have each commit wait for the standby, or none."""
        self.administration.run(f"alter system set synchronous_standby_names = '{'standby' if at_commit else ''}'")
        self.administration.run("select pg_reload_conf()")

    def promote(self) -> None:
        """Have a standby take over."""
        self.administration.run("select pg_promote()")

    def new_database(self) -> Database:
        """Return a fresh, migrated database."""
        name = f"chaos_{uuid.uuid4().hex[:12]}"
        self.administration.run(f"create database {name} template {self._template()}")
        return self.database(name)

    def database(self, name: str) -> Database:
        """Return a database that is there, or will be."""
        return Database(self._server, name)

    def drop(self, database: Database) -> None:
        """Remove a database, whoever is connected to it."""
        self.administration.run(f"drop database {database.name} with (force)")

    def _template(self) -> str:
        if not self.administration.column("select 1 from pg_database where datname = $1", _TEMPLATE):
            self.administration.run(f"create database {_TEMPLATE}")
            Database(self._server, _TEMPLATE).upgrade()
        return _TEMPLATE

    def _processes(self) -> list[psutil.Process]:
        return process_tree(int((self._server.folder / "postmaster.pid").read_text().split()[0]))

    def _signal(self, processes: list[psutil.Process], number: signal.Signals) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextlib.contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Yield a server that runs, and remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # as root Postgres runs as another user
    postgres = Postgres(folder)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)
