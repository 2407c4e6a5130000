"""What the service refuses, how it says so, and that whatever it accepts can be stored."""

import asyncio
import datetime as dt
import json
import math
import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import select

from sentiment_api.database.connection import connected
from sentiment_api.database.tables import predictions
from sentiment_api.schemas.predictions import PredictRequest
from sentiment_api.schemas.validation import parse
from sentiment_api.settings import DatabaseSettings

Client = TestClient[Litestar]
MARKER = "words of the client"
"""Stands in every refused request below, and in no reply. With its blanks it is no plain name of a field either."""
ID = "a3cb6bbf-0f5c-4e0f-8a55-2f6d1c9be07d"
JSON = {"Content-Type": "application/json"}
POSTS = ["/predict", "/predict/batch", "/feedback"]


def assert_problem(reply: httpx.Response, status: int, path: str | None = None) -> dict[str, Any]:
    """Assert that the reply is a whole problem of this status that quotes nobody, and return its body."""
    assert reply.status_code == status, reply.text
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["X-Request-ID"]
    assert MARKER not in reply.text
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert all(body[name] for name in ("type", "title", "detail"))
    assert body["instance"] == reply.request.url.raw_path.decode().partition("?")[0]
    assert [error["path"] for error in body.get("errors", [])] == ([] if path is None else [path])
    return body


def message_of(body: dict[str, Any]) -> str:
    """Return what the problem says of its one field."""
    message: str = body["errors"][0]["message"]
    return message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f'{{"text": "{MARKER}"'.encode(), id="cut off"),
        pytest.param(MARKER.encode(), id="plain text"),
        pytest.param(b'{"text": "' + MARKER.encode() + b' \xff"}', id="bad UTF-8"),
        pytest.param(json.dumps({"text": MARKER}).encode("utf-16"), id="UTF-16"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"text": ' + b"[" * 50_000, id="nested without end"),
        pytest.param(b'{"text": "a", "metadata": {"a": ' + b"9" * 5000 + b"}}", id="a number of 5,000 digits"),
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_what_is_not_json_is_a_bad_request(client: Client, path: str, body: bytes) -> None:
    """A body that cannot be read as JSON in UTF-8 gets 400 on every route that takes one."""
    assert_problem(client.post(path, content=body, headers=JSON), 400)


@pytest.mark.parametrize("body", [b"null", b"[]", b"3", json.dumps(MARKER).encode()])
@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_is_no_object_is_invalid(client: Client, path: str, body: bytes) -> None:
    """JSON that is not an object gets 422 for the body as a whole."""
    assert_problem(client.post(path, content=body, headers=JSON), 422, "")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("text", {}, id="text missing"),
        pytest.param("text", {"text": None}, id="text null"),
        pytest.param("text", {"text": 5}, id="text a number"),
        pytest.param("text", {"text": [MARKER]}, id="text a list"),
        pytest.param("text", {"text": ""}, id="text empty"),
        pytest.param("text", {"text": " \t\n\u3000"}, id="text blank"),
        pytest.param("text", {"text": MARKER + "x" * (20_001 - len(MARKER))}, id="text of 20,001 characters"),
        pytest.param("text", {"text": MARKER + "\0"}, id="NUL in the text"),
        pytest.param("(key)", {"text": "a", MARKER: 1}, id="unknown field"),
        pytest.param("product_id", {"text": "a", "product_id": 7}, id="product_id a number"),
        pytest.param("product_id", {"text": "a", "product_id": ""}, id="product_id empty"),
        pytest.param("product_id", {"text": "a", "product_id": MARKER * 11}, id="product_id of 209 characters"),
        pytest.param("product_id", {"text": "a", "product_id": MARKER + "\0"}, id="NUL in product_id"),
        pytest.param("timestamp", {"text": "a", "timestamp": MARKER}, id="timestamp no time"),
        pytest.param("timestamp", {"text": "a", "timestamp": 1_700_000_000}, id="timestamp a number"),
        pytest.param("timestamp", {"text": "a", "timestamp": "1700000000"}, id="timestamp digits"),
        pytest.param("timestamp", {"text": "a", "timestamp": "2026-11-01"}, id="timestamp a date"),
        pytest.param("timestamp", {"text": "a", "timestamp": "2026-11-01T09:30:00"}, id="timestamp without offset"),
        pytest.param("timestamp", {"text": "a", "timestamp": "1969-12-31T23:59:59Z"}, id="timestamp too early"),
        pytest.param("timestamp", {"text": "a", "timestamp": "2101-01-01T00:00:00Z"}, id="timestamp too late"),
        pytest.param("timestamp", {"text": "a", "timestamp": "0001-01-01T00:00:00+14:00"}, id="timestamp in year 1"),
        pytest.param("metadata", {"text": "a", "metadata": [MARKER]}, id="metadata a list"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER + "\0": 1}}, id="NUL in a key"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: MARKER + "\0"}}, id="NUL in a value"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: [MARKER]}}, id="a list as value"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: {MARKER: 1}}}, id="an object as value"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: 2**53 + 1}}, id="a large integer"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: -(10**30)}}, id="an integer of 31 digits"),
        pytest.param("metadata", {"text": "a", "metadata": {f"{MARKER} {n}": n for n in range(33)}}, id="33 keys"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: "é" * 2048}}, id="metadata over 4 KiB"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: math.nan}}, id="NaN"),
        pytest.param("metadata", {"text": "a", "metadata": {MARKER: -math.inf}}, id="-Infinity"),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(client: Client, path: str, fields: dict[str, Any]) -> None:
    """A review with one wrong field gets 422 with the path of that field, alone and as an item of a batch."""
    alone = assert_problem(client.post("/predict", content=json.dumps(fields), headers=JSON), 422, path)
    body = json.dumps({"items": [{"text": "Works."}, fields]})
    reply = client.post("/predict/batch", content=body, headers=JSON)
    assert reply.status_code == 200
    assert MARKER not in reply.text
    good, bad = reply.json()["results"]
    assert good["label"] == "positive"
    assert bad["error"]["status"] == 422
    assert bad["error"]["errors"] == [{**each, "path": f"items[1].{each['path']}"} for each in alone["errors"]]


