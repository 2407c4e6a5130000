"""The service below a path of a proxy: the configurations that `docs/running.md` shows, before a real service."""

import contextlib
import gzip
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.packages import command_of
from tests.protocols import StoreRun, Waiting

PAGE = Path(__file__).parents[3] / "docs" / "running.md"
NGINX = """
daemon off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""
REPORT = b"<!doctype html><title>Report</title><h1>watch</h1>"
KINDS: dict[str, tuple[str, int, dict[str, str]]] = {
    "nginx strips": ("nginx", 0, {}),
    "nginx passes on": ("nginx", 1, {"SENTIMENT_ROOT_PATH": "/reviews"}),
    "haproxy strips": ("haproxy", 0, {}),
}
"""The language of the block, which of its blocks, and the service's settings."""
Proxy = Callable[[str, str], str]


def answers(url: str) -> bool:
    """Return whether a proxy is there and finds the service."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.head(f"{url}/health/ready").status_code == 200
    return False


@pytest.fixture
def proxy(tmp_path: Path, new_port: Callable[[], int], waiting: Waiting) -> Iterator[Proxy]:
    """A function that starts a proxy, by its name and its part of a configuration, and gives its URL."""
    tmp_path.chmod(0o755)
    with contextlib.ExitStack() as started:

        def start(name: str, config: str) -> str:
            port = new_port()
            if name == "haproxy":
                (tmp_path / "proxy.conf").write_text(config.replace(":8080", f":{port}"))
                command = [command_of("haproxy", "haproxy"), "-db", "-f", str(tmp_path / "proxy.conf")]
            else:
                (tmp_path / "proxy.conf").write_text(NGINX.format(port=port, location=config))
                command = [command_of("nginx-light", "nginx"), "-p", str(tmp_path), "-c", "proxy.conf"]
            log = started.enter_context((tmp_path / "proxy.log").open("w"))
            process = started.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            started.callback(process.terminate)
            url = f"http://127.0.0.1:{port}/reviews"
            waiting(lambda: process.poll() is not None or answers(url), "the proxy answers")
            assert process.poll() is None, (tmp_path / "proxy.log").read_text()
            return url

        yield start


@pytest.fixture
async def run_id(store_run: StoreRun) -> UUID:
    """A drift run with a page."""
    return await store_run(verdict="watch", report_html=gzip.compress(REPORT))


def use_the_console(page: Page, url: str) -> None:
    """Open the console without the slash at its end, have a review predicted, and open the report of a drift run."""
    page.goto(url)
    expect(page).to_have_url(f"{url}/")
    expect(page.locator("#status")).to_have_text("ready")
    page.get_by_label("Review", exact=True).fill("Works as described.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#result-label")).not_to_be_empty()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report of").click()
    expect(opened.value.get_by_role("heading", name="watch")).to_be_visible()


def use_the_documentation(page: Page, url: str) -> None:
    """Open it with a slash at its end, then without, and have it ask for the model."""
    for docs in (f"{url}/docs/", f"{url}/docs"):
        page.goto(docs)
        expect(page.locator('[data-path="/model"]')).to_be_visible()
    page.locator('[data-path="/model"]').click()
    page.get_by_role("button", name="Try it out").click()
    with page.expect_response(lambda reply: reply.url.endswith("/model")) as replied:
        page.get_by_role("button", name="Execute").click()
    assert replied.value.status == 200


@pytest.fixture
def below(proxy: Proxy, new_service: Callable[..., Any]) -> Callable[[str], str]:
    """A function that starts a service behind a proxy that the page shows, and gives its URL below `/reviews`."""

    def start(kind: str) -> str:
        language, number, setting = KINDS[kind]
        service = new_service(**setting)
        config = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[number]
        return proxy(language, config.replace("127.0.0.1:8000", service.url.removeprefix("http://")))

    return start


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_and_its_links_work_below_a_path(kind: str, run_id: UUID, below: Callable[[str], str]) -> None:
    """Whether the proxy strips the path or not; what a page or a reply refers to is found below it."""
    url = below(kind)
    with httpx.Client(base_url=url, timeout=30) as client:
        assert client.post("/predict", json={"text": "Works."}).status_code == 200
        assert client.get("/docs/openapi.json").json()["servers"] == [{"url": "/reviews"}]
        assert client.get("/nothing").json()["instance"] == "/reviews/nothing"
        run = client.get(f"/drift/reports/{run_id}").json()
        assert run["page"] == client.get("/drift/reports").json()["reports"][0]["page"]
        assert run["page"] == client.get("/drift/latest").json()["page"] == f"/reviews/drift/reports/{run_id}.html"
        for path in ("/", "/docs", "/docs/", "/console/report.html"):
            links = re.findall(r'(?:href|src)="([^"]+)"', client.get(path).text)
            addresses = {str(httpx.URL(url + path).join(link)) for link in [*links, run["page"]]}
            assert {address: httpx.head(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)
            assert len(links) >= 3
            assert all(address.startswith(f"{url}/") for address in addresses)
        assert str(httpx.get(url, follow_redirects=True).url) == f"{url}/"


def test_the_pages_work_below_a_path(run_id: UUID, below: Callable[[str], str], browser: Browser) -> None:
    """In a browser no request leaves the path, and no console complains."""
    url = below("nginx strips")
    context = browser.new_context()
    asked: list[str] = []
    complaints: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", lambda message: complaints.append(message.text))
    page = context.new_page()
    use_the_console(page, url)
    use_the_documentation(page, url)
    assert [each for each in asked if not each.startswith((f"{url}/", "data:")) and each != url] == []
    assert complaints == []
