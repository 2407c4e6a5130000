"""The candidates on ONNX Runtime: ours, its quantizers' usual results, and fp32."""

import logging
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime
from onnxruntime import GraphOptimizationLevel
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from benchmarks.speed.engines.candidates import Ids, Logits, PaddedRun, Run, SourceModel
from benchmarks.speed.engines.graphs import write_fused, write_inferred, write_traced
from sentiment_train.exporting.quantization import write_int8

_SEVEN_BITS = {"per_channel": True, "reduce_range": True, "weight_type": QuantType.QInt8}
"""Without VNNI two neighbouring products are added in 16 bits, which 8-bit weights overflow."""


class _OnnxRuntime:
    """A graph in a file, and the options of the session that runs it."""

    name: str
    summary: str
    level = GraphOptimizationLevel.ORT_ENABLE_ALL
    disabled_optimizers: ClassVar[list[str]] = []

    @abstractmethod
    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Write the graph."""

    def prepare(self, model: SourceModel) -> None:
        """Write the graphs with and without a mask, unless they are there."""
        # ONNX Runtime's quantizers advise preprocessing, done or not, through the root logger.
        logging.getLogger().setLevel(logging.ERROR)
        self._path, self._padded_path = (model.cache / f"{self.name}{kind}.onnx" for kind in ("", "-masked"))
        for path, masked in ((self._path, False), (self._padded_path, True)):
            if not path.exists():
                partial = path.with_suffix(".partial")
                self.write(model, partial, masked=masked)
                partial.rename(path)

    def open(self, threads: int) -> Run:
        """Return a function on a session with `threads` threads."""
        return self._run(self._session(self._path, threads))

    def open_for(self, callers: int) -> list[Run]:
        """Return the same function `callers` times: sessions may be shared."""
        return [self._run(self._session(self._path, 1))] * callers

    def open_padded(self) -> PaddedRun | None:
        """Return a function on a one-thread session of the graph with a mask."""
        session = self._session(self._padded_path, 1)
        return lambda ids, mask: session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]

    def _session(self, path: Path, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # With the arena one long batch's memory is never given back; speed is the same.
        options.enable_cpu_mem_arena = False
        options.graph_optimization_level = self.level
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=self.disabled_optimizers
        )

    @staticmethod
    def _run(session: onnxruntime.InferenceSession) -> Run:
        def run(ids: Ids) -> Logits:
            logits: Logits = session.run(["logits"], {"input_ids": ids})[0]
            return logits

        return run


class Ours(_OnnxRuntime):
    """The project's own graph."""

    name = "ours"
    summary = "hand-written graph, int8, one activation scale per token, fused fp32 attention; takes equal lengths only"
    level = GraphOptimizationLevel.ORT_ENABLE_BASIC

    def prepare(self, model: SourceModel) -> None:
        """Write the graph anew each time: it is what this project changes."""
        self._path = model.cache / "ours.onnx"
        write_int8(model.folder, self._path)

    def open_padded(self) -> PaddedRun | None:
        """Return None: there is no mask, by design."""
        return None


class Fp32(_OnnxRuntime):
    """The traced graph as it is."""

    name = "ort-fp32"
    summary = "ONNX Runtime, traced graph, fp32"

    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Trace the model."""
        write_traced(model.folder, destination, masked=masked)


class Dynamic(_OnnxRuntime):
    """The usual way to int8."""

    name = "ort-dynamic"
    summary = "ONNX Runtime, `quantize_dynamic` on the traced graph: one activation scale per tensor, found at run time"

    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Quantize the matrix products."""
        with _inferred(model, masked=masked) as source:
            quantize_dynamic(source, destination, op_types_to_quantize=["MatMul"], **_SEVEN_BITS)


class DynamicFused(_OnnxRuntime):
    """The usual way after ONNX Runtime's optimizer for transformers."""

    name = "ort-dynamic-fused"
    summary = "the same on a graph with fused attention (`QAttention`)"
    disabled_optimizers: ClassVar[list[str]] = ["SkipLayerNormFusion"]

    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Quantize the matrix products and those within the attention."""
        with _fused(model, masked=masked, projections=True) as source:
            quantize_dynamic(
                source,
                destination,
                op_types_to_quantize=["MatMul", "Attention"],
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
                **_SEVEN_BITS,
            )


class Static(_OnnxRuntime):
    """Activation scales that calibration fixed."""

    name = "ort-static"
    summary = "ONNX Runtime, `quantize_static` (QDQ) on the traced graph: activation scales fixed by calibration"

    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Quantize the products with weights."""
        with _inferred(model, masked=masked) as source:
            _quantize_static(model, source, destination, masked=masked)


class StaticFused(_OnnxRuntime):
    """The same after ONNX Runtime's optimizer for transformers."""

    name = "ort-static-fused"
    summary = "the same on a graph with fused fp32 attention"
    disabled_optimizers: ClassVar[list[str]] = ["SkipLayerNormFusion"]

    def write(self, model: SourceModel, destination: Path, *, masked: bool) -> None:
        """Quantize the products with weights."""
        with _fused(model, masked=masked, projections=False) as source:
            _quantize_static(model, source, destination, masked=masked)


@contextmanager
def _inferred(model: SourceModel, *, masked: bool) -> Iterator[Path]:
    """Give the traced graph for as long as it is quantized."""
    with TemporaryDirectory() as folder:
        traced, inferred = Path(folder, "traced.onnx"), Path(folder, "inferred.onnx")
        write_traced(model.folder, traced, masked=masked)
        write_inferred(traced, inferred)
        yield inferred


@contextmanager
def _fused(model: SourceModel, *, masked: bool, projections: bool) -> Iterator[Path]:
    """Give the graph with fused attention for as long as it is quantized."""
    with TemporaryDirectory() as folder:
        traced, fused = Path(folder, "traced.onnx"), Path(folder, "fused.onnx")
        write_traced(model.folder, traced, masked=True)
        write_fused(traced, fused, model.folder, masked=masked, projections=projections)
        yield fused


def _quantize_static(model: SourceModel, source: Path, destination: Path, *, masked: bool) -> None:
    quantize_static(
        source,
        destination,
        _Calibration(model.calibration, masked=masked),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["MatMul"],
        activation_type=QuantType.QUInt8,
        # The 99.9th and 99.99th percentiles moved the starter's probabilities over 4 times as far, the 99.999th as far.
        calibrate_method=CalibrationMethod.MinMax,
        # Slower, and no more exact, as int8: the products within the attention, and the results of products.
        nodes_to_exclude=_products_of_activations(source),
        extra_options={
            "DefaultTensorType": onnx.TensorProto.FLOAT,
            "OpTypesToExcludeOutputQuantization": ["MatMul"],
        },
        **_SEVEN_BITS,
    )


def _products_of_activations(source: Path) -> list[str]:
    graph = onnx.load(source).graph
    constants = {table.name for table in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "MatMul" and not constants.intersection(node.input)]


class _Calibration(CalibrationDataReader):
    """Hands the calibration texts to ONNX Runtime, one per pass."""

    def __init__(self, texts: list[list[int]], *, masked: bool) -> None:
        self._masked = masked
        self._texts: Iterator[list[int]] = iter(texts)

    def get_next(self) -> dict[str, Ids] | None:
        """Return the next text's inputs `(1, tokens)`, or None after the last."""
        for text in self._texts:
            ids = np.array([text])
            return {"input_ids": ids, "attention_mask": np.ones_like(ids)} if self._masked else {"input_ids": ids}
        return None
