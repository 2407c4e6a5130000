"""Memory and time of `sentiment-train prepare` on generated ratings.

    python -m benchmarks prepare_memory                       # 10 million rows; half an hour
    python -m benchmarks prepare_memory --rows 200000

Writes prepare-memory.json. The ratings are a csv file of made-up words, with entities, mojibake, exact copies and near
copies in known shares. Memory is the most that the process and its children held at one moment, in MB, shared pages
counted (RSS). Where other programs run too, the processor's seconds tell more than the clock's.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from benchmarks import result_files
from benchmarks.processes import let_pass
from benchmarks.steps import Namespace, option

_LIMIT_MB = 2_000
_SAMPLE_S = 0.2
_CHUNK = 100_000
_WORDS = 30_000
_START_S, _SPAN_S = 1_262_304_000, 473_000_000  # fifteen years from 2010 on

OPTIONS = (
    option("--rows", type=int, default=10_000_000, help="default 10 million"),
    option("--ratings", type=Path, help="a file that an earlier run generated"),
    option("--seed", type=int, default=1, help="default 1"),
    option("--folder", type=Path, help="for some 12 GB of scratch files"),
)


def run(options: Namespace) -> int:
    """Generate, prepare, write the results; return 1 when prepare fails or takes more memory than it may."""
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="prepare-memory-") as scratch:
        ratings, out = options.ratings or Path(scratch) / "ratings.csv", Path(scratch) / "out"
        if not options.ratings:
            _generate(ratings, options.rows, options.seed)
            print(f"generated {options.rows} rows, {ratings.stat().st_size / 1e6:.0f} MB", flush=True)
        command = [sys.executable, "-m", "sentiment_train", "prepare", str(ratings), "--out", str(out)]
        figures = _watched(command)
        if figures["exit_code"] == 0:
            record = json.loads((out / "data.json").read_text())
            figures |= {key: record[key] for key in ("rows_read", "rows_left_out", "texts_mended", "near_duplicates")}
            figures |= {"leakage": record["leakage"], "parts": {k: v["rows"] for k, v in record["parts"].items()}}
            figures["rows_a_second"] = round(record["rows_read"] / figures["seconds"])
        figures["ratings_mb"] = round(ratings.stat().st_size / 1e6)
    result_files.write(options.out, "prepare-memory", figures)
    print(json.dumps(figures, indent=2))
    return 0 if figures["exit_code"] == 0 and figures["peak_mb"] <= _LIMIT_MB else 1


def _generate(path: Path, rows: int, seed: int) -> None:
    """Write a csv file of made-up ratings: 5 % exact copies, 2 % near copies, some entities and mojibake."""
    random = np.random.Generator(np.random.PCG64(seed))
    words = _vocabulary(random)
    with path.open("wb") as file:
        file.write(b"reviewText,overall,asin,unixReviewTime\n")
        for begin in range(0, rows, _CHUNK):
            _chunk(random, words, min(_CHUNK, rows - begin)).write_csv(file, include_header=False)


def _vocabulary(random: np.random.Generator) -> pl.Series:
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    lengths = random.integers(2, 10, _WORDS)
    return pl.Series([f"{''.join(random.choice(letters, length))}" for length in lengths])


def _chunk(random: np.random.Generator, words: pl.Series, rows: int) -> pl.DataFrame:
    lengths = np.clip(random.lognormal(3.6, 0.8, rows), 5, 1_000).astype(np.int64)
    ranks = np.minimum(random.zipf(1.15, int(lengths.sum())) - 1, _WORDS - 1)
    owners = np.repeat(np.arange(rows), lengths)
    texts = pl.DataFrame({"row": owners, "word": words.gather(ranks)}).group_by("row", maintain_order=True)
    text = texts.agg(pl.col("word").str.join(" "))["word"].to_list()
    for row in random.integers(0, rows, rows // 20):
        text[row] = text[random.integers(0, rows)]
    for row in random.integers(0, rows, rows // 50):
        text[row] = text[random.integers(0, rows)] + " indeed"
    for row in random.integers(0, rows, rows // 50):
        text[row] += " caf&eacute; &amp; bar<br />"
    for row in random.integers(0, rows, rows // 100):
        text[row] += " cafÃ© doesnâ€™t"
    return pl.DataFrame(
        {
            "reviewText": text,
            "overall": random.choice([1.0, 2.0, 3.0, 4.0, 5.0], rows, p=[0.1, 0.06, 0.09, 0.2, 0.55]),
            "asin": [f"B{number:09d}" for number in np.minimum(random.zipf(1.2, rows), 2_000_000)],
            "unixReviewTime": _START_S + random.integers(0, _SPAN_S, rows),
        }
    )


def _watched(command: list[str]) -> dict[str, Any]:
    """Run a command, and return its exit code, its seconds (all, and of processor time), and its peak memory."""
    started = time.perf_counter()
    peak = 0
    process = subprocess.Popen(command)
    watched = psutil.Process(process.pid)
    processor_s = 0.0
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            processor_s = sum(watched.cpu_times()[:2])
        peak = max(peak, _resident(watched))
        let_pass(_SAMPLE_S)
    seconds = time.perf_counter() - started
    return {
        "exit_code": process.returncode,
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor_s, 1),
        "peak_mb": round(peak / 1e6),
    }


def _resident(process: psutil.Process) -> int:
    try:
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0
