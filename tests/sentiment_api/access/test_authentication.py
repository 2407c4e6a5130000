"""KeyChecker: which key opens which route, what others are told, and how soon a change of the keys is heeded."""

import asyncio
import datetime as dt
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.authentication import KEYS_VALID_WITHOUT_DATABASE_S, NO_SCOPE, REQUIRED_SCOPE, KeyChecker
from sentiment_api.access.key_file import FILE_NAME, KeyFile
from sentiment_api.access.key_table import insert_key
from sentiment_api.access.keys import Key, KeyRing, Scope, make_key
from sentiment_api.app import create_app
from sentiment_api.commands.keys import EFFECTIVE_WITHIN_S
from sentiment_api.database.tables import predictions
from sentiment_api.errors import ApiKeyRequired, DatabaseAway
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import DatabaseSettings, ServiceSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.preloaded import program

pytestmark = pytest.mark.anyio

REVIEW = "The handle came off on the second day and the seller does not answer."
SOME_ID = "019a3cb7-4132-7000-8000-000000000005"
REQUIRED = {
    "POST /predict": "predict",
    "POST /predict/batch": "predict",
    "POST /feedback": "feedback",
    "GET /predictions": "read",
    "GET /predictions/{prediction_id:str}": "read",
    "GET /drift/reports": "read",
    "GET /drift/reports/{run_id:str}": "read",
    "GET /drift/reports/{run_id}.html": "read",
    "GET /drift/latest": "read",
    "GET /metrics": "metrics",
    "GET /model": NO_SCOPE,
    "GET /health": NO_SCOPE,
    "GET /health/live": NO_SCOPE,
    "GET /health/ready": NO_SCOPE,
    "GET /": NO_SCOPE,
    "GET /console/{name:str}": NO_SCOPE,
    "GET /docs": NO_SCOPE,
    "GET /docs/openapi.json": NO_SCOPE,
    "GET /docs/{path:str}": NO_SCOPE,
    "GET /docs/assets/{name:str}": NO_SCOPE,
}
Keys = dict[str, str]


async def give_out(engine: AsyncEngine, name: str, *scopes: str) -> str:
    """Store a key and return what its client has."""
    new = make_key()
    await insert_key(engine, Key(key_id=new.key_id, name=name, secret_hash=new.secret_hash, scopes=scopes))
    return new.text


@pytest.fixture
async def keys(engine: AsyncEngine) -> Keys:
    """A key for each scope, of the scope's name."""
    return {scope: await give_out(engine, scope, scope) for scope in Scope}


@pytest.fixture
async def locked(
    database_settings: DatabaseSettings, keys: Keys, cpu: Classifier, tmp_path: Path
) -> AsyncIterator[TestClient[Litestar]]:
    """A client of a service in this process that asks for keys, and knows those of `keys`."""
    settings = ServiceSettings(
        database=None, database_url=database_settings.database_url, data_dir=tmp_path, keys="required"
    )
    with TestClient(create_app(settings, cpu)) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    """Return the headers of a request with the key."""
    return {"Authorization": f"Bearer {key}"}


def required_scopes(app: Litestar) -> dict[str, str | None]:
    """Return the scope that each route declares; None where it declares nothing."""
    found: dict[str, str | None] = {}
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            if method != "OPTIONS":
                found[f"{method} {route.path}"] = handler.opt.get(REQUIRED_SCOPE)
    return found


def test_every_route_declares_the_scope_it_requires(client: TestClient[Litestar]) -> None:
    """Every route declares its scope or is public: whoever adds one decides which, here and there."""
    assert required_scopes(client.app) == REQUIRED


async def test_each_route_opens_for_its_scope_and_for_admin_alone(locked: TestClient[Litestar], keys: Keys) -> None:
    """Without a key 401, with one of another scope 403, else whatever the route has to say: each route, each scope."""
    wrong = []
    for route, needed in REQUIRED.items():
        method, path = route.split(" ")
        asked = path.replace("{prediction_id:str}", SOME_ID).replace("{run_id:str}", SOME_ID)
        asked = asked.replace("{run_id}", SOME_ID).replace("console/{name:str}", "console/console.css")
        asked = asked.replace("{name:str}", "swagger-ui.css").replace("{path:str}", "x")
        for holder in (None, *Scope):
            headers = bearer(keys[holder]) if holder else {}
            status = locked.request(method, asked, headers=headers).status_code
            opens = needed == NO_SCOPE or holder in (needed, "admin")
            expected = status not in (401, 403) if opens else status == (403 if holder else 401)
            wrong += [] if expected else [(route, holder, status)]
    assert wrong == []


