"""The path below which a proxy shows the service: which is believed, and where it shows up."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar

from sentiment_api.app import create_app
from sentiment_api.errors import SettingsInvalid
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import ServiceSettings, read_settings
from tests.protocols import SettingsWithoutPostgres

pytestmark = pytest.mark.anyio
DOCUMENT = "/docs/openapi.json"
HEADER = "X-Forwarded-Prefix"

HOSTILE = [
    *("//evil.example", "/\\evil.example", "https://evil.example", "/a//b", "/a/../b", "/..", "/.", "/a/./b"),
    *("/a%2f..", "/%2e%2e", "/<script>alert(1)</script>", '/"onload=', "/a'b", "/a b", "/a?b", "/a#b", "/a;b"),
    *("reviews", "/reviews, /other", "/a\tb", "/ä", "/" + "a" * 200, "/.hidden"),
]
MakeApp = Callable[..., Litestar]


@pytest.fixture
def make_app(without_postgres: SettingsWithoutPostgres, cpu: Classifier) -> MakeApp:
    """A function that makes an application; its keyword arguments are settings."""
    return lambda **changes: create_app(without_postgres(**changes), cpu)


@pytest.fixture
def app(make_app: MakeApp) -> Litestar:
    """An application without a root path, which trusts loopback as it does by default."""
    return make_app()


async def ask(
    app: Any, path: str, prefixes: tuple[str, ...] = (), by: str = "127.0.0.1", method: str = "GET"
) -> httpx.Response:
    """Ask as a proxy at an address does."""
    headers = [(HEADER, prefix.encode()) for prefix in prefixes]
    transport = httpx.ASGITransport(app, client=(by, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, headers=headers)  # type: ignore[arg-type] # pairs of str and bytes


async def server_of(app: Litestar, *prefixes: str, by: str = "127.0.0.1") -> str:
    """Return where the OpenAPI document says that the service is."""
    url: str = (await ask(app, DOCUMENT, prefixes, by)).json()["servers"][0]["url"]
    return url


@pytest.mark.parametrize(("prefix", "server"), [("/reviews", "/reviews"), ("/a/b-c/", "/a/b-c"), ("/", "/"), ("", "/")])
async def test_a_trusted_proxy_names_the_prefix(app: Litestar, prefix: str, server: str) -> None:
    """With or without a slash at its end, of one level or several."""
    assert await server_of(app, prefix) == server


@pytest.mark.parametrize("prefix", HOSTILE)
async def test_what_is_no_plain_path_is_ignored(app: Litestar, prefix: str) -> None:
    """Other hosts, steps upwards, markup and what proxies decode differently: the reply is as without it."""
    assert await server_of(app, prefix) == "/"
    reply = await ask(app, "/nothing", (prefix,))
    assert (reply.status_code, reply.json()["instance"]) == (404, "/nothing")


async def test_two_prefixes_are_none(app: Litestar) -> None:
    """A client's own header would stand beside the proxy's."""
    assert await server_of(app, "/reviews", "/other") == "/"


@pytest.mark.parametrize(
    ("by", "server"),
    [("::1", "/reviews"), ("::ffff:127.0.0.2", "/reviews"), ("10.0.0.1", "/"), ("fd00::1", "/"), ("testclient", "/")],
)
async def test_others_are_not_believed(app: Litestar, by: str, server: str) -> None:
    """By default only a proxy on this machine is, in whichever form the system gives its address."""
    assert await server_of(app, "/reviews", by=by) == server


async def test_proxies_elsewhere_are_named_by_a_setting(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses and networks with commas; then loopback is no longer among them."""
    monkeypatch.setenv("SENTIMENT_DATABASE", "embedded")
    monkeypatch.setenv("SENTIMENT_TRUSTED_PROXIES", "10.0.0.0/8, fd00::1")
    app = make_app(trusted_proxies=read_settings(ServiceSettings).trusted_proxies)
    servers = [await server_of(app, "/reviews", by=by) for by in ("10.9.8.7", "fd00::1", "fd00::2", "127.0.0.1")]
    assert servers == ["/reviews", "/reviews", "/", "/"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("ROOT_PATH", each) for each in HOSTILE if each.isascii()),
        *(("TRUSTED_PROXIES", each) for each in ("nginx", "10.0.0.1/8", "127.0.0.1,", "*")),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """At the start, in a line with what is expected."""
    monkeypatch.setenv("SENTIMENT_DATABASE", "embedded")
    monkeypatch.setenv(f"SENTIMENT_{variable}", value)
    with pytest.raises(SettingsInvalid, match=f"SENTIMENT_{variable}: expected .* such as"):
        read_settings(ServiceSettings)


@pytest.mark.parametrize("root_path", ["/predict", "/drift", "/drift/reports", "/docs/", "/health"])
def test_the_services_own_paths_are_no_root_path(make_app: MakeApp, root_path: str) -> None:
    """`/drift/latest` would be both the route and `/latest` below the prefix."""
    with pytest.raises(SettingsInvalid, match="expected SENTIMENT_ROOT_PATH to be another path than the service's own"):
        make_app(root_path=root_path.rstrip("/"))


async def test_an_own_path_in_the_header_is_never_taken_off(app: Litestar) -> None:
    """A proxy that shows the service below `/docs` and strips that: the route is found, and its links are right."""
    assert await server_of(app, "/docs") == "/docs"


@pytest.mark.parametrize("root_path", ["/reviews", "/a/b"])
@pytest.mark.parametrize("stripped", [True, False])
async def test_a_root_path_may_be_stripped_or_not(make_app: MakeApp, root_path: str, stripped: bool) -> None:
    """Both ways each path is found once, and what is said of it is what the client asked for."""
    app = make_app(root_path=root_path)
    before = "" if stripped else root_path
    assert (await ask(app, f"{before}{DOCUMENT}", ("/ignored",))).json()["servers"] == [{"url": root_path}]
    assert (await ask(app, f"{before}/", method="HEAD")).headers["content-type"].startswith("text/html")
    reply = await ask(app, f"{before}/nothing")
    assert (reply.status_code, reply.json()["instance"]) == (404, f"{root_path}/nothing")
    assert (await ask(app, f"{before}/predict", method="PUT")).headers["allow"] == "POST, OPTIONS"
    for other in (f"{root_path}{root_path}/model", f"{root_path}x/model"):
        assert (await ask(app, other)).status_code == 404


async def test_the_prefix_alone_leads_to_the_console(make_app: MakeApp) -> None:
    """Relative, so that it holds below a further proxy: without the slash the page's links would lead elsewhere."""
    reply = await ask(make_app(root_path="/a/b"), "/a/b", method="HEAD")
    assert (reply.status_code, reply.headers["location"], reply.content) == (307, "b/", b"")


async def test_no_path_is_another_host(app: Litestar) -> None:
    """A problem's `instance` stays a path, however many slashes the request begins with."""
    assert (await ask(app, "http://127.0.0.1//evil.example/x")).json()["instance"] == "/evil.example/x"


@pytest.mark.parametrize(("path", "root"), [("/docs", "./"), ("/docs/", "../")])
async def test_the_page_of_the_documentation_has_relative_links(app: Litestar, path: str, root: str) -> None:
    """So it needs no setting, with and without a slash at its end."""
    page = (await ask(app, path)).text
    assert f'href="{root}docs/assets/swagger-ui.css"' in page
    assert f'"servers":[{{"url":"{root}"}}]' in page
