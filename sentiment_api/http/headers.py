"""The headers that every reply gets, whoever answers: a route, Litestar or an error. Add one here.

No header admits other origins (CORS). Beside them, what the ASGI layers read of a request's headers.
"""

from collections.abc import Iterable
from typing import Final

from litestar.types import Scope

REQUEST_ID_HEADER: Final = b"x-request-id"
SERVER_TIMING: Final = b"server-timing"
DEFAULTS: Final[dict[bytes, bytes]] = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    # Replies hold reviews, and to caches on the way a request with X-API-Key is anybody's.
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""What every reply tells browsers and caches, unless its route sets the header itself."""


def with_reply_headers(
    headers: Iterable[tuple[bytes, bytes]], request_id: str, elapsed_s: float
) -> list[tuple[bytes, bytes]]:
    """Return a reply's headers with the defaults it lacks, its request id, and the total in `Server-Timing`."""
    headers = list(headers)
    timings = [value for name, value in headers if name == SERVER_TIMING]
    others = [(name, value) for name, value in headers if name != SERVER_TIMING]
    given = {name for name, _ in others}
    return [
        *others,
        *((name, value) for name, value in DEFAULTS.items() if name not in given),
        (REQUEST_ID_HEADER, request_id.encode()),
        (SERVER_TIMING, b", ".join([*timings, b"total;dur=%.2f" % (1000 * elapsed_s)])),
    ]


def header(scope: Scope, name: bytes) -> bytes:
    """Return the first header of a request with this name, in lower case; empty if there is none."""
    return next((value for other, value in scope["headers"] if other == name), b"")


def announced_bytes(scope: Scope) -> int | None:
    """Return how long a request says that its body is; None if it sends it in chunks and does not say."""
    if header(scope, b"transfer-encoding"):
        return None
    length = header(scope, b"content-length")
    return int(length) if length.isdigit() else 0
