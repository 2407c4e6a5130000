"""Look-ups are bounded in number, wait their turn for a bounded time, and give it back whatever happens."""

import asyncio
import contextlib

import pytest

from sentiment_api.errors import LookUpsOverloaded
from sentiment_api.use_cases.look_up_turns import LookUpTurns

pytestmark = pytest.mark.anyio

PATIENCE_S = 60.0
FEW = 3
"""So few connections that look-ups have one turn."""


async def test_one_too_many_is_refused_at_once() -> None:
    """There is a place for it as soon as another one is done."""
    turns = LookUpTurns(15, max_look_ups=2)
    async with turns.turn():
        async with turns.turn():
            with pytest.raises(LookUpsOverloaded, match="Too many"):
                await holding(turns)
        await holding(turns)


async def holding(turns: LookUpTurns) -> None:
    """Take a turn and give it back."""
    async with turns.turn():
        pass


async def test_turns_are_waited_for_in_order_and_not_for_ever() -> None:
    """Who waits gets the turn that is given back; who waits past the deadline is refused and holds nothing."""
    turns = LookUpTurns(FEW, max_look_ups=2, deadline_s=0.01)
    async with turns.turn():
        with pytest.raises(LookUpsOverloaded, match="in time"):
            await holding(turns)
    patient = LookUpTurns(FEW, deadline_s=PATIENCE_S)
    async with patient.turn():
        waiting = asyncio.create_task(holding(patient))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    await holding(turns)


async def test_a_look_up_that_is_cancelled_gives_its_turn_back() -> None:
    """Be it that it has the turn, or waits for it."""
    turns = LookUpTurns(FEW, max_look_ups=2, deadline_s=PATIENCE_S)

    async def look_up() -> None:
        async with turns.turn():
            await asyncio.Event().wait()

    both = [asyncio.create_task(look_up()) for _ in range(2)]
    await asyncio.sleep(0)
    for each in both:
        each.cancel()
    assert all(isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*both, return_exceptions=True))
    await holding(turns)


@pytest.mark.parametrize(("connections", "at_once"), [(2, 1), (5, 1), (6, 2), (15, 4), (100, 4)])
async def test_most_connections_are_left_to_others(connections: int, at_once: int) -> None:
    """Look-ups have a third of them at most, but one, and no more than four."""
    turns = LookUpTurns(connections, deadline_s=0.01)
    async with contextlib.AsyncExitStack() as held:
        for _ in range(at_once):
            await held.enter_async_context(turns.turn())
        with pytest.raises(LookUpsOverloaded):
            await holding(turns)
