"""Reviews as numbers: token ids in one array, and the order in which a fit takes them."""

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from sentiment_api.model.tokenizer import ReviewTokenizer
from sentiment_train.errors import UnusableData
from sentiment_train.fitting.sentences import sentence_crops
from sentiment_train.prepared import label_indexes

PADDING_MULTIPLE = 8
_CHUNK = 20_000
"""Texts that are tokenized at once: their lists of ids are held until they are in the array."""
_SORTED_STEPS = 50
"""Steps whose reviews are sorted by length together: enough to leave little padding, and no order within an epoch."""


class Examples:
    """n texts as token ids and label indexes: 2 bytes a token, so that millions of reviews fit into memory."""

    def __init__(self, part: pl.DataFrame, tokenizer: ReviewTokenizer, labels: list[str], vocabulary: int) -> None:
        """Tokenize the column text, and number the column label by its place in `labels`.

        Raises:
            UnusableData: a label is not among `labels`.
        """
        self._dtype = np.uint16 if vocabulary <= 1 << 16 else np.int32
        self.labels: NDArray[np.int64] = label_indexes(part["label"], labels)
        """`(n,)`"""
        self.targets: NDArray[np.float32] = np.eye(len(labels), dtype=np.float32)[self.labels]
        """The probability of each label that is to be learned, `(n, n_labels)`: 1 for the row's own."""
        self._ids, self.lengths = self._tokenized(part["text"], tokenizer)
        self._ends = np.cumsum(self.lengths)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def tokens(self) -> int:
        """Of all texts together."""
        return len(self._ids)

    def add(self, texts: list[str], labels: list[int], tokenizer: ReviewTokenizer) -> None:
        """Append further texts; all targets are their labels again."""
        ids, lengths = self._tokenized(pl.Series(texts, dtype=pl.String), tokenizer)
        self._ids = np.concatenate([self._ids, ids])
        self.lengths = np.concatenate([self.lengths, lengths])
        self.labels = np.concatenate([self.labels, np.array(labels, dtype=np.int64)])
        self.targets = np.eye(self.targets.shape[1], dtype=np.float32)[self.labels]
        self._ends = np.cumsum(self.lengths)

    def soften(self, probabilities: NDArray[np.float32], share: float) -> None:
        """Let the targets be `share` of `probabilities` `(n, n_labels)`, and the label for the rest."""
        self.targets = share * probabilities + (1 - share) * self.targets

    def batch(self, rows: NDArray[np.intp]) -> dict[str, torch.Tensor]:
        """Return input_ids and attention_mask `(rows, longest)`, int64, and targets `(rows, n_labels)`, float32.

        The longest is rounded up to a multiple of `PADDING_MULTIPLE`.
        """
        width = -(-int(self.lengths[rows].max()) // PADDING_MULTIPLE) * PADDING_MULTIPLE
        ids = np.zeros((len(rows), width), dtype=np.int64)
        for line, row in enumerate(rows):
            ids[line, : self.lengths[row]] = self._ids[self._ends[row] - self.lengths[row] : self._ends[row]]
        mask = np.arange(width) < self.lengths[rows][:, None]
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
            "targets": torch.from_numpy(self.targets[rows]),
        }

    def _tokenized(
        self, texts: pl.Series, tokenizer: ReviewTokenizer
    ) -> tuple[NDArray[np.uint16 | np.int32], NDArray[np.int32]]:
        """Return the ids of all texts one after the other, and the number of each."""
        ids, lengths = [np.empty(0, self._dtype)], [np.empty(0, np.int32)]
        for start in range(0, len(texts), _CHUNK):
            encoded = [tokens.ids for tokens in tokenizer.encode_batch(texts[start : start + _CHUNK].to_list())]
            ids.append(np.concatenate([np.array(each, dtype=self._dtype) for each in encoded]))
            lengths.append(np.array([len(each) for each in encoded], dtype=np.int32))
        return np.concatenate(ids), np.concatenate(lengths)


def read_examples(
    part: pl.DataFrame,
    tokenizer: ReviewTokenizer,
    labels: list[str],
    vocabulary: int,
    *,
    crops: float = 0.0,
    seed: int = 0,
) -> Examples:
    """Return the reviews of `part`, and after them their sentence crops (see `sentences`).

    Raises:
        UnusableData: it is empty, or has a label that is not among `labels`.
    """
    if part.is_empty():
        raise UnusableData(
            "expected reviews to train on and others to validate on, found an empty part; give more ratings"
        )
    examples = Examples(part, tokenizer, labels, vocabulary)
    if crops > 0:
        texts, of_labels = sentence_crops(part["text"].to_list(), examples.labels, crops, seed)
        examples.add(texts, of_labels, tokenizer)
    return examples


def steps_of_epoch(lengths: NDArray[np.int32], size: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Return the rows of each step of an epoch: every row once, in steps of `size` of about the same length.

    The longest step is the first: where memory does not suffice, it shows at once.
    """
    chosen = np.random.default_rng([seed, 2, epoch])
    order = chosen.permutation(len(lengths))
    span = size * _SORTED_STEPS
    pools = [order[start : start + span] for start in range(0, len(order), span)]
    ordered = np.concatenate([pool[np.argsort(-lengths[pool], kind="stable")] for pool in pools])
    steps = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    longest = max(range(len(steps)), key=lambda step: int(lengths[steps[step]].max()))
    shuffled = [steps[step] for step in chosen.permutation(len(steps)) if step != longest]
    return [steps[longest], *shuffled]
