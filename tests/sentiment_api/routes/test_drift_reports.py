"""`GET /drift/...`: which runs are listed and shown, how a page is sent, and what is refused."""

import datetime as dt
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.app import create_app
from sentiment_api.model.bundle import Bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import DatabaseSettings, ServiceSettings
from tests.protocols import StoreRun

pytestmark = pytest.mark.anyio
Client = TestClient[Litestar]
PAGE = "<!DOCTYPE html><title>Drift</title><p>Grüße</p>"
LATE = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
SECRET = "words of the client"
NO_RUN = "e1b3c3f2-6d1e-4f5b-9d2c-0a4c8f6b7d55"
DETAILS = {"alarming": True, "timezone": "Europe/Berlin", "causes": {"novel": ["019a3cb7-4132-7000-8000-000000000005"]}}


@pytest.fixture
def client(database_settings: DatabaseSettings, cpu: Classifier, starter: Path, tmp_path: Path) -> Iterator[Client]:
    """A client of the application on a fresh database."""
    settings = ServiceSettings(
        database=None, database_url=database_settings.database_url, data_dir=tmp_path, model=starter
    )
    with TestClient(create_app(settings, cpu), base_url="http://127.0.0.1") as client:
        yield client


def get(client: Client, path: str, **query: Any) -> Any:
    """Return the JSON of a reply that must be one."""
    reply = client.get(path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def listed(client: Client, **query: Any) -> list[UUID]:
    """Return the ids of one page of the list."""
    return [UUID(each["run_id"]) for each in get(client, "/drift/reports", **query)["reports"]]


def refusal(reply: httpx.Response) -> tuple[int, str, str]:
    """Return the status, the kind and the content type of a problem."""
    return reply.status_code, reply.json()["type"], reply.headers["content-type"]


UNKNOWN = (404, "/problems/drift-report-unknown", "application/problem+json")


async def test_a_report_has_all_that_was_found(client: Client, store_run: StoreRun, bundle: Bundle) -> None:
    """The run, its details as the job stored them, and its metrics: the whole window first, missing numbers null."""
    numbers = ("value", "lower", "upper", "reference_value", "effect", "p_value", "adjusted_p", "floor", "threshold")
    words = {**dict.fromkeys((*numbers, "detectable"), 0.25), "direction": "up", "verdict": "watch", "note": "n"}
    run_id = await store_run(
        verdict="watch", details=DETAILS, metrics=[{"segment": "product:mug-7", "family": "predictions"}, words]
    )
    found = get(client, f"/drift/reports/{run_id}")
    whole, segment = found.pop("metrics")
    assert found == {
        "run_id": str(run_id),
        "revision": 1,
        "window_start": "2026-11-21T00:00:00Z",
        "window_end": "2026-11-22T00:00:00Z",
        "reference": "bundle",
        "model": {"name": "starter", "version": bundle.manifest.version},
        "started_at": "2026-11-22T02:00:00Z",
        "finished_at": "2026-11-22T02:00:10Z",
        "n_current": 800,
        "n_reference": 5000,
        "verdict": "watch",
        "reason": "none of 15 tests found a change",
        "page": None,
        "details": DETAILS,
    }
    assert whole == {"metric": "words", "segment": "", "family": "inputs", "n": 800, **words}
    assert (segment["segment"], segment["family"], segment["detectable"]) == ("product:mug-7", "predictions", None)


async def test_the_latest_is_what_was_judged_last_of_the_latest_window(client: Client, store_run: StoreRun) -> None:
    """Of the model that serves: neither an old night judged again nor another model's run takes its place.

    Revisions of different references say nothing of each other: a first verdict may be newer than a third.
    """
    latest = await store_run(
        day=21, revision=1, reference="auto:bundle", finished_at=LATE, metrics=[{"metric": "words"}]
    )
    await store_run(day=21, revision=3)
    await store_run(day=20, revision=4, finished_at=LATE + dt.timedelta(hours=1))
    await store_run(day=22, model_version="fedcba987654")
    found = get(client, "/drift/latest")
    assert found["run_id"] == str(latest)
    assert found == get(client, f"/drift/reports/{latest}")


async def test_before_the_first_run_the_latest_says_what_makes_one(client: Client, store_run: StoreRun) -> None:
    """404 names the command, also when other models were judged."""
    await store_run(model_version="fedcba987654")
    reply = client.get("/drift/latest")
    assert refusal(reply) == UNKNOWN
    assert "drift-jobs nightly" in reply.json()["detail"]


async def test_pages_of_the_list_hold_every_run_once(client: Client, store_run: StoreRun) -> None:
    """The latest window comes first, of it what was judged last; `next` leads on, and is null at the end."""
    oldest_first = [await store_run(day=day, revision=revision) for day in (18, 19, 20) for revision in (1, 2)]
    found: list[list[UUID]] = []
    query: dict[str, str] = {}
    while True:
        body = get(client, "/drift/reports", limit=3, **query)
        found.append([UUID(each["run_id"]) for each in body["reports"]])
        if body["next"] is None:
            break
        query = {"before": body["next"]}
        await store_run(day=25)  # what comes meanwhile moves no page
    assert found == [oldest_first[:2:-1], oldest_first[2::-1]]
    assert all("metrics" not in each and "details" not in each for each in body["reports"])


async def test_the_list_has_twenty_of_all_models_unless_asked(client: Client, store_run: StoreRun) -> None:
    """By default a page has 20 runs; a version leaves out the others."""
    ids = [await store_run(revision=number) for number in range(1, 22)]
    other = await store_run(day=22, model_version="fedcba987654")
    assert listed(client) == [other, *ids[:1:-1]]
    assert listed(client, model_version="fedcba987654") == [other]
    assert listed(client, model_version="nothing") == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("limit", "limit=0"),
        ("limit", "limit=201"),
        ("before", f"before={SECRET}"),
        ("before", f"before={NO_RUN}"),
        ("model_version", "model_version="),
        ("(key)", f"{SECRET}=1"),
    ],
)
def test_a_parameter_that_breaks_its_rule_is_named(client: Client, path: str, query: str) -> None:
    """Unknown and malformed parameters, and a place that no run has, get 422 by their name; no value comes back."""
    reply = client.get(f"/drift/reports?{query.replace(' ', '%20')}")
    assert refusal(reply) == (422, "/problems/invalid", "application/problem+json")
    assert [error["path"] for error in reply.json()["errors"]] == [path]
    assert SECRET not in reply.text


