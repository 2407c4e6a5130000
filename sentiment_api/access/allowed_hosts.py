"""Which values of `Host` a service without keys answers: loopback addresses and localhost only.

This prevents DNS rebinding: a web page whose name resolves to 127.0.0.1 shares the service's origin in a browser, so no
header of a reply keeps it from reading reviews. But its requests still carry that name as their host.

Litestar's `AllowedHosts` does not fit: it ignores IPv6 and ports, answers without problem details, and runs for known
routes only.
"""

import re
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from sentiment_api.errors import HostNotAllowed
from sentiment_api.http.problems import refused
from sentiment_api.loopback import is_loopback

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z.-]+))(?::[0-9]*)?", re.ASCII | re.IGNORECASE)
_REFUSAL = HostNotAllowed(
    "Expected a Host header with a loopback address or localhost, such as 127.0.0.1, found another host: a service "
    "without keys answers this machine only. If a proxy authenticates the clients set SENTIMENT_BEHIND_PROXY=true; "
    "otherwise have them send keys, with SENTIMENT_KEYS=required."
)


class LoopbackHostsOnly:
    """An ASGI application around another: it refuses requests whose host is not this machine."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`, which listens on a loopback address."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request for another host."""
        if scope["type"] != ScopeType.HTTP or all(map(_is_this_machine, _hosts(scope))):
            await self._app(scope, receive, send)
            return
        request = Request[Any, Any, Any](scope, receive, send)
        await refused(request, _REFUSAL).to_asgi_response(None, request)(scope, receive, send)


def _hosts(scope: HTTPScope) -> list[str]:
    """Return the non-empty Host headers. Browsers always send one; Granian adds an empty one where it is missing."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"host" and value]


def _is_this_machine(host: str) -> bool:
    """Return whether the host, with or without a port, is localhost or a loopback address."""
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found[1] or found[2])
