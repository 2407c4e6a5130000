"""The default engine: int8 weights on ONNX Runtime, activations quantized token by token.

A text's answer does not depend on its batch-mates, so very short texts of one length share a pass. From 64 tokens up
one text per pass is as fast as any batch: as many threads as cores share one session, each computing on its own core. A
text that is alone in the service gets a second session, whose passes use all the cores.
"""

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,  # noqa: A004 - ONNX Runtime's name
    RuntimeException,
)

from sentiment_api.errors import EngineUnavailable
from sentiment_api.model.bundle import CPU_MODEL, Bundle
from sentiment_api.model.engines import BatchLimits, EngineOutput

LIMITS = BatchLimits(texts=32, tokens=128, padding=0.0)
"""By `python -m benchmarks engine`: 3 tokens a text gain by half in a batch of 8, 32 tokens by a tenth, 64 nothing."""
MAX_WIDE_THREADS = 8
"""Most cores for a text that is alone. Its matrices are too small to feed more."""
_LOAD_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented, NoSuchFile, RuntimeException)


class CpuEngine:
    """One session for passes on one core each and, with several cores, one for passes on all of them."""

    name = "cpu"
    limits = LIMITS

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the bundle's int8 file.

        Raises:
            EngineUnavailable: the bundle has no int8 file, or ONNX Runtime cannot load it.
        """
        path = bundle.path(CPU_MODEL)
        if not path.exists():
            raise EngineUnavailable(
                f"the engine 'cpu' needs {CPU_MODEL}, which {bundle.folder} lacks; make a bundle of it with "
                "`sentiment-train export`, or serve it with --engine torch"
            )
        self.threads = threads
        try:
            self._narrow = _session(str(path), 1)
            self._wide = _session(str(path), min(threads, MAX_WIDE_THREADS)) if threads > 1 else self._narrow
        except (MemoryError, *_LOAD_ERRORS) as error:
            if isinstance(error, MemoryError) or "bad_alloc" in str(error):
                raise EngineUnavailable(
                    f"there is too little memory to load {path} ({path.stat().st_size >> 20} MiB); give the process "
                    "more, or serve a smaller model"
                ) from error
            raise EngineUnavailable(f"ONNX Runtime cannot load {path}; export the bundle again: {error}") from error

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:
        """Return the output for texts of one length."""
        session = self._wide if alone else self._narrow
        logits, pooled = session.run(["logits", "pooled"], {"input_ids": np.array(batch, dtype=np.int64)})
        return EngineOutput(logits, pooled)


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A spinning pool would burn a core of an idle service for a few percent of speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # With the arena one long text's memory is never given back (1.36 GB seen), without it speed is the same.
    options.enable_cpu_mem_arena = False
    # The file has the nodes that are fastest. Higher levels would fuse them into slower ones.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
