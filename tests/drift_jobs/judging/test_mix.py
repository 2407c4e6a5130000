"""Kitagawa's split against values worked out by hand."""

import numpy as np
import pytest

from drift_jobs.judging.causes import kitagawa
from drift_jobs.runs import MixChange
from drift_jobs.statistics.samples import Sample


def _reviews(**products: tuple[int, int]) -> Sample:
    """Reviews of products `a`, `b`, ... given as (positive, negative)."""
    values = [np.repeat([1.0, 0.0], counts) for counts in products.values()]
    codes = [np.full(sum(counts), ord(name) - ord("a"), dtype=np.intp) for name, counts in products.items()]
    return Sample(np.concatenate(values), np.concatenate(codes))


def _split(current: Sample, reference: Sample) -> MixChange:
    found = kitagawa(current, reference)
    assert found is not None
    assert found.mix + found.within + found.unmatched == pytest.approx(found.change, abs=1e-12)
    return found


def test_other_proportions_of_the_same_products_are_mix() -> None:
    """A loved and a hated product trade places: all of the change is mix."""
    found = _split(_reviews(a=(24, 6), b=(2, 8)), _reviews(a=(8, 2), b=(6, 24)))
    assert [found.change, found.mix] == pytest.approx([26 / 40 - 14 / 40, 0.3])
    assert [found.within, found.unmatched, found.matched_share] == pytest.approx([0, 0, 1])


def test_other_answers_on_the_same_products_are_within() -> None:
    """Proportions stay and one of two equal products loses half of its praise: all of it is change within."""
    found = _split(_reviews(a=(4, 6), b=(5, 5)), _reviews(a=(8, 2), b=(5, 5)))
    assert [found.within, found.mix, found.unmatched] == pytest.approx([-0.2, 0, 0])


def test_both_at_once_are_weighed_by_the_mean_of_both_sides() -> None:
    """Parts 0.75 and 0.25 instead of halves, shares 0.6 and 0.4 instead of 0.8 and 0.4.

    Within is -0.2 x (0.75 + 0.5) / 2, mix is 0.25 x 0.7 - 0.25 x 0.4.
    """
    found = _split(_reviews(a=(18, 12), b=(4, 6)), _reviews(a=(16, 4), b=(8, 12)))
    assert [found.within, found.mix] == pytest.approx([-0.125, 0.075])


def test_new_and_lost_products_are_told_apart_from_the_others() -> None:
    """Half of the rows are of a new product without any praise; the common one keeps its share, and no mix is seen."""
    found = _split(_reviews(a=(8, 2), c=(0, 10)), _reviews(a=(16, 4), b=(0, 0)))
    assert [found.unmatched, found.mix, found.within] == pytest.approx([-0.4, 0, 0])
    assert found.matched_share == 0.5


def test_new_products_like_the_others_change_nothing() -> None:
    """Where every product has the same share, no part is other than zero however many are new or lost."""
    found = _split(_reviews(a=(6, 4), c=(12, 8)), _reviews(a=(30, 20), b=(3, 2), d=(3, 2)))
    assert [found.mix, found.within, found.unmatched] == pytest.approx([0, 0, 0])


def test_sides_exchanged_change_every_sign() -> None:
    """The weights are symmetric: judged from the other side, each part is its opposite."""
    random = np.random.default_rng(1)
    one, other = (
        Sample((random.random(n) < share).astype(float), random.integers(low, low + 30, n))
        for n, share, low in ((300, 0.7, 0), (500, 0.5, 10))
    )
    found, opposite = _split(one, other), _split(other, one)
    parts = [[each.change, each.mix, each.within, each.unmatched] for each in (found, opposite)]
    assert parts[0] == pytest.approx([-part for part in parts[1]])


def test_nothing_in_common_has_no_split() -> None:
    """Products that differ altogether, or a side without rows, cannot be split."""
    assert kitagawa(_reviews(a=(1, 2)), _reviews(b=(2, 1))) is None
    assert kitagawa(_reviews(a=(1, 2)), _reviews(a=(0, 0))) is None
    assert kitagawa(_reviews(a=(0, 0)), _reviews(a=(0, 0))) is None
