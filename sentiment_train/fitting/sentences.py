"""Cuts short pieces out of reviews, to train on beside the reviews themselves.

Reviews are long and mostly positive: a model that saw nothing else calls a short sentence positive too readily. The
pieces are therefore short, and as many for each label.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MIN_WORDS = 4
MAX_SENTENCES = 2
_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"')])\s+|\n+")


def sentence_crops(
    texts: list[str], labels: NDArray[np.integer], share: float, seed: int
) -> tuple[list[str], list[int]]:
    """Return short pieces of `texts`, each 1 or 2 consecutive sentences, and the labels of the texts they are from.

    There are about `share` times as many as there are texts with at least two sentences, equally many of each label,
    and fewer where a label has no more of them. The same arguments give the same pieces; none comes twice from a text.
    """
    counts = np.array([len(_pieces(text)) for text in texts])
    kinds = np.unique(labels)
    each = min(
        int(share * np.count_nonzero(counts)) // len(kinds), *(int(counts[labels == kind].sum()) for kind in kinds)
    )
    crops: list[str] = []
    for kind in kinds:
        rows = np.flatnonzero((labels == kind) & (counts > 0))
        drawn = _drawn(texts, rows, counts[rows], seed)
        crops.extend(piece for piece, _ in zip(drawn, range(each), strict=False))
    return crops, np.repeat(kinds, each).tolist()


def _drawn(texts: list[str], rows: NDArray[np.intp], counts: NDArray[np.intp], seed: int) -> Iterator[str]:
    """Yield one piece of each text in random order, then a second one of each that has it, and so on."""
    chosen = np.random.default_rng([seed, 1])
    for turn in range(int(counts.max(initial=0))):
        for row in chosen.permutation(rows[counts > turn]):
            pieces = _pieces(texts[row])
            order = np.random.default_rng([seed, int(row)]).permutation(len(pieces))
            yield pieces[order[turn]]


def _pieces(text: str) -> list[str]:
    """Return every piece of `text` that may be drawn; none where it has one sentence only."""
    sentences = [sentence.strip() for sentence in _END.split(text) if sentence.strip()]
    spans = [
        " ".join(sentences[start : start + length])
        for length in range(1, MAX_SENTENCES + 1)
        for start in range(len(sentences) - length + 1)
        if length < len(sentences)
    ]
    return list(dict.fromkeys(span for span in spans if len(span.split()) >= MIN_WORDS))
