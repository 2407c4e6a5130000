"""How much is admitted, and what those are told who are not."""

import statistics
import time
from concurrent.futures import Future

import pytest

from sentiment_api.errors import Overloaded
from sentiment_api.inference.capacity import Capacity, Ticket
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import NewCapacity

RATE = 1000.0
TEXT_TOKENS = 500


@pytest.fixture
def metrics() -> Metrics:
    """A registry of our own."""
    return Metrics()


@pytest.fixture
def new_capacity(metrics: Metrics) -> NewCapacity:
    """A function that returns the books of a service that does a thousand tokens a second."""

    def make(max_tokens: int = 100_000) -> Capacity:
        return Capacity(tokens_per_s=RATE, max_tokens=max_tokens, max_text_tokens=TEXT_TOKENS, metrics=metrics)

    return make


def admit(capacity: Capacity, tokens: int, *, lane: str = "single", timeout_s: float = 1000.0) -> Ticket:
    """Admit a request that turns out to have so many tokens."""
    ticket = capacity.admit(lane, 4 * tokens, 1 if lane == "single" else 256, timeout_s)  # type: ignore[arg-type]
    ticket.correct(tokens)
    return ticket


def admitted(metrics: Metrics) -> dict[str, float | None]:
    """Return the tokens in the service by lane."""
    read = metrics.registry.get_sample_value
    return {lane: read("sentiment_admitted_tokens", {"lane": lane}) for lane in ("single", "batch")}


