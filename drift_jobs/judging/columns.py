"""Two frames as plain arrays that know their clusters: the shape in which tests see them and windows are drawn."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drift_jobs.judging.frames import DESCRIPTORS, LabelSet
from drift_jobs.statistics.samples import Codes, Floats, Sample

Flags = NDArray[np.bool_]


class Columns(NamedTuple):
    """One side of a comparison; each array has a row for each prediction."""

    numbers: dict[str, Floats]
    """Descriptors, logits and score by name; NaN where there is no number."""
    embedding: Floats
    """`(n, dim)`; a row of NaN where there is none."""
    shares: Floats
    """`(n, n_labels)`: 1 for the given label, else 0; zeros where the label is none of the model's."""
    hits: Floats
    """1 where the label is right, 0 where wrong, NaN where the true label is not known."""
    clusters: Codes
    """From 0 on; of `paired_columns`, the same product has one number on both sides."""
    products: Codes | None = None
    """Where they are not the clusters: of drawn rows."""

    def take(self, rows: Codes, clusters: Codes | None = None) -> "Columns":
        """Return the given rows, which may repeat; with `clusters` these are theirs, and the old ones the products."""
        return Columns(
            {name: values[rows] for name, values in self.numbers.items()},
            self.embedding[rows],
            self.shares[rows],
            self.hits[rows],
            self.clusters[rows] if clusters is None else clusters,
            None if clusters is None else self.clusters[rows],
        )

    def numbers_of(self, name: str) -> Sample:
        """Return the finite values of one column."""
        return self._kept(self.numbers[name], np.isfinite(self.numbers[name]))

    def embeddings(self) -> Sample:
        """Return `(k, dim)` of the rows that have an embedding."""
        missing = (~np.isfinite(self.embedding)).sum(axis=1)
        return self._kept(self.embedding, (missing == 0) & (self.embedding.shape[1] > 0))

    def label_shares(self) -> Sample:
        """Return `(k, n_labels)` of the rows with one of the labels."""
        return self._kept(self.shares, self.shares.sum(axis=1) > 0)

    def known_hits(self) -> Sample:
        """Return right or wrong, `(k,)`, of the rows whose true label is known."""
        return self._kept(self.hits, np.isfinite(self.hits))

    def _kept(self, values: Floats, kept: Flags) -> Sample:
        products = None if self.products is None else self.products[kept]
        return Sample(values[kept], self.clusters[kept], products)


def paired_columns(current: pd.DataFrame, reference: pd.DataFrame, labels: LabelSet) -> tuple[Columns, Columns]:
    """Return both sides, with one number for each product and embeddings of one width."""
    together = np.concatenate([current["cluster"].to_numpy(), reference["cluster"].to_numpy()])
    codes = np.unique(together, return_inverse=True)[1].astype(np.intp)
    width = min(_width(current), _width(reference))
    return (
        _columns(current, labels, codes[: len(current)], width),
        _columns(reference, labels, codes[len(current) :], width),
    )


def _columns(frame: pd.DataFrame, labels: LabelSet, clusters: Codes, width: int) -> Columns:
    names = [*DESCRIPTORS, *labels.logit_columns, "score"]
    numbers = {name: frame[name].to_numpy(dtype=float) for name in names}
    known = frame["target"].isin(labels.names).to_numpy() & np.isfinite(numbers["score"])
    right = (frame["label"] == frame["target"]).to_numpy(dtype=float)
    return Columns(
        {name: np.where(np.isfinite(values), values, np.nan) for name, values in numbers.items()},
        _embedding(frame, width),
        np.stack([(frame["label"] == name).to_numpy(dtype=float) for name in labels.names], axis=1),
        np.where(known, right, np.nan),
        clusters,
    )


def _width(frame: pd.DataFrame) -> int:
    """Return the most frequent length of an embedding, 0 when there is none."""
    widths = np.array([0 if row is None else len(row) for row in frame["embedding"]], dtype=int)
    return int(np.bincount(widths[widths > 0]).argmax()) if (widths > 0).any() else 0


def _embedding(frame: pd.DataFrame, width: int) -> Floats:
    missing = np.full(width, np.nan)
    rows = [row if row is not None and len(row) == width else missing for row in frame["embedding"]]
    return np.array(rows, dtype=float).reshape(len(frame), width)
