"""The reference that a bundle brings: its held-out rows in `reference.parquet`, as a frame."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.judging.frames import DESCRIPTORS, label_set, matrix, sample_frame
from sentiment_api.model.bundle import REFERENCE, Bundle

_COLUMNS = [
    "label", "target", "product_cluster", "timestamp", "logits", "probabilities", "embedding", *DESCRIPTORS,
]  # fmt: skip


def bundle_frame(bundle: Bundle) -> pd.DataFrame:
    """Return the held-out rows in the order of their time.

    Raises:
        ReferenceUnavailable: the bundle has none, or its file is not what training writes.
    """
    labels = label_set(bundle.manifest)
    rows = _read_parquet(bundle.path(REFERENCE))
    try:
        return sample_frame(
            labels,
            logits=matrix(rows["logits"], len(labels.names)),
            probabilities=matrix(rows["probabilities"], len(labels.names)),
            label=rows["label"],
            target=(value if isinstance(value, str) else None for value in rows["target"]),
            product=rows["product_cluster"],
            embedding=rows["embedding"],
            descriptors={name: rows[name] for name in DESCRIPTORS},
        )
    except (TypeError, ValueError) as error:
        raise ReferenceUnavailable(
            f"expected {len(labels.names)} logits and probabilities in each row of {bundle.path(REFERENCE)}, found "
            "others; export the model again with sentiment-train"
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ReferenceUnavailable(
            f"expected a reference at {path}, found none; export the model with sentiment-train, or give "
            "--reference window:START..END"
        )
    try:
        return pd.read_parquet(path, columns=_COLUMNS).sort_values("timestamp", kind="stable", ignore_index=True)
    except (OSError, pa.ArrowException) as error:
        raise ReferenceUnavailable(
            f"expected the columns {', '.join(_COLUMNS)} in {path}: {type(error).__name__}; export the model again "
            "with sentiment-train"
        ) from error
