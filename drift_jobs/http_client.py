"""The client of the job's own requests: to the service, and to who is told of alarms; and the proxy that each uses.

Variables are read as curl reads them: `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`, in lower case first. httpx
would use a proxy for loopback, too, take no networks and ports in `NO_PROXY`, and raise what is no error of its own. No
message shows a value: it may hold a password.
"""

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

import httpx

from drift_jobs.errors import HttpEnvironmentInvalid
from sentiment_api.loopback import is_loopback

_SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_PORTS: Final = {"http": 80, "https": 443}
_ANY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing listens here; Linux connects to this machine
_NAME: Final = re.compile(r"[\w-]+(\.[\w-]+)*")
_EXEMPTION: Final = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\](?P<bits>/\d+)?|(?P<host>[^:\[\]]+))(?::(?P<port>\d+))?")


class _Exemption(NamedTuple):
    """What an entry of `NO_PROXY` leaves out; without a port all of them."""

    host: str | IPv4Network | IPv6Network
    """A name and what is below it, or addresses."""
    port: int | None = None


def http_client(
    url: str, *, timeout_s: float, base_url: str = "", headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """Return a client for requests to the host of `url`, through the proxy that the environment names for it.

    Raises:
        HttpEnvironmentInvalid: the environment's proxy or certificates cannot be used.
        httpx.InvalidURL: `url` is none.
    """
    transport = _transport(_proxy_variable(httpx.URL(url)))
    # With a transport of its own, the client reads no proxies itself.
    return httpx.AsyncClient(transport=transport, timeout=timeout_s, base_url=base_url, headers=headers)


def through_proxy(url: str) -> str:
    """Return `, through the proxy of HTTPS_PROXY` for the end of a message; empty where there is no proxy."""
    try:
        variable = _proxy_variable(httpx.URL(url))
    except httpx.InvalidURL:
        return ""
    return f", through the proxy of {variable}" if variable else ""


def odd_exemptions() -> Iterator[str]:
    """Return a line for each entry of `NO_PROXY` that exempts nothing, where the environment names a proxy at all."""
    variable = _set_variable("no_proxy")
    if variable is None or not any(map(_set_variable, ("http_proxy", "https_proxy", "all_proxy"))):
        return
    for number, entry in enumerate(_entries(variable), 1):
        if entry != "*" and _exemption(entry) is None:
            yield (
                f"entry {number} of {variable} is ignored: expected a host such as shop.example, an address or a "
                "network such as 10.0.0.0/8, each with or without a port"
            )


def _transport(variable: str | None) -> httpx.AsyncHTTPTransport:
    try:
        return httpx.AsyncHTTPTransport(proxy=variable and _proxy(variable))
    except ImportError as error:
        raise HttpEnvironmentInvalid(
            f"{variable} names a SOCKS proxy, whose library is not installed: `pip install 'httpx[socks]'`, name an "
            "HTTP proxy, or list the host in NO_PROXY"
        ) from error
    except OSError as error:
        raise HttpEnvironmentInvalid(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read; unset it, or mend the file"
        ) from error


def _proxy(variable: str) -> httpx.Proxy:
    value = os.environ[variable].strip()
    try:
        url = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in _SCHEMES or not url.host or not 0 < (url.port or 80) < 65_536:
        # Not `from` the error of httpx, which quotes the address.
        raise HttpEnvironmentInvalid(
            f"expected {variable} to be the address of a proxy such as http://proxy.example:3128, with http, https, "
            "socks5 or socks5h; mend it, or list the host in NO_PROXY"
        )
    return httpx.Proxy(url)


def _proxy_variable(url: httpx.URL) -> str | None:
    """Return the variable that names the proxy for `url`; None where there is none."""
    host = url.host.rstrip(".")
    if is_loopback(host) or host in _ANY_ADDRESS or _is_exempt(url):
        return None
    return _set_variable(f"{url.scheme}_proxy") or _set_variable("all_proxy")


def _set_variable(name: str) -> str | None:
    """Return the variable as it is spelt, in lower case first; None if that one is empty, which turns it off."""
    spelt = sorted((each for each in os.environ if each.lower() == name), reverse=True)
    return spelt[0] if spelt and os.environ[spelt[0]].strip() else None


def _is_exempt(url: httpx.URL) -> bool:
    variable = _set_variable("no_proxy")
    entries = _entries(variable) if variable else []
    port = url.port or _PORTS.get(url.scheme)
    return "*" in entries or any(
        exemption.port in (None, port) and _holds(exemption, url.host)
        for exemption in map(_exemption, entries)
        if exemption is not None
    )


def _holds(exemption: _Exemption, host: str) -> bool:
    if isinstance(exemption.host, str):
        return f".{host.rstrip('.')}".endswith(f".{exemption.host}")
    address = _address(host)
    return address is not None and address in exemption.host


def _entries(variable: str) -> list[str]:
    return re.split(r"[\s,]+", os.environ[variable].strip(" ,\t").lower())


def _exemption(entry: str) -> _Exemption | None:
    """Return what an entry leaves out; None if it is neither a host nor an address nor a network."""
    if entry.count(":") > 1 and "[" not in entry:
        found, host = None, entry
    else:
        found = _EXEMPTION.fullmatch(entry)
        host = "" if found is None else found["host"] or found["v6"] + (found["bits"] or "")
    port = int(found["port"]) if found and found["port"] else None
    try:
        return _Exemption(ip_network(host, strict=False), port)
    except ValueError:
        name = host.removeprefix("*.").removeprefix(".").removesuffix(".")
        return _Exemption(name, port) if _NAME.fullmatch(name) else None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
