"""The parts that a review may fall into, by rules that are worked out by hand here."""

import datetime as dt
from hashlib import blake2b

import polars as pl
import pytest

from sentiment_train.preparation.splits import PARTS, assign, find_cuts, product_hashes, written_cuts

# `printf kettle | b2sum --length 64`, read as one big-endian number.
_KETTLE = 0x18F05A35C1FD03A9
_LAMP = 0x2AFC15E301F7046B
_FRIDGE = 0x854FFCEA8B089CE3


def _reviews(*rows: tuple[str, int], category: str = "home") -> pl.DataFrame:
    """Reviews of (product, day of January 2024)."""
    return pl.DataFrame(
        {
            "product_id": [product for product, _ in rows],
            "timestamp": [dt.datetime(2024, 1, day, tzinfo=dt.UTC) for _, day in rows],
            "category": [category] * len(rows),
        }
    )


def _split(reviews: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, dict[str, str]]]:
    """The reviews with their part by name, and the cuts by category."""
    hashed = reviews.with_columns(product=pl.Series(product_hashes(reviews["product_id"])))
    cuts = find_cuts(hashed)
    marked = assign(hashed, cuts).with_columns(part=pl.col("part").replace_strict(dict(enumerate(PARTS))))
    return marked, written_cuts(cuts)


def _parts(reviews: pl.DataFrame) -> list[str]:
    return _split(reviews)[0]["part"].to_list()


@pytest.mark.parametrize(("product", "expected"), [("kettle", _KETTLE), ("lamp", _LAMP), ("fridge", _FRIDGE)])
def test_a_product_hash_is_eight_bytes_read_big_endian(product: str, expected: int) -> None:
    """The hash is the number that the b2sum program prints, first byte most significant."""
    assert product_hashes(pl.Series(["mug", product, product])).tolist()[1:] == [expected, expected]
    first, *rest = blake2b(product.encode(), digest_size=8).digest()
    assert expected >> 56 == first
    assert len(rest) == 7


def test_one_product_in_five_is_unseen() -> None:
    """A product is unseen exactly when its hash is a multiple of five."""
    assert (_KETTLE % 5, _LAMP % 5) == (0, 1)
    marked, _ = _split(_reviews(("kettle", 1), ("lamp", 1), ("kettle", 9), ("lamp", 9)))
    assert marked["unseen"].to_list() == [True, False, True, False]


def test_about_a_fifth_of_many_products_is_unseen() -> None:
    """Of a thousand products between 17 % and 23 % are unseen."""
    hashed = product_hashes(pl.Series([f"product {number}" for number in range(1000)]))
    assert 170 <= int((hashed % 5 == 0).sum()) <= 230


def test_later_begins_at_the_80_percent_quantile() -> None:
    """Of ten days the eighth is the cut (the lower neighbour of position 7.2), and it belongs to `later`."""
    marked, cuts = _split(_reviews(*(("lamp", day) for day in range(1, 11))))
    assert marked.filter(part="later")["timestamp"].dt.day().to_list() == [8, 9, 10]
    assert cuts["home"]["later"] == "2024-01-08T00:00:00+00:00"


def test_each_category_has_its_own_cut() -> None:
    """A category that ended early gives its last fifth to `later` although all of it is older than the other's cut."""
    early = _reviews(*(("lamp", day) for day in range(1, 6)), category="books")
    late = _reviews(*(("lamp", day) for day in range(21, 26)), category="toys")
    marked, cuts = _split(pl.concat([early, late]))
    assert marked.filter(part="later").group_by("category").len().sort("category").rows() == [("books", 2), ("toys", 2)]
    assert (cuts["books"]["later"][:10], cuts["toys"]["later"][:10]) == ("2024-01-04", "2024-01-24")


def test_an_unseen_product_is_reference_before_the_cut_and_later_after() -> None:
    """Time comes first: only what is not `later` becomes the reference."""
    assert _parts(_reviews(*(("kettle", day) for day in range(1, 11)))) == ["reference"] * 7 + ["later"] * 3


def test_validation_is_the_end_of_training_time() -> None:
    """Of fifteen training days the fourteenth is the cut (the lower neighbour of position 13.3)."""
    reviews = _reviews(*(("lamp", day) for day in range(1, 21)))
    assert _parts(reviews) == ["train"] * 13 + ["validation"] * 2 + ["later"] * 5


def test_validation_is_one_seen_product_in_twenty() -> None:
    """A seen product validates when the quotient of its hash by five is a multiple of twenty."""
    assert (_FRIDGE % 5 != 0, _FRIDGE // 5 % 20) == (True, 0)
    assert (_LAMP // 5 % 20) != 0
    days = [("lamp", day) for day in range(1, 21)]
    assert _parts(_reviews(("fridge", 1), ("lamp", 1), *days))[:2] == ["validation", "train"]


def test_validation_takes_nothing_from_the_other_parts() -> None:
    """Reviews of unseen products and of later days are the same ones whether or not there is a validation product."""
    days = list(range(1, 21))
    with_lamp = _parts(_reviews(*(("lamp", d) for d in days), *(("kettle", d) for d in days)))
    with_fridge = _parts(_reviews(*(("fridge", d) for d in days), *(("kettle", d) for d in days)))
    kept = {"reference", "later"}
    assert [part for part in with_lamp if part in kept] == [part for part in with_fridge if part in kept]
    assert set(with_fridge) - kept == {"validation"}


def test_no_training_cut_without_training_rows() -> None:
    """When every product is unseen, the validation cut is written down as empty."""
    _, cuts = _split(_reviews(*(("kettle", day) for day in range(1, 11))))
    assert cuts["home"]["validation"] == ""
