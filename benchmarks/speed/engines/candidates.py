"""The candidates for the `cpu` engine: what each can do, and where each is by its name.

A module is imported when its candidate is asked for: not everyone has every package.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Logits = NDArray[np.float32]

Run = Callable[[Ids], Logits]
"""Takes token ids `(texts, tokens)` of equal lengths and returns logits `(texts, labels)`."""
PaddedRun = Callable[[Ids, Ids], Logits]
"""The same with a mask `(texts, tokens)` that is 0 where the text has ended."""


class CandidateUnavailable(Exception):
    """The candidate cannot run here; the message says what is missing. The others go on without it."""


@dataclass(frozen=True)
class SourceModel:
    """What all candidates start from."""

    name: str
    folder: Path
    """A Hugging Face folder with a DistilBERT classifier."""
    cache: Path
    """Where the candidates' files lie."""
    calibration: list[list[int]]
    """The token ids of the texts that static quantization looks at."""


class EngineCandidate(Protocol):
    """A way to compute the model's logits."""

    name: str
    summary: str
    """What it is, for the report."""

    def prepare(self, model: SourceModel) -> None:
        """Make what the candidate needs of `model`, unless it is in the cache.

        Raises:
            CandidateUnavailable: it cannot be made or run here.
        """

    def open(self, threads: int) -> Run:
        """Return a function that computes one pass on `threads` cores, and may be called by one thread at a time."""

    def open_for(self, callers: int) -> list[Run]:
        """Return a function for each of `callers` threads, which share one loaded model and take one core each."""

    def open_padded(self) -> PaddedRun | None:
        """Return a function for texts of unequal lengths, on one core, or None if the candidate takes none."""


_CLASSES = {
    "ours": ("onnx_runtime", "Ours"),
    "ort-dynamic": ("onnx_runtime", "Dynamic"),
    "ort-dynamic-fused": ("onnx_runtime", "DynamicFused"),
    "ort-static": ("onnx_runtime", "Static"),
    "ort-static-fused": ("onnx_runtime", "StaticFused"),
    "openvino-nncf": ("openvino_nncf", "OpenVinoNncf"),
    "ort-fp32": ("onnx_runtime", "Fp32"),
    "torch-fp32": ("pytorch", "TorchFp32"),
    "torch-compile": ("pytorch", "TorchCompile"),
}

NAMES = list(_CLASSES)


def candidate_of(name: str) -> EngineCandidate:
    """Return the candidate `name`, of `NAMES`.

    Raises:
        CandidateUnavailable: a package that it needs is not installed.
    """
    module, kind = _CLASSES[name]
    try:
        found: EngineCandidate = getattr(importlib.import_module(f"benchmarks.speed.engines.{module}"), kind)()
    except ModuleNotFoundError as error:
        raise CandidateUnavailable(f"the package {error.name} is not installed") from error
    return found
