"""A text longer than the model reads, as overlapping windows whose answers are put together.

Every token has the same say: a window weighs as many tokens as it has, those that it shares with a neighbour by half.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAP_SHARE = 0.25
"""Least share of a window that its neighbour reads too, so that no sentence is only seen cut in two."""


class TextWindow(NamedTuple):
    """The part of a text that one forward pass reads."""

    ids: list[int]
    """Token ids with both special tokens."""
    weight: float
    """Its say in the text's answer; the weights of a text add up to 1."""


class EncodedText(NamedTuple):
    """A text as token ids, in one window or several."""

    windows: list[TextWindow]
    tokens: int
    """Of the text as far as it is read, special tokens included."""
    truncated: bool
    """Whether the text goes on after that."""

    def weighted_mean(self, rows: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the weighted mean of `rows`, one `(dim,)` for each window, as `(dim,)`."""
        mean: NDArray[np.float32] = np.einsum("w,wi->i", [window.weight for window in self.windows], rows)
        return mean.astype(np.float32)


def split_into_windows(ids: list[int], max_tokens: int) -> list[TextWindow]:
    """Return the windows of a whole encoded text, special tokens included: as few as cover it, evenly spaced.

    A text of at most `max_tokens` is one window.
    """
    if len(ids) <= max_tokens:
        return [TextWindow(ids, 1.0)]
    first, content, last = ids[:1], ids[1:-1], ids[-1:]
    size = max_tokens - 2
    step = size - math.ceil(OVERLAP_SHARE * size)
    count = 1 + math.ceil((len(content) - size) / step)
    starts = [round(number * (len(content) - size) / (count - 1)) for number in range(count)]
    readers = np.zeros(len(content))
    for start in starts:
        readers[start : start + size] += 1
    return [
        TextWindow(
            [*first, *content[start : start + size], *last],
            float((1 / readers[start : start + size]).sum()) / len(content),
        )
        for start in starts
    ]
