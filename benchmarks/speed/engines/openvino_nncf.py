"""The candidate on OpenVINO, quantized after training by NNCF."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import nncf
import numpy as np
import openvino

from benchmarks.speed.engines.candidates import Ids, Logits, PaddedRun, Run, SourceModel
from benchmarks.speed.engines.graphs import write_traced


class OpenVinoNncf:
    """Activation scales fixed by calibration, with SmoothQuant, on OpenVINO's CPU plugin."""

    name = "openvino-nncf"
    summary = "OpenVINO, int8 by NNCF's post-training quantization for transformers: scales fixed by calibration"

    def prepare(self, model: SourceModel) -> None:
        """Quantize the graphs with and without a mask, unless they are there."""
        logging.getLogger("nncf").setLevel(logging.ERROR)
        self._core = openvino.Core()
        self._path, self._padded_path = (model.cache / f"{self.name}{kind}.xml" for kind in ("", "-masked"))
        for path, masked in ((self._path, False), (self._padded_path, True)):
            # The weights are written before the graph, so a graph stands for both.
            if not path.exists():
                openvino.save_model(_quantized(self._core, model, masked=masked), path)

    def open(self, threads: int) -> Run:
        """Return a function on a request of its own."""
        return _run(self._compiled(self._path, threads, streams=1))

    def open_for(self, callers: int) -> list[Run]:
        """Return a request for each caller: streams, one thread each, are how OpenVINO shares a model."""
        compiled = self._compiled(self._path, callers, streams=callers)
        return [_run(compiled) for _ in range(callers)]

    def open_padded(self) -> PaddedRun | None:
        """Return a function on the graph with a mask."""
        request = self._compiled(self._padded_path, 1, streams=1).create_infer_request()

        def run(ids: Ids, mask: Ids) -> Logits:
            logits: Logits = request.infer({"input_ids": ids, "attention_mask": mask})["logits"].copy()
            return logits

        return run

    def _compiled(self, path: Path, threads: int, *, streams: int) -> openvino.CompiledModel:
        # With the hint, what is not int8 stays fp32 on CPUs with bf16 too.
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32"}
        return self._core.compile_model(path, "CPU", settings)


def _run(compiled: openvino.CompiledModel) -> Run:
    request = compiled.create_infer_request()

    def run(ids: Ids) -> Logits:
        # The request's own memory is written to again at the next call.
        logits: Logits = request.infer({"input_ids": ids})["logits"].copy()
        return logits

    return run


def _quantized(core: openvino.Core, model: SourceModel, *, masked: bool) -> openvino.Model:
    def inputs(text: list[int]) -> dict[str, Ids]:
        ids = np.array([text])
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)} if masked else {"input_ids": ids}

    with TemporaryDirectory() as folder:
        traced = Path(folder, "traced.onnx")
        write_traced(model.folder, traced, masked=masked)
        return nncf.quantize(
            core.read_model(traced),
            nncf.Dataset(model.calibration, inputs),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(model.calibration),
            # 7-bit weights: without VNNI two neighbouring products are added in 16 bits.
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
        )
