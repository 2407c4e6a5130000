"""Bodies, ids and names that no sane client sends."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.protocols import AssertProblem, Slugs

Client = TestClient[Litestar]

JSON = {"Content-Type": "application/json"}
POSTS = ["/predict", "/predict/batch", "/feedback"]


@pytest.mark.parametrize("depth", [600, 10_000])
@pytest.mark.parametrize("field", ["metadata", "items", "stray"])
@pytest.mark.parametrize("path", POSTS)
def test_a_body_nested_without_reason_is_a_bad_request(
    client: Client, assert_problem: AssertProblem, path: str, field: str, depth: int
) -> None:
    """JSON as deep as no request is gets 400, in whatever field and whether it is well formed or not."""
    for nested in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth):
        body = f'{{"text": "a", "{field}": {nested}}}'.encode()
        assert_problem(client.post(path, content=body, headers=JSON), 400, "not-json")


@pytest.mark.parametrize("depth", [2, 100, 190, 197, 198, 199, 200, 201, 230, 255, 256, 330, 490, 1000])
@pytest.mark.parametrize("leaf", ["1", r'"\ud800"'])
@pytest.mark.parametrize("path", POSTS)
def test_no_depth_breaks_the_service(client: Client, slugs: Slugs, path: str, leaf: str, depth: int) -> None:
    """A nested body is refused as a whole or by its item, at every depth around the readers' limits."""
    body = f'{{"items": [{"[" * depth + leaf + "]" * depth}]}}'.encode()
    reply = client.post(path, content=body, headers=JSON)
    if reply.status_code == 200:
        assert slugs(reply) == ["invalid"]
    else:
        assert reply.status_code in (400, 422)


def test_feedback_for_an_id_of_no_year_is_not_found(client: Client, assert_problem: AssertProblem) -> None:
    """An id whose time no calendar has gets 404 from feedback and look-up."""
    prediction_id = "ffffffff-ffff-7fff-bfff-ffffffffffff"
    reply = client.post("/feedback", json={"prediction_id": prediction_id, "rating": 3})
    assert_problem(reply, 404, "prediction-unknown")
    assert_problem(client.get(f"/predictions/{prediction_id}"), 404, "prediction-unknown")


@pytest.mark.parametrize("name", ["%00", "a" * 5000, "..%2f..%2fapp.py", "%2e%2e", "nothing.js"])
def test_no_other_file_is_a_page_asset(client: Client, assert_problem: AssertProblem, name: str) -> None:
    """Whatever the name, only the page's own files are there."""
    assert_problem(client.get(f"/docs/assets/{name}"), 404)
