"""Clients that send more than they should: the worker's memory, and another client's latency beside them.

    python -m benchmarks bodies
    python -m benchmarks bodies --seconds 5

Writes bodies.json. Each attack runs against a fresh service without Postgres, from a process of its own, and again and
again for the time of `--seconds`:

- `feedback`, `batch`: 60 connections post 8 MiB to the route at once, and come back a second after each reply;
- `texts`: the same to /predict/batch, and the bodies are full batches of the longest texts;
- `values`: the same to /predict/batch, and the bodies are JSON with as many values as fit;
- `gzip`: the same, and each body unpacks to a gigabyte;
- `slow`: 500 connections announce 8 MiB to /predict/batch and send ten bytes a second;
- `deaf`: 500 connections ask for a page of 1.5 MB, over and over, and read nothing of it.

Memory is the worker's resident memory, in MB, over what it was before. The other client asks for a prediction every
50 ms; its latencies are in ms, before and meanwhile.
"""

import asyncio
import contextlib
import gzip
import json
import multiprocessing
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks import result_files
from benchmarks.processes import free_port, let_pass
from benchmarks.service_process import Service, running
from benchmarks.steps import Namespace, option, seconds

_MIB = 1 << 20
_BODY_BYTES = 8 * _MIB
_SENDERS = 60
_SLOW_SENDERS = 500
_PACE_S = 0.05
_PAUSE_S = 1.0
_SAMPLE_S = 0.02
_REVIEW = {"text": "The lid never closes properly, and the handle is too hot to hold."}
_PAGE = "/docs/assets/swagger-ui-bundle.js"
OPTIONS = (
    seconds(10.0, "how long each attack lasts"),
    option("--attacks", nargs="+", metavar="NAME", help="only these (default all)"),
)


def run(options: Namespace) -> None:
    """Measure each attack and write the results."""
    names = options.attacks or [*_ATTACKS]
    figures = {name: _measured(attack, options.seconds) for name, attack in _ATTACKS.items() if name in names}
    print(json.dumps(figures, indent=2))
    result_files.write(options.out, "bodies", {"seconds": options.seconds, "attacks": figures})


