"""The index of the spool gives places back, last one first, and forgets segments."""

from sentiment_api.prediction_log.look_ups.record_index import RecordIndex

MANY = 100_000
"""More rows than one page of the index has."""


def order(number: int) -> int:
    """Order segments by their numbers."""
    return number


def test_places_come_last_one_first() -> None:
    """Those of the last segment go first, and within a segment those at its end, in whatever order they were added."""
    index = RecordIndex()
    index.add(1, [7, 8, 7], [0, 50, 100])
    index.add(0, [7, 9], [10, 20])
    assert list(index.places_of(7, order)) == [(1, 100), (1, 0), (0, 10)]
    assert list(index.places_of(7, lambda number: -number)) == [(0, 10), (1, 100), (1, 0)]
    assert list(index.places_of(6, order)) == []


def test_a_segment_may_have_more_records_than_a_page() -> None:
    """Every one of many is found, among them those with the largest numbers there are."""
    index = RecordIndex()
    index.add(2**31, range(MANY), [2**32 - 1 - key for key in range(MANY)])
    index.add(3, range(MANY), range(MANY))
    for key in (0, 40_000, MANY - 1):
        assert list(index.places_of(key, order)) == [(2**31, 2**32 - 1 - key), (3, key)]


def test_memory_is_bounded_by_the_records_and_given_back() -> None:
    """Many records cost 16 bytes each and at most a page more; when their segments are forgotten nothing is left."""
    index = RecordIndex()
    for number in range(10):
        index.add(number, range(MANY // 10), range(MANY // 10))
    assert 16 * MANY <= index.size_bytes <= 16 * MANY + (1 << 19)
    index.keep({9})
    assert index.size_bytes <= 1 << 20
    assert list(index.places_of(5, order)) == [(9, 5)]
    index.keep(set())
    assert (index.size_bytes, list(index.places_of(5, order))) == (0, [])