@pytest.mark.parametrize("name", [NO_RUN, "yesterday", f"{NO_RUN}.html", ".html", "{run_id}.html"])
def test_an_unknown_report_is_a_problem(client: Client, name: str) -> None:
    """What no run is called gets 404 with the path asked for as its instance, and the request's id as everywhere."""
    reply = client.get(f"/drift/reports/{name}", headers={"X-Request-ID": "mine"})
    assert refusal(reply) == UNKNOWN
    assert "GET /drift/reports" in reply.json()["detail"]
    assert reply.json()["instance"] == f"/drift/reports/{name}".replace("{", "%7B").replace("}", "%7D")
    assert reply.headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("identity", False),
        ("", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("gzip;q=much", False),
        ("*;q=0", False),
        ("br, deflate", False),
    ],
)
async def test_a_page_is_sent_as_the_client_takes_it(
    client: Client, store_run: StoreRun, accepted: str, packed: bool
) -> None:
    """With gzip where it is accepted, byte for byte as stored; else plain. Either says that it depends on that."""
    stored = gzip.compress(PAGE.encode(), mtime=0)
    run_id = await store_run(report_html=stored)
    path = get(client, f"/drift/reports/{run_id}")["page"]
    with client.stream("GET", path, headers={"Accept-Encoding": accepted}) as reply:
        content = b"".join(reply.iter_raw())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert reply.headers.get("content-encoding") == ("gzip" if packed else None)
    assert reply.headers["content-length"] == str(len(content))
    assert reply.headers["vary"] == "Accept-Encoding"
    assert content == (stored if packed else PAGE.encode())


async def test_a_page_may_do_nothing_but_show_itself(client: Client, store_run: StoreRun) -> None:
    """Its policy is a sandbox without an origin, from which nothing can be loaded, and no other site may frame it."""
    run_id = await store_run(report_html=gzip.compress(PAGE.encode()))
    headers = client.get(f"/drift/reports/{run_id}.html").headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy == {
        "sandbox": "allow-scripts",
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'self'",
        "script-src": "'unsafe-inline'",
        "style-src": "'unsafe-inline'",
        "font-src": "data:",
        "img-src": "data:",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "SAMEORIGIN"


async def test_a_page_that_was_removed_is_not_there(client: Client, store_run: StoreRun) -> None:
    """The run stays, says that it has no page, and its page gets 404 with where the figures are."""
    run_id = await store_run()
    assert get(client, f"/drift/reports/{run_id}")["page"] is None
    reply = client.get(f"/drift/reports/{run_id}.html")
    assert refusal(reply) == UNKNOWN
    assert "removed" in reply.json()["detail"]


async def test_the_metrics_know_a_page_by_its_route(client: Client, store_run: StoreRun) -> None:
    """Requests are counted under the template of the path, never under an id."""
    run_id = await store_run(report_html=gzip.compress(PAGE.encode()))
    client.get(f"/drift/reports/{run_id}.html")
    client.get(f"/drift/reports/{run_id}")
    shown = client.get("/metrics").text
    for route in ("/drift/reports/{run_id}.html", "/drift/reports/{run_id}"):
        assert f'sentiment_http_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in shown
    assert str(run_id) not in shown


@pytest.mark.parametrize("name", ["reports", "latest", f"reports/{NO_RUN}", f"reports/{NO_RUN}.html"])
def test_without_postgres_they_are_refused(
    cpu: Classifier, without_postgres: Callable[..., ServiceSettings], name: str
) -> None:
    """While Postgres is away each gets 503, as everything that only Postgres knows."""
    with TestClient(create_app(without_postgres(), cpu), base_url="http://127.0.0.1") as client:
        reply = client.get(f"/drift/{name}")
    assert refusal(reply) == (503, "/problems/database-away", "application/problem+json")


def test_only_get_is_taken(client: Client) -> None:
    """Another method gets 405, also for a page."""
    assert client.post(f"/drift/reports/{NO_RUN}.html").status_code == 405


def test_openapi_has_them_with_examples(client: Client) -> None:
    """Each route is described with its parameters, an example, and its errors as problems."""
    document = client.get("/docs/openapi.json").json()
    parameters = {
        "/drift/reports": {"limit", "before", "model_version"},
        "/drift/latest": set(),
        "/drift/reports/{run_id}": {"run_id"},
        "/drift/reports/{run_id}.html": {"run_id"},
    }
    for path, names in parameters.items():
        operation = document["paths"][path]["get"]
        assert {each["name"] for each in operation.get("parameters", [])} == names, path
        (content,) = operation["responses"]["200"]["content"].values()
        assert content["examples"], path
        assert "application/problem+json" in operation["responses"]["503"]["content"], path
    metric = document["components"]["schemas"]["DriftMetric"]["properties"]
    assert metric["verdict"]["enum"] == ["none", "watch", "drift", "not_judged"]
