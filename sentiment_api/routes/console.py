"""`GET /`: the console, a page for people, from this package's own files. It holds no data: it asks for them by itself.

So both page and files come without a key. `/console/report.html` is for where keys are asked for: a browser sends none
when it opens `/drift/reports/ID.html`, so this page fetches it and hands it to `/console/frame.html`, a frame of an
origin of its own that stands under the report's own policy.
"""

import re
from pathlib import Path
from typing import Final

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import File

from sentiment_api.access.authentication import PUBLIC
from sentiment_api.http.unread_replies import PIECE_BYTES
from sentiment_api.routes.drift import REPORT_POLICY

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    # Browsers that know it refuse every way from a string to markup or code, so no review can become either.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_POLICIES: Final = {
    "index.html": _POLICY,
    "report.html": f"{_POLICY}; frame-src 'self'",
    "frame.html": REPORT_POLICY,
}
_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_NAME: Final = re.compile(r"[a-z]+\.(css|html|js|svg)", re.ASCII)
_FOLDER: Final = Path(__file__).parents[1] / "static" / "console"


@get("/", include_in_schema=False, opt=PUBLIC)
async def console() -> File:
    """Return the page."""
    return _file("index.html")


@get("/console/{name:str}", include_in_schema=False, opt=PUBLIC)
async def console_file(name: FromPath[str]) -> File:
    """Return one of the page's files."""
    if not _NAME.fullmatch(name) or name == "index.html" or not (_FOLDER / name).is_file():
        raise NotFoundException
    return _file(name)


def _file(name: str) -> File:
    headers = {"Cache-Control": "no-cache"}  # or a browser would mix the files of two releases
    if name in _POLICIES:
        headers["Content-Security-Policy"] = _POLICIES[name]
    return File(
        _FOLDER / name,
        media_type=_MEDIA_TYPES[Path(name).suffix],
        content_disposition_type="inline",
        headers=headers,
        chunk_size=PIECE_BYTES,
    )
