"""What others read of a folder that `prepare` made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sentiment_train.errors import UnusableData


def read_part(data: Path, part: str) -> pl.DataFrame:
    """Return one part of a prepared folder, in order of time.

    Raises:
        UnusableData: the folder has no such part.
    """
    path = data / f"{part}.parquet"
    try:
        return pl.read_parquet(path)
    except FileNotFoundError as error:
        others = sorted(each.stem for each in data.glob("*.parquet"))
        has = f"; it has {', '.join(others)}" if others else ""
        raise UnusableData(f"expected a folder made by `sentiment-train prepare`, found no {path}{has}") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(f"{path} is damaged ({error}); prepare the ratings again") from error


def read_data_record(data: Path) -> dict[str, Any]:
    """Return what `prepare` wrote down about the folder `data`.

    Raises:
        UnusableData: there is no such record.
    """
    path = data / "data.json"
    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        raise UnusableData(f"expected a folder made by `sentiment-train prepare`, found no {path}") from error
    except ValueError as error:
        raise UnusableData(f"{path} is damaged ({error}); prepare the ratings again") from error
    return record


def held_out_part(data: Path) -> str:
    """Return the part whose figures are reported: `later`, or `held_out` where reviews have no times.

    Raises:
        UnusableData: `data` is no prepared folder.
    """
    return held_out_name(read_data_record(data))


def held_out_name(record: Mapping[str, Any]) -> str:
    """Return the name of that part from a record of data or of training; older ones knew `later` alone."""
    return str(record.get("split", {}).get("held_out", "later"))


def label_indexes(column: pl.Series, labels: list[str]) -> NDArray[np.int64]:
    """Return each label's place in `labels`, `(n,)`.

    Raises:
        UnusableData: a label is not among `labels`.
    """
    if unknown := set(column.unique()) - set(labels):
        raise UnusableData(
            f"expected the labels {labels}, found {sorted(unknown)} too; prepare the data for this model"
        )
    return column.replace_strict(labels, range(len(labels)), return_dtype=pl.Int64).to_numpy()
