"""Which hosts a service without keys answers to: this machine's own, for its callers are nobody else's programs.

A web page whose author lets its name resolve to 127.0.0.1 (DNS rebinding) is of the service's own origin to a browser,
so that no header of a reply keeps it from reading all reviews. But its requests still say that name.

Litestar's allowed hosts are no help: they know neither all ports nor IPv6, answer with no problem, and stand before
routes only.
"""

import re
from ipaddress import ip_address
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from sentiment_api.errors import HostNotAllowed
from sentiment_api.http.problems import refused

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z.-]+))(?::[0-9]*)?", re.ASCII | re.IGNORECASE)
_REFUSAL = HostNotAllowed(
    "Expected a Host header with a loopback address or localhost, such as 127.0.0.1, found another host: a service "
    "without keys answers this machine only. If a proxy authenticates the clients set SENTIMENT_BEHIND_PROXY=true; "
    "otherwise have them send keys, with SENTIMENT_KEYS=required."
)


class OwnHosts:
    """An ASGI application around another, which it lets nobody ask by a name that is not this machine's."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`, which a loopback address is bound to."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that is for another host."""
        if scope["type"] != ScopeType.HTTP or all(map(_is_own, _named(scope))):
            await self._app(scope, receive, send)
            return
        request = Request[Any, Any, Any](scope, receive, send)
        await refused(request, _REFUSAL).to_asgi_response(None, request)(scope, receive, send)


def _named(scope: HTTPScope) -> list[str]:
    """Return the hosts that a request names. One with none is from no browser; Granian has it name an empty one."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host" and value]


def _is_own(host: str) -> bool:
    """Return whether the host, with a port or without, can be reached from this machine only."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = (found[1] or found[2]).lower()
    if f".{name}".endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
