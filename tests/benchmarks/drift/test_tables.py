"""The drift benchmark's tables: from which strength on a change is seen."""

import pytest

from benchmarks.drift.tables import seen_strength


@pytest.mark.parametrize(
    ("shares", "reached"),
    [
        ({"-3 points": 0.2, "-5 points": 0.7, "-10 points": 0.9}, "8 points"),
        ({"-3 points": 0.85, "-5 points": 1.0}, "3 points or less"),
        ({"+3 points": 0.1, "+5 points": 0.6}, "not with 5 points"),
        ({"20 % of texts": 0.8, "10 % of texts": 0.0}, "20 % of texts"),
    ],
)
def test_the_strength_that_8_of_10_windows_show_lies_between_those_tried(
    shares: dict[str, float], reached: str
) -> None:
    """On a straight line between two strengths; beyond those tried nothing is claimed."""
    rows = [{"strength": strength, "watch": {"share": share}} for strength, share in shares.items()]
    assert seen_strength(rows) == reached
