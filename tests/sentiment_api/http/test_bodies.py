"""Which bodies the routes take: how they may be compressed and written, and what is refused before it is read."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send

from sentiment_api.schemas.limits import MAX_BATCH_BYTES, MAX_FEEDBACK_BYTES, MAX_SINGLE_BYTES
from tests.protocols import Metric

Client = TestClient[Litestar]
JSON = {"Content-Type": "application/json"}
TEXT = "The lid closes. Größe: 20 cm \U0001f600"
REVIEW = {"text": TEXT}
POSTS = ["/predict", "/predict/batch", "/feedback"]
VALID: dict[str, Any] = {
    "/predict": REVIEW,
    "/predict/batch": {"items": [REVIEW]},
    "/feedback": {"prediction_id": "01890000-0000-7000-8000-000000000000", "rating": 3},
}
UNDERSTOOD = {"/predict": 200, "/predict/batch": 200, "/feedback": 404}
"""What a valid body gets; the feedback is for a prediction that there is not."""


def raw_deflate(body: bytes) -> bytes:
    """Return deflate data without zlib's frame, as some clients send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZip": gzip.compress,
    "identity, gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate ": raw_deflate,
    "identity": bytes,
    "": bytes,
}


@pytest.mark.parametrize("coding", PACKERS)
@pytest.mark.parametrize("path", POSTS)
def test_a_packed_body_is_read(client: Client, path: str, coding: str) -> None:
    """Gzip and deflate in all their spellings, and identity, are read on every route."""
    body = PACKERS[coding](json.dumps(VALID[path]).encode())
    reply = client.post(path, content=body, headers={**JSON, "Content-Encoding": coding})
    assert reply.status_code == UNDERSTOOD[path], reply.text


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "nonsense"])
@pytest.mark.parametrize("path", POSTS)
def test_another_encoding_is_refused_with_those_that_are_read(client: Client, path: str, coding: str) -> None:
    """415 names what is accepted, in words and in Accept-Encoding, whatever the body is in truth."""
    reply = client.post(path, json=VALID[path], headers={"Content-Encoding": coding})
    assert (reply.status_code, reply.json()["type"]) == (415, "/problems/body-encoding")
    assert reply.headers["Accept-Encoding"] == "gzip, deflate"
    assert "gzip, deflate" in reply.json()["detail"]


