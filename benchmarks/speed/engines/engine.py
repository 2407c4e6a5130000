"""The engines side by side, computing only: which one should be the `cpu` engine?

For each model: make every candidate's files (once, in benchmarks/.models/), then measure

- on one thread, single texts and batches;
- on all cores, a request alone and one caller for each core;
- whether a text's answer depends on the texts of its batch;
- with --data, what quantization does to the starter's answers.

Writes engine.json and engine.md. They hold no text.

    python -m benchmarks engine --quick
    python -m benchmarks engine --data prepared --parts validation later
    python -m benchmarks engine --models base --candidates ours openvino-nncf --shapes 1x128 32x32 --repetitions 15
"""

import argparse
import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import STARTER, payload, result_files
from benchmarks.speed.engines import accuracy, batch_mates, report, timing
from benchmarks.speed.engines.base_model import MODELS, base_shape
from benchmarks.speed.engines.candidates import NAMES, CandidateUnavailable, EngineCandidate, SourceModel, candidate_of
from benchmarks.steps import REVIEWS, Namespace, option
from sentiment_api.model.tokenizer import ReviewTokenizer

_CACHE = MODELS / "engines"
_FOLDERS = {"starter": lambda: STARTER, "base": base_shape}
_RECIPES = ("graphs", "onnx_runtime", "openvino_nncf")
_MAX_TOKENS = 512
_CALIBRATION_TEXTS = 128
_MATES_TEXTS = 64
_SINGLE = ["1x16", "1x32", "1x64", "1x128", "1x256", "1x512"]
_BATCHES = ["8x32", "32x32", "8x128", "32x128"]
_QUICK = ["1x16", "1x128", "8x32"]
_QUICK_TEXTS = 200
_ALONE = [(1, 128), (1, 512)]
_TOGETHER = (1, 128)


def _shape(text: str) -> timing.Shape:
    try:
        texts, tokens = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected texts x tokens such as 8x32, found {text!r}") from None
    if texts < 1 or not 1 <= tokens <= _MAX_TOKENS:
        raise argparse.ArgumentTypeError(f"expected at least 1 text of 1 to {_MAX_TOKENS} tokens, found {text!r}")
    return texts, tokens


OPTIONS = (
    option(
        "--models",
        nargs="+",
        choices=list(_FOLDERS),
        default=list(_FOLDERS),
        metavar="MODEL",
        help="starter, or base: the shape of DistilBERT-base with random weights (default: both)",
    ),
    option(
        "--candidates",
        nargs="+",
        choices=NAMES,
        default=NAMES,
        metavar="NAME",
        help=f"of {', '.join(NAMES)} (default: all)",
    ),
    option(
        "--shapes",
        nargs="+",
        type=_shape,
        metavar="NxT",
        help=f"texts x tokens on one thread (default: {' '.join([*_SINGLE, *_BATCHES])})",
    ),
    option("--repetitions", type=int, default=7, help="default: 7"),
    option(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="what `sentiment-train prepare` made: calibrate on its train part, and compare answers",
    ),
    option(
        "--parts",
        nargs="+",
        default=["validation"],
        metavar="PART",
        help="of the data, to compare answers on (default: validation)",
    ),
    REVIEWS,
    option("--quick", action="store_true", help=f"shapes {' '.join(_QUICK)} and {_QUICK_TEXTS} texts of each part"),
)


def run(options: Namespace) -> None:
    """Measure and write the results."""
    options.shapes = options.shapes or [_shape(each) for each in (_QUICK if options.quick else [*_SINGLE, *_BATCHES])]
    if options.data and not options.reviews:
        options.reviews = [options.data / "train.parquet"]
    warnings.simplefilter("ignore")  # of tracing and quantizing: none is about our code
    logging.getLogger("transformers").setLevel(logging.ERROR)
    results: dict[str, Any] = {
        "repetitions": options.repetitions,
        "texts": payload.kind_of(options.reviews),
        "candidates": {},
        "models": {},
    }
    for name in options.models:
        model = _model(name, options)
        found, skipped = _prepared(model, options.candidates)
        results["candidates"] |= {each.name: each.summary for each in found}
        results["models"][name] = {**_measured(model, found, options), "skipped": skipped}
    result_files.write(options.out, "engine", results, report.markdown(results))
    _progress(f"wrote {options.out / 'engine.md'}")


def _model(name: str, options: Namespace) -> SourceModel:
    folder = _FOLDERS[name]()
    calibration = _tokens(folder, payload.texts(options.reviews, _CALIBRATION_TEXTS))
    cache = _CACHE / f"{name}-{_fingerprint(folder, calibration)}"
    cache.mkdir(parents=True, exist_ok=True)
    return SourceModel(name, folder, cache, calibration)


def _fingerprint(folder: Path, calibration: list[list[int]]) -> str:
    """Return what names the cache: other weights, calibration texts or recipes make other files."""
    code = b"".join((Path(__file__).parent / f"{name}.py").read_bytes() for name in _RECIPES)
    weights = (folder / "model.safetensors").read_bytes()
    return hashlib.sha256(weights + json.dumps(calibration).encode() + code).hexdigest()[:12]


