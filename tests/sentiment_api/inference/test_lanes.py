"""What goes next, and in which company."""

import time
from concurrent.futures import Future

import pytest

from sentiment_api.errors import DeadlineExceeded
from sentiment_api.inference.capacity import Lane
from sentiment_api.inference.lanes import LOOK_AHEAD, Entry, Lanes
from sentiment_api.model.engines import BatchLimits
from sentiment_api.telemetry.metrics import Metrics
from tests.protocols import NewLanes

ONE = BatchLimits(texts=1, tokens=512, padding=0.0)
EQUAL = BatchLimits(texts=8, tokens=32, padding=0.0)
PADDED = BatchLimits(texts=8, tokens=100, padding=0.2)


@pytest.fixture
def metrics() -> Metrics:
    """A registry of our own."""
    return Metrics()


@pytest.fixture
def new_lanes(metrics: Metrics) -> NewLanes:
    """A function that returns empty lanes for an engine with these limits."""
    return lambda limits: Lanes(limits, metrics)


def add(lanes: Lanes, *lengths: int, lane: Lane = "single", deadline_s: float = 60.0, request: int = 0) -> list[Entry]:
    """Put texts of these lengths into a lane, as those of one request, and return the entries."""
    now, until = time.monotonic(), time.monotonic() + deadline_s
    entries = [Entry([number] * length, until, now, Future(), request) for number, length in enumerate(lengths)]
    lanes.add(lane, entries)
    return entries


def taken(lanes: Lanes) -> list[list[int]]:
    """Take everything, and return the lengths in each batch."""
    batches = []
    while batch := lanes.take():
        batches.append([len(entry.ids) for entry in batch])
    return batches


def test_an_engine_for_one_text_gets_them_in_order(new_lanes: NewLanes) -> None:
    """With a limit of one text the lane is a plain queue."""
    lanes = new_lanes(ONE)
    add(lanes, 3, 1, 2)
    assert taken(lanes) == [[3], [1], [2]]
    assert (lanes.tokens, bool(lanes)) == (0, False)


def test_what_waits_is_counted_in_tokens_texts_and_requests(new_lanes: NewLanes) -> None:
    """A request waits as long as one of its texts does; those whose callers have gone wait until they are passed."""
    lanes = new_lanes(EQUAL)
    add(lanes, 4, 7, request=1)
    (gone,) = add(lanes, 4, request=2)
    add(lanes, 9, 9, lane="batch", request=3)
    gone.future.cancel()
    waiting = [(lanes.tokens, lanes.texts, lanes.requests)]
    while lanes.take():
        waiting.append((lanes.tokens, lanes.texts, lanes.requests))
    assert waiting == [(33, 5, 3), (25, 3, 2), (7, 1, 1), (0, 0, 0)]


def test_equal_lengths_go_together(new_lanes: NewLanes) -> None:
    """Where padding is not allowed a batch has one length, and the oldest text leads the next one."""
    lanes = new_lanes(EQUAL)
    add(lanes, 4, 7, 4, 5, 4, 7)
    assert taken(lanes) == [[4, 4, 4], [7, 7], [5]]


def test_a_long_text_waits_for_no_mate(new_lanes: NewLanes) -> None:
    """A text of which no two fit into the budget goes at once, however many wait."""
    lanes = new_lanes(EQUAL)
    add(lanes, 17, 17, 400, 16, 16)
    assert taken(lanes) == [[17], [17], [400], [16, 16]]


def test_the_nearest_lengths_go_together(new_lanes: NewLanes) -> None:
    """Where padding is allowed the texts nearest to the oldest in length share its batch, within the bound."""
    lanes = new_lanes(PADDED)
    add(lanes, 10, 30, 9, 11, 31, 2, 29)
    assert taken(lanes) == [[10, 9, 11], [30, 31, 29], [2]]


def test_the_token_budget_counts_padding(new_lanes: NewLanes) -> None:
    """Texts times the longest of them stay within the budget; a single text always goes."""
    lanes = new_lanes(PADDED)
    add(lanes, 30, 30, 30, 30, 250)
    assert taken(lanes) == [[30, 30, 30], [30], [250]]


