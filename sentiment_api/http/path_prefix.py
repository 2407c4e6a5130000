"""The path below which a proxy shows the service, such as `/reviews`: taken off requests, and put before links.

It is `SENTIMENT_ROOT_PATH`, or else what a trusted proxy says in `X-Forwarded-Prefix`. Proxies that strip it and those
that pass it on are both served, and so is who asks past the proxy, such as a probe. The console and `/docs` need none
of this: their links are relative.
"""

from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from sentiment_api.errors import SettingsInvalid
from sentiment_api.request_state import PATH, PREFIX
from sentiment_api.settings import PATH_PREFIX, Network

_HEADER: Final = b"x-forwarded-prefix"


class PathPrefix:
    """An ASGI application around another, which sees the service's own paths only."""

    def __init__(
        self, app: ASGIApp, root_path: str, trusted_proxies: Sequence[Network], own_paths: Iterable[str]
    ) -> None:
        """`root_path` is empty where there is none; `own_paths` are the templates of the routes.

        Raises:
            SettingsInvalid: routes begin with `root_path`, so that it could not be told apart from them.
        """
        self._app = app
        self._root_path = root_path
        self._trusted_proxies = trusted_proxies
        self._own = {start for path in own_paths for start in _starts(path)}
        if root_path in self._own:
            raise SettingsInvalid(
                f"expected SENTIMENT_ROOT_PATH to be another path than the service's own, found {root_path}; "
                "show the service below another one, such as /reviews"
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the prefix in the state, and take it off the path where it is still there."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        prefix = self._root_path or self._forwarded(scope)
        if prefix and prefix not in self._own:
            if scope["path"] == prefix:
                await _redirect_to_root(prefix, send)
                return
            if scope["path"].startswith(f"{prefix}/"):
                scope["path"] = scope["path"].removeprefix(prefix)
        scope["state"][PREFIX] = prefix
        scope["state"][PATH] = prefix + scope["path"]
        await self._app(scope, receive, send)

    def _forwarded(self, scope: HTTPScope) -> str:
        """Return what a trusted proxy says, once and plainly; empty otherwise."""
        given = [value for name, value in scope["headers"] if name == _HEADER]
        if len(given) != 1 or not _is_in(self._trusted_proxies, scope["client"]):
            return ""
        prefix = given[0].decode("latin-1").strip()
        return prefix.removesuffix("/") if PATH_PREFIX.fullmatch(prefix) else ""


def _starts(path: str) -> Iterable[str]:
    """Return `/a` and `/a/b` for `/a/b`."""
    parts = path.strip("/").split("/")
    return ("/" + "/".join(parts[: number + 1]) for number in range(len(parts)) if parts[0])


def _is_in(networks: Collection[Network], client: tuple[str, int] | None) -> bool:
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and any(address in network for network in networks)


async def _redirect_to_root(prefix: str, send: Send) -> None:
    """Send a browser to the same path with a slash at its end: only there do the console's links lead below it.

    Relative, so that it holds below a further proxy, too.
    """
    location = f"{prefix.rpartition('/')[2]}/".encode()
    await send(
        {
            "type": "http.response.start",
            "status": 307,
            "headers": [(b"location", location), (b"content-length", b"0")],
        }
    )
    await send({"type": "http.response.body", "body": b"", "more_body": False})
