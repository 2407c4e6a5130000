"""The index of the spool: under a key of 64 bits the places of records, 16 bytes for each record.

It is in memory alone, and made from the segments. A key is a hash: who reads a record compares the id in it.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import numpy.typing as npt

_PAGE_ROWS = 1 << 15
_POSITION_BITS = 32
"""Segments are far smaller than 4 GiB."""
_POSITION_MASK = (1 << _POSITION_BITS) - 1


class _Page:
    """Rows in the order in which they were added. It goes when all of its segments have."""

    def __init__(self) -> None:
        self.keys = np.empty(_PAGE_ROWS, np.int64)
        self.places = np.empty(_PAGE_ROWS, np.uint64)
        self.used = 0
        self.numbers: set[int] = set()

    def take(self, keys: Sequence[int], places: npt.NDArray[np.uint64]) -> int:
        """Add as many rows as fit; return how many."""
        taken = min(len(keys), _PAGE_ROWS - self.used)
        end = self.used + taken
        self.keys[self.used : end] = keys[:taken]
        self.places[self.used : end] = places[:taken]
        self.used = end
        return taken

    def places_of(self, key: int) -> npt.NDArray[np.uint64]:
        found: npt.NDArray[np.uint64] = self.places[: self.used][self.keys[: self.used] == key]
        return found


class RecordIndex:
    """Keys of records and where they lie: the number of a segment and the position in it. Not for several threads."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._pages: list[_Page] = []
        self._numbers: set[int] = set()

    @property
    def size_bytes(self) -> int:
        """How much memory its rows take."""
        return sum(page.keys.nbytes + page.places.nbytes for page in self._pages)

    def add(self, number: int, keys: Sequence[int], positions: Sequence[int]) -> None:
        """Add records of the segment of that number: a key and a position, in bytes from the start, for each."""
        self._numbers.add(number)
        places = np.array(positions, np.uint64) | np.uint64(number << _POSITION_BITS)
        while len(keys):
            if not self._pages or self._pages[-1].used == _PAGE_ROWS:
                self._pages.append(_Page())
            page = self._pages[-1]
            page.numbers.add(number)
            taken = page.take(keys, places)
            keys, places = keys[taken:], places[taken:]

    def keep(self, numbers: AbstractSet[int]) -> None:
        """Forget the segments that are not among these. Their memory is free once no other shares a page with them."""
        self._numbers &= numbers
        for page in self._pages:
            page.numbers &= numbers
        self._pages = [page for page in self._pages if page.numbers]

    def places_of(self, key: int, order: Callable[[int], Any]) -> Iterator[tuple[int, int]]:
        """Yield segment and position of each record with this key, the last one first.

        `order` gives what segments are ordered by, from a number.
        """
        found = [page.places_of(key) for page in self._pages]
        places = np.concatenate(found) if found else np.empty(0, np.uint64)
        segments = places >> np.uint64(_POSITION_BITS)
        for number in sorted(self._numbers.intersection(np.unique(segments).tolist()), key=order, reverse=True):
            positions = places[segments == number] & np.uint64(_POSITION_MASK)
            for position in np.sort(positions)[::-1].tolist():
                yield number, position
