"""Whether a text's answer depends on the texts of its batch."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.engines.candidates import Logits, PaddedRun, Run

TOLERANCE = 1e-3
"""Of probabilities. Sums in another order move them by 1e-6."""
_TEXTS = 16
_EQUAL_TOKENS = 64
_SHORTEST, _LONGEST = 8, 128
_PADDING = 0


def sample(texts: list[list[int]], rare_id: int) -> list[list[int]]:
    """Return 16 texts of `_LONGEST` tokens from the token ids `texts`; one of them is a rare token, again and again.

    The outlier is what gives a batch a scale that does not suit the others.
    """
    tokens = [token for text in texts for token in text[1:-1]]
    opening, closing = texts[0][0], texts[0][-1]
    inner = _LONGEST - 2
    rows = np.resize(np.array(tokens), (_TEXTS, inner))
    rows[_TEXTS // 2] = rare_id
    return [[opening, *row, closing] for row in rows.tolist()]


def equal_lengths(run: Run, texts: list[list[int]], temperature: float) -> float:
    """Return the largest difference of a probability between alone and in one batch, at equal lengths."""
    ids = np.array([_cut(text, _EQUAL_TOKENS) for text in texts])
    alone = np.concatenate([run(row[None]) for row in ids])
    return _largest_difference(alone, run(ids), temperature)


def unequal_lengths(run: PaddedRun, texts: list[list[int]], temperature: float) -> float:
    """Return the same for texts of 8 to 128 tokens, padded in the batch and alone not."""
    lengths = np.linspace(_SHORTEST, _LONGEST, len(texts)).astype(int)
    cut = [_cut(text, length) for text, length in zip(texts, lengths, strict=True)]
    alone = np.concatenate([run(np.array([text]), np.ones((1, len(text)), dtype=np.int64)) for text in cut])
    ids = np.array([text + [_PADDING] * (_LONGEST - len(text)) for text in cut])
    mask = (np.arange(_LONGEST) < lengths[:, None]).astype(np.int64)
    return _largest_difference(alone, run(ids, mask), temperature)


def probabilities(logits: Logits, temperature: float) -> NDArray[np.float32]:
    """Return the calibrated probabilities `(texts, labels)`."""
    exponentials = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    shares: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def _cut(text: list[int], tokens: int) -> list[int]:
    return [*text[: tokens - 1], text[-1]]


def _largest_difference(alone: Logits, together: Logits, temperature: float) -> float:
    difference = probabilities(alone, temperature) - probabilities(together, temperature)
    return float(np.abs(difference).max())
