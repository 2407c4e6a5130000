"""When two texts are the same, and which rows of many have the same text.

Compared are 64-bit hashes of normal forms. Among 10 million texts the chance that any two different ones share a hash
is 3 in a million.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray


def normalized(text: str) -> str:
    """Return the form under which two texts count as the same: NFKC, lower case, single blanks."""
    composed = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(composed.lower().split())


def hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return the 64-bit BLAKE2b of each text, read big-endian, `(n,)`."""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def repeated(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the rows whose key occurs more than once."""
    by_key = np.argsort(keys, kind="stable")
    same_as_next = keys[by_key[1:]] == keys[by_key[:-1]]
    is_shared = np.zeros(len(keys), dtype=bool)
    is_shared[1:] = same_as_next
    is_shared[:-1] |= same_as_next
    return by_key[is_shared]


def first_of_each(keys: NDArray[np.uint64], order: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return for each row the row that stands for all with its key: the first by `order`.

    All arrays are `(n,)`; the first of `order` counts most.
    """
    rows = np.lexsort([*reversed(order), keys])
    begins = np.flatnonzero(np.diff(keys[rows], prepend=~keys[rows[:1]]))
    chosen = np.empty(len(keys), dtype=np.int64)
    chosen[rows] = np.repeat(rows[begins], np.diff(begins, append=len(keys)))
    return chosen
