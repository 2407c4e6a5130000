"""`GET /predictions`: which logged predictions it gives, in which order, and what it refuses."""

import datetime as dt
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.app import create_app
from sentiment_api.database.connection import connected
from sentiment_api.database.partitions import first_id
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.records import FeedbackRecord, Record, encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings, ServiceSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import MadeAt, NewRecord

pytestmark = pytest.mark.anyio
Client = TestClient[Litestar]
SECRET = "words of the client"


@pytest.fixture
async def store(session_database: str, spool: Spool) -> AsyncIterator[Callable[..., Any]]:
    """A function that brings records to the database of the run's client, as the service does."""
    settings = DatabaseSettings(database=None, database_url=SecretStr(session_database))
    async with connected(settings) as engine:

        async def store(*records: Record) -> None:
            for record in records:
                spool.append(encode(record))
            assert await Shipper(spool, engine, Metrics()).ship()

        yield store


@pytest.fixture
def product() -> str:
    """A product of the test's own, as the run's client shares its database."""
    return f"product-{uuid.uuid4()}"


def listed(client: Client, **query: Any) -> list[uuid.UUID]:
    """Return the ids of one page."""
    return [uuid.UUID(each["prediction_id"]) for each in page(client, **query)["predictions"]]


def page(client: Client, **query: Any) -> dict[str, Any]:
    """Return one page; `from` is written `from_`, as Python has it."""
    reply = client.get("/predictions", params={name.rstrip("_"): value for name, value in query.items()})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def at(month: int, day: int = 15, **time: int) -> dt.datetime:
    """Return a moment of 2031."""
    return dt.datetime(2031, month, day, tzinfo=dt.UTC) + dt.timedelta(**time)


@pytest.fixture
def made_at() -> MadeAt:
    """A function that returns an id of that millisecond, with a number in order; no other test has the same."""
    ours = secrets.randbits(60) << 16

    def made_at(moment: dt.datetime, number: int = 0) -> uuid.UUID:
        return uuid.UUID(int=first_id(moment).int + ours + number)

    return made_at


async def test_pages_hold_everything_once_newest_first(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord, made_at: MadeAt
) -> None:
    """Following `next` over several months gives each prediction once, and null at the end, also of a full page."""
    moments = [at(month, day) for month in (3, 4, 5) for day in (1, 20)]
    ids = [made_at(moment, number) for moment in moments for number in range(2)]
    await store(*[new_record(prediction_id=each, product_id=product) for each in ids])
    found: list[list[uuid.UUID]] = []
    cursor: dict[str, str] = {}
    while True:
        body = page(client, product_id=product, limit=4, **cursor)
        found.append([uuid.UUID(each["prediction_id"]) for each in body["predictions"]])
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    newest_first = sorted(ids, reverse=True)
    assert found == [newest_first[:4], newest_first[4:8], newest_first[8:]]


async def test_a_prediction_made_meanwhile_moves_no_page(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord, made_at: MadeAt
) -> None:
    """The second page goes on after the first one's last, whatever was added in front."""
    ids = [made_at(at(3), number) for number in range(4)]
    await store(*[new_record(prediction_id=each, product_id=product) for each in ids])
    first = page(client, product_id=product, limit=2)
    await store(new_record(prediction_id=made_at(at(4)), product_id=product))
    assert listed(client, product_id=product, limit=2, cursor=first["next"]) == [ids[1], ids[0]]


async def test_the_default_page_has_fifty(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord, made_at: MadeAt
) -> None:
    """Without a limit a page has 50 predictions, and with the largest one 200."""
    ids = [made_at(at(3), number) for number in range(201)]
    await store(*[new_record(prediction_id=each, product_id=product) for each in ids])
    assert listed(client, product_id=product) == ids[:-51:-1]
    assert listed(client, product_id=product, limit=200) == ids[:0:-1]