PACKED = gzip.compress(json.dumps(REVIEW).encode())
DAMAGED = {
    "no gzip": ("gzip", json.dumps(REVIEW).encode(), "is not gzip"),
    "no deflate": ("deflate", b"\x78\x9c nonsense", "is not deflate"),
    "cut off": ("gzip", PACKED[:-9], "ends before"),
    "without its check": ("gzip", PACKED[:-4], "ends before"),
    "damaged within": ("gzip", PACKED[:20] + bytes(8) + PACKED[28:], "is not gzip"),
    "wrong check": ("gzip", PACKED[:-8] + bytes(8), "is not gzip"),
    "more after it": ("gzip", PACKED + b"more", "after the end"),
    "a head alone": ("deflate", b"\x78", "ends before"),
    "a bomb": ("gzip", gzip.compress(bytes(1 << 20)), "more than 250 times"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_body_that_does_not_unpack_is_a_bad_request(client: Client, name: str) -> None:
    """Whatever is wrong with packed bytes gets 400 and is named."""
    coding, body, why = DAMAGED[name]
    reply = client.post("/predict", content=body, headers={**JSON, "Content-Encoding": coding})
    assert (reply.status_code, reply.json()["type"]) == (400, "/problems/body-damaged")
    assert why in reply.json()["detail"]


@pytest.mark.parametrize(("path", "limit"), [("/predict", MAX_SINGLE_BYTES), ("/feedback", MAX_FEEDBACK_BYTES)])
def test_the_limit_holds_for_the_unpacked_body(client: Client, path: str, limit: int) -> None:
    """What unpacks to more than the route takes gets 413, to as much it is read."""
    for size, status in ((limit, UNDERSTOOD[path]), (limit + 1, 413)):
        # Not as blank as to be a bomb.
        body = json.dumps(VALID[path]).encode() + (b" \n\t\r" * 7 + b"   \n\n\r\r\t\n") * (limit // 37)
        body = body[:size].ljust(size)
        reply = client.post(path, content=gzip.compress(body, 1), headers={**JSON, "Content-Encoding": "gzip"})
        assert reply.status_code == status, reply.text


@pytest.mark.parametrize("path", POSTS)
def test_a_byte_order_mark_is_skipped(client: Client, path: str) -> None:
    """UTF-8 with its mark, as Windows writes it, is UTF-8."""
    reply = client.post(path, content=b"\xef\xbb\xbf" + json.dumps(VALID[path]).encode(), headers=JSON)
    assert reply.status_code == UNDERSTOOD[path]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("path", POSTS)
def test_utf_16_and_32_are_named(client: Client, path: str, charset: str) -> None:
    """With a mark or without one, the problem says that UTF-8 is expected."""
    reply = client.post(path, content=json.dumps(VALID[path]).encode(charset), headers=JSON)
    assert (reply.status_code, reply.json()["type"]) == (400, "/problems/not-json")
    assert "UTF-16 or UTF-32; expected a JSON object in UTF-8" in reply.json()["detail"]


@pytest.mark.parametrize("body", [b"", b" \r\n ", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("path", POSTS)
def test_an_empty_body_is_named(client: Client, path: str, body: bytes) -> None:
    """Nothing, blanks or a mark alone: the problem says that the body is empty, and what was expected."""
    for content in (body, iter([body]), gzip.compress(body)):
        coding = {"Content-Encoding": "gzip"} if content == gzip.compress(body) else {}
        reply = client.post(path, content=content, headers={**JSON, **coding})
        assert (reply.status_code, reply.json()["type"]) == (400, "/problems/not-json")
        assert reply.json()["detail"].startswith("The body is empty; expected a JSON object")


@pytest.mark.parametrize("part", [b"1,", b"[],", b'"",', b'{"a":1},', b",", b'"\\"",'], ids=lambda part: part.decode())
@pytest.mark.parametrize("path", POSTS)
def test_more_values_than_any_request_has_are_refused(client: Client, path: str, part: bytes) -> None:
    """They would take a hundred times their size to parse, whether or not they are well formed."""
    body = b'{"items": [' + part * (60_000 // len(part))
    reply = client.post(path, content=body, headers=JSON)
    if path == "/predict/batch" and len(part) > 3:  # fewer than a batch may have
        assert reply.status_code == 400
    else:
        assert reply.status_code == 422
        assert "values in all" in reply.json()["errors"][0]["message"]


@pytest.mark.parametrize("opening", [b"]" * 100_000, b"}", b"[]]", b'{"a": "]"}}'])
def test_brackets_that_close_nothing_are_no_json(client: Client, opening: bytes) -> None:
    """They are no values, so nothing else would bound how many are looked at."""
    reply = client.post("/predict", content=opening + b"," * 5000, headers=JSON)
    assert (reply.status_code, reply.json()["type"]) == (400, "/problems/not-json")


def test_a_packed_body_without_its_header_is_named(client: Client) -> None:
    """The client forgot to say how it packed the body."""
    reply = client.post("/predict", content=PACKED, headers=JSON)
    assert reply.status_code == 400
    assert "Content-Encoding: gzip" in reply.json()["detail"]


def test_text_may_be_made_of_what_separates_values(client: Client) -> None:
    """Commas, brackets and quotes within strings are none of the values that are counted."""
    text = '[],{}"\\' * 2500
    reply = client.post("/predict/batch", json={"items": [{"text": text}] * 8})
    assert [set(each) & {"error"} for each in reply.json()["results"]] == [set()] * 8


def test_of_many_wrong_fields_a_hundred_are_told(client: Client) -> None:
    """A reply does not grow with whatever was sent."""
    reply = client.post("/predict", json={f"field{number}": 1 for number in range(1000)})
    assert (reply.status_code, len(reply.json()["errors"])) == (422, 100)


def test_a_refused_body_is_counted_by_its_reason(client: Client, metric: Metric) -> None:
    """Each kind has a reason of its own."""
    cases = {
        "body-too-large": {"content": bytes(MAX_FEEDBACK_BYTES + 1), "headers": JSON},
        "body-damaged": {"content": b"x", "headers": {**JSON, "Content-Encoding": "gzip"}},
        "body-encoding": {"content": b"x", "headers": {**JSON, "Content-Encoding": "br"}},
    }
    for reason, request in cases.items():
        sample = f'sentiment_refused_requests_total{{reason="{reason}"}}'
        before = metric(client, sample)
        client.post("/feedback", **request)  # type: ignore[arg-type] # httpx's own arguments
        assert metric(client, sample) == before + 1


class Peer:
    """A client at the ASGI interface, which notes how much was asked of its body before the reply began."""

    def __init__(self, messages: Iterator[dict[str, Any]]) -> None:
        """`messages` are what it sends."""
        self._messages = messages
        self.asked = 0
        self.asked_before_reply: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 0

    async def receive(self) -> Any:
        """Send the next message."""
        self.asked += 1
        return next(self._messages)

    async def send(self, message: Any) -> None:
        """Note the reply."""
        if message["type"] == "http.response.start":
            self.status, self.headers, self.asked_before_reply = message["status"], message["headers"], self.asked


async def _ask(client: Client, method: str, path: str, *headers: tuple[bytes, bytes]) -> Peer:
    """Send the head of a request with a body of 8 MiB, of which nothing comes before it is asked for."""
    handler: Any = client.app.asgi_handler
    length = (b"content-length", str(MAX_BATCH_BYTES).encode())
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), length, *headers],
        "app": client.app,
        "litestar_app": client.app,
        "state": {},
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    messages = ({"type": "http.request", "body": b" " * (64 << 10), "more_body": True} for _ in range(1 << 20))
    peer = Peer(messages)
    receive: Receive = peer.receive
    send: Send = peer.send
    asgi_scope: Scope = scope  # type: ignore[assignment] # a dict has it all
    await handler(asgi_scope, receive, send)
    return peer


REFUSED_UNREAD: dict[str, tuple[str, str, list[tuple[bytes, bytes]], int]] = {
    "larger than the route takes": ("POST", "/feedback", [(b"content-type", b"application/json")], 413),
    "no JSON": ("POST", "/predict/batch", [(b"content-type", b"text/plain")], 415),
    "another encoding": (
        "POST",
        "/predict/batch",
        [(b"content-type", b"application/json"), (b"content-encoding", b"br")],
        415,
    ),
    "no such path": ("POST", "/nothing", [], 404),
    "no such method": ("PUT", "/predict", [], 405),
    "another host": ("POST", "/predict", [(b"host", b"elsewhere.example")], 421),
    "a route that takes none": ("GET", "/model", [], 200),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", REFUSED_UNREAD)
async def test_a_body_that_is_not_needed_is_not_read(client: Client, name: str) -> None:
    """The reply comes before the first byte is asked for, announces the connection's end, and the rest is bounded."""
    method, path, headers, status = REFUSED_UNREAD[name]
    peer = await _ask(client, method, path, *headers)
    assert (peer.status, peer.asked_before_reply) == (status, 0)
    assert (b"connection", b"close") in peer.headers
    assert peer.asked <= 2 * MAX_BATCH_BYTES // (64 << 10)


@pytest.mark.anyio
async def test_a_client_that_waits_for_100_is_spared_the_body(client: Client) -> None:
    """With `Expect: 100-continue` a refusal asks for no byte, before the reply or after it."""
    peer = await _ask(client, "POST", "/nothing", (b"expect", b"100-continue"))
    assert (peer.status, peer.asked) == (404, 0)
