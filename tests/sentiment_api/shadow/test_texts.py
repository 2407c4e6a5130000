"""Which texts the shadow takes, and when it lets them go."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.shadow.comparison import Shadow
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import Dropped, NewCandidate, Waiting

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
PRAISE = {"text": "Great value, works perfectly."}


class Text(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


def test_the_share_is_chosen_by_the_id(
    scorer: Any, spool: Spool, metrics: Metrics, new_scorer: Callable[[], Any]
) -> None:
    """The same ids are chosen again, about as many as the share says, and none of our own tries."""
    ids = [uuid7() for _ in range(4000)]
    tenth, all_, none = (Shadow(scorer, share, spool, metrics) for share in (0.1, 1.0, 0.0))
    chosen = {each for each in ids if tenth.chooses(each, "api")}
    assert 300 < len(chosen) < 500
    again = Shadow(new_scorer(), 0.1, spool, metrics)
    assert chosen == {each for each in ids if again.chooses(each, "hf")}
    assert all(all_.chooses(each, "v2") for each in ids)
    assert not any(none.chooses(each, "api") for each in ids)
    assert not any(all_.chooses(each, source) for each in ids for source in ("golden", "console", "bench"))


def test_stopping_drops_what_waits(
    shadow: Shadow, scorer: Any, metrics: Metrics, candidate: NewCandidate, dropped: Dropped
) -> None:
    """Neither the text that is being scored nor those behind it hold up the stop; what comes later is dropped too."""
    scorer.gate.clear()
    shadow.offer([candidate() for _ in range(3)])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    shadow.stop()
    shadow.offer([candidate()])
    assert (dropped(metrics, "stopping"), shadow.health().state) == (3, "stopped")


def test_an_erasure_drops_what_waits_and_what_is_being_scored(
    shadow: Shadow,
    scorer: Any,
    metrics: Metrics,
    waiting: Waiting,
    candidate: NewCandidate,
    dropped: Dropped,
    compared: Dropped,
) -> None:
    """No text stays in memory once this process says that it has purged; the next one is scored as ever."""
    scorer.gate.clear()
    shadow.offer([candidate() for _ in range(3)])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    shadow.forget()
    assert (scorer.heard, shadow.health().waiting) == (["discard"], 0)
    waiting(lambda: dropped(metrics, "erased") == 3, "all are dropped")
    shadow.offer([candidate(PRAISE["text"])])
    waiting(lambda: compared(metrics) == 1, "the next is scored")
    assert (scorer.texts, shadow.health().state) == ([REVIEW["text"], PRAISE["text"]], "ready")


def test_an_erasure_leaves_a_process_alone_that_has_no_text(shadow: Shadow, scorer: Any) -> None:
    """Loading it again takes seconds."""
    shadow.forget()
    assert scorer.heard == []


def test_a_text_that_was_scored_is_let_go(
    shadow: Shadow, scorer: Any, metrics: Metrics, waiting: Waiting, candidate: NewCandidate, compared: Dropped
) -> None:
    """It does not stay in memory until the next one comes: an erasure could not reach it there."""
    text = Text(REVIEW["text"])
    watched = weakref.ref(text)
    shadow.offer([candidate(text)])
    waiting(lambda: compared(metrics) == 1, "it is scored")
    scorer.texts.clear()
    del text
    waiting(lambda: watched() is None, "it is gone")


def test_the_shadow_leaves_half_of_the_spool_to_live_predictions(
    scorer: Any, tmp_path: Path, metrics: Metrics, waiting: Waiting, candidate: NewCandidate, dropped: Dropped
) -> None:
    """Beyond it its answers are not kept, and counted; live records still find room."""
    spool = claim_spool(tmp_path, 1 << 20)
    for _ in range(3):
        spool.append(bytes(200_000))
    before = spool.size_bytes
    shadow = Shadow(scorer, 1.0, spool, metrics)
    shadow.start()
    shadow.offer([candidate()])
    waiting(lambda: dropped(metrics, "log-full") == 1, "its answer is dropped")
    assert spool.size_bytes == before
    spool.append(bytes(200_000))
    shadow.stop()
    spool.close()
