"""The headers that every reply gets, whoever answers: a route, Litestar or an error. Add one here.

No header admits other origins (CORS).
"""

from collections.abc import Iterable
from typing import Final

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