def test_a_number_too_large_for_a_double_is_refused(client: Client) -> None:
    """1e999, which a JSON reader turns into infinity, is refused as not finite, alone and in a batch."""
    item = b'{"text": "a", "metadata": {"a": 1e999}}'
    body = assert_problem(client.post("/predict", content=item, headers=JSON), 422, "metadata")
    assert message_of(body) == "numbers must be finite"
    reply = client.post("/predict/batch", content=b'{"items": [%s]}' % item, headers=JSON).json()
    assert reply["results"][0]["error"]["errors"] == [
        {"path": "items[0].metadata", "message": "numbers must be finite"}
    ]


def test_a_plain_unknown_field_is_named(client: Client) -> None:
    """A misspelt field is told by its name, as long as that looks like the name of a field."""
    assert_problem(client.post("/predict", json={"text": "a", "produkt_id": MARKER}), 422, "produkt_id")
    assert_problem(client.post("/predict", json={"text": "a", "x" * 41: MARKER}), 422, "(key)")


def test_every_wrong_field_is_named(client: Client) -> None:
    """Two wrong fields are two errors."""
    body = client.post("/predict", json={"text": "", "product_id": 3}).json()
    assert [error["path"] for error in body["errors"]] == ["text", "product_id"]


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("text", rb'{"text": "words of the client \ud800"}'),
        ("text", rb'{"text": "\udc00\ud800"}'),
        ("product_id", rb'{"text": "a", "product_id": "words of the client \udfff"}'),
        ("metadata.(key)", rb'{"text": "a", "metadata": {"words of the client \ud800": 1}}'),
        ("metadata.shop", rb'{"text": "a", "metadata": {"shop": "words of the client \ud800"}}'),
        ("metadata.(key)", rb'{"text": "a", "metadata": {"words of the client": "\ud800"}}'),
        ("(key)", rb'{"words of the client \ud800": 1}'),
    ],
)
def test_lone_surrogates_are_refused_wherever_they_stand(client: Client, path: str, item: bytes) -> None:
    """Half of a surrogate pair is no text: 422 at the field, and in a batch at the item's field."""
    body = assert_problem(client.post("/predict", content=item, headers=JSON), 422, path)
    assert message_of(body) == "must not contain lone surrogates (U+D800 to U+DFFF)"
    batch = b'{"items": [{"text": "a"}, %s]}' % item
    assert_problem(client.post("/predict/batch", content=batch, headers=JSON), 422, f"items[1].{path}")


