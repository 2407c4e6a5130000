"""The client of the job's own requests: which of them go through which proxy of the environment."""

import re
from base64 import b64encode
from pathlib import Path

import pytest

from drift_jobs.errors import HttpEnvironmentInvalid
from drift_jobs.http_client import http_client, odd_exemptions, through_proxy
from tests.protocols import Receive

PAGE = Path(__file__).parents[2] / "docs" / "running.md"
PROXY = "http://user:hush@127.0.0.1:9"
VARIABLES = [each for name in ("http", "https", "all", "no") for each in (f"{name}_proxy", f"{name.upper()}_PROXY")]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be behind one."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("url", "variables", "used"),
    [
        ("http://shop.example", ["HTTP_PROXY"], "HTTP_PROXY"),
        ("https://shop.example", ["HTTP_PROXY"], ""),
        ("https://shop.example", ["ALL_PROXY", "HTTPS_PROXY"], "HTTPS_PROXY"),
        ("http://shop.example", ["ALL_PROXY", "all_proxy"], "all_proxy"),
        ("http://shop.example", [], ""),
    ],
)
def test_the_variable_for_a_scheme_goes_first(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: list[str], used: str
) -> None:
    """Then the one for all; lower case goes before upper case."""
    for variable in variables:
        monkeypatch.setenv(variable, PROXY)
    assert through_proxy(url) == (f", through the proxy of {used}" if used else "")


def test_an_empty_variable_turns_another_spelling_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with curl, `http_proxy=` before a command is enough."""
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("http_proxy", "")
    assert through_proxy("http://shop.example") == ""


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "api.localhost", "localhost.", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],  # noqa: E501, S104 - one list; nothing listens
)  # fmt: skip
def test_loopback_never_uses_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Whatever is set: the service on this machine is no proxy's matter."""
    for variable in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, PROXY)
    assert through_proxy(f"http://{host}:8000") == ""


@pytest.mark.parametrize(
    ("exempt", "url", "used"),
    [
        ("shop.example", "http://shop.example", False),
        ("shop.example", "http://api.shop.example", False),
        ("shop.example", "http://myshop.example", True),
        (".shop.example", "http://api.shop.example", False),
        ("*.shop.example", "http://api.shop.example", False),
        ("SHOP.example.", "http://shop.EXAMPLE", False),
        ("shop.example:8000", "http://shop.example:8000", False),
        ("shop.example:8000", "http://shop.example", True),
        ("shop.example:80", "http://shop.example", False),
        ("other.example, shop.example", "http://shop.example", False),
        ("other.example shop.example", "http://shop.example", False),
        (",, shop.example ,", "http://shop.example", False),
        ("*", "http://shop.example", False),
        ("other.example,*", "http://shop.example", False),
        ("10.0.0.0/8", "http://10.1.2.3", False),
        ("10.0.0.7/8", "http://10.1.2.3", False),
        ("10.0.0.0/8:8000", "http://10.1.2.3:8000", False),
        ("10.0.0.0/8", "http://11.1.2.3", True),
        ("10.0.0.0/8", "http://10.example", True),
        ("192.0.2.7", "http://192.0.2.7:8000", False),
        ("fd00::/8", "http://[fd00::7]", False),
        ("[fd00::]/8", "http://[fd00::7]", False),
        ("[fd00::7]:8000", "http://[fd00::7]:8000", False),
        ("[fd00::7]:8000", "http://[fd00::7]", True),
        ("fd00::7", "http://[fd00::7]:8000", False),
        ("10.0.0.0/33, [::1, shop.example", "http://shop.example", False),
        ("", "http://shop.example", True),
        (" , ", "http://shop.example", True),
    ],
)
def test_no_proxy_is_read_as_it_is_meant(monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, used: bool) -> None:
    """Hosts with what is below them, addresses, networks, ports, in brackets or not; an odd entry spoils no other."""
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exempt)
    assert bool(through_proxy(url)) is used


def test_the_page_shows_variables_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver of notices is reached through the proxy, the shop's own hosts without it."""
    for name, value in re.findall(r"^export (\w+)=(\S+)$", PAGE.read_text(), re.MULTILINE):
        if name in VARIABLES:
            monkeypatch.setenv(name, value)
    assert through_proxy("https://hooks.example") == ", through the proxy of HTTPS_PROXY"
    assert {through_proxy(f"https://{host}") for host in ("api.shop.example", "10.9.8.7", "127.0.0.1")} == {""}
    assert list(odd_exemptions()) == []


def test_odd_exemptions_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their numbers: somebody may have put an address with a password there. Without a proxy they do not matter."""
    monkeypatch.setenv("NO_PROXY", "shop.example,10.0.0.0/33,[::1,http://user:hush@a.example,a:b,*,10.*,[::1]:80")
    assert list(odd_exemptions()) == []
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    lines = list(odd_exemptions())
    assert [line.partition(" of ")[0] for line in lines] == [f"entry {number}" for number in (2, 3, 4, 5, 7)]
    assert not any("hush" in line for line in lines)


@pytest.mark.parametrize(
    "proxy",
    [
        *("socks://user:hush@127.0.0.1:1080/", "socks4://hush:1080", "socks4a://hush", "ftp://hush", "http://"),
        *(
            "http://:3128",
            "http://user:hush@[::1",
            "http://hush:99999",
            "http://hush:port",
            "hush:port",
            "://hush",
            "\x07",
        ),
    ],
)
def test_a_proxy_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """In a line that names the variable and what is expected, and never shows its value."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(HttpEnvironmentInvalid, match="expected ALL_PROXY to be the address of a proxy") as raised:
        http_client("https://shop.example", timeout_s=1)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_without_its_library_is_said(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """With what to install, and what else helps; for loopback it does not matter."""
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://user:hush@127.0.0.1:1080")
    with pytest.raises(
        HttpEnvironmentInvalid, match=r"ALL_PROXY names a SOCKS proxy, .* `pip install 'httpx\[socks\]'"
    ):
        http_client("https://shop.example", timeout_s=1)
    http_client("http://127.0.0.1:8000", timeout_s=1)


def test_certificates_that_cannot_be_read_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's proxy often comes with a file of them."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nothing/here.pem")
    with pytest.raises(HttpEnvironmentInvalid, match="SSL_CERT_FILE or SSL_CERT_DIR"):
        http_client("https://shop.example", timeout_s=1)


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxy_is_used(monkeypatch: pytest.MonkeyPatch, receive: Receive, scheme: str) -> None:
    """It is asked for the whole address, and gets the user and the password of its own; its scheme may be left out."""
    proxy = receive(lambda _: (200, {}))
    monkeypatch.setenv("HTTP_PROXY", f"{scheme}user:p%40ss@{proxy.url.removeprefix('http://')}")
    async with http_client("http://shop.example", timeout_s=5) as client:
        assert (await client.post("http://shop.example/a")).status_code == 200
    (request,) = proxy.requests
    assert request.path == "http://shop.example/a"
    assert request.headers["Proxy-Authorization"] == f"Basic {b64encode(b'user:p@ss').decode()}"
