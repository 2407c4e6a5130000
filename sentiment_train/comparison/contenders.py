"""What is compared: two models, and rows that neither may have been trained on."""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from sentiment_api.model.bundle import CPU_MODEL, WEIGHTS, Bundle, open_bundle
from sentiment_train.errors import NotComparable
from sentiment_train.evaluation.texts import read_texts
from sentiment_train.prepared import held_out_part, read_data_record, read_part


class ComparedRows(NamedTuple):
    """What both models are asked."""

    source: Path
    """The file of the part, or the plain file."""
    reviews: pl.DataFrame
    """The columns id, text and label; of a prepared folder also product_id and those that `slices` reads."""
    data_hash: str | None
    """Of the prepared folder; None for a plain file."""


class Contender(NamedTuple):
    """One of the two models."""

    bundle: Bundle
    data_hash: str | None
    """Of the data that it was trained on; None when its folder does not say."""

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of the logits."""
        return self.bundle.manifest.labels

    def described(self) -> dict[str, Any]:
        """Return name, version, the data's hash, and in bytes the weights' files and the folder."""
        weights = [path for name in (CPU_MODEL, WEIGHTS) if (path := self.bundle.path(name)).exists()]
        everything = [path for path in self.bundle.folder.rglob("*") if path.is_file()]
        sizes = {path.name: path.stat().st_size for path in weights}
        return {
            "name": self.bundle.manifest.name,
            "version": self.bundle.manifest.version,
            "data_hash": self.data_hash,
            "bytes": {**sizes, "folder": sum(path.stat().st_size for path in everything)},
        }


def read_rows(data: Path | None, texts: Path | None, part: str | None, sample: int | None) -> ComparedRows:
    """Return the `part` of the prepared folder `data`, or else the file `texts`; with `sample` so many rows of it.

    Without a part it is the one that is held out.

    Raises:
        UnusableData: they cannot be read.
    """
    rows = prepared_rows(data, part or held_out_part(data)) if data is not None else plain_rows(texts or Path())
    return rows if sample is None else sampled(rows, sample)


def prepared_rows(data: Path, part: str) -> ComparedRows:
    """Return one part of a prepared folder.

    Raises:
        UnusableData: the folder has no such part, or no record.
    """
    return ComparedRows(data / f"{part}.parquet", _with_ids(read_part(data, part)), read_data_record(data)["hash"])


def plain_rows(file: Path) -> ComparedRows:
    """Return the labelled texts of a plain file, as `evaluate` reads it; without ids a row's is its number, from 0.

    Raises:
        UnusableData: the file cannot be read.
    """
    return ComparedRows(file, _with_ids(read_texts(file)), None)


def sampled(rows: ComparedRows, size: int) -> ComparedRows:
    """Return `size` of the rows, or all where there are no more: those whose ids have the smallest hashes, in order."""
    if size >= len(rows.reviews):
        return rows
    digests = [blake2b(each.encode(), digest_size=8).digest() for each in rows.reviews["id"]]
    drawn = sorted(sorted(range(len(digests)), key=digests.__getitem__)[:size])
    return rows._replace(reviews=rows.reviews[drawn])


def open_contender(folder: Path) -> Contender:
    """Return the bundle, or what `fit` made, in `folder`.

    Raises:
        BundleInvalid: the bundle is incomplete or damaged.
        NotComparable: the record of the fit is damaged.
    """
    bundle = open_bundle(folder)
    found = bundle.manifest.training.get("data_hash")
    record = folder / "fit.json"
    if found is None and record.exists():
        try:
            found = json.loads(record.read_text())["data"]["hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotComparable(f"{record} is damaged ({error!r}); fit the model again") from error
    return Contender(bundle, found)


def check_labels(a: Contender, b: Contender) -> None:
    """Return when both have the same labels, in whatever order.

    Raises:
        NotComparable: they do not.
    """
    if sorted(a.labels) != sorted(b.labels):
        raise NotComparable(
            f"expected two models with the same labels, found {a.labels} and {b.labels}; clients would see the change"
        )


def data_warnings(a: Contender, b: Contender, rows: ComparedRows, *, allow_other_data: bool) -> list[str]:
    """Return what is to be feared of the models having been trained on `rows`.

    Raises:
        NotComparable: B was not trained on the folder of the rows, so that it could have seen them.
    """
    if rows.data_hash is None:
        return [f"{rows.source.name} does not show whether a model was trained on its rows: be sure that none was"]
    warnings = []
    for name, model in (("A", a), ("B", b)):
        if model.data_hash == rows.data_hash:
            continue
        trained_on = f"the data {model.data_hash[:12]}..." if model.data_hash else "data that its folder does not name"
        warning = (
            f"{name} was trained on {trained_on}, not on {rows.data_hash[:12]}...: it may have seen these rows, and be "
            "less good than it looks"
        )
        if name == "B" and not allow_other_data:
            raise NotComparable(f"{warning}; give the prepared folder that it was fitted on, or --allow-other-data")
        warnings.append(warning)
    return warnings


def common_engine(a: Contender, b: Contender) -> str:
    """Return `cpu` where both have its file, else `torch`."""
    return "cpu" if all(model.bundle.path(CPU_MODEL).exists() for model in (a, b)) else "torch"


def _with_ids(reviews: pl.DataFrame) -> pl.DataFrame:
    if "id" in reviews.columns:
        return reviews.with_columns(pl.col("id").cast(pl.String))
    return reviews.with_columns(id=pl.int_range(len(reviews), eager=True).cast(pl.String))
