"""What replicas do and take: how reviews are divided for it."""

from benchmarks.speed.capacity.replicas import lengths


def test_reviews_are_divided_by_their_length() -> None:
    """Beside all texts there are those around the shortest tenth, the middle and the longest twentieth."""
    texts = ["x" * length for length in range(1, 101)]
    divided = lengths(texts)
    assert divided["mixed"] == texts
    assert {name: (len(some[0]), len(some[-1])) for name, some in divided.items()} == {
        "mixed": (1, 100),
        "short": (9, 12),
        "median": (49, 52),
        "long": (94, 97),
    }
