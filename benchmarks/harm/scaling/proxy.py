"""The nginx before the replicas, with the shipped configuration, and what its log says of each request.

From `deploy/nginx/sentiment.conf` only the addresses are replaced: a line for each replica, and where nginx listens.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import ROOT
from benchmarks.harm.disks import Skipped
from benchmarks.processes import ServerDidNotStart, free_port, wait_until

SHIPPED = ROOT / "deploy" / "nginx" / "sentiment.conf"
_LOG = "passages.log"
_FIELDS = {
    "path": '"$uri"',
    "status": "$status",
    "seconds": "$request_time",
    "ended_at": "$msec",
    "replicas": '"$upstream_addr"',
    "sent": '"$upstream_bytes_sent"',
}
_MAIN = f"""
daemon off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    log_format passages '{{{", ".join(f'"{name}": {value}' for name, value in _FIELDS.items())}}}';
    access_log {_LOG} passages;
    keepalive_requests 1000000;  # the clients here do not heed `Connection: close`
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include sentiment.conf;
}}
"""
_SERVER = re.compile(r"(?m)^ *server 127\.0\.0\.1:\d+(.*);\n")


class Attempt(NamedTuple):
    """One replica that nginx tried to hand a request to."""

    port: int
    sent_bytes: int
    """0 where the replica did not take the connection."""


@dataclass(frozen=True)
class Passage:
    """One request's way through nginx."""

    path: str
    status: int
    """What the client got."""
    seconds: float
    begun_at: float
    """By `time.time`, to the millisecond."""
    attempts: list[Attempt]
    """In their order; the last one's answer is what the client got."""

    @property
    def cut_off(self) -> list[Attempt]:
        """Those that had got the request, or some of it, and did not answer."""
        return [each for each in self.attempts[:-1] if each.sent_bytes]

    @property
    def turned_away(self) -> list[Attempt]:
        """Those that took no connection, so that the request never reached them."""
        return [each for each in self.attempts[:-1] if not each.sent_bytes]


class Proxy:
    """A running nginx."""

    def __init__(self, folder: Path, port: int) -> None:
        """Use `proxied`."""
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / _LOG

    def passages(self) -> list[Passage]:
        """Return all requests that were answered until now, in the order of their ends."""
        return [_passage(line) for line in self._log.read_text().splitlines()]


@contextlib.contextmanager
def proxied(folder: Path, ports: Sequence[int]) -> Iterator[Proxy]:
    """Run nginx before the replicas on these ports, with its files in a new folder.

    Raises:
        Skipped: there is no nginx.
        ServerDidNotStart: it ended; the message is what it printed.
    """
    folder.mkdir()
    folder.chmod(0o755)  # as root its workers run as another user
    listen = free_port()
    (folder / "nginx.conf").write_text(_MAIN)
    (folder / "sentiment.conf").write_text(configuration(SHIPPED.read_text(), ports, listen))
    output = folder / "nginx.log"
    command = [_nginx(), "-p", str(folder), "-c", "nginx.conf"]
    with output.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as nginx:
        try:
            proxy = Proxy(folder, listen)
            wait_until(lambda: nginx.poll() is not None or _answers(proxy.url), "nginx answers")
            if nginx.poll() is not None:
                raise ServerDidNotStart(f"nginx did not start:\n{output.read_text()[-2000:]}")
            yield proxy
        finally:
            nginx.terminate()


def configuration(shipped: str, ports: Sequence[int], listen: int) -> str:
    """Return the shipped configuration with these replicas, as `ports`, and this port to listen on."""
    options = _SERVER.findall(shipped)[0]
    lines = "".join(f"    server 127.0.0.1:{port}{options};\n" for port in ports)
    first, *_, last = _SERVER.finditer(shipped)
    return (shipped[: first.start()] + lines + shipped[last.end() :]).replace("127.0.0.1:8080", f"127.0.0.1:{listen}")


def _passage(line: str) -> Passage:
    fields = json.loads(line)
    attempts = [
        Attempt(int(replica.rpartition(":")[2]), int(sent))
        for replica, sent in zip(fields["replicas"].split(", "), fields["sent"].split(", "), strict=True)
        if ":" in replica  # otherwise there was none left to try, and the name of all of them stands there
    ]
    seconds = fields["seconds"]
    return Passage(fields["path"], fields["status"], seconds, fields["ended_at"] - seconds, attempts)


def _nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise Skipped("there is no nginx (Debian package nginx-light)")
    return found


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return bool(httpx.get(f"{url}/health/live", trust_env=False).status_code)
    return False