def test_a_surrogate_pair_is_a_character(client: Client) -> None:
    """Two escapes that make one character are welcome."""
    reply = client.post("/predict", content=rb'{"text": "Great \ud83d\ude00"}', headers=JSON)
    assert (reply.status_code, reply.json()["label"]) == (200, "positive")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("items", {}, id="items missing"),
        pytest.param("items", {"items": []}, id="no items"),
        pytest.param("items", {"items": [{"text": MARKER}] * 257}, id="257 items"),
        pytest.param("items", {"items": {"text": MARKER}}, id="items an object"),
        pytest.param("items", {"items": MARKER}, id="items a string"),
        pytest.param("(key)", {"items": [{"text": "a"}], MARKER: 1}, id="unknown field"),
    ],
)
def test_a_batch_with_a_wrong_envelope_is_refused_as_a_whole(client: Client, path: str, fields: dict[str, Any]) -> None:
    """Nothing of a batch is answered when its list is no list of 1 to 256 items."""
    assert_problem(client.post("/predict/batch", json=fields), 422, path)


def test_items_of_the_wrong_type_fail_alone(client: Client) -> None:
    """Each item that is no object gets an error in its place, and the others their predictions."""
    items: list[object] = [None, {"text": "Broke at once."}, 3, MARKER, [], {"text": "Lovely."}, True]
    reply = client.post("/predict/batch", json={"items": items})
    assert MARKER not in reply.text
    results = reply.json()["results"]
    assert [each.get("label") for each in results] == [None, "negative", None, None, None, "positive", None]
    errors = [each["error"]["errors"] for each in results if "error" in each]
    assert errors == [[{"path": f"items[{n}]", "message": "Input should be an object"}] for n in (0, 2, 3, 4, 6)]


def test_a_full_batch_of_wrong_items_is_still_a_reply(client: Client) -> None:
    """256 items without one good one get 256 errors."""
    reply = client.post("/predict/batch", json={"items": [{}] * 256})
    assert reply.status_code == 200
    assert {each["error"]["status"] for each in reply.json()["results"]} == {422}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("", {"prediction_id": ID}, id="neither rating nor label"),
        pytest.param("prediction_id", {"rating": 3}, id="id missing"),
        pytest.param("prediction_id", {"prediction_id": MARKER, "rating": 3}, id="id no UUID"),
        pytest.param("prediction_id", {"prediction_id": 3, "rating": 3}, id="id a number"),
        pytest.param("rating", {"prediction_id": ID, "rating": 0}, id="rating 0"),
        pytest.param("rating", {"prediction_id": ID, "rating": 6}, id="rating 6"),
        pytest.param("rating", {"prediction_id": ID, "rating": "5"}, id="rating a string"),
        pytest.param("rating", {"prediction_id": ID, "rating": 4.5}, id="rating 4.5"),
        pytest.param("rating", {"prediction_id": ID, "rating": True}, id="rating true"),
        pytest.param("label", {"prediction_id": ID, "label": MARKER}, id="label unknown"),
        pytest.param("label", {"prediction_id": ID, "label": MARKER + "\0"}, id="NUL in the label"),
        pytest.param("label", {"prediction_id": ID, "rating": 5, "label": "negative"}, id="label against rating"),
        pytest.param("(key)", {"prediction_id": ID, "rating": 5, MARKER: 1}, id="unknown field"),
    ],
)
def test_feedback_that_breaks_a_rule_is_refused(client: Client, path: str, fields: dict[str, Any]) -> None:
    """Feedback with one wrong field gets 422 with the path of that field."""
    assert_problem(client.post("/feedback", json=fields), 422, path)