def test_requests_are_in_the_books_until_they_end(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """A request counts from its admission to its end, said once or twice; giving back tokens is not its end."""
    capacity, read = new_capacity(), metrics.registry.get_sample_value

    def admitted_requests() -> list[float | None]:
        return [read("sentiment_admitted_requests", {"lane": lane}) for lane in ("single", "batch")]

    assert admitted_requests() == [0, 0]
    first, second, batch = admit(capacity, 40), admit(capacity, 40), admit(capacity, 40, lane="batch")
    assert admitted_requests() == [2, 1]
    batch.release(40)
    assert admitted_requests() == [2, 1]
    for ticket in (first, first, batch):
        ticket.release()
    assert admitted_requests() == [1, 0]
    second.release()
    assert admitted_requests() == [0, 0]
    assert read("sentiment_admitted_max_tokens") == 100_000
    assert read("sentiment_engine_tokens_per_second") == RATE


def test_an_idle_service_admits_anything(new_capacity: NewCapacity) -> None:
    """A request alone is admitted, past the bound and past its deadline by the rate: otherwise it could never be."""
    ticket = admit(new_capacity(max_tokens=10), 400, timeout_s=0.01)
    assert ticket.deadline <= time.monotonic() + 0.01


def test_the_bound_in_tokens_holds(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """What would pass the bound is refused, and admitted when others are done."""
    capacity = new_capacity(max_tokens=1000)
    first, second = admit(capacity, 400), admit(capacity, 400)
    with pytest.raises(Overloaded, match="Too many tokens"):
        admit(capacity, 300)
    assert admitted(metrics) == {"single": 800, "batch": 0}
    first.release()
    admit(capacity, 300)
    second.release()
    second.release()
    assert admitted(metrics)["single"] == 300


def test_what_cannot_be_answered_in_time_is_refused_at_once(new_capacity: NewCapacity) -> None:
    """With 0.8 seconds of work before it a request with one second is refused, and one with two is admitted."""
    capacity = new_capacity()
    for _ in range(2):
        admit(capacity, 400)
    with pytest.raises(Overloaded, match="longer than the request's deadline"):
        admit(capacity, 100, timeout_s=1.0)
    admit(capacity, 100, timeout_s=2.0)


def test_batches_cannot_take_all_the_room(new_capacity: NewCapacity) -> None:
    """However many full batches come, a quarter of the bound is left for single requests."""
    capacity = new_capacity(max_tokens=1000)
    admit(capacity, 600, lane="batch")
    with pytest.raises(Overloaded, match="Too many tokens"):
        admit(capacity, 200, lane="batch")
    admit(capacity, 200)


def test_a_batch_read_to_its_end_does_not_shut_others_out(new_capacity: NewCapacity) -> None:
    """An idle service takes a batch of windows with more tokens than the bound, and single requests beside it."""
    capacity = new_capacity(max_tokens=1000)
    admit(capacity, 5000, lane="batch")
    admit(capacity, 200)
    with pytest.raises(Overloaded):
        admit(capacity, 100, lane="batch")


def test_what_turns_out_too_long_for_its_deadline_is_refused(new_capacity: NewCapacity) -> None:
    """A text of many windows, behind others, is refused when its tokens are counted rather than after its deadline."""
    capacity = new_capacity()
    admit(capacity, 400)
    ticket = capacity.admit("single", 400, 1, 2.0)
    with pytest.raises(Overloaded, match="longer than the request's deadline"):
        ticket.correct(4000)


def test_work_is_given_back_as_it_is_done(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """The rest of a batch is all that the next request waits for; nothing is given back twice."""
    ticket = admit(new_capacity(), 1000, lane="batch")
    ticket.release(400)
    assert admitted(metrics)["batch"] == 600
    ticket.release(5000)
    ticket.release()
    assert admitted(metrics)["batch"] == 0


def test_refused_batches_do_not_put_single_requests_off(new_capacity: NewCapacity) -> None:
    """Each lane has its own queue of those who were told to come back."""
    capacity = new_capacity()
    admit(capacity, 1000, lane="batch")
    for _ in range(3):
        capacity.refusal("no place", "batch", 80_000, 256)
    assert capacity.refusal("no place", "single", 400, 1).retry_after_s <= 3


def test_a_full_batch_lane_leaves_single_requests_in(new_capacity: NewCapacity) -> None:
    """Single requests wait for their own lane's share, not for all the batches before them."""
    capacity = new_capacity(max_tokens=1_000_000)
    for _ in range(10):
        admit(capacity, 10_000, lane="batch")
    admit(capacity, 400, timeout_s=1.0)
    with pytest.raises(Overloaded):
        admit(capacity, 400, lane="batch", timeout_s=100.0)


def test_a_reservation_follows_the_count(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """What is reserved by the body's length becomes the number of tokens found, and the estimate learns from it."""
    capacity = new_capacity()
    ticket = capacity.admit("single", 800, 1, 10.0)
    assert admitted(metrics)["single"] == 200
    ticket.correct(80)
    assert admitted(metrics)["single"] == 80
    ticket.release()
    for _ in range(100):
        capacity.admit("single", 800, 1, 1000.0).correct(80)
    before = admitted(metrics)["single"]
    assert before is not None
    capacity.admit("single", 800, 1, 10_000.0)
    after = admitted(metrics)["single"]
    assert after is not None
    assert after - before == pytest.approx(80, abs=2)


def test_a_huge_body_counts_as_what_the_model_reads_of_it(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """Of one text no more than the model's limit is reserved, of a batch that many times its items."""
    capacity = new_capacity()
    capacity.admit("single", 1_000_000, 1, 10.0)
    assert admitted(metrics)["single"] == TEXT_TOKENS
    capacity.admit("batch", 8_000_000, 2, 10_000.0)
    assert admitted(metrics)["batch"] == 2 * TEXT_TOKENS


def test_texts_far_longer_than_estimated_are_refused(new_capacity: NewCapacity, metrics: Metrics) -> None:
    """When the count passes the bound the request is refused after all; its estimate stays until it is released."""
    capacity = new_capacity(max_tokens=1000)
    admit(capacity, 400)
    ticket = capacity.admit("single", 400, 1, 1000.0)
    with pytest.raises(Overloaded):
        ticket.correct(900)
    ticket.release()
    assert admitted(metrics)["single"] == 400


def test_each_refused_client_is_told_its_own_time(new_capacity: NewCapacity) -> None:
    """Clients are told to come one after the other, behind the work that waits, as fast as it can be done."""
    capacity = new_capacity(max_tokens=2000)
    for _ in range(4):
        admit(capacity, 500)
    told = []
    for _ in range(40):
        with pytest.raises(Overloaded) as refusal:
            admit(capacity, 500)
        told.append(refusal.value.retry_after_s)
    assert all(each == int(each) for each in told), "the header has whole seconds"
    assert 4 <= told[0] <= 5, "2 s of work wait, the same is expected to come, and its own share takes 0.6 s"
    steps = statistics.linear_regression(range(40), told)
    assert steps.slope == pytest.approx(500 / (0.8 * RATE), rel=0.1)


def test_nobody_is_told_to_wait_for_ever(new_capacity: NewCapacity) -> None:
    """However many are refused, the time told stays within two minutes."""
    capacity = new_capacity(max_tokens=500)
    admit(capacity, 500)
    told = [capacity.refusal("no place", "single", 2000, 1).retry_after_s for _ in range(1000)]
    assert max(told) <= 120
    assert len(set(told[-100:])) > 10, "those who are told the longest do not all come at once"


def test_a_slower_engine_means_a_longer_wait(new_capacity: NewCapacity) -> None:
    """The rate follows what the engine is seen to do, and with it what is admitted and what is told."""
    capacity = new_capacity()
    admit(capacity, 500)
    admit(capacity, 100, timeout_s=2.0)
    for _ in range(100):
        capacity.observe_rate(RATE / 10, 1.0)
    with pytest.raises(Overloaded) as refusal:
        admit(capacity, 100, timeout_s=2.0)
    assert refusal.value.retry_after_s >= 6


def test_abandoning_cancels_what_has_not_begun(new_capacity: NewCapacity) -> None:
    """A client that goes away takes its texts out of the queue, but for those that are being computed."""
    ticket = admit(new_capacity(), 10)
    waiting: Future[None] = Future()
    running: Future[None] = Future()
    running.set_running_or_notify_cancel()
    ticket.attach([waiting, running])
    ticket.abandon()
    assert (waiting.cancelled(), running.cancelled()) == (True, False)


def test_a_client_that_went_before_its_texts_were_queued(new_capacity: NewCapacity) -> None:
    """Abandoned early, a request's texts are cancelled as soon as there are any."""
    ticket = admit(new_capacity(), 10)
    ticket.abandon()
    waiting: Future[None] = Future()
    ticket.attach([waiting])
    assert waiting.cancelled()
