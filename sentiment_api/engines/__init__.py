"""Engines: token ids in, uncalibrated logits and pooled embeddings out. Temperature and softmax live above them."""

import os
from pkgutil import resolve_name
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sentiment_api.bundle import Bundle
from sentiment_api.errors import EngineUnavailable

# ONNX Runtime sends telemetry to its maker unless this is set before it is imported (seen with strace in 1.32).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# By name, not by import: each engine's package is heavy, and only the chosen one need be installed.
_ENGINES = {"cpu": "sentiment_api.engines.cpu:CpuEngine", "torch": "sentiment_api.engines.torch:TorchEngine"}
_REMEDIES = {"cpu": "pip install onnxruntime", "torch": "pip install 'sentiment-service[train]'"}


class Output(NamedTuple):
    """What one forward pass gives, rows in the order of the texts."""

    logits: NDArray[np.float32]
    """`(n, n_labels)`, uncalibrated."""
    pooled: NDArray[np.float32]
    """`(n, dim)`, the mean of the last hidden states over the text's tokens."""


class Engine(Protocol):
    """A way to run the model. `run` is called from several threads at once."""

    name: str
    threads: int
    """Forward passes that may run at once."""
    max_batch_texts: int
    """Texts that one pass may hold without changing any text's answer."""

    def run(self, batch: list[list[int]]) -> Output:
        """Return the output for one to `max_batch_texts` texts, each at least one token id."""
        ...


def open_engine(name: str, bundle: Bundle, threads: int) -> Engine:
    """Load the engine `name` with the bundle's weights.

    Raises:
        EngineUnavailable: the engine's package is not installed, or it cannot run this bundle.
    """
    try:
        engine_class = resolve_name(_ENGINES[name])
    except ModuleNotFoundError as error:
        raise EngineUnavailable(
            f"the engine {name!r} needs the package {error.name!r}, which is not installed; {_REMEDIES[name]}"
        ) from error
    engine: Engine = engine_class(bundle, threads)
    return engine
