"""The fp32 ONNX graphs that the candidates quantize: traced, and traced with fused attention.

Each comes with and without an attention mask. The mask takes up to 12 % of the time at 512 tokens, so it is left out
wherever texts have equal lengths.
"""

import json
import warnings
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.onnx_model import OnnxModel
from transformers import DistilBertForSequenceClassification

_OPSET = 17
_MASK = "attention_mask"
_MASK_PLACE = {"Attention": 3, "MultiHeadAttention": 4}
"""Which input of ONNX Runtime's fused nodes the mask is. It is the last."""


class _Logits(torch.nn.Module):
    def __init__(self, model: DistilBertForSequenceClassification) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits `(texts, labels)` for ids and mask `(texts, tokens)`."""
        logits: torch.Tensor = self._model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def write_traced(folder: Path, destination: Path, *, masked: bool) -> None:
    """Trace the model in `folder`, with eager attention: the only one whose nodes ONNX Runtime can fuse."""
    model = DistilBertForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    names = ["input_ids", _MASK] if masked else ["input_ids"]
    with warnings.catch_warnings():
        # The tracing exporter is deprecated; what the new one writes cannot be fused.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(model.eval()),
            # Not one tensor twice, which the tracer would take for one input.
            tuple(torch.ones(2, 16, dtype=torch.long) for _ in names),
            str(destination),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={**{name: {0: "texts", 1: "tokens"} for name in names}, "logits": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def write_inferred(traced: Path, destination: Path) -> None:
    """Add the shapes that ONNX Runtime's quantizer wants to know."""
    quant_pre_process(traced, destination, skip_symbolic_shape=True)


def write_fused(traced: Path, destination: Path, folder: Path, *, masked: bool, projections: bool) -> None:
    """Fuse the attention of the graph `traced` from `folder`. It must have a mask: without, no pattern is found.

    With `projections` the products that make query, key and value are part of the fused node (`Attention`), without
    they stay nodes of their own (`MultiHeadAttention`).
    """
    options = FusionOptions("bert")
    options.use_multi_head_attention = not projections
    # EmbedLayerNormalization would hide the mask. SkipLayerNormalization takes 6 times as long as its two parts.
    options.enable_embed_layer_norm = False
    options.enable_skip_layer_norm = False
    options.enable_bias_skip_layer_norm = False
    config = json.loads((folder / "config.json").read_text())
    shape = {"num_heads": config["n_heads"], "hidden_size": config["dim"]}
    fused = optimizer.optimize_model(str(traced), model_type="bert", opt_level=0, optimization_options=options, **shape)
    if not masked:
        _remove_mask(fused)
    _declare_floats(fused.model)
    fused.save_model_to_file(str(destination))


def _remove_mask(fused: OnnxModel) -> None:
    for node in fused.model.graph.node:
        if node.op_type in _MASK_PLACE:
            del node.input[_MASK_PLACE[node.op_type] :]
    fused.prune_graph(allow_remove_graph_inputs=True)


def _declare_floats(model: onnx.ModelProto) -> None:
    """State the type of what ONNX Runtime's own nodes give: the quantizer leaves tensors of unknown type alone."""
    for node in model.graph.node:
        if node.domain == "com.microsoft":
            model.graph.value_info.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None))
