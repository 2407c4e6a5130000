"""The default engine: int8 weights on ONNX Runtime, one text per forward pass.

Dynamic quantization has one activation scale per tensor, so a text's answer would depend on its batch-mates. One text
per pass is exact, needs no padding, and from 64 tokens up several threads on one shared session are as fast as batches.
"""

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,  # noqa: A004 - ONNX Runtime's name
)

from sentiment_api.bundle import CPU_MODEL, Bundle
from sentiment_api.engines import Output
from sentiment_api.errors import EngineUnavailable


class CpuEngine:
    """One shared session; each calling thread computes on its own core."""

    name = "cpu"
    max_batch_texts = 1

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
        try:
            self._session = onnxruntime.InferenceSession(path, _options(), providers=["CPUExecutionProvider"])
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
            raise EngineUnavailable(f"ONNX Runtime cannot load {path}; export the bundle again: {error}") from error
        self.threads = threads

    def run(self, batch: list[list[int]]) -> Output:
        """Return the output for the one text in `batch`."""
        ids = np.array(batch, dtype=np.int64)
        logits, pooled = self._session.run(["logits", "pooled"], {"input_ids": ids})
        return Output(logits, pooled)


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # With the arena one long text's memory is never given back (1.36 GB seen), without it speed is the same.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options
