"""`/docs`: Swagger UI from this package's own files, so that it works with no internet."""

from pathlib import Path
from typing import Any

from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.static_files import create_static_files_router
from litestar.status_codes import HTTP_404_NOT_FOUND

from sentiment_api import __version__

_ASSETS = "/docs/assets"
_FOLDER = Path(__file__).parents[1] / "static" / "swagger-ui"


def openapi() -> OpenAPIConfig:
    """Return the configuration of the schema and its page."""
    page = SwaggerRenderPlugin(
        js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        css_url=f"{_ASSETS}/swagger-ui.css",
        standalone_preset_js_url=f"{_ASSETS}/swagger-ui-standalone-preset.js",
        favicon="<link rel='icon' href='data:,'>",  # Litestar's own is on a public server
        path="/",
    )
    return OpenAPIConfig(
        title="Sentiment service",
        version=__version__,
        description="The sentiment of product reviews. Errors are application/problem+json (RFC 9457).",
        openapi_router=Router(
            "/docs", route_handlers=[], include_in_schema=False, after_request=_without_pages_for_nothing
        ),
        render_plugins=[page],
    )


def _without_pages_for_nothing(response: Response[Any]) -> Response[Any]:
    """Litestar answers unknown paths under /docs with a page of its own; ours are problems like everywhere."""
    if response.status_code == HTTP_404_NOT_FOUND:
        raise NotFoundException
    return response


def assets() -> Router:
    """Return the route of the page's scripts and styles."""
    return create_static_files_router(path=_ASSETS, directories=[_FOLDER], include_in_schema=False)
