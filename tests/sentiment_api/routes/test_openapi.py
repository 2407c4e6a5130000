"""OpenAPI: every route is grouped, described and has examples, and the examples are what the service really answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.schemas.limits import MAX_TEXT_CHARACTERS
from sentiment_api.schemas.predictions import PredictionsQuery

Client = TestClient[Litestar]
Document = dict[str, Any]
Operation = dict[str, Any]
GROUPS = {
    "Predictions": {"/predict", "/predict/batch", "/predictions", "/predictions/{prediction_id}"},
    "Feedback": {"/feedback"},
    "Drift": {"/drift/reports", "/drift/latest", "/drift/reports/{run_id}", "/drift/reports/{run_id}.html"},
    "Model and health": {"/model", "/health", "/health/live", "/health/ready"},
}


@pytest.fixture
def document(client: Client) -> Document:
    """The OpenAPI document of the service."""
    found: Document = client.get("/docs/openapi.json").json()
    return found


def operations(document: Document) -> Iterator[tuple[str, str, Operation]]:
    """Yield the method, path and operation of every route in the document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def example_reply(operation: Operation, status: str = "200") -> Any:
    """Return the example of a reply."""
    (content,) = operation["responses"][status]["content"].values()
    (example,) = content["examples"].values()
    return example["value"]


def example_body(document: Document, schema: dict[str, Any]) -> Any:
    """Return the body that a page such as Swagger UI makes of the examples in a schema."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if "examples" in schema:
        return schema["examples"][0]
    if schema.get("type") == "object":
        return {name: example_body(document, each) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_body(document, schema["items"])]
    return schema["default"]


def body_of(document: Document, path: str) -> Any:
    """Return the example of a route's body."""
    body = document["paths"][path]["post"]["requestBody"]
    return example_body(document, body["content"]["application/json"]["schema"])


def test_every_route_is_in_its_group(document: Document) -> None:
    """The tags group all routes, and each tag is described."""
    found: dict[str, set[str]] = {}
    for _, path, operation in operations(document):
        for tag in operation["tags"]:
            found.setdefault(tag, set()).add(path)
    assert found == GROUPS
    assert {tag["name"] for tag in document["tags"] if tag["description"]} == GROUPS.keys()


def test_every_route_has_a_summary_a_description_and_an_example(document: Document) -> None:
    """The summary is a phrase of ours rather than the handler's name, and a successful reply has an example."""
    for method, path, operation in operations(document):
        assert " " in operation["summary"], path
        assert operation["description"].endswith("."), path
        assert example_reply(operation), path
        assert method != "post" or body_of(document, path), path


def test_no_parameter_is_without_a_description_or_nullable(document: Document) -> None:
    """A parameter is given or not; what it means is said."""
    for _, path, operation in operations(document):
        for parameter in operation.get("parameters", []):
            where = (path, parameter["name"])
            assert parameter.get("description") or parameter["in"] == "path", where
            assert "type" in parameter["schema"], where


def test_a_parameter_is_described_by_its_own_words(document: Document) -> None:
    """`from` and `to`, which are of one type, each say what they mean, and the type says nothing for them."""
    parameters = {each["name"]: each for each in document["paths"]["/predictions"]["get"]["parameters"]}
    for name, field in PredictionsQuery.model_fields.items():
        parameter = parameters[field.alias or name]
        assert parameter.get("description") == field.description, name
        assert parameter["schema"].get("description") in (None, field.description), name


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_the_headers_of_predictions_are_documented(document: Document, path: str) -> None:
    """Each header that the routes read is listed, with its bounds, and may be left out."""
    parameters = document["paths"][path]["post"]["parameters"]
    headers = {each["name"]: each["schema"] for each in parameters if each["in"] == "header" and not each["required"]}
    assert headers.keys() == {"X-Request-ID", "Idempotency-Key", "X-Sentiment-Source", "X-Request-Deadline-Ms"}
    deadline = headers["X-Request-Deadline-Ms"]
    assert (deadline["type"], deadline["minimum"], deadline["maximum"]) == ("integer", 1, 600_000)
    assert headers["Idempotency-Key"]["maxLength"] == 200


def test_what_is_wrong_with_a_query_is_documented_as_it_is_answered(document: Document, client: Client) -> None:
    """422 and no 400, which the framework would add and this service never gives for a query."""
    for path in ("/predictions", "/drift/reports"):
        assert client.get(f"{path}?page=2").status_code == 422
        statuses = document["paths"][path]["get"]["responses"].keys()
        assert "422" in statuses
        assert "400" not in statuses


def test_limits_are_in_the_document_as_the_service_applies_them(document: Document) -> None:
    """The words that name a limit are made from it."""
    text = document["components"]["schemas"]["PredictRequest"]["properties"]["text"]
    assert text["maxLength"] == MAX_TEXT_CHARACTERS
    assert f"{MAX_TEXT_CHARACTERS:,}" in text["description"]


def test_the_examples_of_predictions_are_true(document: Document, client: Client) -> None:
    """The service takes the example of a body, and its reply has the fields of the example."""
    single = client.post("/predict", json=body_of(document, "/predict"))
    assert single.status_code == 200, single.text
    assert single.json().keys() == example_reply(document["paths"]["/predict"]["post"]).keys()
    logged = client.get(f"/predictions/{single.json()['prediction_id']}")
    assert logged.json().keys() == example_reply(document["paths"]["/predictions/{prediction_id}"]["get"]).keys()
    items = [*body_of(document, "/predict/batch")["items"], {"text": ""}]
    batch = client.post("/predict/batch", json={"items": items})
    assert batch.status_code == 200, batch.text
    good, bad = example_reply(document["paths"]["/predict/batch"]["post"])["results"]
    assert batch.json()["results"][0].keys() == good.keys()
    assert batch.json()["results"][1] == bad


def test_the_example_of_feedback_is_true(document: Document, client: Client) -> None:
    """For a prediction that was just given it is accepted."""
    prediction = client.post("/predict", json={"text": "Broke after two days."}).json()
    body = body_of(document, "/feedback") | {"prediction_id": prediction["prediction_id"]}
    reply = client.post("/feedback", json=body)
    assert reply.status_code in (200, 202)
    assert reply.json().keys() == example_reply(document["paths"]["/feedback"]["post"]).keys()


@pytest.mark.parametrize("path", ["/model", "/health", "/health/live", "/health/ready", "/predictions"])
def test_the_examples_of_what_is_looked_up_are_true(document: Document, client: Client, path: str) -> None:
    """The reply has the fields of the example."""
    example = example_reply(document["paths"][path]["get"])
    assert client.get(path).json().keys() == example.keys()
