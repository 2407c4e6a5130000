"""fp32 weights to the int8 ONNX file of the `cpu` engine.

- Matrix products: int8 weights with one scale per output channel; activations are quantized at run time (ONNX Runtime's
  dynamic quantization), so the file needs no calibration data. Weights use 7 of the 8 bits: on CPUs without VNNI the
  products of two neighbours are added in 16 bits, which 8-bit weights would overflow.
- Word embeddings: int8 with one scale per row, turned back into floats after the look-up. They are half of all weights.

The file takes one text per pass and so needs no attention mask.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from transformers import DistilBertForSequenceClassification

from sentiment_train.errors import UnusableCheckpoint

OPSET = 17
_SAMPLE_TOKENS = 16


class SingleText(torch.nn.Module):  # type: ignore[misc]  # torch is not followed by mypy
    """The classifier as the `cpu` engine runs it: ids `(n, tokens)` to logits `(n, n_labels)` and pooled `(n, dim)`."""

    def __init__(self, model: DistilBertForSequenceClassification) -> None:
        """Wrap `model`, whose attention must be `eager` to be exported."""
        super().__init__()
        self._model = model

    def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits and the mean of the last hidden states."""
        hidden = self._model.distilbert(input_ids=input_ids, attention_mask=torch.ones_like(input_ids))[0]
        logits = self._model.classifier(torch.relu(self._model.pre_classifier(hidden[:, 0])))
        return logits, hidden.mean(1)


def write_int8(folder: Path, destination: Path, workspace: Path) -> None:
    """Write the int8 ONNX file of the Hugging Face DistilBERT in `folder` to `destination`; `workspace` is scratch."""
    fp32 = workspace / "fp32.onnx"
    inferred = workspace / "inferred.onnx"
    int8 = workspace / "int8.onnx"
    _export_fp32(folder, fp32)
    quant_pre_process(fp32, inferred, skip_symbolic_shape=True)
    quantize_dynamic(
        inferred,
        int8,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
    )
    model = onnx.load(int8)
    _quantize_word_embeddings(model)
    onnx.checker.check_model(model)
    onnx.save(model, destination)


def _export_fp32(folder: Path, destination: Path) -> None:
    model = DistilBertForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    sample = torch.ones(1, _SAMPLE_TOKENS, dtype=torch.long)
    with warnings.catch_warnings():
        # The tracing exporter is deprecated; the new one needs a further package and gave the same graph, slower.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            SingleText(model.eval()),
            (sample,),
            str(destination),
            input_names=["input_ids"],
            output_names=["logits", "pooled"],
            dynamic_axes={"input_ids": {0: "texts", 1: "tokens"}, "logits": {0: "texts"}, "pooled": {0: "texts"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _quantize_word_embeddings(model: onnx.ModelProto) -> None:
    """Replace the largest float table that a Gather reads by an int8 table and a scale per row."""
    graph = model.graph
    tables = {table.name: table for table in graph.initializer if table.data_type == TensorProto.FLOAT}
    lookups = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    if not lookups:
        raise UnusableCheckpoint("expected the exported graph to look up word embeddings, found no such node")
    lookup = max(lookups, key=lambda node: np.prod(tables[node.input[0]].dims))
    table, ids, output = tables[lookup.input[0]], lookup.input[1], lookup.output[0]

    weights = numpy_helper.to_array(table)
    scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-12) / 127
    quantized = np.rint(weights / scales).astype(np.int8)
    graph.initializer.remove(table)
    graph.initializer.extend(
        [
            numpy_helper.from_array(quantized, "word_embeddings_int8"),
            numpy_helper.from_array(scales.astype(np.float32), "word_embeddings_scale"),
        ]
    )
    place = list(graph.node).index(lookup)
    graph.node.remove(lookup)
    steps = [
        helper.make_node("Gather", ["word_embeddings_int8", ids], ["words_int8"], "words_int8"),
        helper.make_node("Cast", ["words_int8"], ["words_float"], "words_float", to=TensorProto.FLOAT),
        helper.make_node("Gather", ["word_embeddings_scale", ids], ["words_scale"], "words_scale"),
        helper.make_node("Mul", ["words_float", "words_scale"], [output], "words"),
    ]
    for offset, step in enumerate(steps):
        graph.node.insert(place + offset, step)
