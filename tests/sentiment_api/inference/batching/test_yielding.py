"""What those hear who yield to live work."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.lanes import Scored

NewBatcher = Callable[..., tuple[Batcher, Any]]
Submit = Callable[..., list["Future[Scored]"]]

PATIENCE_S = 30.0


class Yielder:
    """Notes what it hears of the engine's work."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.heard: list[str] = []

    def live_begins(self) -> None:
        """Note it."""
        self.heard.append("begins")

    def live_ends(self) -> None:
        """Note it."""
        self.heard.append("ends")


@pytest.mark.parametrize("threads", [1, 2])
def test_who_yields_hears_of_the_first_work_and_of_the_last(
    new_batcher: NewBatcher, submit: Submit, threads: int
) -> None:
    """Whatever comes in between, it hears once that there is work, and that it is done before the next begins."""
    yielder = Yielder()
    batcher, engine = new_batcher(texts=1, threads=threads, yielding=yielder)
    for _ in range(2):
        engine.gate.clear()
        waiting = submit(batcher, *([each] for each in range(1, 6)))
        assert engine.entered.acquire(timeout=PATIENCE_S)
        assert yielder.heard[-1] == "begins"
        engine.gate.set()
        for future in waiting:
            future.result(PATIENCE_S)
    assert yielder.heard == ["begins", "ends", "begins", "ends"]


def test_who_yields_waits_for_what_is_computed(new_batcher: NewBatcher, submit: Submit) -> None:
    """With nothing left that waits, the work has not ended before its last text is done."""
    yielder = Yielder()
    batcher, engine = new_batcher(texts=1, threads=2, yielding=yielder)
    engine.gate.clear()
    engine.passes = {2}
    held, passing = submit(batcher, [1], [2])
    passing.result(PATIENCE_S)
    assert yielder.heard == ["begins"]
    engine.gate.set()
    held.result(PATIENCE_S)
    assert yielder.heard == ["begins", "ends"]


def test_who_yields_hears_that_nobody_waits_any_more(new_batcher: NewBatcher, submit: Submit) -> None:
    """Texts whose callers have gone are no work."""
    yielder = Yielder()
    batcher, engine = new_batcher(texts=1, yielding=yielder)
    engine.gate.clear()
    first, second = submit(batcher, [1], [2])
    assert engine.entered.acquire(timeout=PATIENCE_S)
    assert second.cancel()
    engine.gate.set()
    first.result(PATIENCE_S)
    batcher.stop()
    assert yielder.heard == ["begins", "ends"]
