"""Decides about every row by numbers alone: which stand for their text, in which part they are, and in which order.

No text is needed here, and only few columns are in memory at once.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_train.preparation.duplicates import first_of_each, repeated
from sentiment_train.preparation.gathering import GatheredCounts
from sentiment_train.preparation.shingles import BANDS
from sentiment_train.preparation.splits import PARTS, UNTIMED_PARTS, assign, assign_untimed, find_cuts, written_cuts
from sentiment_train.preparation.stores import ColumnStore

TRAIN, VALIDATION, REFERENCE, LATER = range(len(PARTS))
_NEAR_TO = {TRAIN: (LATER, REFERENCE, VALIDATION), VALIDATION: (LATER, REFERENCE)}
"""Which parts a row of one that trains must not be near to."""
_NOT_NEAR = 255
_FIRST_BITS = 26
_SLICE_ROWS = 1 << 20
_REST = np.uint64(64 - _FIRST_BITS)


class SplitPlan(NamedTuple):
    """What becomes of each of n rows, and the counts for the record."""

    names: tuple[str, ...]
    """Of the parts."""
    part: NDArray[np.uint8]
    """`(n,)`, places in `names`; only kept rows count."""
    place: NDArray[np.int32]
    """`(n,)`, of the row in its part, by time; -1 for rows that are left out."""
    unseen: NDArray[np.bool_]
    """`(n,)`"""
    product_reviews: NDArray[np.uint32]
    """`(n,)`, unique reviews of the row's product."""
    own_id: NDArray[np.bool_]
    """`(n,)`, whether the source's id is unique among the kept rows."""
    cuts: dict[str, dict[str, str]]
    dropped: dict[str, int]
    copies_across_parts: int
    """Rows left out as copies that would have lain in another part than the copy that stays."""
    near: dict[str, dict[str, int]]
    """By part that rows were taken from, how many were near copies of texts in each other part."""
    keeps_near: bool
    """Whether near copies train after all, since too few rows would be left without them."""
    near_held_out: int
    """Rows of `reference` that are near copies of texts in the last part; none of the two trains, and they stay."""


def plan_splits(column_store: ColumnStore, gathered: GatheredCounts, label_of: dict[int, str | None]) -> SplitPlan:
    """Return what becomes of the rows in `column_store`; `label_of` gives the label of each grade.

    Near copies stay where a part that trains would lose all rows of a label with them, as in small sets of short texts.
    """
    names = PARTS if gathered.timed else UNTIMED_PARTS
    stands = _representatives(column_store, timed=gathered.timed)
    unique = stands == np.arange(len(stands))
    part, unseen, cuts = (
        _split(column_store, unique, list(gathered.categories)) if gathered.timed else _split_untimed(column_store)
    )
    crossing = int(np.sum(part[~unique] != part[stands[~unique]]))
    del stands
    kept = unique & np.isin(column_store.load("grade"), [grade for grade, label in label_of.items() if label])
    dropped = {"duplicate": int(np.sum(~unique)), "no label": int(np.sum(unique & ~kept))}
    near, near_held_out = _near_copies(column_store, part, kept)
    keeps_near = not _can_train(part, kept & (near == _NOT_NEAR), column_store.load("grade"), label_of)
    if keeps_near:
        near[:] = _NOT_NEAR
    kept &= near == _NOT_NEAR
    taken = {
        names[own]: {names[other]: int(np.sum((near == other) & (part == own))) for other in others}
        for own, others in _NEAR_TO.items()
    }
    dropped["near duplicate"] = sum(sum(others.values()) for others in taken.values())
    return SplitPlan(
        names=names,
        part=part,
        place=_places(column_store, part, kept),
        unseen=unseen,
        product_reviews=_product_reviews(column_store.load("product"), unique),
        own_id=_unique_ids(column_store, kept) if gathered.own_ids else np.zeros(len(kept), dtype=bool),
        cuts=cuts,
        dropped=dropped,
        copies_across_parts=crossing,
        near=taken,
        keeps_near=keeps_near,
        near_held_out=near_held_out,
    )


def _can_train(
    part: NDArray[np.uint8], kept: NDArray[np.bool_], grades: NDArray[np.int8], label_of: dict[int, str | None]
) -> bool:
    """Whether train and validation both have reviews of two labels."""
    present = [np.unique(grades[kept & (part == number)]).tolist() for number in (TRAIN, VALIDATION)]
    return all(len({label_of[grade] for grade in found}) > 1 for found in present)