def _prepared(model: SourceModel, names: Iterable[str]) -> tuple[list[EngineCandidate], dict[str, str]]:
    """Return the candidates that can run here, and why the others cannot."""
    found, skipped = [], {}
    for name in names:
        begun = time.monotonic()
        try:
            candidate = candidate_of(name)
            candidate.prepare(model)
        except CandidateUnavailable as error:
            skipped[name] = str(error)
            _progress(f"{model.name}: {name} is skipped: {error}")
        else:
            found.append(candidate)
            _progress(f"{model.name}: {name} is ready, {time.monotonic() - begun:.0f} s")
    return found, skipped


def _measured(model: SourceModel, candidates: list[EngineCandidate], options: Namespace) -> dict[str, Any]:
    """Return all figures of one model; sessions are closed before the next kind is opened."""
    return {
        "one_thread": _one_thread(model, candidates, options),
        "all_cores": _all_cores(model, candidates, options),
        "batch_mates": _batch_mates(model, candidates, options.reviews),
        "accuracy": _accuracy(model, candidates, options) if options.data and model.name == "starter" else {},
    }


def _one_thread(model: SourceModel, candidates: list[EngineCandidate], options: Namespace) -> dict[str, Any]:
    runs = {each.name: each.open(1) for each in candidates}
    return timing.latencies(runs, options.shapes, options.repetitions, _progress_of(f"{model.name}, one thread"))


def _all_cores(model: SourceModel, candidates: list[EngineCandidate], options: Namespace) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    wide = {each.name: each.open(cores) for each in candidates}
    alone = timing.latencies(wide, _ALONE, options.repetitions, _progress_of(f"{model.name}, alone on all cores"))
    del wide
    shared = {each.name: each.open_for(cores) for each in candidates}
    progress = _progress_of(f"{model.name}, {cores} callers")
    together = timing.throughputs(shared, _TOGETHER, options.repetitions, progress)
    return {"callers": cores, "alone": alone, "together": together}


def _batch_mates(model: SourceModel, candidates: list[EngineCandidate], reviews: list[Path]) -> dict[str, Any]:
    # Other texts than those of the calibration.
    tokens = _tokens(model.folder, payload.texts(reviews, _MATES_TEXTS, seed=1))
    rare_id = json.loads((model.folder / "config.json").read_text())["vocab_size"] - 1
    texts = batch_mates.sample(tokens, rare_id)
    temperature = _manifest(model)["temperature"]
    _progress(f"{model.name}, batch-mates")
    differences = {}
    for each in candidates:
        padded = each.open_padded()
        differences[each.name] = {
            "equal_lengths": batch_mates.equal_lengths(each.open(1), texts, temperature),
            "unequal_lengths": padded and batch_mates.unequal_lengths(padded, texts, temperature),
        }
    return differences


def _accuracy(model: SourceModel, candidates: list[EngineCandidate], options: Namespace) -> dict[str, Any]:
    """Return by part of the data how the candidates' answers compare with those of the first in fp32."""
    reference = next((each for each in candidates if each.name in {"torch-fp32", "ort-fp32"}), None)
    if reference is None:
        _progress("accuracy is left out: it needs one of ort-fp32 and torch-fp32 to compare with")
        return {}
    found = {}
    for part in options.parts:
        labelled = _labelled(model, options.data / f"{part}.parquet", _QUICK_TEXTS if options.quick else None)
        answers = {each.name: _answers(each, labelled) for each in candidates}
        expected = answers[reference.name]
        figures = {name: accuracy.compare(each, expected, labelled) for name, each in answers.items()}
        found[part] = {"texts": len(labelled.texts), "reference": reference.name, "candidates": figures}
    return found


def _answers(candidate: EngineCandidate, labelled: accuracy.Labelled) -> accuracy.Probabilities:
    _progress(f"answers of {candidate.name}")
    return accuracy.answers(candidate.open_for(len(os.sched_getaffinity(0))), labelled)


def _labelled(model: SourceModel, path: Path, limit: int | None) -> accuracy.Labelled:
    rows = pl.read_parquet(path, columns=["text", "label"])
    if limit is not None:
        rows = rows.sample(min(limit, len(rows)), seed=0)
    manifest = _manifest(model)
    labels = np.array([manifest["labels"].index(label) for label in rows["label"]])
    return accuracy.Labelled(_tokens(model.folder, rows["text"].to_list()), labels, manifest["temperature"])


def _manifest(model: SourceModel) -> dict[str, Any]:
    manifest: dict[str, Any] = {"temperature": 1.0, **json.loads((model.folder / "bundle.json").read_text())}
    return manifest


def _tokens(folder: Path, texts: list[str]) -> list[list[int]]:
    tokenizer = ReviewTokenizer(folder / "tokenizer.json", _MAX_TOKENS)
    return [tokens.ids for tokens in tokenizer.encode_batch(texts)]


def _progress(line: str) -> None:
    print(line, flush=True)


def _progress_of(phase: str) -> timing.Progress:
    return lambda line: _progress(f"{phase}: {line}")
