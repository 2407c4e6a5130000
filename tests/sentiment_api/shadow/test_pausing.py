"""The shadow gives way to live work, while it scores and while it is loaded."""

from collections.abc import Callable
from typing import Any

from sentiment_api.prediction_log.spool import Spool
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Compared, NewCandidate, Waiting

PATIENCE_S = 30.0


def test_a_text_is_begun_only_while_the_engine_has_nothing_to_do(
    shadow: Shadow, scorer: Any, waiting: Waiting, candidate: NewCandidate
) -> None:
    """While live work goes on it waits; with the last of that done it is scored."""
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    shadow.engine_busy()
    shadow.offer([candidate()])
    assert not scorer.entered.acquire(timeout=0.1)
    shadow.engine_idle()
    assert scorer.entered.acquire(timeout=PATIENCE_S)


def test_a_text_stands_still_while_there_is_live_work(shadow: Shadow, scorer: Any, candidate: NewCandidate) -> None:
    """Live work that comes in the middle of a text pauses it, and only then is there something to resume."""
    shadow.engine_busy()
    shadow.engine_idle()
    scorer.gate.clear()
    shadow.offer([candidate()])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    for _ in range(2):
        shadow.engine_busy()
        shadow.engine_idle()
    assert scorer.heard == ["pause", "resume"] * 2


def test_it_begins_to_load_only_while_the_engine_has_nothing_to_do(
    scorer: Any,
    spool: Spool,
    metrics: Metrics,
    waiting: Waiting,
    new_scorer: Callable[[], Any],
    candidate: NewCandidate,
    compared: Compared,
) -> None:
    """Live work that is there before holds it up; a stop does not wait for that."""
    held, stopped = (Shadow(each, 1.0, spool, metrics) for each in (scorer, new_scorer()))
    for shadow in (held, stopped):
        shadow.engine_busy()
        shadow.start()
    stopped.stop()
    held.offer([candidate()])
    assert not scorer.entered.acquire(timeout=0.1)
    assert held.health().state == "loading"
    held.engine_idle()
    waiting(lambda: compared(metrics) == 1, "it is loaded and scores")
    held.stop()


def test_it_stands_still_while_it_is_loaded_and_there_is_live_work(
    scorer: Any, spool: Spool, metrics: Metrics, waiting: Waiting
) -> None:
    """Live work pauses it in the middle of loading, and as soon as it can be paused when that came before.

    An erasure leaves it alone meanwhile: it has no text.
    """
    shadow = Shadow(scorer, 1.0, spool, metrics)
    scorer.may_start.clear()
    scorer.gate.clear()
    shadow.start()
    assert scorer.started.acquire(timeout=PATIENCE_S)
    shadow.engine_busy()
    assert scorer.heard == []
    scorer.may_start.set()
    assert scorer.loading.acquire(timeout=PATIENCE_S)
    assert scorer.heard == ["pause"]
    shadow.engine_idle()
    shadow.engine_busy()
    shadow.forget()
    shadow.engine_idle()
    assert scorer.heard == ["pause", "resume"] * 2
    scorer.gate.set()
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    shadow.stop()
