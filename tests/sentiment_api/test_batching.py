"""The queue in front of the engine, with an engine that computes at once, or when told to."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from sentiment_api.batching import Batcher
from sentiment_api.bundle import Bundle
from sentiment_api.capacity import Capacity, Lane
from sentiment_api.classifier import Classifier
from sentiment_api.engines import BatchLimits, Output
from sentiment_api.errors import DeadlineExceeded, Draining, InferenceFailed
from sentiment_api.lanes import Scored
from sentiment_api.metrics import Metrics

POISON = 666
FATAL = 667
PATIENCE_S = 30.0


class FakeEngine:
    """Answers a text with its own first token and its length, and remembers the batches. `gate` holds it up."""

    name = "fake"

    def __init__(self, limits: BatchLimits, threads: int = 1) -> None:
        """The gate is open at first."""
        self.limits = limits
        self.threads = threads
        self.batches: list[list[list[int]]] = []
        self.alone: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self.passes: set[int] = set()
        """The first tokens of texts that need not wait at the gate."""
        self.entered = threading.Semaphore(0)

    def run(self, batch: list[list[int]], *, alone: bool = False) -> Output:
        """Return `[first token, length]` as the logits of each text."""
        self.batches.append(batch)
        self.alone.append(alone)
        self.entered.release()
        assert batch[0][0] in self.passes or self.gate.wait(PATIENCE_S)
        if any(POISON in ids for ids in batch):
            raise RuntimeError("the engine cannot read this")
        if any(FATAL in ids for ids in batch):
            raise SystemExit  # what ends a thread, and no other
        logits = np.array([[ids[0], len(ids)] for ids in batch], dtype=np.float32)
        return Output(logits, logits)

    def firsts(self) -> list[list[int]]:
        """Return the first tokens of each batch's texts."""
        return [[ids[0] for ids in batch] for batch in self.batches]


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


NewBatcher = Callable[..., tuple[Batcher, FakeEngine]]


@pytest.fixture
def new_batcher(bundle: Bundle) -> Iterator[NewBatcher]:
    """A function that returns a started batcher and its engine; all of them are stopped at the end."""
    made: list[tuple[Batcher, FakeEngine]] = []

    def make(
        *, texts: int = 8, threads: int = 1, metrics: Metrics | None = None, yielding: Yielder | None = None
    ) -> tuple[Batcher, FakeEngine]:
        engine = FakeEngine(BatchLimits(texts=texts, tokens=1000, padding=0.9), threads)
        metrics = metrics or Metrics()
        capacity = Capacity(tokens_per_s=5000.0, max_tokens=1000, max_text_tokens=512, metrics=metrics)
        batcher = Batcher(Classifier(bundle, engine), capacity, metrics, yielding)
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
    batcher, _ = new_batcher()
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


def test_a_batch_keeps_to_the_engines_limit(new_batcher: NewBatcher) -> None:
    """An engine that takes one text at a time gets one text at a time."""
    batcher, engine = new_batcher(texts=1)
    hold(batcher, engine)
    futures = submit(batcher, [1], [2], [3])
    engine.gate.set()
    answers(futures)
    assert engine.firsts() == [[0], [1], [2], [3]]


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


def test_a_lone_text_has_all_the_cores(new_batcher: NewBatcher) -> None:
    """The engine is told when nothing else runs or waits, and not when something does."""
    batcher, engine = new_batcher(texts=1, threads=2)
    running = hold(batcher, engine)
    beside = submit(batcher, [2])
    assert engine.entered.acquire(timeout=PATIENCE_S)
    engine.gate.set()
    answers([running, *beside])
    answers(submit(batcher, [3]))
    assert engine.alone == [True, False, True]


def test_all_threads_of_the_engine_work_at_once(new_batcher: NewBatcher) -> None:
    """An engine with three threads is called three times before the first call returns."""
    batcher, engine = new_batcher(texts=1, threads=3)
    engine.gate.clear()
    futures = submit(batcher, [1], [2], [3], [4])
    assert all(engine.entered.acquire(timeout=PATIENCE_S) for _ in range(3))
    assert not engine.entered.acquire(blocking=False)
    engine.gate.set()
    assert answers(futures) == [[1, 1], [2, 1], [3, 1], [4, 1]]


def test_padding_is_counted(new_batcher: NewBatcher) -> None:
    """The tokens of the texts and the tokens computed for them are counted apart."""
    metrics = Metrics()
    batcher, engine = new_batcher(metrics=metrics)
    running = hold(batcher, engine)
    futures = submit(batcher, [1] * 2, [2] * 3, [3] * 4)
    engine.gate.set()
    answers([running, *futures])
    batcher.stop()
    read = metrics.registry.get_sample_value
    assert read("sentiment_asked_tokens_total") == 1 + 2 + 3 + 4
    assert read("sentiment_computed_tokens_total") == 1 + 3 * 4
    assert (read("sentiment_batch_texts_count"), read("sentiment_batch_texts_sum")) == (2, 4)
    assert (read("sentiment_batch_tokens_count"), read("sentiment_batch_tokens_sum")) == (2, 10)


def test_what_waits_is_shown(new_batcher: NewBatcher) -> None:
    """Two requests behind the one that is computed are two requests of four texts, and nothing once they are done."""
    metrics = Metrics()
    batcher, engine = new_batcher(metrics=metrics)

    def waiting() -> list[float | None]:
        return [
            metrics.registry.get_sample_value(f"sentiment_queued_{what}") for what in ("requests", "texts", "tokens")
        ]

    running = hold(batcher, engine)
    futures = submit(batcher, [1] * 2, [2] * 3, [3] * 4) + submit(batcher, [4] * 5)
    assert waiting() == [2, 4, 14]
    engine.gate.set()
    answers([running, *futures])
    assert waiting() == [0, 0, 0]


@pytest.mark.filterwarnings("ignore:Exception in thread engine:pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_thread_is_seen(new_batcher: NewBatcher, waiting: Callable[..., None]) -> None:
    """One of two threads that ends is missed at once, though the other goes on answering."""
    metrics = Metrics()
    batcher, _ = new_batcher(threads=2, metrics=metrics)

    def alive() -> float | None:
        return metrics.registry.get_sample_value("sentiment_engine_threads_alive")

    assert (batcher.is_alive(), alive()) == (True, 2)
    submit(batcher, [FATAL])
    waiting(lambda: alive() == 1, "a thread has ended")
    assert not batcher.is_alive()
    assert metrics.registry.get_sample_value("sentiment_engine_threads") == 2
    assert answers(submit(batcher, [9])) == [[9, 1]]


@pytest.mark.parametrize("threads", [1, 2])
def test_who_yields_hears_of_the_first_work_and_of_the_last(new_batcher: NewBatcher, threads: int) -> None:
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


def test_who_yields_waits_for_what_is_computed(new_batcher: NewBatcher) -> None:
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


def test_who_yields_hears_that_nobody_waits_any_more(new_batcher: NewBatcher) -> None:
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
