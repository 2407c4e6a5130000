"""Request bodies: each is read whole, within a time and bounds, before the request takes anything else; then parsed.

What a request's head already says is refused before any byte is read: another content type or encoding, a length over
the route's limit, or over what the process may hold of all bodies together (`body_budget`).

pydantic parses the bytes as they came, in strict JSON mode. Litestar's own `PydanticDTO` decodes with msgspec first: it
loses the index of a list item in an error's path, refuses aware datetimes, turns "5" into 5, and quotes the client's
values in its messages.
"""

import asyncio
import time
from typing import Any, Final, Generic, TypeVar, cast

from litestar._openapi.schema_generation import SchemaCreator
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import Reference, Schema
from litestar.plugins.pydantic import PydanticDTO
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send
from litestar.typing import FieldDefinition
from pydantic import BaseModel

from sentiment_api.errors import BodyTooLarge, BodyTooSlow, ClientGone, NotJson, WrongMediaType
from sentiment_api.http.body_budget import SMALL_BYTES, BodyBudget, HeldBody
from sentiment_api.http.content_codings import Decoder, decoder_of
from sentiment_api.http.headers import announced_bytes, header
from sentiment_api.request_state import BODY, BODY_BYTES, RECEIVE
from sentiment_api.schemas.json_bodies import EMPTY
from sentiment_api.schemas.limits import MAX_BATCH_VALUES, MAX_SINGLE_VALUES
from sentiment_api.schemas.predictions import BatchRequest, DocumentedBatchRequest
from sentiment_api.schemas.validation import parse

M = TypeVar("M", bound=BaseModel)
_JSON: Final = "application/json"
_METHODS_WITHOUT_BODY: Final = ("GET", "HEAD", "OPTIONS")
_LONGEST_PAUSE_S: Final = 5.0
"""Between two pieces of a body."""
_PIECE_BYTES: Final = 64 << 10


class BodyMiddleware(ASGIMiddleware):
    """Reads the body of a request before anything behind it runs. A slow client holds only its own connection."""

    def __init__(self, timeout_s: float, budget: BodyBudget) -> None:
        """`timeout_s` is how long a whole body may take to arrive."""
        self._timeout_s = timeout_s
        self._budget = budget
        self._turn = asyncio.Semaphore(1)
        """Of large bodies one is unpacked at a time, a piece in each round of the event loop."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on once its body has arrived; note the body and its size in the state.

        Raises:
            NotJson: there is none.
            WrongMediaType, EncodingUnsupported: the request does not declare JSON, plain or in a known encoding.
            BodyTooLarge: there is more of it than the route takes, packed or unpacked.
            BodiesFull: the process holds too many bytes of bodies.
            BodyTooSlow: it did not arrive in time. Half a request must not keep the process from stopping.
            BodyDamaged: it does not unpack.
            ClientGone: the client disconnected before the end.
        """
        if scope.get("method") in _METHODS_WITHOUT_BODY:
            await next_app(scope, receive, send)
            return
        announced = announced_bytes(scope)
        if announced == 0:
            raise NotJson(EMPTY)
        _insist_on_json(scope)
        decoder = decoder_of(scope["headers"])
        max_bytes = cast("HTTPRouteHandler", scope["route_handler"]).resolve_request_max_body_size() or 0
        if (announced or 0) > max_bytes:
            raise _too_large(max_bytes)
        self._budget.check(announced or 0)
        with self._budget.hold(announced or 0) as held:
            body = await self._read(receive, decoder, held, max_bytes)
            scope["state"].update({BODY: body, BODY_BYTES: body.size, RECEIVE: receive})
            del body  # or it would be kept beside what is parsed from it

            async def send_released(message: Message) -> None:
                if message["type"] == "http.response.start":
                    held.release()  # a client that does not read its reply must not keep others' bodies out
                await send(message)

            await next_app(scope, _AlreadyReadReceive(receive), send_released)

    async def _read(self, receive: Receive, decoder: Decoder, held: HeldBody, max_bytes: int) -> "Pieces":
        """Return the body, unpacked."""
        body, sent, more = Pieces(), 0, True
        patience_s = self._timeout_s
        while more:
            began = time.monotonic()
            piece, more = _piece(await self._next(receive, patience_s))
            # Time that goes into unpacking, this body or others, is not the client's.
            patience_s -= time.monotonic() - began
            sent += len(piece)
            if sent > max_bytes:
                raise _too_large(max_bytes)
            await self._unpack(decoder, piece, body, held, max_bytes)
        decoder.finish()
        return body

    async def _next(self, receive: Receive, patience_s: float) -> ReceiveMessage:
        try:
            async with asyncio.timeout(min(patience_s, _LONGEST_PAUSE_S)):
                return await receive()
        except TimeoutError:
            pause_s = min(_LONGEST_PAUSE_S, self._timeout_s)
            message = f"The body did not arrive within {self._timeout_s:g} s, or nothing of it for {pause_s:g} s."
            raise BodyTooSlow(message) from None

    async def _unpack(self, decoder: Decoder, piece: bytes, body: "Pieces", held: HeldBody, max_bytes: int) -> None:
        for unpacked in decoder.decode(piece):
            if body.size + len(unpacked) > max_bytes:
                raise _too_large(max_bytes)
            held.grow(len(unpacked))
            body.append(unpacked)
            if body.size > SMALL_BYTES:
                async with self._turn:
                    await asyncio.sleep(0)


class Pieces:
    """The bytes of a body, in pieces of one size: what grows as one leaves holes in memory, and takes twice as much."""

    def __init__(self) -> None:
        self.size = 0
        self._whole: list[bytes] = []
        self._last = bytearray()  # clients choose how little comes at once; an object for each byte would be too much

    def append(self, more: bytes) -> None:
        """Add bytes at the end."""
        self.size += len(more)
        self._last += more
        if len(self._last) >= _PIECE_BYTES:
            self._whole.append(bytes(self._last))
            self._last.clear()

    def joined(self) -> bytes:
        """Return all of it."""
        return b"".join([*self._whole, self._last])


class _AlreadyReadReceive:
    """A `receive` that has Litestar ask the DTO for the body, and then returns what follows it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._asked = False

    async def __call__(self) -> ReceiveMessage:
        if self._asked:
            return await self._receive()
        self._asked = True
        return {"type": "http.request", "body": b"0", "more_body": False}  # Litestar asks no DTO about an empty one


def _piece(message: ReceiveMessage) -> tuple[bytes, bool]:
    """Return the bytes of a message, and whether more follow."""
    if message["type"] != "http.request":
        raise ClientGone("The body broke off before it was whole.")
    return message.get("body", b""), message.get("more_body", False)


def _insist_on_json(scope: Scope) -> None:
    declared = header(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if declared != _JSON and not declared.endswith("+json"):
        raise WrongMediaType(f"expected the content type {_JSON}")


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"Expected at most {max_bytes} bytes, which is what this path takes; found more.")


class StrictDTO(PydanticDTO[M], Generic[M]):
    """A `PydanticDTO` that validates the raw body."""

    def decode_bytes(self, value: bytes) -> Any:  # noqa: ANN401, ARG002 - Litestar's signature
        """Return the body as the model, and free its bytes. `value` is none of it, but what `_AlreadyReadReceive` says.

        Raises:
            NotJson, RequestInvalid: as `validation.parse` says.
        """
        max_values = MAX_BATCH_VALUES if self.model_type is BatchRequest else MAX_SINGLE_VALUES
        body: Pieces = self.asgi_connection.scope["state"].pop(BODY)
        joined = body.joined()
        del body
        return parse(self.model_type, joined, max_values)

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
