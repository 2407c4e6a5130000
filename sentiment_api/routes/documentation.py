"""`/docs`: Swagger UI from this package's own files, so that it works with no internet."""

from pathlib import Path
from typing import Any

from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, SwaggerRenderPlugin
from litestar.params import FromPath
from litestar.response import File
from litestar.status_codes import HTTP_404_NOT_FOUND

from sentiment_api import __version__
from sentiment_api.access.authentication import PUBLIC, security_schemes
from sentiment_api.http.problems import AnyRequest
from sentiment_api.http.unread_replies import PIECE_BYTES
from sentiment_api.request_state import PATH, PREFIX
from sentiment_api.routes.openapi import TAGS

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'; "
    # Litestar's page has its script and its styles in itself, and the schema, too.
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:"
)
_FOLDER = Path(__file__).parents[1] / "static" / "swagger-ui"


def openapi() -> OpenAPIConfig:
    """Return the configuration of the schema and its page."""
    return OpenAPIConfig(
        title="Sentiment service",
        version=__version__,
        description="The sentiment of product reviews. Errors are application/problem+json (RFC 9457).",
        tags=TAGS,
        use_handler_docstrings=True,
        openapi_router=Router(
            "/docs",
            route_handlers=[],
            include_in_schema=False,
            after_request=_as_ours,
            opt=PUBLIC,
        ),
        components=security_schemes(),
        render_plugins=[_Page(path="/"), _Document()],
    )


class _Page(OpenAPIRenderPlugin):
    """Swagger UI. Its links are relative, so that they hold below any path of a proxy, known or not."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        root = "../" if request.scope["state"][PATH].endswith("/") else "./"
        page = SwaggerRenderPlugin(
            js_url=f"{root}docs/assets/swagger-ui-bundle.js",
            css_url=f"{root}docs/assets/swagger-ui.css",
            standalone_preset_js_url=f"{root}docs/assets/swagger-ui-standalone-preset.js",
            favicon="<link rel='icon' href='data:,'>",  # Litestar's own is on a public server
        )
        return page.render(request, openapi_schema | {"servers": [{"url": root}]})


class _Document(JsonRenderPlugin):
    """The schema, for programs."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, Any]) -> bytes:
        """Return it with the path below which the client sees the service."""
        servers = [{"url": request.scope["state"][PREFIX] or "/"}]
        return super().render(request, openapi_schema | {"servers": servers})


async def _as_ours(response: Response[Any]) -> Response[Any]:
    """Litestar answers unknown paths under /docs with a page of its own; ours are problems like everywhere.

    Async, so that it needs none of the handlers' threads.
    """
    if response.status_code == HTTP_404_NOT_FOUND:
        raise NotFoundException
    response.set_header("Content-Security-Policy", _POLICY)
    return response


@get("/docs/assets/{name:str}", include_in_schema=False, opt=PUBLIC)
async def asset(name: FromPath[str]) -> File:
    """Return one of the page's scripts and styles."""
    if name not in _ASSETS:
        raise NotFoundException
    headers = {"Cache-Control": "no-cache"}  # as for the console's files
    return File(
        _FOLDER / name,
        media_type=_ASSETS[name],
        content_disposition_type="inline",
        headers=headers,
        chunk_size=PIECE_BYTES,
    )
