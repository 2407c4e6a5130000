"""What a listener hears of the engine being busy or idle."""

import pytest

from tests.protocols import NewBatcher, Submit

PATIENCE_S = 30.0


class Listener:
    """Notes what it hears of the engine's work."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.heard: list[str] = []

    def engine_busy(self) -> None:
        """Note it."""
        self.heard.append("busy")

    def engine_idle(self) -> None:
        """Note it."""
        self.heard.append("idle")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_listener_hears_of_the_first_work_and_of_the_last(
    new_batcher: NewBatcher, submit: Submit, threads: int
) -> None:
    """Whatever comes in between, it hears once that there is work, and that it is done before the next begins."""
    listener = Listener()
    batcher, engine = new_batcher(texts=1, threads=threads, idle_listener=listener)
    for _ in range(2):
        engine.gate.clear()
        waiting = submit(batcher, *([each] for each in range(1, 6)))
        assert engine.entered.acquire(timeout=PATIENCE_S)
        assert listener.heard[-1] == "busy"
        engine.gate.set()
        for future in waiting:
            future.result(PATIENCE_S)
    assert listener.heard == ["busy", "idle", "busy", "idle"]


def test_a_listener_waits_for_what_is_computed(new_batcher: NewBatcher, submit: Submit) -> None:
    """With nothing left that waits, the work has not ended before its last text is done."""
    listener = Listener()
    batcher, engine = new_batcher(texts=1, threads=2, idle_listener=listener)
    engine.gate.clear()
    engine.passes = {2}
    held, passing = submit(batcher, [1], [2])
    passing.result(PATIENCE_S)
    assert listener.heard == ["busy"]
    engine.gate.set()
    held.result(PATIENCE_S)
    assert listener.heard == ["busy", "idle"]


def test_a_listener_hears_that_nobody_waits_any_more(new_batcher: NewBatcher, submit: Submit) -> None:
    """Texts whose callers have gone are no work."""
    listener = Listener()
    batcher, engine = new_batcher(texts=1, idle_listener=listener)
    engine.gate.clear()
    first, second = submit(batcher, [1], [2])
    assert engine.entered.acquire(timeout=PATIENCE_S)
    assert second.cancel()
    engine.gate.set()
    first.result(PATIENCE_S)
    batcher.stop()
    assert listener.heard == ["busy", "idle"]