async def test_filters_are_joined_by_and(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord
) -> None:
    """Product, label and source each leave out what differs; by default only customers' sources are listed."""
    by_source = {
        source: new_record(product_id=product, source=source)
        for source in ("api", "hf", "v2", "console", "golden", "bench")
    }
    positive = new_record(product_id=product, label="positive")
    other = new_record(product_id=f"{product}-other")
    await store(*by_source.values(), positive, other)
    ids = {source: record.prediction_id for source, record in by_source.items()}
    assert listed(client, product_id=product) == [positive.prediction_id, ids["v2"], ids["hf"], ids["api"]]
    for source in ("console", "golden", "bench", "hf"):
        assert listed(client, product_id=product, source=source) == [ids[source]]
    assert listed(client, product_id=product, label="positive") == [positive.prediction_id]
    assert listed(client, product_id=product, label="negative", source="api") == [ids["api"]]
    assert listed(client, product_id=product, label="neutral") == []


async def test_from_is_inclusive_and_to_is_exclusive(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord, made_at: MadeAt
) -> None:
    """Bounds are to the millisecond, in any time zone; what lies between two milliseconds counts to the later one."""
    ids = [made_at(at(3, milliseconds=number), 7) for number in range(4)]
    await store(*[new_record(prediction_id=each, product_id=product) for each in ids])
    start, end = at(3, milliseconds=1), at(3, milliseconds=3)
    assert listed(client, product_id=product, from_=start.isoformat(), to=end.isoformat()) == [ids[2], ids[1]]
    kathmandu = start.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=45)))
    assert listed(client, product_id=product, from_=kathmandu.isoformat()) == [ids[3], ids[2], ids[1]]
    between = at(3, milliseconds=1, microseconds=200)
    assert listed(client, product_id=product, from_=between.isoformat()) == [ids[3], ids[2]]
    assert listed(client, product_id=product, to=between.isoformat()) == [ids[1], ids[0]]
    assert listed(client, product_id=product, from_=end.isoformat(), to=start.isoformat()) == []


async def test_the_bounds_of_the_calendar_are_bounds(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord
) -> None:
    """The earliest and the latest time that the checks let pass are older and younger than everything."""
    record = new_record(product_id=product)
    await store(record)
    bounds = {"from_": "1970-01-01T00:00:00+14:00", "to": "2100-12-31T23:59:59.999999-12:00"}
    assert listed(client, product_id=product, **bounds) == [record.prediction_id]


async def test_an_offset_whose_plus_was_not_encoded_is_understood(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord, made_at: MadeAt
) -> None:
    """A plus in a query means a blank; before an offset it can only have been a plus."""
    record = new_record(prediction_id=made_at(at(3)), product_id=product)
    await store(record)
    reply = client.get(f"/predictions?product_id={product}&from=2031-03-15T01:00:00+01:00&to=2031-03-15T01:00:01+01:00")
    assert [each["prediction_id"] for each in reply.json()["predictions"]] == [str(record.prediction_id)]


async def test_an_element_is_what_the_look_up_gives(
    client: Client, store: Callable[..., Any], product: str, new_record: NewRecord
) -> None:
    """Each element is the whole logged prediction with its latest feedback, the others' feedback left alone."""
    rated, unrated = new_record(product_id=product, text="Grüße 😀"), new_record(product_id=product)
    ratings = [
        FeedbackRecord(
            feedback_id=uuid7(), prediction_id=rated.prediction_id, rating=rating, label=None, request_id="r-1"
        )
        for rating in (1, 5, 4)
    ]
    await store(rated, unrated, *ratings)
    first, second = page(client, product_id=product)["predictions"]
    assert second == client.get(f"/predictions/{rated.prediction_id}").json()
    assert second["feedback"]["rating"] == 4
    assert second["text"] == "Grüße 😀"
    assert first == client.get(f"/predictions/{unrated.prediction_id}").json()
    assert first["feedback"] is None


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("limit", "limit=0"),
        ("limit", "limit=201"),
        ("limit", f"limit={SECRET}"),
        ("limit", "limit="),
        ("limit", "limit=1&limit=2"),
        ("cursor", f"cursor={SECRET}"),
        ("from", f"from={SECRET}"),
        ("from", "from=2026-11-01"),
        ("from", "from=2026-11-01T09:30:00"),
        ("from", "from=2026-11-01 09:30"),
        ("to", "to=1700000000"),
        ("to", "to=1969-12-31T23:59:59Z"),
        ("source", f"source={SECRET}"),
        ("source", "source=API"),
        ("product_id", "product_id="),
        ("product_id", "product_id=" + SECRET * 11),
        ("product_id", "product_id=a%00"),
        ("label", "label="),
        ("page", f"page={SECRET}"),
        ("(key)", f"{SECRET}=1"),
        ("(key)", SECRET),
        ("from_", "from_=2026-11-01T09:30:00Z"),
        ("", "product_id=%ff"),
        ("", "&".join(f"a{number}=" for number in range(33))),
    ],
)
def test_a_parameter_that_breaks_its_rule_is_named(client: Client, path: str, query: str) -> None:
    """Unknown, malformed and repeated parameters get 422 by their name, and no value comes back."""
    reply = client.get(f"/predictions?{query.replace(' ', '%20')}")
    assert reply.status_code == 422, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert [error["path"] for error in reply.json()["errors"]] == [path]
    assert SECRET not in reply.text
    assert reply.json()["instance"] == "/predictions"


