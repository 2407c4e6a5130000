"""What every reply tells browsers, whoever answers: a route, Litestar or a failure; and what is counted of it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from sentiment_api.http.edge import Edge
from sentiment_api.telemetry.metrics import Metrics

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/model", 200), ("POST", "/predict", 400), ("GET", "/nothing", 404), ("PUT", "/predict", 405)],
)
def test_every_reply_is_safe_in_a_browser(client: TestClient[Litestar], method: str, path: str, status: int) -> None:
    """Nothing is sniffed, framed, run, kept or read by another origin, and no address is passed on."""
    reply = client.request(method, path, headers={"Origin": "https://elsewhere.example"})
    assert reply.status_code == status
    safe = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
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


@pytest.mark.parametrize("path", ["/", "/console/console.css", "/docs/assets/swagger-ui.css"])
def test_what_holds_no_data_may_be_kept(client: TestClient[Litestar], path: str) -> None:
    """A page's own files say so for themselves."""
    assert client.get(path).headers.get_list("cache-control") == ["no-cache"]


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


App = Callable[[Any, Any, Any], Awaitable[None]]
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
PART: dict[str, Any] = {"type": "http.response.body", "body": b"a", "more_body": True}
LAST: dict[str, Any] = {"type": "http.response.body", "body": b"b"}


def counted(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the requests counted, by method, route and status."""
    (family,) = metrics.http_requests.collect()
    samples = [sample for sample in family.samples if sample.name.endswith("_total")]
    return {tuple(sample.labels[name] for name in ("method", "route", "status")): sample.value for sample in samples}


async def ask(app: App, metrics: Metrics, method: str = "GET", **scope: Any) -> list[dict[tuple[str, ...], float]]:
    """Have the edge around `app` handle a request; return what was counted as each message reached the server."""
    seen = []

    async def send(message: Any) -> None:
        seen.append(counted(metrics))

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    whole: Any = {"type": "http", "method": method, "path": "/", "query_string": b"", "headers": [], **scope}
    await Edge(app, metrics)(whole, receive, send)
    return seen


@pytest.mark.anyio
async def test_a_reply_is_counted_before_its_last_byte_is_sent() -> None:
    """Whoever has a reply finds it in the metrics, once, and what runs in the background after it counts nothing."""
    metrics = Metrics()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in (dict(START), PART, LAST):
            await send(message)
        assert metrics.registry.get_sample_value("sentiment_http_requests_in_progress") == 0

    once = {("GET", "/a/{id}", "200"): 1}
    assert await ask(app, metrics, path_template="/a/{id}") == [{}, {}, once]
    assert counted(metrics) == once


@pytest.mark.anyio
async def test_a_defect_is_counted_as_what_the_client_sees_of_it() -> None:
    """Before a reply that is the server's 500, within one the status that was sent; nothing is left in progress."""
    metrics = Metrics()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        for message in scope["said"]:
            await send(dict(message))
        raise RuntimeError

    for said in ([], [START], [START, PART]):
        with pytest.raises(RuntimeError):
            await ask(broken, metrics, said=said)
    assert counted(metrics) == {("GET", "(none)", "500"): 1, ("GET", "(none)", "200"): 2}
    assert metrics.registry.get_sample_value("sentiment_http_requests_in_progress") == 0


@pytest.mark.anyio
async def test_a_client_that_hung_up_before_its_reply_is_499() -> None:
    """Whatever the application says afterwards, nobody reads it; a client that leaves later has its status."""
    metrics = Metrics()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["early"]:
            await receive()
        await send(dict(START))
        await receive()
        await send(dict(LAST))

    for early in (True, False):
        await ask(app, metrics, early=early)
    assert counted(metrics) == {("GET", "(none)", "499"): 1, ("GET", "(none)", "200"): 1}


@pytest.mark.anyio
async def test_made_up_methods_make_no_series() -> None:
    """However many there are, they are counted as one."""
    metrics = Metrics()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(dict(START))
        await send(dict(LAST))

    for method in ("POST", "get", "BREW", *(f"M{number}" for number in range(50))):
        await ask(app, metrics, method)
    assert counted(metrics) == {("POST", "(none)", "200"): 1, ("(other)", "(none)", "200"): 52}


def test_a_wrong_method_is_counted_under_its_route(client: TestClient[Litestar]) -> None:
    """Every route that there is gives its template to its 405s; ids in paths make no series."""
    templates = {route.path_format for route in client.app.routes if isinstance(route, HTTPRoute)}
    for template in templates:
        assert client.request("BREW", template.replace("{", "").replace("}", "")).status_code == 405, template
    metrics: Metrics = client.app.state.metrics
    wrong = {route for method, route, status in counted(metrics) if (method, status) == ("(other)", "405")}
    assert wrong == templates
