"""What replicas do and take: reviews a second, processor time, memory, connections to Postgres, series of metrics."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.client import Client, answers_per_s
from benchmarks.payload import bodies
from benchmarks.postgres import Database, Postgres
from benchmarks.processes import Usage, used
from benchmarks.service_process import Service, running
from benchmarks.speed.capacity.growth import postmaster

Figures = dict[str, Any]
_CONNECTIONS = 16
_WARM_UP_S = 2.0
_LENGTHS = {"short": 0.10, "median": 0.50, "long": 0.95}
"""Shares of reviews that are at most as long as these."""
_AROUND = 0.02
_CLIENTS = "select count(*) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()"


@dataclass(frozen=True)
class Setup:
    """Replicas on this machine."""

    name: str
    replicas: int
    threads: int
    """Engine threads of each."""


SETUPS = [Setup("1 replica, 1 thread", 1, 1), Setup("1 replica, 2 threads", 1, 2), Setup("2 replicas, 1 thread", 2, 1)]


def lengths(texts: list[str]) -> dict[str, list[str]]:
    """Return the texts as they come, and those around some lengths."""
    ordered = sorted(texts, key=len)
    around = {
        name: ordered[int((share - _AROUND) * len(ordered)) : int((share + _AROUND) * len(ordered))]
        for name, share in _LENGTHS.items()
    }
    return {"mixed": texts, **around}


def measure(setup: Setup, postgres: Postgres, texts: dict[str, list[str]], seconds: float) -> Figures:
    """Start the replicas, and return what they did with each length of texts and what they took."""
    database = postgres.new_database()
    with (
        tempfile.TemporaryDirectory(prefix="capacity-") as folder,
        _replicas(setup, Path(folder), database) as services,
    ):
        pids = [each.pid for each in services]
        idle, server = used(pids), [postmaster(database)]
        before = used(server)
        speeds = {name: asyncio.run(_speed(services, bodies(some), seconds)) for name, some in texts.items()}
        loaded, after = used(pids), used(server)
        figures = {
            "load": os.getloadavg()[0],
            "postgres_cpu_ms_per_prediction": 1000 * (after.cpu_s - before.cpu_s) / _texts(services),
            "speeds": speeds,
            "idle": _memory(idle, setup),
            "loaded": _memory(loaded, setup),
            "connections": database.column(_CLIENTS, database.name)[0] / setup.replicas,
            "series": _series(services[0]),
        }
    postgres.drop(database)
    return figures


@contextlib.contextmanager
def _replicas(setup: Setup, folder: Path, database: Database) -> Iterator[list[Service]]:
    settings = {"SENTIMENT_THREADS": str(setup.threads), "SENTIMENT_REQUEST_TIMEOUT_S": "60"}
    services = [
        Service(folder / f"{number}.log", folder / "data", database.url, **settings) for number in range(setup.replicas)
    ]
    (folder / "data").mkdir()
    with running(services):
        yield services


async def _speed(services: list[Service], asked: list[bytes], seconds: float) -> Figures:
    clients = [Client(service.url) for service in services]
    pids = [service.pid for service in services]
    await answers_per_s(clients, asked, _CONNECTIONS, _WARM_UP_S)
    before, texts, tokens = used(pids), _texts(services), _tokens(services)
    rate = await answers_per_s(clients, asked, _CONNECTIONS, seconds)
    after = used(pids)
    for client in clients:
        client.close()
    answered = _texts(services) - texts  # those too that were under way at the end, which are none of the answers
    return {
        "answers_per_s": rate,
        "cpu_ms_per_answer": 1000 * (after.cpu_s - before.cpu_s) / answered,
        "tokens_per_answer": (_tokens(services) - tokens) / answered,
    }


def _texts(services: list[Service]) -> float:
    return sum(service.metric("sentiment_input_tokens_count") for service in services)


def _tokens(services: list[Service]) -> float:
    return sum(service.metric("sentiment_asked_tokens_total") for service in services)


def _memory(usage: Usage, setup: Setup) -> Figures:
    """Return megabytes for each replica; the largest process is its worker."""
    return {
        "pss_mb": usage.pss_mb / setup.replicas,
        "private_mb": usage.private_mb / setup.replicas,
        "worker_rss_mb": usage.largest_rss_mb,
    }


def _series(service: Service) -> int:
    text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    return sum(len(family.samples) for family in text_string_to_metric_families(text))
