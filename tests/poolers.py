"""A PgBouncer of a test's own before a `Cluster`, as Debian's package has it."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from sentiment_api.database.embedded import server_user
from tests.clusters import Cluster
from tests.conftest import wait_until
from tests.packages import command_of


class Pooler:
    """A PgBouncer that hands everything to one server. It asks no user whom it knows for a password."""

    def __init__(self, cluster: Cluster, port: int, users: tuple[str, ...], **settings: str) -> None:
        """Nothing runs before `start`. `settings` are those of pgbouncer.ini."""
        self.port = port
        self.folder = Path(tempfile.mkdtemp(prefix="sentiment-test-"))
        self._user = server_user()  # it refuses to run as root, as Postgres does
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        (self.folder / "users.txt").write_text("".join(f'"{user}" ""\n' for user in users))
        usual = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self.folder / "users.txt"),
            "logfile": str(self.folder / "log"),
        }
        databases = f"[databases]\n* = host=127.0.0.1 port={cluster.port}\n"
        (self.folder / "pgbouncer.ini").write_text(f"{databases}[pgbouncer]\n")
        for name, value in (usual | settings).items():
            self.configure(name, value)
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, name: str, value: str) -> None:
        """Set a setting that it reads when it starts."""
        with (self.folder / "pgbouncer.ini").open("a") as file:
            file.write(f"{name} = {value}\n")

    def start(self) -> None:
        """Start it and wait until it listens."""
        user = self._user
        self._process = subprocess.Popen(
            [command_of("pgbouncer", "pgbouncer"), "--quiet", str(self.folder / "pgbouncer.ini")],
            cwd="/",
            stdin=subprocess.DEVNULL,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        wait_until(self._listens, "PgBouncer listens")

    def stop(self) -> None:
        """End it and remove its files."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self.folder)

    def url(self, database: str, user: str) -> str:
        """Return the URL of a database through it."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
