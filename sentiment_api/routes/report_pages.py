"""Paths that end in `.html`. Litestar's paths know no suffix within a segment, so these are told apart before it."""

import re

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

REPORT_PAGE = "/drift/reports/{run_id}.html"
"""As OpenAPI, the metrics and the log name it; to Litestar it is a path without parameters."""
RUN_ID = "run_id"
"""The key of a request's state under which the route finds the id."""
_ASKED = re.compile(r"/drift/reports/([^/]+)\.html")


class ReportPages:
    """An ASGI application around Litestar's."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a report's page the path of its route, and the route the id."""
        if scope["type"] == ScopeType.HTTP and (asked := _ASKED.fullmatch(scope["path"])):
            scope["state"][RUN_ID] = asked[1]
            scope["path"] = REPORT_PAGE
        await self._app(scope, receive, send)
