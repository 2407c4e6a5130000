"""The faults: each does its harm while a block runs, and mends it at the end."""

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import httpx

from benchmarks.harm.stage import Stage
from benchmarks.service_process import Service

PLACES = 2
"""Requests that may wait for the model at once: few, so that it takes few clients to overload it."""
_CROWD = 12
_OLD = "31 hours"
_STORE = """
    insert into drift_runs (run_id, revision, window_start, window_end, reference, model_name, model_version,
      started_at, finished_at, n_current, n_reference, verdict, reason)
    values ($1, 1, $2::timestamptz - interval '1 day', $2, 'bundle', 'starter', $3, $2, $2, 900, 5000, $4, 'a drill')
"""


@dataclass(frozen=True)
class Site:
    """What harm is done to."""

    stage: Stage
    service: Service


Harm = Callable[[Site], AbstractContextManager[None]]


def judge(site: Site, verdict: str) -> None:
    """Store a drift run on the model that serves, as the drift job does after a night that ends now."""
    version = httpx.get(f"{site.service.url}/model", timeout=30, trust_env=False).json()["version"]
    site.stage.database.run(_STORE, uuid.uuid4(), dt.datetime.now(dt.UTC), version, verdict)


@contextmanager
def service_killed(site: Site) -> Iterator[None]:
    """The service gets SIGKILL, and is started again."""
    site.service.kill()
    yield
    site.service.start()


@contextmanager
def overload(site: Site) -> Iterator[None]:
    """More clients ask than there are places."""
    with site.stage.load(site.service, connections=_CROWD, pace_s=0.02):
        yield


@contextmanager
def postgres_stopped(site: Site) -> Iterator[None]:
    """Postgres is stopped, and started again."""
    site.stage.postgres.stop()
    yield
    site.stage.postgres.start()


@contextmanager
def drift(site: Site) -> Iterator[None]:
    """A night is judged to be drift, and a later one to be none."""
    judge(site, "drift")
    yield
    judge(site, "none")


@contextmanager
def nights_missing(site: Site) -> Iterator[None]:
    """The last night that was judged lies 31 hours back; then one is judged now."""
    site.stage.database.run(f"update drift_runs set finished_at = finished_at - interval '{_OLD}'")  # noqa: S608
    yield
    judge(site, "none")


FAULTS: dict[str, tuple[str, Harm]] = {
    "service-killed": ("SentimentApiDown", service_killed),
    "overload": ("SentimentOverloaded", overload),
    "postgres-stopped": ("SentimentLogStalled", postgres_stopped),
    "drift": ("SentimentDrift", drift),
    "nights-missing": ("SentimentDriftStale", nights_missing),
}
"""By name: the alert that has to tell of it, and the harm."""
