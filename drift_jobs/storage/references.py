"""What a window is compared with: the bundle's held-out rows, or another window of the prediction log."""

from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd
import pyarrow as pa
from sqlalchemy.ext.asyncio import AsyncConnection

from drift_jobs.errors import ReferenceUnavailable
from drift_jobs.judging.frames import DESCRIPTORS, label_set, matrix, sample_frame
from drift_jobs.storage.predictions import by_version, labels_fit, prediction_frame, read_predictions
from drift_jobs.windows import Window, parse_window
from sentiment_api.bundle import REFERENCE, Bundle

BUNDLE = "bundle"
_WINDOW = "window:"
_COLUMNS = [
    "label", "target", "product_cluster", "timestamp", "logits", "probabilities", "embedding", *DESCRIPTORS,
]  # fmt: skip


class Reference(msgspec.Struct, frozen=True):
    """The rows to compare with."""

    name: str
    """`bundle`, or `window:START..END`."""
    frames: dict[str, pd.DataFrame]
    """By model version: logits of different models are never compared."""


def parse_reference(written: str, zone: ZoneInfo) -> Window | None:
    """Return the window of `window:START..END`, or None for `bundle`.

    Raises:
        ReferenceUnavailable: it is written differently.
        WindowInvalid: the window cannot be read.
    """
    if written == BUNDLE:
        return None
    if not written.startswith(_WINDOW):
        raise ReferenceUnavailable(f"expected the reference {BUNDLE} or {_WINDOW}START..END, found {written!r}")
    return parse_window(written.removeprefix(_WINDOW), zone)


def reference_name(window: Window | None) -> str:
    """Return the name under which runs against this reference are kept."""
    return BUNDLE if window is None else f"{_WINDOW}{window}"


async def read_reference(connection: AsyncConnection, bundle: Bundle, window: Window | None) -> Reference:
    """Return the rows of `window`, or the bundle's for None.

    Raises:
        ReferenceUnavailable: the bundle has none, or its file is not what training writes.
    """
    if window is None:
        return Reference(BUNDLE, {bundle.manifest.version: _bundle_frame(bundle)})
    labels = label_set(bundle.manifest)
    versions = by_version(await read_predictions(connection, window))
    frames = {
        version: prediction_frame(rows, bundle.manifest)
        for version, rows in versions.items()
        if labels_fit(rows, labels)
    }
    return Reference(reference_name(window), frames)


def _bundle_frame(bundle: Bundle) -> pd.DataFrame:
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
            f"--reference {_WINDOW}START..END"
        )
    try:
        return pd.read_parquet(path, columns=_COLUMNS).sort_values("timestamp", kind="stable", ignore_index=True)
    except (OSError, pa.ArrowException) as error:
        raise ReferenceUnavailable(
            f"expected the columns {', '.join(_COLUMNS)} in {path}: {type(error).__name__}; export the model again "
            "with sentiment-train"
        ) from error
