"""Reviews longer than the model reads: cut at its limit, or read whole in windows, which is right more often?

    python -m benchmarks long_texts --data prepared --parts validation later

`prepared` is what `sentiment-train prepare` makes. Writes long-texts.json.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import result_files
from benchmarks.steps import MODEL, Namespace, option
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier

OPTIONS = (
    option("--data", type=Path, required=True, metavar="FOLDER", help="made by `sentiment-train prepare`"),
    option("--parts", nargs="+", default=["validation"], metavar="PART", help="default validation"),
    MODEL,
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    cores = len(os.sched_getaffinity(0))
    classifier = Classifier.load(open_bundle(options.model), "cpu", cores)
    result = {
        "model": classifier.bundle.manifest.version,
        "max_tokens": classifier.bundle.manifest.max_tokens,
        "parts": {part: _compare(classifier, options.data / f"{part}.parquet", cores) for part in options.parts},
    }
    result_files.write(options.out, "long-texts", result)
    print(json.dumps(result["parts"], indent=2))


def _compare(classifier: Classifier, path: Path, threads: int) -> dict[str, float]:
    rows = pl.read_parquet(path, columns=["text", "label"])
    long = [(text, label) for text, label in rows.iter_rows() if classifier.encode(text).truncated]
    with ThreadPoolExecutor(threads) as pool:
        cut = list(pool.map(lambda row: _is_right(classifier, *row, whole=False), long))
        whole = list(pool.map(lambda row: _is_right(classifier, *row, whole=True), long))
    return {
        "texts": len(rows),
        "long_texts": len(long),
        "right_when_cut": sum(cut),
        "right_in_windows": sum(whole),
        "only_right_when_cut": sum(a and not b for a, b in zip(cut, whole, strict=True)),
        "only_right_in_windows": sum(b and not a for a, b in zip(cut, whole, strict=True)),
    }


def _is_right(classifier: Classifier, text: str, label: str, *, whole: bool) -> bool:
    reading = classifier.encode_windows(text, whole=whole)
    logits = reading.weighted_mean([classifier.forward([window.ids]).logits[0] for window in reading.windows])
    return classifier.labels[int(np.argmax(logits))] == label
