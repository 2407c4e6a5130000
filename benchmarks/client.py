"""A small HTTP client on asyncio for loads that wrk cannot make: at a given rate, with retries, with probes.

It reads what our service sends, a status line, headers and a body with its length, and takes about 0.1 ms a request.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    """0 when the connection failed or nothing came in time."""
    seconds: float
    headers: dict[str, str]
    body: bytes
    sent_at: float | None = None
    """When the request was handed to the system, by `time.perf_counter`; None when there was no connection for it."""
    answered_before: bool = False
    """Whether its connection had been answered on before, so that the server is known to have accepted it."""


class Client:
    """Keeps connections to one server, as many as are in use at once."""

    def __init__(self, url: str, timeout_s: float = 120.0) -> None:
        """`url` is the server's; its path is not used."""
        parsed = httpx.URL(url)
        self._host, self._port = parsed.host, parsed.port or 80
        self._timeout_s = timeout_s
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> Reply:
        """Get `path`."""
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    async def post(self, path: str, body: bytes) -> Reply:
        """Post a JSON body to `path`."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head.encode() + body)

    def close(self) -> None:
        """Close all connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def _ask(self, request: bytes) -> Reply:
        started = time.perf_counter()
        writer = sent_at = None
        idle = self._idle_connection()
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = idle or await self._connect()
                sent_at = time.perf_counter()
                writer.write(request)
                status, headers, body = await _read(reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            if writer is not None:
                writer.close()
            return Reply(0, time.perf_counter() - started, {}, b"", sent_at, idle is not None)
        self._idle.append((reader, writer))
        return Reply(status, time.perf_counter() - started, headers, body, sent_at, idle is not None)

    def _idle_connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a connection that waits, unless the server has closed all of them."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._host, self._port, limit=1 << 24)


async def ask_without_pause(client: Client, bodies: Sequence[bytes], connections: int, seconds: float) -> list[Reply]:
    """Return the replies of `/predict` to as many connections, each of which asks as soon as it is answered.

    Connections begin at different bodies. What is answered after the end is left out.
    """
    end = time.perf_counter() + seconds
    replies: list[Reply] = []

    async def connection(first: int) -> None:
        number = first * len(bodies) // connections
        while time.perf_counter() < end:
            reply = await client.post("/predict", bodies[number % len(bodies)])
            if time.perf_counter() < end:
                replies.append(reply)
            number += 1

    await asyncio.gather(*(connection(number) for number in range(connections)))
    return replies


async def answers_per_s(clients: Sequence[Client], bodies: Sequence[bytes], connections: int, seconds: float) -> float:
    """Return the answers with 200 a second of all clients, which share the connections."""
    each = connections // len(clients)
    replies = await asyncio.gather(*(ask_without_pause(client, bodies, each, seconds) for client in clients))
    return sum(reply.status == 200 for some in replies for reply in some) / seconds


async def at_rate(ask: Callable[[int], Awaitable[Reply]], rate: float, seconds: float) -> list[Reply]:
    """Ask at random moments, `rate` a second on average (a Poisson process), and return all replies.

    `ask` gets the number of the request. The moments are the same each time.
    """
    chosen = random.Random(0)  # noqa: S311 - no secret
    started, due = time.perf_counter(), 0.0
    asked: list[asyncio.Future[Reply]] = []
    while due < seconds:
        await asyncio.sleep(max(0.0, started + due - time.perf_counter()))
        asked.append(asyncio.ensure_future(ask(len(asked))))
        due += chosen.expovariate(rate)
    return await asyncio.gather(*asked)


async def _read(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