def _measured(attack: Callable[[int, float], None], lasting_s: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bodies-") as folder:
        nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
        service = Service(Path(folder, "log"), Path(folder, "data"), nowhere)
        with running([service]):
            _ask(service, 3.0)  # until everything is loaded
            idle = _ask(service, max(5.0, lasting_s))
            worker = psutil.Process(service.worker_pid)
            before = worker.memory_info().rss
            with _sampled(worker) as samples, _attacking(attack, service, lasting_s):
                beside = _ask(service, lasting_s)
                let_pass(1.0)
            return {
                "before_mb": before / 1e6,
                "growth_mb": (max(samples) - before) / 1e6,
                "idle": idle,
                "beside": beside,
            }


@contextlib.contextmanager
def _attacking(attack: Callable[[int, float], None], service: Service, lasting_s: float) -> Iterator[None]:
    port = int(service.url.rpartition(":")[2])
    process = multiprocessing.get_context("spawn").Process(target=attack, args=(port, lasting_s + 1.0))
    process.start()
    let_pass(1.0)
    try:
        yield
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def _sampled(worker: psutil.Process) -> Iterator[list[int]]:
    """Yield a list that gets the worker's resident memory all the while."""
    samples, ended = [worker.memory_info().rss], threading.Event()

    def sample() -> None:
        while not ended.wait(_SAMPLE_S):
            samples.append(worker.memory_info().rss)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _ask(service: Service, lasting_s: float) -> dict[str, float]:
    """Return the latencies of a client that asks at its pace, and how many of its requests failed."""
    latencies, failures = [], 0
    end = time.monotonic() + lasting_s
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as client:
        while (started := time.monotonic()) < end:
            try:
                failures += client.post("/predict", json=_REVIEW).status_code != 200
            except httpx.TransportError:
                failures += 1
            latencies.append(1000 * (time.monotonic() - started))
            time.sleep(max(0.0, started + _PACE_S - time.monotonic()))
    p95 = sorted(latencies)[int(0.95 * len(latencies))]
    return {
        "requests": len(latencies),
        "failures": failures,
        "p50_ms": round(statistics.median(latencies), 2),
        "p95_ms": round(p95, 2),
        "max_ms": round(max(latencies), 1),
    }


def _flood_feedback(port: int, lasting_s: float) -> None:
    asyncio.run(_flood(port, lasting_s, "/feedback", b"{" + b" " * (_BODY_BYTES - 1)))


def _flood_batch(port: int, lasting_s: float) -> None:
    body = json.dumps({"items": [_REVIEW]}).encode()
    asyncio.run(_flood(port, lasting_s, "/predict/batch", body.ljust(_BODY_BYTES)))


def _flood_texts(port: int, lasting_s: float) -> None:
    text = (f"{_REVIEW['text']} " * 400)[:20_000]
    asyncio.run(_flood(port, lasting_s, "/predict/batch", json.dumps({"items": [{"text": text}] * 256}).encode()))


def _flood_values(port: int, lasting_s: float) -> None:
    body = b",".join(b'"%07x":1' % number for number in range(_BODY_BYTES // 12))
    asyncio.run(_flood(port, lasting_s, "/predict/batch", b"{" + body + b"}"))


def _flood_gzip(port: int, lasting_s: float) -> None:
    body = gzip.compress(b" " * (1 << 30), compresslevel=9)
    asyncio.run(_flood(port, lasting_s, "/predict/batch", body, b"Content-Encoding: gzip\r\n"))


async def _flood(port: int, lasting_s: float, path: str, body: bytes, headers: bytes = b"") -> None:
    await _together(lasting_s, [_post(port, path, body, headers) for _ in range(_SENDERS)])


def _send_slowly(port: int, lasting_s: float) -> None:
    asyncio.run(_together(lasting_s, [_trickle(port) for _ in range(_SLOW_SENDERS)]))


def _read_nothing(port: int, lasting_s: float) -> None:
    asyncio.run(_together(lasting_s, [_pile_up(port) for _ in range(_SLOW_SENDERS)]))


async def _together(lasting_s: float, senders: list[Any]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(lasting_s):
            await asyncio.gather(*senders)


async def _post(port: int, path: str, body: bytes, headers: bytes) -> None:
    """Post the body on one connection after the other, reading each reply, and come back after a second."""
    head = _head(path, len(body)) + headers + b"\r\n"
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(head + body)
                await reader.read(4096)
            finally:
                writer.transport.abort()
        await asyncio.sleep(_PAUSE_S)


async def _trickle(port: int) -> None:
    """Announce a large body and send a little of it, on one connection after the other."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_head("/predict/batch", _BODY_BYTES) + b"\r\n")
                while not writer.is_closing():
                    writer.write(b'{"items": ')
                    await writer.drain()
                    await asyncio.sleep(1.0)
            finally:
                writer.transport.abort()


async def _pile_up(port: int) -> None:
    """Ask for a page, and never read."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
            reader._transport.pause_reading()  # type: ignore[attr-defined] # noqa: SLF001 - there is no other way
            try:
                while not writer.is_closing():
                    writer.write(f"GET {_PAGE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                    await asyncio.sleep(1.0)
            finally:
                writer.transport.abort()


def _head(path: str, length: int) -> bytes:
    """Return the head of a request, without the blank line at its end."""
    named = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(length)}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), ""]
    return "\r\n".join(lines).encode()


_ATTACKS: dict[str, Callable[[int, float], None]] = {
    "feedback": _flood_feedback,
    "batch": _flood_batch,
    "texts": _flood_texts,
    "values": _flood_values,
    "gzip": _flood_gzip,
    "slow": _send_slowly,
    "deaf": _read_nothing,
}
