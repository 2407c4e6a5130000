"""How many bytes of bodies are held at once, and when a refused client is told to come back."""

import asyncio
import contextlib
import math
from types import SimpleNamespace
from typing import Any

import pytest

from sentiment_api.errors import BodiesFull
from sentiment_api.http.bodies import BodyMiddleware
from sentiment_api.http.body_budget import SMALL_BYTES, BodyBudget
from sentiment_api.telemetry.metrics import Metrics

KIB = 1 << 10
BOUND = 1024 * KIB
LARGE_SHARE = 768 * KIB


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        """It begins at 1,000 s."""
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock of our own."""
    return Clock()


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of our own."""
    return Metrics()


@pytest.fixture
def budget(metrics: Metrics, clock: Clock) -> BodyBudget:
    """A budget of one MiB, of which large bodies may use three quarters."""
    return BodyBudget(BOUND, metrics, clock)


def held_bytes(metrics: Metrics) -> float | None:
    """Return what the gauge shows."""
    return metrics.registry.get_sample_value("sentiment_body_bytes")


def test_large_bodies_leave_room_for_small_ones(budget: BodyBudget) -> None:
    """They fill three quarters; a small one is still taken, until all is full."""
    with budget.hold() as large, budget.hold() as small:
        large.grow(LARGE_SHARE)
        with pytest.raises(BodiesFull):
            large.grow(1)
        small.grow(SMALL_BYTES)
        with pytest.raises(BodiesFull):
            small.grow(1)  # it is small no more


def test_small_bodies_are_bounded_too(budget: BodyBudget) -> None:
    """Together they fill the bound and no more."""
    with budget.hold() as first, budget.hold() as second:
        first.grow(LARGE_SHARE)
        second.grow(SMALL_BYTES)
        others = [budget.hold() for _ in range(3)]
        for other in others:
            other.__enter__().grow(SMALL_BYTES)
        with budget.hold() as last, pytest.raises(BodiesFull):
            last.grow(1)


def test_what_ended_is_free_again(budget: BodyBudget, metrics: Metrics) -> None:
    """However a request ends, its bytes are given back, and the gauge says so."""
    with contextlib.suppress(RuntimeError), budget.hold() as body:
        body.grow(LARGE_SHARE)
        assert held_bytes(metrics) == LARGE_SHARE
        raise RuntimeError
    assert held_bytes(metrics) == 0
    budget.check(LARGE_SHARE)


def test_an_announced_length_is_refused_only_for_what_is_held(budget: BodyBudget) -> None:
    """Announcing charges nothing: who announces much and sends nothing shuts nobody out."""
    for _ in range(100):
        budget.check(LARGE_SHARE)
    with budget.hold() as body:
        body.grow(KIB)
        with pytest.raises(BodiesFull):
            budget.check(LARGE_SHARE)


def refused(budget: BodyBudget, size: int) -> float:
    """Have a body of this size refused, and return when its client is told to come back."""
    with pytest.raises(BodiesFull) as refusal:
        budget.check(size)
    return refusal.value.retry_after_s


def test_the_time_to_come_back_is_what_bodies_took(budget: BodyBudget, clock: Clock) -> None:
    """With bodies held for 8 s each, a quarter of what is held is free after 2 s."""
    with budget.hold() as earlier:
        earlier.grow(LARGE_SHARE)
        clock.now += 8
    with budget.hold() as body:
        body.grow(LARGE_SHARE)
        assert refused(budget, LARGE_SHARE // 4) == pytest.approx(2.0)


def test_those_refused_together_come_back_one_after_the_other(budget: BodyBudget, clock: Clock) -> None:
    """Each is told its own time, later by what the one before it takes, up to two minutes."""
    with budget.hold() as body:
        body.grow(LARGE_SHARE)
        clock.now += 8  # nothing has ended yet: they are as old as that
        times = [refused(budget, LARGE_SHARE // 4) for _ in range(100)]
    assert times[:3] == pytest.approx([2.0, 4.0, 6.0])
    assert max(times) == 120
    assert all(map(math.isfinite, times))


def test_a_body_that_is_refused_midway_has_to_come_again_whole(budget: BodyBudget, clock: Clock) -> None:
    """It is told when there will be room for all of it, as if it had been refused at its head."""
    with budget.hold() as others:
        others.grow(LARGE_SHARE)
        clock.now += 8.0
    told = []
    for begun in (0, 64 * KIB):
        with budget.hold() as others, budget.hold(announced=512 * KIB) as body:
            body.grow(begun)
            others.grow(LARGE_SHARE - begun)
            clock.now += 8.0
            with pytest.raises(BodiesFull) as refused:
                body.grow(512 * KIB if not begun else KIB)
            told.append(refused.value.retry_after_s)
        clock.now += 200.0
    assert told[1] == pytest.approx(told[0], rel=0.2)


def test_a_released_body_holds_nothing(budget: BodyBudget, metrics: Metrics) -> None:
    """Its bytes are free before its request has ended, and are not given back twice."""
    with budget.hold() as body:
        body.grow(KIB)
        body.release()
        assert held_bytes(metrics) == 0
    assert held_bytes(metrics) == 0


def post(bytes_of_body: int) -> Any:
    """Return the scope of a POST of JSON."""
    handler = SimpleNamespace(resolve_request_max_body_size=lambda: BOUND)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % bytes_of_body)]
    return {"type": "http", "method": "POST", "headers": headers, "state": {}, "route_handler": handler}


def receiving(body: bytes) -> Any:
    """Return what gives a whole body at once."""

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


@pytest.mark.anyio
async def test_bytes_are_free_when_the_reply_begins(budget: BodyBudget, metrics: Metrics) -> None:
    """A client that does not read its reply keeps nobody's bodies out."""
    seen: list[float | None] = []

    async def send(message: Any) -> None:
        seen.append(held_bytes(metrics))

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        seen.append(held_bytes(metrics))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    await BodyMiddleware(1.0, budget).handle(post(2), receiving(b"{}"), send, answer)
    assert seen == [2, 0]


@pytest.mark.anyio
async def test_time_that_goes_into_other_bodies_is_not_the_clients(budget: BodyBudget) -> None:
    """A body that was sent at once is read, however long it waits for its turn to be unpacked."""
    timeout_s, body = 0.02, bytes(SMALL_BYTES + 1)
    middleware, passed = BodyMiddleware(timeout_s, budget), asyncio.Event()

    async def send(message: Any) -> None:
        """Nothing is answered."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        passed.set()

    async with middleware._turn:
        reading = asyncio.create_task(middleware.handle(post(len(body)), receiving(body), send, answer))
        done, _ = await asyncio.wait([reading], timeout=5 * timeout_s)
        assert not done
    await reading
    assert passed.is_set()
