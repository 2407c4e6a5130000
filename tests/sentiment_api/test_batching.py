"""The queue in front of the engine, with an engine that computes at once, or when told to."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from sentiment_api.batching import Batcher, Lane, Scored
from sentiment_api.bundle import Bundle
from sentiment_api.classifier import Classifier
from sentiment_api.engines import Output
from sentiment_api.errors import DeadlineExceeded, Draining, InferenceFailed, Overloaded
from sentiment_api.metrics import Metrics

POISON = 666
PATIENCE_S = 30.0


class FakeEngine:
    """Answers a text with its own first token and its length, and remembers the batches. `gate` holds it up."""

    name = "fake"
    threads = 1

    def __init__(self, max_batch_texts: int = 8) -> None:
        """The gate is open at first."""
        self.max_batch_texts = max_batch_texts
        self.batches: list[list[list[int]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def run(self, batch: list[list[int]]) -> Output:
        """Return `[first token, length]` as the logits of each text."""
        self.batches.append(batch)
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        if any(POISON in ids for ids in batch):
            raise RuntimeError("the engine cannot read this")
        logits = np.array([[ids[0], len(ids)] for ids in batch], dtype=np.float32)
        return Output(logits, logits)

    def firsts(self) -> list[list[int]]:
        """Return the first tokens of each batch's texts."""
        return [[ids[0] for ids in batch] for batch in self.batches]


NewBatcher = Callable[..., tuple[Batcher, FakeEngine]]


@pytest.fixture
def new_batcher(bundle: Bundle) -> Iterator[NewBatcher]:
    """A function that returns a started batcher and its engine; all of them are stopped at the end."""
    made: list[tuple[Batcher, FakeEngine]] = []

    def make(*, texts: int = 8, batch_tokens: int = 1000, queued_tokens: int = 1000) -> tuple[Batcher, FakeEngine]:
        engine = FakeEngine(texts)
        batcher = Batcher(
            Classifier(bundle, engine),
            max_batch_tokens=batch_tokens,
            max_queued_tokens=queued_tokens,
            metrics=Metrics(),
        )
        made.append((batcher, engine))
        batcher.start()
        return batcher, engine

    yield make
    for batcher, engine in made:
        engine.gate.set()
        batcher.stop()


def submit(
    batcher: Batcher, *texts: list[int], lane: Lane = "single", deadline_s: float = PATIENCE_S
) -> list["Future[Scored]"]:
    """Submit texts with a deadline in `deadline_s`."""
    return batcher.submit(texts, lane, time.monotonic() + deadline_s)


def hold(batcher: Batcher, engine: FakeEngine) -> "Future[Scored]":
    """Occupy the engine with one text, so that what is submitted from now on waits; open the gate to go on."""
    engine.gate.clear()
    future = submit(batcher, [0])[0]
    assert engine.entered.acquire(timeout=PATIENCE_S)
    return future


def answers(futures: list["Future[Scored]"]) -> list[list[float]]:
    """Return the logits of all futures."""
    return [future.result(PATIENCE_S).logits.tolist() for future in futures]


def test_each_future_gets_its_own_answer(new_batcher: NewBatcher) -> None:
    """The futures of one call come in the order of the texts, whatever their lengths."""
    batcher, _ = new_batcher()
    texts = [[number] * length for number, length in enumerate((5, 1, 30, 2, 9, 4, 17, 3, 8, 6), start=1)]
    assert answers(submit(batcher, *texts)) == [[ids[0], len(ids)] for ids in texts]


def test_many_threads_get_their_own_answers(new_batcher: NewBatcher) -> None:
    """Callers at the same moment never see each other's answers."""
    batcher, _ = new_batcher(queued_tokens=100_000)
    found: dict[int, list[list[float]]] = {}

    def call(number: int) -> None:
        found[number] = answers(submit(batcher, *[[1000 * number + step] for step in range(20)]))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [[1000 * number + step, 1] for step in range(20)] for number in range(1, 9)}


