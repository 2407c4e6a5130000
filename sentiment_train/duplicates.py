"""When two texts are the same, and which rows of many have the same text.

Compared are 64-bit hashes of normal forms. Among 10 million texts the chance that any two different ones share a hash
is 3 in a million.
"""

import unicodedata
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def normalized(text: str) -> str:
    """Return the form under which two texts count as the same: NFKC, lower case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return the 64-bit BLAKE2b of each text, read big-endian, `(n,)`."""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def earliest(keys: NDArray[np.uint64], order: list[NDArray[np.generic]]) -> NDArray[np.int64]:
    """Return for each row the row that stands for all with its key: the first by `order`.

    All arrays are `(n,)`; the first of `order` counts most.
    """
    by_key = np.argsort(keys, kind="stable")
    in_order = keys[by_key]
    same_as_next = in_order[1:] == in_order[:-1]
    shared = np.zeros(len(keys), dtype=bool)
    shared[1:] |= same_as_next
    shared[:-1] |= same_as_next
    rows = by_key[shared]
    del by_key, in_order
    chosen = np.arange(len(keys))
    if len(rows) > 0:
        rows = rows[np.lexsort([array[rows] for array in (*reversed(order), keys)])]
        begins = np.concatenate([[True], keys[rows[1:]] != keys[rows[:-1]]])
        chosen[rows] = rows[begins][np.cumsum(begins) - 1]
    return chosen


def are_unique(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which keys occur once, `(n,)`."""
    by_key = np.argsort(keys, kind="stable")
    same_as_next = keys[by_key[1:]] == keys[by_key[:-1]]
    unique = np.ones(len(keys), dtype=bool)
    unique[by_key[1:][same_as_next]] = False
    unique[by_key[:-1][same_as_next]] = False
    return unique
