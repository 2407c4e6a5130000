"""Bodies that nobody reads and replies that nobody takes, at the ASGI interface."""

import asyncio
from typing import Any

import pytest

from sentiment_api.http.unread_bodies import UnreadBodies
from sentiment_api.http.unread_replies import PIECE_BYTES, UnreadReplies

pytestmark = pytest.mark.anyio


def scope_of(**headers: str) -> Any:
    """Return a request's scope with these headers."""
    return {"type": "http", "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]}


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Reply and read nothing."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})


async def refused(scope: Any, messages: list[Any]) -> tuple[list[Any], int]:
    """Return the headers of the refusal, and how many of the client's messages are left after it."""
    headers: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        headers.extend(message.get("headers", []))

    await UnreadBodies(refuse)(scope, receive, send)
    return headers, len(messages)


REST = {"type": "http.request", "body": b"x", "more_body": True}
END = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}
CLOSE = [(b"connection", b"close")]


async def test_a_short_body_is_dropped_and_the_connection_goes_on() -> None:
    """After a refusal of an ordinary request its client may send the next one."""
    assert await refused(scope_of(content_length="2"), [REST, REST, END, REST]) == ([], 1)


@pytest.mark.parametrize("scope", [scope_of(content_length="65537"), scope_of(transfer_encoding="chunked")])
async def test_a_long_body_is_dropped_and_the_connection_ends(scope: Any) -> None:
    """Also one whose length is not known. The client gets its reply, even if it reads only after it has sent all."""
    assert await refused(scope, [REST] * 5 + [END]) == (CLOSE, 0)


async def test_dropping_ends_with_the_client() -> None:
    """A client that hangs up is not asked again."""
    assert await refused(scope_of(content_length="99999"), [REST, GONE, REST]) == (CLOSE, 1)


async def test_dropping_is_bounded() -> None:
    """A body without end is cut off after 16 MiB."""
    mib = {**REST, "body": bytes(1 << 20)}
    assert await refused(scope_of(transfer_encoding="chunked"), [mib] * 20) == (CLOSE, 4)


async def test_a_request_without_a_body_is_not_waited_for() -> None:
    """Nothing is received after its reply."""
    assert await refused(scope_of(), [REST]) == ([], 1)


async def sent_by(app: Any, *, takes: int = 1 << 30) -> list[Any]:
    """Return what reaches a client that takes so many messages."""
    taken: list[Any] = []

    async def send(message: Any) -> None:
        if len(taken) == takes:
            await asyncio.Event().wait()
        taken.append(message)

    await UnreadReplies(app, timeout_s=0.01)(scope_of(), None, send)  # type: ignore[arg-type] # nobody receives
    return taken


BODY = bytes(range(256)) * 300


async def long_reply(scope: Any, receive: Any, send: Any) -> None:
    """Reply with two long parts."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BODY, "more_body": True})
    await send({"type": "http.response.body", "body": BODY})


async def test_a_long_reply_is_sent_in_pieces() -> None:
    """They are what was sent, each of bounded size, and only the last one ends the reply."""
    _, *parts = await sent_by(long_reply)
    assert b"".join(part["body"] for part in parts) == 2 * BODY
    assert max(len(part["body"]) for part in parts) == PIECE_BYTES
    assert [part.get("more_body", False) for part in parts] == [True] * (len(parts) - 1) + [False]


async def test_a_reply_that_nobody_takes_is_dropped() -> None:
    """The application goes on to its end, and nothing more is sent: not the reply's end either."""
    taken = await sent_by(long_reply, takes=3)
    assert len(taken) == 3
    assert all(part.get("more_body") for part in taken[1:])