def test_a_batch_keeps_to_the_engines_number_of_texts(new_lanes: NewLanes) -> None:
    """Ten equal texts are a batch of eight and one of two."""
    lanes = new_lanes(EQUAL)
    add(lanes, *[2] * 10)
    assert taken(lanes) == [[2] * 8, [2] * 2]


def test_the_oldest_is_in_every_batch(new_lanes: NewLanes) -> None:
    """A text of an odd length is not passed over, though a stream of mates for all the others keeps coming."""
    lanes = new_lanes(EQUAL)
    add(lanes, 4, 9, *[4] * 20)
    assert len(lanes.take()) == 8
    add(lanes, *[4] * 20)
    assert [len(entry.ids) for entry in lanes.take()] == [9]


def test_the_window_is_bounded(new_lanes: NewLanes) -> None:
    """A mate that stands behind the window does not jump the queue."""
    lanes = new_lanes(EQUAL)
    add(lanes, 4, *[9] * LOOK_AHEAD, 4)
    assert [len(entry.ids) for entry in lanes.take()] == [4]


def test_lanes_share_by_tokens_and_weight(new_lanes: NewLanes) -> None:
    """While both lanes are full singles get two thirds of the tokens, however long the texts of either are."""
    lanes = new_lanes(ONE)
    add(lanes, *[400] * 100, lane="batch")
    add(lanes, *[50] * 1000)
    first = [len(lanes.take()[0].ids) for _ in range(300)]
    singles, batch = (sum(length for length in first if length == each) for each in (50, 400))
    assert singles / batch == pytest.approx(2.0, rel=0.1)


def test_a_single_request_goes_before_a_waiting_batch(new_lanes: NewLanes) -> None:
    """A text that comes while a batch is being worked off is next."""
    lanes = new_lanes(ONE)
    add(lanes, *[100] * 10, lane="batch")
    assert [len(lanes.take()[0].ids) for _ in range(3)] == [100] * 3
    add(lanes, 7)
    assert len(lanes.take()[0].ids) == 7


def test_an_idle_lane_saves_nothing_up(new_lanes: NewLanes) -> None:
    """After many single requests a batch that comes does not push the next ones aside."""
    lanes = new_lanes(ONE)
    add(lanes, *[100] * 50)
    assert len(taken(lanes)) == 50
    add(lanes, *[10] * 50, lane="batch")
    add(lanes, 10, 10)
    first = [lanes.take()[0] for _ in range(4)]
    assert len([entry for entry in first if entry.ids[0] <= 1]) >= 2, "both singles are among the first four"


def test_dead_entries_cost_nothing(new_lanes: NewLanes, metrics: Metrics) -> None:
    """Cancelled and expired texts are dropped, as the oldest and as mates; the expired hear of it."""
    lanes = new_lanes(EQUAL)
    cancelled = add(lanes, 4)[0]
    late = add(lanes, 4, deadline_s=-1.0)[0]
    add(lanes, 4)
    late_mate = add(lanes, 4, deadline_s=-1.0)[0]
    add(lanes, 4)
    cancelled.future.cancel()
    assert taken(lanes) == [[4, 4]]
    for each in (late, late_mate):
        assert isinstance(each.future.exception(0), DeadlineExceeded)
    read = metrics.registry.get_sample_value
    assert read("sentiment_dropped_texts_total", {"reason": "cancelled"}) == 1
    assert read("sentiment_dropped_texts_total", {"reason": "deadline"}) == 2
    assert lanes.tokens == 0


def test_none_but_dead_entries_are_no_batch(new_lanes: NewLanes) -> None:
    """When everything that waits was cancelled there is nothing to take."""
    lanes = new_lanes(EQUAL)
    for lane in ("single", "batch"):
        for entry in add(lanes, 4, 5, lane=lane):
            entry.future.cancel()
    assert lanes.take() == []
    assert (lanes.tokens, bool(lanes)) == (0, False)
