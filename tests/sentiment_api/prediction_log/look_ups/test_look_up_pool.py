"""Look-ups are bounded in number and in time, and whoever leaves gives the place back."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from sentiment_api.errors import LookUpsOverloaded
from sentiment_api.prediction_log.look_ups.look_up_pool import LookUpPool
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader
from tests.protocols import PoolOf

pytestmark = pytest.mark.anyio

NOTHING = SpooledPrediction(None, None)
SOMEBODY = uuid.UUID(int=7)
PATIENCE_S = 60.0


class SlowReader:
    """Knows nothing for some calls, and not before the gate is open."""

    def __init__(self, calls: int = 1) -> None:
        """Let all pass."""
        self.calls = calls
        self.gate = threading.Event()
        self.gate.set()

    def find(self, prediction_id: uuid.UUID) -> SpooledPrediction | None:
        """Return that there is nothing, once it is known."""
        assert prediction_id == SOMEBODY
        assert self.gate.wait(PATIENCE_S)
        self.calls -= 1
        return None if self.calls > 0 else NOTHING


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    """One thread."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def pool_of(executor: ThreadPoolExecutor) -> PoolOf:
    """A function that gives look-ups with this reader; keyword arguments are their bounds."""

    def pool_of(reader: object, **bounds: Any) -> LookUpPool:
        return LookUpPool(cast("SpoolReader", reader), executor, **bounds)

    return pool_of


async def test_the_reader_is_asked_until_it_knows(pool_of: PoolOf) -> None:
    """A look-up comes again while the index is being made."""
    reader = SlowReader(calls=3)
    assert await pool_of(reader).spooled(SOMEBODY) == NOTHING
    assert reader.calls == 0


async def test_a_spool_that_cannot_be_read_in_time_is_told(pool_of: PoolOf) -> None:
    """Past the deadline a look-up is refused, be it that the thread hangs or that the index takes too long."""
    reader = SlowReader()
    reader.gate.clear()
    pool = pool_of(reader, deadline_s=0.01)
    with pytest.raises(LookUpsOverloaded, match="in time"):
        await pool.spooled(SOMEBODY)
    reader.gate.set()
    reader.calls = 10**9
    with pytest.raises(LookUpsOverloaded, match="in time"):
        await pool.spooled(SOMEBODY)


async def test_one_too_many_is_refused_at_once(pool_of: PoolOf) -> None:
    """There is a place for it as soon as another one is done."""
    pool = pool_of(SlowReader(), max_look_ups=2)
    async with pool.turn():
        async with pool.turn():
            with pytest.raises(LookUpsOverloaded, match="Too many"):
                await holding(pool)
        await holding(pool)


async def holding(pool: LookUpPool) -> None:
    """Take a turn and give it back."""
    async with pool.turn():
        pass


async def test_turns_are_waited_for_in_order_and_not_for_ever(pool_of: PoolOf) -> None:
    """Who waits gets the turn that is given back; who waits past the deadline is refused and holds nothing."""
    pool = pool_of(SlowReader(), max_at_once=1, max_look_ups=2, deadline_s=0.01)
    async with pool.turn():
        with pytest.raises(LookUpsOverloaded, match="in time"):
            await holding(pool)
    patient = pool_of(SlowReader(), max_at_once=1, deadline_s=PATIENCE_S)
    async with patient.turn():
        waiting = asyncio.create_task(holding(patient))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    await holding(pool)


async def test_a_look_up_that_is_cancelled_gives_its_turn_back(pool_of: PoolOf) -> None:
    """Be it that it waits for its turn, or for the spool."""
    reader = SlowReader()
    reader.gate.clear()
    pool = pool_of(reader, max_at_once=1, max_look_ups=2, deadline_s=PATIENCE_S)

    async def look_up() -> Any:
        async with pool.turn():
            return await pool.spooled(SOMEBODY)

    both = [asyncio.create_task(look_up()) for _ in range(2)]
    await asyncio.sleep(0)
    for each in both:
        each.cancel()
    assert all(isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*both, return_exceptions=True))
    reader.gate.set()
    assert await look_up() == NOTHING
