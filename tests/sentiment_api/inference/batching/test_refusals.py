"""What is not computed or has no answer: late, abandoned and poisonous texts, and those after the stop."""

import threading
import time

import pytest
from structlog.testing import capture_logs

from sentiment_api.errors import DeadlineExceeded, Draining, InferenceFailed
from tests.protocols import Answers, Hold, NewBatcher, Submit

POISON = 666
PATIENCE_S = 30.0


def test_an_expired_text_costs_nothing(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """A text whose deadline passed while it waited is refused without being computed; others go on."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    late = submit(batcher, [1], deadline_s=-1.0)[0]
    good = submit(batcher, [2])
    engine.gate.set()
    assert answers(good) == [[2, 1]]
    with pytest.raises(DeadlineExceeded):
        late.result(PATIENCE_S)
    assert engine.firsts() == [[0], [2]]


def test_a_caller_who_left_costs_nothing(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """A cancelled future is never computed, and its neighbours in the batch are."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [3])
    assert futures[1].cancel()
    engine.gate.set()
    assert answers([futures[0], futures[2]]) == [[1, 1], [3, 1]]
    assert engine.firsts() == [[0], [1, 3]]


def test_a_queue_of_none_but_dead_entries_is_no_batch(
    new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers
) -> None:
    """When everything that waits was cancelled the engine is not called, and later texts are answered."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    for future in submit(batcher, [1], [2]):
        future.cancel()
    engine.gate.set()
    assert answers(submit(batcher, [3])) == [[3, 1]]
    assert engine.firsts() == [[0], [3]]


def test_a_caller_who_leaves_while_it_is_computed_harms_nobody(
    new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers
) -> None:
    """Once computing has begun a future cannot be cancelled, and the engine thread lives on."""
    batcher, engine = new_batcher()
    running = hold(batcher, engine)
    assert not running.cancel()
    engine.gate.set()
    assert answers([running, *submit(batcher, [4])]) == [[0, 1], [4, 1]]


def test_a_poisonous_text_fails_alone(new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers) -> None:
    """Of a batch with two texts that break the engine the other six are answered."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [POISON], [4], [5], [6], [POISON, 7], [8])
    engine.gate.set()
    good = [future for number, future in enumerate(futures) if number not in (2, 6)]
    assert answers(good) == [[1, 1], [2, 1], [4, 1], [5, 1], [6, 1], [8, 1]]
    for number in (2, 6):
        with pytest.raises(InferenceFailed):
            futures[number].result(PATIENCE_S)
    assert answers(submit(batcher, [9])) == [[9, 1]], "the engine thread lives on"


def test_stop_finishes_what_is_queued_and_takes_no_more(
    new_batcher: NewBatcher, submit: Submit, hold: Hold, answers: Answers
) -> None:
    """Everything submitted before `stop` is answered, and everything after it is refused."""
    batcher, engine = new_batcher(texts=1)
    first = hold(batcher, engine)
    queued = submit(batcher, [1], [2]) + submit(batcher, [3], lane="batch")
    stopping = threading.Thread(target=batcher.stop)
    stopping.start()
    engine.gate.set()
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()
    assert answers([first, *queued]) == [[0, 1], [1, 1], [2, 1], [3, 1]]
    with pytest.raises(Draining):
        submit(batcher, [4])


def test_stop_leaves_a_thread_behind_that_hangs(new_batcher: NewBatcher, submit: Submit) -> None:
    """An engine that does not come back from a text is waited for until its deadline and a while after, and told of."""
    batcher, engine = new_batcher()
    engine.gate.clear()
    deadline = time.monotonic() + 1.0
    submit(batcher, [0], deadline_s=1.0)
    assert engine.entered.acquire(timeout=PATIENCE_S)
    with capture_logs() as logged:
        batcher.stop(last_pass_s=0.1)
    assert time.monotonic() > deadline
    assert [(line["log_level"], line["threads"]) for line in logged] == [("error", 1)]