def _representatives(column_store: ColumnStore, *, timed: bool) -> NDArray[np.int64]:
    """Return for each row the row that stands for its text: the earliest one, by product where times are equal.

    Without times it is one with the grade that most copies have.
    """
    keys = column_store.load("key")
    stands = np.arange(len(keys))
    rows = repeated(keys)
    order = [column_store.load(name)[rows] for name in ("time", "product_prefix", "digest", "grade", "category")]
    if not timed:
        copies = pl.DataFrame({"key": keys[rows], "grade": order[3]}).select(
            -pl.len().cast(pl.Int64).over("key", "grade")
        )
        order.insert(0, copies.to_series().to_numpy())
    stands[rows] = rows[first_of_each(keys[rows], order)]
    return stands


def _split(
    column_store: ColumnStore, unique: NDArray[np.bool_], names: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], dict[str, dict[str, str]]]:
    """Return part and unseen of all rows by cuts that come from the unique ones, and the cuts."""
    rows = pl.DataFrame({name: column_store.load(name) for name in ("product", "time", "category")}).select(
        "product", "category", pl.from_epoch("time", "us").dt.replace_time_zone("UTC").alias("timestamp")
    )
    cuts = find_cuts(rows.filter(unique))
    marked = pl.concat(assign(some, cuts).select("part", "unseen") for some in rows.iter_slices(_SLICE_ROWS))
    named = cuts.with_columns(pl.col("category").replace_strict(dict(enumerate(names)), return_dtype=pl.String))
    return marked["part"].to_numpy(), marked["unseen"].to_numpy(), written_cuts(named.sort("category"))


def _split_untimed(
    column_store: ColumnStore,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], dict[str, dict[str, str]]]:
    """Return part and unseen of all rows by hashes of products alone; there are no cuts."""
    marked = assign_untimed(pl.DataFrame({"product": column_store.load("product")}))
    return marked["part"].to_numpy(), marked["unseen"].to_numpy(), {}


def _near_copies(
    column_store: ColumnStore, part: NDArray[np.uint8], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], int]:
    """Return for each row the part that has a near copy of it, for which it must go; and the held-out pairs."""
    near = np.full(len(part), _NOT_NEAR, dtype=np.uint8)
    for own in (VALIDATION, TRAIN):
        for other in _NEAR_TO[own]:
            stays = kept & (part == other) & (near == _NOT_NEAR)
            near[_sharing_a_band(column_store, kept & (part == own) & (near == _NOT_NEAR), stays)] = other
    held_out = _sharing_a_band(column_store, kept & (part == REFERENCE), kept & (part == LATER))
    return near, int(held_out.sum())


def _sharing_a_band(column_store: ColumnStore, rows: NDArray[np.bool_], others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of `rows` share a band with one of `others`, all `(n,)`."""
    shares = np.zeros(len(rows), dtype=bool)
    for number in range(BANDS):
        band = column_store.load(f"band{number}")
        held = np.sort(band[others])  # np.unique takes ten times as long
        index = np.flatnonzero(rows & ~shares)
        # Most rows share nothing: their first bits tell that faster than a search.
        begins = np.zeros(1 << _FIRST_BITS, dtype=bool)
        begins[held >> _REST] = True
        index = index[begins[band[index] >> _REST]]
        if len(held) > 0:
            place = np.minimum(np.searchsorted(held, band[index]), len(held) - 1)
            shares[index[held[place] == band[index]]] = True
    return shares


def _product_reviews(product: NDArray[np.uint64], unique: NDArray[np.bool_]) -> NDArray[np.uint32]:
    products, counts = np.unique(product[unique], return_counts=True)
    place = np.minimum(np.searchsorted(products, product), len(products) - 1)
    reviews: NDArray[np.uint32] = counts.astype(np.uint32)[place]
    return reviews


def _unique_ids(column_store: ColumnStore, kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the kept rows have an id of the source's that no other kept row has."""
    own = column_store.load("own")
    rows = np.flatnonzero(kept & (own != 0))
    unique = np.zeros(len(kept), dtype=bool)
    unique[rows] = True
    unique[rows[repeated(own[rows])]] = False
    return unique


def _places(column_store: ColumnStore, part: NDArray[np.uint8], kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    place = np.full(len(kept), -1, dtype=np.int32)
    time, digest = column_store.load("time"), column_store.load("digest")
    for number in range(len(PARTS)):
        rows = np.flatnonzero(kept & (part == number))
        place[rows[np.lexsort((digest[rows], time[rows]))]] = np.arange(len(rows), dtype=np.int32)
    return place