def test_what_waits_goes_in_one_batch(new_batcher: NewBatcher) -> None:
    """Texts that came while the engine was busy are computed together."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1], [2, 2], [3, 3, 3])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1, 2, 3]]


def test_a_batch_keeps_to_the_token_budget(new_batcher: NewBatcher) -> None:
    """Padding counts: texts times the longest of them is at most the budget, but one text always goes."""
    batcher, engine = new_batcher(batch_tokens=12)
    hold(batcher, engine)
    futures = submit(batcher, [1] * 3, [2] * 4, [3] * 2, [4] * 2, [5] * 50, [6])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1, 2, 3], [4], [5], [6]]


def test_a_batch_keeps_to_the_engines_limit(new_batcher: NewBatcher) -> None:
    """An engine that takes one text at a time gets one text at a time."""
    batcher, engine = new_batcher(texts=1)
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [3])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1], [2], [3]]


def test_lanes_take_turns(new_batcher: NewBatcher) -> None:
    """A long batch that came first does not hold up single requests until it is done."""
    batcher, engine = new_batcher(texts=1)
    hold(batcher, engine)
    batch = submit(batcher, [10], [11], [12], [13], lane="batch")
    singles = submit(batcher, [1]) + submit(batcher, [2])
    engine.gate.set()
    answers(batch + singles)
    assert engine.firsts() == [[0], [10], [1], [11], [2], [12], [13]]


def test_the_bound_refuses_with_the_time_to_wait(new_batcher: NewBatcher) -> None:
    """What would pass the bound is refused whole, and told how long the queue takes by the rate so far."""
    batcher, engine = new_batcher(queued_tokens=100)
    hold(batcher, engine)
    queued = submit(batcher, [1] * 60)
    with pytest.raises(Overloaded) as refusal:
        submit(batcher, [2] * 30, [3] * 30)
    assert refusal.value.retry_after_s == pytest.approx(60 / 5000)
    within = submit(batcher, [4] * 40)
    engine.gate.set()
    assert answers(queued + within) == [[1, 60], [4, 40]]
    assert [2] * 30 not in [ids for batch in engine.batches for ids in batch]


def test_an_idle_service_takes_more_than_the_bound(new_batcher: NewBatcher) -> None:
    """With an empty queue any request is taken: otherwise it could never be."""
    batcher, _ = new_batcher(queued_tokens=10)
    assert answers(submit(batcher, [7] * 500)) == [[7, 500]]


def test_an_expired_text_costs_nothing(new_batcher: NewBatcher) -> None:
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


def test_a_caller_who_left_costs_nothing(new_batcher: NewBatcher) -> None:
    """A cancelled future is never computed, and its neighbours in the batch are."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [3])
    assert futures[1].cancel()
    engine.gate.set()
    assert answers([futures[0], futures[2]]) == [[1, 1], [3, 1]]
    assert engine.firsts() == [[0], [1, 3]]


def test_a_queue_of_none_but_dead_entries_is_no_batch(new_batcher: NewBatcher) -> None:
    """When everything that waits was cancelled the engine is not called, and later texts are answered."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    for future in submit(batcher, [1], [2]):
        future.cancel()
    engine.gate.set()
    assert answers(submit(batcher, [3])) == [[3, 1]]
    assert engine.firsts() == [[0], [3]]


def test_a_caller_who_leaves_while_it_is_computed_harms_nobody(new_batcher: NewBatcher) -> None:
    """Once computing has begun a future cannot be cancelled, and the engine thread lives on."""
    batcher, engine = new_batcher()
    running = hold(batcher, engine)
    assert not running.cancel()
    engine.gate.set()
    assert answers([running, *submit(batcher, [4])]) == [[0, 1], [4, 1]]


def test_a_poisonous_text_fails_alone(new_batcher: NewBatcher) -> None:
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


def test_stop_finishes_what_is_queued_and_takes_no_more(new_batcher: NewBatcher) -> None:
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


def test_the_queue_is_empty_in_the_end(new_batcher: NewBatcher) -> None:
    """What was computed, dropped, cancelled or failed waits no more: the time to wait is zero again."""
    batcher, engine = new_batcher()
    hold(batcher, engine)
    futures = submit(batcher, [1] * 9, [2] * 9, [POISON])
    submit(batcher, [3] * 9, deadline_s=-1.0)
    futures[0].cancel()
    assert batcher.wait_s() == pytest.approx(28 / 5000)
    engine.gate.set()
    answers([futures[1], *submit(batcher, [5])])
    batcher.stop()
    assert batcher.wait_s() == 0.0
