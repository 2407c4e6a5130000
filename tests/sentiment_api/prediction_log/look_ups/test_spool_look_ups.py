"""Look-ups in the spool are repeated until something is known, and end in time."""

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from sentiment_api.errors import FilesFailed, LookUpsOverloaded
from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
from sentiment_api.prediction_log.look_ups.spool_reader import SpooledPrediction, SpoolReader
from tests.protocols import LookUpsWith

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
def look_ups_with(executor: ThreadPoolExecutor) -> LookUpsWith:
    """A function that gives look-ups with this reader; keyword arguments are their bounds."""

    def look_ups_with(reader: object, **bounds: Any) -> SpoolLookUps:
        return SpoolLookUps(cast("SpoolReader", reader), executor, **bounds)

    return look_ups_with


async def test_the_reader_is_asked_until_it_knows(look_ups_with: LookUpsWith) -> None:
    """A look-up comes again while the index is being made."""
    reader = SlowReader(calls=3)
    assert await look_ups_with(reader).find(SOMEBODY) == NOTHING
    assert reader.calls == 0


async def test_files_that_cannot_be_read_are_no_answer(look_ups_with: LookUpsWith) -> None:
    """What nobody can read may be there: the look-up is refused, and not answered with nothing."""

    class Unreadable:
        def find(self, prediction_id: uuid.UUID) -> SpooledPrediction:
            assert prediction_id == SOMEBODY
            raise FilesFailed("Too many open files")

    with pytest.raises(LookUpsOverloaded):
        await look_ups_with(Unreadable()).find(SOMEBODY)


async def test_a_spool_that_cannot_be_read_in_time_is_told(look_ups_with: LookUpsWith) -> None:
    """Past the deadline a look-up is refused, be it that the thread hangs or that the index takes too long."""
    reader = SlowReader()
    reader.gate.clear()
    look_ups = look_ups_with(reader, deadline_s=0.01)
    with pytest.raises(LookUpsOverloaded, match="in time"):
        await look_ups.find(SOMEBODY)
    reader.gate.set()
    reader.calls = 10**9
    with pytest.raises(LookUpsOverloaded, match="in time"):
        await look_ups.find(SOMEBODY)