async def test_a_refusal_says_what_is_missing_and_nothing_of_the_key(locked: TestClient[Litestar], keys: Keys) -> None:
    """Problem details like other errors, with the challenge of RFC 6750; unknown keys are not told from wrong ones."""
    none = locked.post("/predict", json={"text": REVIEW})
    assert (none.status_code, none.headers["www-authenticate"]) == (401, "Bearer")
    assert none.headers["content-type"] == "application/problem+json"
    assert none.json() == {
        "type": "/problems/key-needed",
        "title": "An API key is needed",
        "status": 401,
        "detail": "Expected one API key as `Authorization: Bearer sentiment_...` or as `X-API-Key`, found none.",
        "instance": "/predict",
    }
    unknown = make_key().text
    near = keys["predict"][:-1] + ("0" if keys["predict"][-1] != "0" else "1")
    said = [locked.post("/predict", json={"text": REVIEW}, headers=bearer(key)) for key in (unknown, near, "broken")]
    assert {reply.headers["www-authenticate"] for reply in said} == {'Bearer error="invalid_token"'}
    assert len({json.dumps(reply.json()) for reply in said}) == 1
    assert unknown not in said[0].text
    other = locked.post("/predict", json={"text": REVIEW}, headers=bearer(keys["feedback"]))
    assert other.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="predict"'
    assert other.json()["detail"] == "Expected a key with the scope predict, found one with feedback."


async def test_a_key_comes_in_either_header_but_no_two_of_them(locked: TestClient[Litestar], keys: Keys) -> None:
    """Bearer, in any case, or X-API-Key; another scheme is a proxy's matter; two different keys are none."""
    key = keys["metrics"]
    good = [
        {"X-API-Key": key},
        {"authorization": f"bearer {key}"},
        {"Authorization": "Basic bWU6bWU=", "X-API-Key": key},
    ]
    good.append({**bearer(key), "X-API-Key": key})
    assert [locked.get("/metrics", headers=each).status_code for each in good] == [200] * 4
    two = locked.get("/metrics", headers={**bearer(key), "X-API-Key": keys["admin"]})
    assert (two.status_code, two.json()["detail"][-14:]) == (401, "found several.")
    assert locked.get("/metrics", headers={"Authorization": f"Basic {key}"}).status_code == 401


async def test_options_and_unknown_paths_are_no_way_in(locked: TestClient[Litestar]) -> None:
    """What Litestar answers by itself is closed too; a path that does not exist is no secret."""
    assert locked.options("/predict").status_code == 401
    assert locked.get("/nothing").status_code == 404


async def test_refusals_are_counted_as_they_were_seen(locked: TestClient[Litestar], keys: Keys) -> None:
    """401 and 403 stand in the metrics by route, and by their reason."""
    locked.get("/predictions")
    locked.get("/predictions", headers=bearer(keys["metrics"]))
    metrics = locked.get("/metrics", headers=bearer(keys["metrics"])).text
    for status in (401, 403):
        assert f'sentiment_http_requests_total{{method="GET",route="/predictions",status="{status}"}} 1.0' in metrics
    assert 'sentiment_refused_requests_total{reason="key-needed"} 1.0' in metrics
    assert 'sentiment_refused_requests_total{reason="scope-missing"} 1.0' in metrics


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hashes of a known and of an unknown id's secret go through a comparison that is as long for all."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def noted(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    new = make_key()
    ring = KeyRing([Key(key_id=new.key_id, name="shop", secret_hash=new.secret_hash, scopes=("predict",))])
    now = dt.datetime.now(dt.UTC)
    assert ring.find(new.text, now) is not None
    assert ring.find(make_key().text, now) is None
    assert compared[0] == (new.secret_hash, new.secret_hash)
    assert [len(each) for each in compared[1]] == [32, 32]


