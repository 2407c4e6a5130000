"""`X-Sentiment-Source`: what is a try of our own is logged as one, and counts as nobody's traffic."""

from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

Client = TestClient[Litestar]
HEADER = "X-Sentiment-Source"
REVIEW = {"text": "The lid never closes properly."}
SECRET = "words of the client"


def source_of(client: Client, prediction: dict[str, Any]) -> str:
    """Return the source that a prediction was logged with."""
    logged = client.get(f"/predictions/{prediction['prediction_id']}").json()
    source: str = logged["source"]
    return source


def counted(client: Client) -> dict[str, str]:
    """Return what the metrics say of predictions given to customers."""
    ours = ("sentiment_predictions_total", "sentiment_prediction_score_count", "sentiment_input_tokens_count")
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(ours)]
    return dict(line.rsplit(" ", 1) for line in lines)


@pytest.mark.parametrize("source", ["golden", "bench", "console"])
def test_a_source_of_our_own_is_logged(client: Client, source: str) -> None:
    """Single requests and each item of a batch have it; the answer is the same as a customer's."""
    single = client.post("/predict", json=REVIEW, headers={HEADER: source})
    batch = client.post("/predict/batch", json={"items": [REVIEW, REVIEW]}, headers={HEADER: source})
    answers = [single.json(), *batch.json()["results"]]
    assert [source_of(client, each) for each in answers] == [source] * 3
    assert single.json()["score"] == pytest.approx(client.post("/predict", json=REVIEW).json()["score"], abs=1e-3)


def test_customers_need_no_header(client: Client) -> None:
    """Without it a prediction's source is `api`."""
    assert source_of(client, client.post("/predict", json=REVIEW).json()) == "api"


def test_our_own_tries_are_in_no_count_of_predictions(client: Client) -> None:
    """They move neither the labels', nor the scores', nor the tokens' metrics; customers' do."""
    before = counted(client)
    client.post("/predict", json=REVIEW, headers={HEADER: "golden"})
    assert counted(client) == before
    client.post("/predict", json=REVIEW)
    assert counted(client) != before


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
@pytest.mark.parametrize(
    "values", [["api"], ["hf"], ["GOLDEN"], [""], ["golden, bench"], ["golden", "golden"], [SECRET]]
)
def test_another_source_is_refused(client: Client, path: str, values: list[str]) -> None:
    """422 names the header and what it may be, and quotes nobody."""
    body = REVIEW if path == "/predict" else {"items": [REVIEW]}
    reply = client.post(path, json=body, headers=httpx.Headers([(HEADER, value) for value in values]))
    assert (reply.status_code, reply.json()["type"]) == (422, "/problems/invalid")
    message = "expected one of golden, bench, console, once; customers' requests have no such header"
    assert reply.json()["errors"] == [{"path": HEADER, "message": message}]
    assert SECRET not in reply.text


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_the_header_is_documented(client: Client, path: str) -> None:
    """OpenAPI has it with its values, and as one that may be left out."""
    operation = client.get("/docs/openapi.json").json()["paths"][path]["post"]
    (parameter,) = [each for each in operation["parameters"] if each["name"] == HEADER]
    assert (parameter["in"], parameter["schema"]["enum"]) == ("header", ["golden", "bench", "console"])
    assert not parameter.get("required")
