"""`/docs` in a real browser: it shows the routes, and it needs nobody but the service."""

from typing import Protocol

import httpx
from playwright.sync_api import Browser, ConsoleMessage, expect

ROUTES = [
    *("/predict", "/predict/batch", "/feedback", "/predictions", "/predictions/{prediction_id}"),
    *("/drift/reports", "/drift/latest", "/drift/reports/{run_id}", "/drift/reports/{run_id}.html"),
    *("/model", "/health/ready"),
]


class Service(Protocol):
    """What the fixture `service` gives."""

    url: str


def test_the_page_shows_the_routes_and_asks_nobody_else(service: Service, browser: Browser) -> None:
    """Every route is listed, one can be opened, no request leaves the service and the console stays clean."""
    page = browser.new_page()
    asked: list[str] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    page.on("request", lambda request: asked.append(request.url))
    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service.url}/docs")
    for route in ROUTES:
        expect(page.locator(f'[data-path="{route}"]')).to_be_visible()
    page.locator('[data-path="/predict"]').click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    strangers = [url for url in asked if not url.startswith((service.url + "/", "data:", "blob:"))]
    assert (strangers, complaints) == ([], [])
    assert any("swagger-ui-bundle.js" in url for url in asked)


def test_the_schema_describes_what_goes_in_and_out(service: Service) -> None:
    """The OpenAPI document has the request's rules, and for an item of a batch a prediction or an error."""
    document = httpx.get(f"{service.url}/docs/openapi.json").json()
    assert set(ROUTES) <= set(document["paths"])
    assert "/metrics" not in document["paths"]
    schemas = document["components"]["schemas"]
    request = schemas["PredictRequest"]
    assert request["required"] == ["text"]
    assert (request["properties"]["text"]["minLength"], request["properties"]["text"]["maxLength"]) == (1, 20_000)
    results = schemas["BatchReply"]["properties"]["results"]["items"]["oneOf"]
    assert {each["$ref"].rsplit("/", 1)[-1] for each in results} == {"Prediction", "ItemProblem"}
    problem = document["paths"]["/predict"]["post"]["responses"]["422"]["content"]["application/problem+json"]
    assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_an_unknown_path_below_the_page_is_a_problem(service: Service) -> None:
    """Nothing under /docs answers with a page of the framework's own."""
    reply = httpx.get(f"{service.url}/docs/nothing")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")
