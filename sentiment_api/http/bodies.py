"""Request bodies: each is read whole, within a time and a size, before the request takes anything else; then parsed.

pydantic parses the bytes as they came, in strict JSON mode. Litestar's own `PydanticDTO` decodes with msgspec first: it
loses the index of a list item in an error's path, refuses aware datetimes, turns "5" into 5, and quotes the client's
values in its messages.
"""

import asyncio
from typing import Any, Final, Generic, TypeVar

from litestar._openapi.schema_generation import SchemaCreator
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import Reference, Schema
from litestar.plugins.pydantic import PydanticDTO
from litestar.types import ASGIApp, Receive, ReceiveMessage, Scope, Send
from litestar.typing import FieldDefinition
from pydantic import BaseModel

from sentiment_api.errors import BodyTooSlow, ClientGone, WrongMediaType
from sentiment_api.request_state import BODY_BYTES, RECEIVE
from sentiment_api.schemas.predictions import BatchRequest, DocumentedBatchRequest
from sentiment_api.schemas.validation import parse

M = TypeVar("M", bound=BaseModel)
_JSON: Final = "application/json"
_METHODS_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")


class BodyMiddleware(ASGIMiddleware):
    """Reads the body of a request before anything behind it runs. A slow client holds only its own connection."""

    def __init__(self, timeout_s: float, max_bytes: int) -> None:
        """Reading stops after `max_bytes`. Each route refuses bodies over its own limit, as Litestar checks it."""
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on once its body has arrived; note its size in the state.

        Raises:
            BodyTooSlow: it did not arrive in time. Half a request must not keep the process from stopping.
            ClientGone: the client disconnected before the end.
        """
        if scope.get("method") in _METHODS_WITHOUT_BODY:
            await next_app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                messages = await self._read(receive)
        except TimeoutError:
            raise BodyTooSlow(f"The body did not arrive within {self._timeout_s:g} s.") from None
        if messages[-1]["type"] == "http.disconnect":
            raise ClientGone("The body broke off before it was whole.")
        scope["state"][BODY_BYTES] = sum(map(_size, messages))
        scope["state"][RECEIVE] = receive
        await next_app(scope, _ReplayedBody(messages, receive), send)

    async def _read(self, receive: Receive) -> list[ReceiveMessage]:
        messages: list[ReceiveMessage] = []
        size = 0
        while size <= self._max_bytes:
            message = await receive()
            messages.append(message)
            if message["type"] != "http.request" or not message.get("more_body"):
                break
            size += _size(message)
        return messages


class _ReplayedBody:
    """A `receive` that returns the messages read before, then those that follow."""

    def __init__(self, messages: list[ReceiveMessage], receive: Receive) -> None:
        self._messages = iter(messages)
        self._receive = receive

    async def __call__(self) -> ReceiveMessage:
        return next(self._messages, None) or await self._receive()


def _size(message: ReceiveMessage) -> int:
    return len(message.get("body", b"")) if message["type"] == "http.request" else 0


class StrictDTO(PydanticDTO[M], Generic[M]):
    """A `PydanticDTO` that validates the raw body, and insists on its content type."""

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401 - Litestar's signature
        """Return the body as the model.

        Raises:
            WrongMediaType: the request does not declare JSON.
            NotJson, RequestInvalid: as `validation.parse` says.
        """
        declared = self.asgi_connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared != _JSON and not declared.endswith("+json"):
            raise WrongMediaType(f"expected the content type {_JSON}")
        return parse(self.model_type, value)

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,  # noqa: ARG003 - Litestar's signature
        handler_id: str,  # noqa: ARG003
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        """Return the schema of the pydantic model itself."""
        shown = DocumentedBatchRequest if cls.model_type is BatchRequest else cls.model_type
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(shown))
