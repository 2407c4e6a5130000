"""What every reply tells browsers, whoever answers: a route, Litestar or a failure."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/model", 200), ("POST", "/predict", 400), ("GET", "/nothing", 404), ("PUT", "/predict", 405)],
)
def test_every_reply_is_safe_in_a_browser(client: TestClient[Litestar], method: str, path: str, status: int) -> None:
    """Nothing is sniffed, framed, run or read by another origin, and no address is passed on."""
    reply = client.request(method, path, headers={"Origin": "https://elsewhere.example"})
    assert reply.status_code == status
    safe = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "content-security-policy": NOTHING,
    }
    assert {name: reply.headers.get_list(name) for name in safe} == {name: [value] for name, value in safe.items()}
    assert not any(name.startswith("access-control-") for name in reply.headers)


def test_the_page_of_the_documentation_may_run_its_own_scripts(client: TestClient[Litestar]) -> None:
    """Its policy replaces the strict one, and lets nothing in from elsewhere."""
    (policy,) = client.get("/docs").headers.get_list("content-security-policy")
    assert "script-src 'self' 'unsafe-inline'" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_nobody_is_believed_who_says_where_a_request_comes_from(client: TestClient[Litestar]) -> None:
    """Forwarding headers change nothing: no address is logged or counted, and links are not made of hosts."""
    forwarded = {
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Host": "elsewhere.example",
        "Forwarded": "for=203.0.113.7",
    }
    reply = client.get("/nothing", headers=forwarded)
    assert "203.0.113.7" not in reply.text + str(reply.headers)
    assert "elsewhere" not in reply.text + str(reply.headers)
