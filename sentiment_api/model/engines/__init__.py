"""Engines: token ids in, uncalibrated logits and pooled embeddings out. Temperature and softmax live above them."""

import os
from pkgutil import resolve_name
from typing import Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sentiment_api.errors import EngineUnavailable
from sentiment_api.model.bundle import Bundle

# ONNX Runtime sends telemetry to its maker unless this is set before it is imported (seen with strace in 1.32).
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

EngineName = Literal["cpu", "torch"]
"""The keys of `ENGINES`. Settings and command lines offer these, so no other place lists the engines."""


class EngineSource(NamedTuple):
    """Where an engine is, and what to do if it cannot be imported."""

    path: str
    """By name, not by import: each engine's package is heavy, and only the chosen one need be installed."""
    remedy: str


ENGINES: Final[dict[str, EngineSource]] = {
    "cpu": EngineSource("sentiment_api.model.engines.cpu:CpuEngine", "pip install onnxruntime"),
    "torch": EngineSource("sentiment_api.model.engines.torch:TorchEngine", "pip install 'sentiment-service[train]'"),
}


class EngineOutput(NamedTuple):
    """What one forward pass gives, rows in the order of the texts."""

    logits: NDArray[np.float32]
    """`(n, n_labels)`, uncalibrated."""
    pooled: NDArray[np.float32]
    """`(n, dim)`, the mean of the last hidden states over the text's tokens."""


class BatchLimits(NamedTuple):
    """What one forward pass of an engine takes. A single text always fits."""

    texts: int
    tokens: int
    """Padding included. Beyond it a larger batch is no faster."""
    padding: float
    """Largest share of the pass that may be padding; 0 for an engine that takes only texts of one length."""

    def hold(self, *, texts: int, longest: int, total: int) -> bool:
        """Return whether a pass may hold so many texts, of `total` tokens together, the longest of `longest`."""
        computed = longest * texts
        if texts == 1:
            return True
        return texts <= self.texts and computed <= self.tokens and computed - total <= self.padding * computed


class Engine(Protocol):
    """A way to run the model. `run` is called from several threads at once."""

    name: str
    threads: int
    """Forward passes that may run at once."""
    limits: BatchLimits

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:
        """Return the output for texts within `limits`, each at least one token id.

        `alone` says that nothing else runs or waits, so that the pass may use all the cores.
        """
        ...


def open_engine(name: str, bundle: Bundle, threads: int) -> Engine:
    """Load the engine `name` with the bundle's weights, to keep `threads` cores busy.

    Raises:
        EngineUnavailable: the engine's package is not installed, or it cannot run this bundle.
    """
    source = ENGINES[name]
    try:
        engine_class = resolve_name(source.path)
    except ModuleNotFoundError as error:
        raise EngineUnavailable(
            f"the engine {name!r} needs the package {error.name!r}, which is not installed; {source.remedy}"
        ) from error
    except ImportError as error:  # its libraries do not fit into the memory, or not to this system
        raise EngineUnavailable(
            f"the package of the engine {name!r} is installed but cannot be loaded: {error}"
        ) from error
    engine: Engine = engine_class(bundle, threads)
    return engine