async def test_known_keys_open_for_a_day_without_postgres(engine: AsyncEngine, tmp_path: Path) -> None:
    """What was known when Postgres went away stays known, but not for ever; what was not is still refused."""
    now = [1000.0]
    file = KeyFile(tmp_path / FILE_NAME, ThreadPoolExecutor(1))
    key_checker = KeyChecker(engine, Metrics(), file, required=True, clock=lambda: now[0])
    key = await give_out(engine, "shop", "predict")
    with pytest.raises(DatabaseAway):
        key_checker.authenticate((key,))
    await key_checker.refresh()
    async with engine.begin() as connection:
        await connection.execute(text("alter table api_keys rename to elsewhere"))
    now[0] += KEYS_VALID_WITHOUT_DATABASE_S - 1
    await key_checker.refresh()
    assert key_checker.authenticate((key,)).name == "shop"
    with pytest.raises(ApiKeyRequired):
        key_checker.authenticate((make_key().text,))
    now[0] += 1
    with pytest.raises(DatabaseAway):
        key_checker.authenticate((key,))
    async with engine.begin() as connection:
        await connection.execute(text("alter table elsewhere rename to api_keys"))
    await key_checker.refresh()
    assert key_checker.authenticate((key,)).name == "shop"


def test_a_service_that_could_not_read_the_keys_is_not_ready(
    without_postgres: Callable[..., ServiceSettings], cpu: Classifier
) -> None:
    """It lets nobody in, so proxies send requests elsewhere; a key is not called wrong, and public routes stay open."""
    with TestClient(create_app(without_postgres(keys="required"), cpu)) as client:
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "keys unknown")
        asked = client.post("/predict", json={"text": REVIEW}, headers=bearer(make_key().text))
        assert (asked.status_code, asked.json()["type"]) == (503, "/problems/database-away")
        assert client.post("/predict", json={"text": REVIEW}).status_code == 401
        assert client.get("/model").status_code == 200


def test_with_keys_any_address_may_be_served(without_postgres: Callable[..., ServiceSettings]) -> None:
    """Loopback alone is for services that ask for no keys."""
    everywhere = "0.0.0.0"  # noqa: S104 - it is not bound
    assert without_postgres(host=everywhere, keys="required").host == everywhere
    with pytest.raises(ValueError, match="SENTIMENT_KEYS=required"):
        without_postgres(host=everywhere)


def test_openapi_says_which_scope_each_route_needs(client: TestClient[Litestar]) -> None:
    """Both ways to send a key are described, with the scope of each route; free routes ask for none."""
    document = client.get("/docs/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["header"]["type"], schemes["header"]["in"], schemes["header"]["name"]) == (
        *("apiKey", "header"),
        "X-API-Key",
    )
    assert document["paths"]["/feedback"]["post"]["security"] == [{"bearer": ["feedback"]}, {"header": ["feedback"]}]
    assert "security" not in document["paths"]["/model"]["get"]
    assert {"401", "403"} <= set(document["paths"]["/predict"]["post"]["responses"])


async def test_keys_from_the_command_line_to_the_log(
    new_service: Callable[..., Any],
    database_settings: DatabaseSettings,
    engine: AsyncEngine,
    waiting: Callable[..., None],
) -> None:
    """A key that is made while the service runs opens, and is named in log and row; revoked, it opens no more."""
    service = new_service(SENTIMENT_KEYS="required")
    key = (await command(database_settings, "create", "shop", "--scope", "predict")).strip()

    def asked() -> int:
        return httpx.post(f"{service.url}/predict", json={"text": REVIEW}, headers=bearer(key), timeout=30).status_code

    waiting(lambda: asked() == 200, "the key opens")
    assert first_line_without_body(service.url, "sentiment_nothing") == "HTTP/1.1 401 Unauthorized"
    await command(database_settings, "revoke", "shop")
    revoked = time.monotonic()
    waiting(lambda: asked() == 401, "the key opens no more")
    assert time.monotonic() - revoked < EFFECTIVE_WITHIN_S
    assert service.stop() == 0
    async with engine.connect() as connection:
        names = set((await connection.scalars(select(predictions.c.api_key_name))).all())
    assert names == {"shop"}
    lines = [json.loads(line) for line in service.log().splitlines() if '"request"' in line]
    asks = [(line["status"], line.get("key")) for line in lines if line["route"] == "/predict"]
    assert set(asks) == {(200, "shop"), (401, None)}
    assert key.rpartition("_")[2] not in service.log()
    assert "sentiment_nothing" not in service.log()


def first_line_without_body(url: str, key: str) -> str:
    """Return the status line that a request gets whose body never comes."""
    parts = urlsplit(url)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5) as connection:
        connection.sendall(head.encode())
        return connection.makefile().readline().strip()


async def command(database: DatabaseSettings, *arguments: str) -> str:
    """Run `sentiment-api keys` and return what it prints."""
    assert database.database_url is not None
    environment = {"SENTIMENT_DATABASE_URL": database.database_url.get_secret_value()}
    finished = await asyncio.to_thread(program("sentiment_api").run, "keys", *arguments, environment=environment)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