def test_no_message_quotes_a_malformed_id(client: Client) -> None:
    """Not even the first character of what was sent as an id comes back."""
    body = assert_problem(client.post("/feedback", json={"prediction_id": "§", "rating": 3}), 422, "prediction_id")
    assert message_of(body) == "Input should be a valid UUID"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/msgpack",
        "nonsense",
        "",
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_another_content_type_is_refused(client: Client, path: str, content_type: str) -> None:
    """What is not declared as JSON gets 415, whatever it holds."""
    body = json.dumps({"text": MARKER})
    assert_problem(client.post(path, content=body, headers={"Content-Type": content_type}), 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"])
def test_every_way_to_say_json_is_accepted(client: Client, content_type: str) -> None:
    """Parameters, capitals and a `+json` suffix change nothing."""
    reply = client.post("/predict", content=b'{"text": "Lovely."}', headers={"Content-Type": content_type})
    assert (reply.status_code, reply.json()["label"]) == (200, "positive")


@pytest.mark.parametrize(("path", "limit_kib"), [("/predict", 1024), ("/predict/batch", 8192), ("/feedback", 64)])
def test_a_body_over_the_limit_is_too_large(client: Client, path: str, limit_kib: int) -> None:
    """One byte more than the route takes gets 413, with a declared length and in chunks alike."""
    body = json.dumps({"text": MARKER}).encode().ljust((limit_kib << 10) + 1)
    assert_problem(client.post(path, content=body, headers=JSON), 413)
    half = len(body) // 2
    assert_problem(client.post(path, content=iter([body[:half], body[half:]]), headers=JSON), 413)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", {"POST", "OPTIONS"}),
        ("DELETE", "/predict/batch", {"POST", "OPTIONS"}),
        ("PUT", "/feedback", {"POST", "OPTIONS"}),
        ("POST", "/model", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", f"/predictions/{ID}", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client: Client, method: str, path: str, allowed: set[str]) -> None:
    """405 comes with the Allow header."""
    reply = client.request(method, path)
    assert_problem(reply, 405)
    assert set(reply.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/nothing", "/predict/nothing", "/a%20b?text=words%20of%20the%20client"])
def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    """404 names the path, as a URI has it, and leaves out the query."""
    assert_problem(client.get(path), 404)


@pytest.mark.parametrize("prediction_id", [ID, ID.upper(), "018f-not-an-id", "0"])
def test_an_unknown_prediction_is_not_found(client: Client, prediction_id: str) -> None:
    """An id that nobody was given gets 404, whether or not it could be one."""
    body = assert_problem(client.get(f"/predictions/{prediction_id}"), 404)
    assert body["type"] == "/problems/prediction-unknown"


def test_feedback_for_an_id_that_nobody_was_given_is_not_found(client: Client) -> None:
    """Feedback for an unknown id that is no recent one of ours gets 404."""
    assert_problem(client.post("/feedback", json={"prediction_id": ID, "rating": 3}), 404)


def test_an_idempotency_key_has_a_length(client: Client) -> None:
    """A key of more than 200 characters is refused by the header's name."""
    headers = {"Idempotency-Key": MARKER * 11}
    assert_problem(client.post("/predict", json={"text": "a"}, headers=headers), 422, "Idempotency-Key")


@pytest.mark.parametrize("request_id", ["order-9:retry/2", "x" * 128])
def test_a_sane_request_id_comes_back(client: Client, request_id: str) -> None:
    """A reply, also a refusal, carries the client's own request id."""
    reply = client.post("/predict", content=b"", headers={**JSON, "X-Request-ID": request_id})
    assert reply.headers["X-Request-ID"] == request_id


@pytest.mark.parametrize("request_id", [MARKER, "x" * 129, "<script>"])
def test_another_request_id_is_replaced(client: Client, request_id: str) -> None:
    """What is long or has other characters is replaced by a UUID of ours."""
    reply = client.post("/predict", content=b"", headers={**JSON, "X-Request-ID": request_id})
    assert uuid.UUID(reply.headers["X-Request-ID"])


_ODD_TEXT = st.sampled_from(["", "a\0", "\0", "\ud800", "a\udfff", "\\u0000", "\u2028", "\uffff", "😀", '"'])
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60) | _ODD_TEXT
_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT
_REQUESTS = st.fixed_dictionaries(
    {"text": _ANY_TEXT | st.just("a")},
    optional={
        "product_id": _ANY_TEXT,
        "timestamp": st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
        "metadata": st.dictionaries(_ANY_TEXT, _VALUES, max_size=3),
    },
)
# Seven bits: the test client sends bytes beyond them in another encoding.
_KEYS = st.none() | st.binary(min_size=1, max_size=201).map(lambda key: bytes(byte & 0x7F for byte in key))
_REQUEST_IDS = st.none() | st.text("aZ09._:/+=@-", min_size=1, max_size=129) | st.binary(max_size=8)


@given(requests=st.lists(st.tuples(_REQUESTS, _KEYS, _REQUEST_IDS), max_size=4))
@example(requests=[({"text": "a", "metadata": {"a": 5e-324, "b": -0.0, "c": 1.7e308, "d": 2**53}}, None, None)])
@example(requests=[({"text": "a", "metadata": {"a": 1e20, "b": 2.5e19, "c": -1e300, "d": 1e-300}}, None, None)])
@example(requests=[({"text": "a", "timestamp": "1970-01-01T00:00:00+14:00"}, None, None)])
@example(requests=[({"text": "a", "timestamp": "2100-12-31T23:59:59.999999-12:00"}, None, None)])
@example(requests=[({"text": "a", "timestamp": "0001-01-01T00:00:00+14:00"}, None, None)])
@example(requests=[({"text": "a\0"}, None, None), ({"text": "a", "product_id": "a\0"}, None, None)])
@example(requests=[({"text": "a", "metadata": {"a\0": 1}}, None, None), ({"text": "a"}, b"a\0", b"a\0")])
@example(requests=[({"text": "a", "metadata": {"a": math.nan}}, None, None)])
@example(requests=[({"text": "a"}, b"~" * 200, "x" * 128), ({"text": "a"}, b"\x7f", "x" * 129)])
@example(requests=[({"text": "\u2028a\uffff", "product_id": " &=+%#\n\u2028😀"}, b"k", "r")])
@settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_answered_reads_back_equal(
    client: Client,
    session_database: str,
    waiting: Callable[..., None],
    requests: list[tuple[dict[str, Any], bytes | None, str | bytes | None]],
) -> None:
    """What passes the checks is stored, none set aside, and reads back as it came: alone, in the list, as a row."""
    expected = {}
    for body, key, request_id in requests:
        headers: dict[str, Any] = {"Idempotency-Key": key, "X-Request-ID": request_id, **JSON}
        sent = json.dumps(body).encode()
        reply = client.post("/predict", content=sent, headers={n: v for n, v in headers.items() if v is not None})
        assert reply.status_code in {200, 400, 422}, reply.text
        if reply.status_code == 200:
            prediction_id = reply.json()["prediction_id"]
            expected[prediction_id] = (parse(PredictRequest, sent), key, reply.headers["X-Request-ID"])
            assert_logged(client.get(f"/predictions/{prediction_id}").json(), expected[prediction_id][0])
    waiting(lambda: log_health(client)["spool_bytes"] == 0, "everything is shipped")
    assert log_health(client)["set_aside"] == 0
    for prediction_id, (request, _, _) in expected.items():
        stored = client.get(f"/predictions/{prediction_id}").json()
        assert stored["state"] == "stored"
        assert_logged(stored, request)
        assert stored in listed_like(client, stored)
    headers_sent = {UUID(each): (key and key.decode(), sent_id) for each, (_, key, sent_id) in expected.items()}
    assert asyncio.run(headers_stored(session_database, list(headers_sent))) == headers_sent


def assert_logged(logged: dict[str, Any], request: PredictRequest) -> None:
    """Assert that the logged prediction says what the request said."""
    assert (logged["text"], logged["product_id"]) == (request.text, request.product_id)
    timestamp = logged["timestamp"] and dt.datetime.fromisoformat(logged["timestamp"])
    assert timestamp == request.timestamp
    assert as_doubles(logged["metadata"]) == as_doubles(request.metadata)


def log_health(client: Client) -> dict[str, Any]:
    """Return how the prediction log does."""
    health: dict[str, Any] = client.get("/health/ready").json()["prediction_log"]
    return health


def listed_like(client: Client, logged: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the list of predictions of its product and its millisecond."""
    start = dt.datetime.fromisoformat(logged["created_at"])
    query = {"from": start.isoformat(), "to": (start + dt.timedelta(milliseconds=1)).isoformat()}
    if logged["product_id"] is not None:
        query["product_id"] = logged["product_id"]
    reply = client.get("/predictions", params=query)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["predictions"]
    return found


async def headers_stored(database_url: str, ids: list[UUID]) -> dict[UUID, tuple[str | None, str]]:
    """Return the idempotency key and the request id of each row."""
    columns = (predictions.c.prediction_id, predictions.c.idempotency_key, predictions.c.request_id)
    query = select(*columns).where(predictions.c.prediction_id.in_(ids))
    async with (
        connected(DatabaseSettings(database=None, database_url=SecretStr(database_url))) as engine,
        engine.connect() as connection,
    ):
        return {row[0]: (row[1], row[2]) for row in await connection.execute(query)}


def as_doubles(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the metadata with integers as floats: Postgres writes 1e20 with all its digits, an integer's."""
    if metadata is None:
        return None
    return {key: float(value) if type(value) is int else value for key, value in metadata.items()}
