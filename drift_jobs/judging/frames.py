"""The one shape of both sides of a comparison: a DataFrame with a row for each prediction, and never its text.

Columns: `label`, `score`, `target` (the true label, or missing), `cluster` (a number for each product, the same in any
frame; a row without a product is one by itself), `embedding` (an array, or None), every field of `Descriptors` as a
float, a probability for each label, and the logits: for two labels one column `logit`, the log-odds of the positive one
before calibration; for more, one column for each label. Columns that begin with `segment_` name a row's segments.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sentiment_api.model.bundle import Manifest
from sentiment_api.model.descriptors import Descriptors

DESCRIPTORS = tuple(field.name for field in msgspec.structs.fields(Descriptors))


class LabelSet(msgspec.Struct, frozen=True):
    """A model's labels in the order of its logits, and the one whose share is called up or down."""

    names: tuple[str, ...]
    positive: str

    @property
    def logit_columns(self) -> list[str]:
        """Return the columns that hold logits."""
        return ["logit"] if len(self.names) == 2 else [f"logit_{name}" for name in self.names]

    @property
    def probability_columns(self) -> list[str]:
        """Return the columns that hold probabilities, in the order of the labels."""
        return [f"probability_{name}" for name in self.names]


def label_set(manifest: Manifest) -> LabelSet:
    """Return the labels of a bundle. The positive one is what a rating of 5 stands for, else the last one."""
    return LabelSet(tuple(manifest.labels), manifest.rating_labels.get("5") or manifest.labels[-1])


def sample_frame(
    labels: LabelSet,
    *,
    logits: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    label: Iterable[str],
    target: Iterable[str | None],
    product: Iterable[str | None],
    embedding: Iterable[Sequence[float] | None],
    descriptors: Mapping[str, Iterable[float | None]],
) -> pd.DataFrame:
    """Return the frame of `n` predictions; `logits` and `probabilities` are `(n, n_labels)` in the order of `labels`.

    `product` names what a row's review is of, by any name. A target or predicted label outside `labels` is kept as it
    is; an empty embedding becomes None.
    """
    columns: dict[str, object] = {
        "label": _objects(label),
        "score": probabilities.max(axis=1, initial=0.0),
        "target": _objects(target),
        "cluster": _clusters(product),
        "embedding": _objects(_array_or_none(values) for values in embedding),
    }
    columns |= dict(zip(labels.probability_columns, probabilities.T, strict=True))
    columns |= _logit_columns(labels, logits)
    columns |= {name: np.array(list(descriptors[name]), dtype=float) for name in DESCRIPTORS}
    return pd.DataFrame(columns)


def matrix(values: Iterable[Sequence[float]], width: int) -> NDArray[np.float64]:
    """Return rows of `width` numbers as `(n, width)`, also when there are none.

    Raises:
        ValueError: a row has another width.
    """
    return np.array([np.asarray(row, dtype=float) for row in values], dtype=float).reshape(-1, width)


def _logit_columns(labels: LabelSet, logits: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    if len(labels.names) != 2:
        return dict(zip(labels.logit_columns, logits.T, strict=True))
    positive = labels.names.index(labels.positive)
    return {"logit": logits[:, positive] - logits[:, 1 - positive]}


def _clusters(product: Iterable[str | None]) -> NDArray[np.int64]:
    """Return a number for each row, `(n,)`: a hash of its product's name, so that frames agree about it.

    Rows without a product have negative numbers of their own. pandas shows a missing name among others as NaN, which is
    one object: without care all of them were one product.
    """
    return np.array(
        [_hash(name) if isinstance(name, str) else -1 - row for row, name in enumerate(product)], dtype=np.int64
    )


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def _array_or_none(values: Sequence[float] | None) -> NDArray[np.float64] | None:
    return None if values is None or len(values) == 0 else np.asarray(values, dtype=float)


def _objects(values: Iterable[object]) -> NDArray[np.object_]:
    """Return a column that holds its values as they are; pandas would guess a type, and numpy would stack arrays."""
    found = list(values)
    column = np.empty(len(found), dtype=object)
    for index, value in enumerate(found):
        column[index] = value
    return column