def test_every_wrong_parameter_is_named(client: Client) -> None:
    """Three wrong parameters are three errors."""
    reply = client.get("/predictions?limit=0&source=x&page=2")
    assert {error["path"] for error in reply.json()["errors"]} == {"limit", "source", "page"}


def test_without_postgres_the_list_is_refused(cpu: Classifier, starter: Path, tmp_path: Path, closed_port: int) -> None:
    """While Postgres is away the list gets 503, as everything that only Postgres knows."""
    url = SecretStr(f"postgresql://postgres@127.0.0.1:{closed_port}/postgres")
    settings = ServiceSettings(database=None, database_url=url, data_dir=tmp_path, model=starter, drain_timeout_s=0.1)
    with TestClient(create_app(settings, cpu), base_url="http://127.0.0.1") as client:
        reply = client.get("/predictions")
    assert (reply.status_code, reply.json()["type"]) == (503, "/problems/database-away")


async def test_a_list_that_takes_too_long_is_given_up(
    engine: AsyncEngine, database_settings: DatabaseSettings, cpu: Classifier, starter: Path, tmp_path: Path
) -> None:
    """While Postgres is busy a reply comes after SENTIMENT_READ_TIMEOUT_S, and the next one is as ever."""
    url = database_settings.database_url
    settings = ServiceSettings(database=None, database_url=url, data_dir=tmp_path, model=starter, read_timeout_s=0.3)
    with TestClient(create_app(settings, cpu), base_url="http://127.0.0.1") as client:
        async with engine.begin() as connection:
            await connection.execute(text("lock table predictions in access exclusive mode"))
            reply = client.get("/predictions")
        assert (reply.status_code, reply.json()["type"]) == (503, "/problems/database-away")
        assert "ask for a shorter time" in reply.json()["detail"]
        assert client.get("/predictions").status_code == 200


def test_the_parameters_are_documented(client: Client) -> None:
    """OpenAPI has each parameter with its type, bounds and description; none may be null."""
    operation = client.get("/docs/openapi.json").json()["paths"]["/predictions"]["get"]
    parameters = {each["name"]: each for each in operation["parameters"]}
    assert parameters.keys() == {"product_id", "label", "source", "from", "to", "cursor", "limit"}
    assert {each["in"] for each in parameters.values()} == {"query"}
    limit = parameters["limit"]["schema"]
    assert (limit["type"], limit["minimum"], limit["maximum"], limit["default"]) == ("integer", 1, 200, 50)
    assert parameters["source"]["schema"]["enum"] == ["api", "hf", "v2", "golden", "bench", "console"]
    assert parameters["from"]["schema"]["format"] == "date-time"
    assert parameters["from"]["description"].startswith("Predictions made at this time or later")
    assert "null" not in json.dumps(operation["parameters"])


async def test_a_query_is_logged_nowhere(service: Any, engine: AsyncEngine) -> None:
    """Neither a good query nor a refused one shows in what the service prints."""
    query = urlencode({"product_id": "marzipan"})
    assert httpx.get(f"{service.url}/predictions?{query}").status_code == 200
    assert httpx.get(f"{service.url}/predictions?{query}&marzipan=1").status_code == 422
    service.stop()
    assert '"route": "/predictions"' in service.log()
    assert "marzipan" not in service.log()
