"""What every reply says of its request: the id, and where the time went."""

import uuid
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.protocols import NewClient

Client = TestClient[Litestar]

REVIEW = {"text": "The lid never closes properly."}


def timing(reply: httpx.Response) -> dict[str, float]:
    """Return the Server-Timing header: milliseconds by name, in order."""
    parts = [part.split(";dur=") for part in reply.headers["Server-Timing"].split(", ")]
    return {name: float(ms) for name, ms in parts}


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict"), ("GET", "/metrics"), ("GET", "/nothing")])
def test_every_reply_has_a_request_id_and_its_time(new_client: NewClient, method: str, path: str) -> None:
    """A sane X-Request-ID comes back, another is replaced by a UUID, and Server-Timing has the total, also of a 404."""
    client = new_client()
    body = REVIEW if method == "POST" else None
    for given, kept in (("order-9", True), ("a b", False), ("x" * 129, False)):
        reply = client.request(method, path, headers={"X-Request-ID": given}, json=body)
        assert (reply.headers["X-Request-ID"] == given) is kept
        assert kept or uuid.UUID(reply.headers["X-Request-ID"])
        assert timing(reply)["total"] >= 0


@pytest.mark.parametrize(("path", "body"), [("/predict", REVIEW), ("/predict/batch", {"items": [REVIEW]})])
def test_a_prediction_tells_where_its_time_went(new_client: NewClient, path: str, body: dict[str, Any]) -> None:
    """Server-Timing of a prediction has queue, tokenizing and inference, which fit into the total."""
    found = timing(new_client().post(path, json=body))
    assert list(found) == ["queue", "tokenize", "inference", "total"]
    assert found["queue"] + found["tokenize"] + found["inference"] <= found["total"] + 0.03  # each is rounded
