"""A Postgres server of a test's own that listens on TCP, from the programs of the embedded one."""

import os
import shutil
import tempfile
from pathlib import Path

from sentiment_api.database.embedded import run_program, server_user

_FAST = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "40", "unix_socket_directories": "."}
_LOCALE = ("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class Cluster:
    """A server on a port of the loopback interface and on a socket in its folder. `postgres` needs no password."""

    def __init__(self, port: int, parent: str | None = None, **settings: str) -> None:
        """Nothing runs before `start`. `settings` are the server's."""
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="sentiment-test-", dir=parent))
        self._user = server_user()
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._settings = {**_FAST, "listen_addresses": "127.0.0.1", "port": str(port), **settings}

    def start(self) -> None:
        """Create the server and start it."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self.run("initdb", "-D", str(self.folder), "-U", "postgres", "-A", "trust", "-N", *_LOCALE, *settings)
        self.control("start")

    def start_standby_of(self, primary: "Cluster", name: str) -> None:
        """Copy the primary and start as its standby, which the primary knows by this name."""
        source = f"host={primary.folder} port={primary.port} user=postgres application_name={name}"
        self.run("pg_basebackup", "-D", str(self.folder), "-d", source, "-R", "-X", "stream", "-c", "fast")
        # What was set for the primary stands in the copied file; the last line counts.
        with (self.folder / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())
        self.control("start")

    def control(self, what: str) -> None:
        """Have `pg_ctl` start, stop, reload or promote it."""
        options = (
            ["-D", str(self.folder), "-w", "-m", "immediate"] if what == "stop" else ["-D", str(self.folder), "-w"]
        )
        self.run("pg_ctl", *options, "-l", str(self.folder / "log"), what)

    def remove(self) -> None:
        """Stop the server, if it runs, and remove its files."""
        if (self.folder / "postmaster.pid").exists():
            self.control("stop")
        shutil.rmtree(self.folder)

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        address = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database)
        self.run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", *address, "-c", statement)

    def make_role(self, name: str, options: str = "login") -> None:
        """Make a role that another test may have made."""
        made = f"create role {name} {options}; exception when duplicate_object then null;"
        self.execute(f"do $$ begin {made} end $$")

    def require(self, *rules: str) -> None:
        """Put lines before those of pg_hba.conf."""
        file = self.folder / "pg_hba.conf"
        file.write_text("\n".join((*rules, file.read_text())))
        self.control("reload")

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return the URL by TCP."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of Postgres' programs as the user of the server; fail the test when it fails."""
        finished = run_program(program, *arguments)
        assert finished.returncode == 0, finished.stderr
