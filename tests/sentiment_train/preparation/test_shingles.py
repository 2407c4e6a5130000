"""Signatures of texts find near copies as often as theory says; exact likeness is measured on what is left."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentiment_train.preparation.duplicates import first_of_each, repeated
from sentiment_train.preparation.leakage import measure_leakage
from sentiment_train.preparation.shingles import BAND_ROWS, BANDS, Shingles, bands, shingles
from sentiment_train.preparation.splits import PARTS


def _sets(texts: list[str]) -> list[set[int]]:
    return [set(part.tolist()) for block in shingles(texts) for part in np.split(block.hashes, block.starts[1:])]


def _only(texts: list[str]) -> Shingles:
    (block,) = shingles(texts)
    return block


def test_shingles_are_three_words_in_a_row() -> None:
    """A text of n words has n - 2, the same wherever they stand, whatever the punctuation and the kind of quotes."""
    first, second, third = _sets(
        ["it\u2019s a “good” lamp, really", "well: it's a good lamp", "other words stand here now"]
    )
    assert (len(first), len(second), len(third)) == (4, 4, 3)
    assert len(first & second) == 3
    assert not first & third


def test_short_texts_are_one_shingle_each() -> None:
    """Texts of two, one and no words do not reach into the next text and differ from each other."""
    assert list(map(len, _sets(["good lamp", "good", "!!", "good lamp!"]))) == [1, 1, 1, 1]
    two, one, none, again = _sets(["good lamp", "good", "!!", "good lamp!"])
    assert two == again
    assert len(two | one | none) == 3
    assert _only(["good lamp", "", "é"]).words.tolist() == [2, 0, 1]


def test_blocks_do_not_change_the_sets() -> None:
    """A text has the same shingles alone and among so many that they are handled in several blocks."""
    texts = [f"number {n} of {n * n} and {'so ' * (n % 7)}on" * 400 for n in range(200)]
    assert len(list(shingles(texts))) > 1
    assert _sets(texts) == [_sets([text])[0] for text in texts]


@pytest.mark.parametrize("replaced", [1, 2, 3, 5])
def test_near_copies_are_found_as_often_as_theory_says(replaced: int) -> None:
    """The share of pairs with a band in common is 1 - (1 - J^8)^14 for their likeness J, within four errors."""
    random = np.random.Generator(np.random.PCG64(replaced))
    words = random.integers(0, 50_000, (1_000, 60)).astype(str)
    changed = words.copy()
    for row in changed:
        row[random.choice(60, replaced, replace=False)] = "new"
    texts, copies = ([" ".join(row) for row in rows] for rows in (words, changed))
    found = (bands(_only(texts)) == bands(_only(copies))).any(axis=1)
    likeness = np.array([len(a & b) / len(a | b) for a, b in zip(_sets(texts), _sets(copies), strict=True)])
    expected = 1 - (1 - likeness**BAND_ROWS) ** BANDS
    assert abs(found.mean() - expected.mean()) < 4 * np.sqrt(expected.mean() * (1 - expected.mean()) / 1_000) + 0.002


def test_different_texts_share_no_band() -> None:
    """A thousand texts over a small vocabulary, compared with each other, have no band in common."""
    random = np.random.Generator(np.random.PCG64(0))
    texts = [" ".join(row) for row in random.integers(0, 500, (1_000, 40)).astype(str)]
    assert all(len(np.unique(band)) == 1_000 for band in bands(_only(texts)).T)


def test_the_earliest_of_each_key_stands_for_it() -> None:
    """By the first array of the order, then by the second; a key alone stands for itself."""
    keys = np.array([7, 5, 7, 7, 5, 9], dtype=np.uint64)
    time, other = np.array([3, 1, 2, 2, 1, 0]), np.array([b"a", b"z", b"c", b"b", b"y", b"q"])
    assert first_of_each(keys, [time, other]).tolist() == [3, 4, 3, 3, 4, 5]
    assert sorted(repeated(keys)) == [0, 1, 2, 3, 4]


def test_the_leakage_that_is_left_is_measured(tmp_path: Path) -> None:
    """Equal texts, shared products and the exact likeness of near copies are found in finished parts."""
    words = ["this", "is", "review", "about", "the", "lamp", "which", "people", "bought"]
    texts = {part: [" ".join(f"{part}{n}{word}" for word in words) for n in range(40)] for part in PARTS}
    texts["later"][3] = texts["train"][8].upper()  # an equal text
    texts["reference"][4] = texts["validation"][9] + " now"  # one shingle more
    for part, rows in texts.items():
        products = ["shared" if part in {"train", "later"} else part, *(f"{part}-{n}" for n in range(39))]
        pl.DataFrame({"text": rows, "product_id": products}).write_parquet(tmp_path / f"{part}.parquet")
    found = measure_leakage(tmp_path, PARTS)
    assert found["texts_in_common"] == 1
    assert {pair: n for pair, n in found["products_in_common"].items() if n} == {"train, later": 1}
    assert (found["sample"]["texts"], found["sample"]["compared_with"]) == (80, 80)
    assert found["sample"]["likeness_at_least"]["0.8"] == 2
    assert found["sample"]["highest"] == 1.0
