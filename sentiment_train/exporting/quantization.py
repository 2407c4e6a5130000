"""The weights of a DistilBERT to the int8 ONNX file of the `cpu` engine.

The graph is written node by node, not traced: what ONNX Runtime's tracer and optimizer leave is slower and less exact.

- Matrix products: int8 weights, one scale per output channel; activations are quantized at run time with one scale per
  token, so that a token's result depends on no other token, and a text's answer on no other text of its batch. No
  calibration data is needed, and an outlier costs precision in its own row alone.
- No product overflows on any CPU: weights use 7 of 8 bits, since CPUs without VNNI add two neighbouring products in 16
  bits, and 255 * 64 * 2 is the most that fits. Activations are unsigned around 128: x86 has no fast kernel for two
  signed factors.
- Word embeddings: int8 with one scale per row, turned back into floats after the look-up. They are half of all weights.
- Attention in fp32, fused. Of its three biases one is left: a key's adds the same to all scores of a query, which
  softmax takes out again, and the value's passes through as the scores add up to 1, so it moves into the output's bias.
- Layer norms as `Add` and `LayerNormalization`: ONNX Runtime's fused `SkipLayerNormalization` takes 6 times as long.

There is no mask: the texts of one pass have the same number of tokens.
"""

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from sentiment_api.model.bundle import CONFIG, WEIGHTS
from sentiment_train.errors import UnusableCheckpoint

OPSET = 17
IR_VERSION = 8
MICROSOFT = "com.microsoft"
LARGEST_WEIGHT = 64
"""Of the quantized weights: 2 * 255 * 64 = 32,640 is below 2**15."""
_ZERO_POINT = 128
_LARGEST_ACTIVATION = 127
_LAYER_NORM_EPSILON = 1e-12

_Attribute: TypeAlias = float | list[int] | onnx.TensorProto
Weights = dict[str, NDArray[np.float32]]


def write_int8(folder: Path, destination: Path) -> None:
    """Write the int8 ONNX file of the Hugging Face DistilBERT in `folder` to `destination`.

    The model takes `input_ids` `(texts, tokens)` int64 and gives `logits` `(texts, labels)` and `pooled`
    `(texts, dim)`, the mean of the last hidden states.

    Raises:
        UnusableCheckpoint: the folder holds no DistilBERT classifier with the activation GELU.
    """
    config = json.loads((folder / CONFIG).read_text())
    _check(config, folder)
    weights = {name: array.astype(np.float32) for name, array in load_file(folder / WEIGHTS).items()}
    try:
        model = _Graph(weights, config).model()
    except KeyError as error:
        raise UnusableCheckpoint(
            f"expected the weights of a DistilBERT classifier in {folder}, found no {error}"
        ) from None
    onnx.checker.check_model(model)
    onnx.save(model, destination)


def _check(config: dict[str, Any], folder: Path) -> None:
    found = config.get("model_type"), config.get("activation", "gelu")
    if found != ("distilbert", "gelu"):
        raise UnusableCheckpoint(
            f"expected a DistilBERT with the activation gelu in {folder}, found {found[0]!r} with {found[1]!r}"
        )


class _Graph:
    """Collects the nodes and tables of one model. Methods take and return names of tensors."""

    def __init__(self, weights: Weights, config: dict[str, Any]) -> None:
        self._weights = weights
        self._config = config
        self._nodes: list[onnx.NodeProto] = []
        self._tables: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        """Return the whole classifier."""
        hidden = self._embeddings()
        for number in range(self._config["n_layers"]):
            hidden = self._layer(hidden, f"distilbert.transformer.layer.{number}.")
        by_text = self._node("Reshape", [hidden, self._by_text()], "last_hidden_state")
        self._node("ReduceMean", [by_text], "pooled", axes=[1], keepdims=0)
        self._classifier(by_text)
        inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])]
        labels = len(self._weights["classifier.weight"])
        outputs = [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", labels]),
            helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["texts", self._config["dim"]]),
        ]
        graph = helper.make_graph(self._nodes, "distilbert", inputs, outputs, list(self._tables.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)

    def _embeddings(self) -> str:
        """Return the first hidden states `(texts * tokens, dim)`: tokens lie one below the other from here on."""
        shape = self._node("Shape", ["input_ids"], "shape")
        summed = self._node("Add", [self._words(), self._places(shape)], "embedded")
        rows = self._table("rows", np.array([-1, self._config["dim"]]))
        flat = self._node("Reshape", [summed, rows], "embedded_rows")
        count = self._node("ReduceProd", [shape], "row_count", keepdims=1)
        zeros = helper.make_tensor("zero_point", TensorProto.UINT8, [1], [_ZERO_POINT])
        self._node("ConstantOfShape", [count], "zero_points", value=zeros)
        return self._layer_norm(flat, "distilbert.embeddings.LayerNorm")

    def _words(self) -> str:
        """Return the word embeddings `(texts, tokens, dim)`."""
        table = self._weights["distilbert.embeddings.word_embeddings.weight"]
        scales = _scales(table, 127)
        words = self._node("Gather", [self._table("words", _quantized(table, scales, 127)), "input_ids"], "words_int8")
        words = self._node("Cast", [words], "words_float", to=TensorProto.FLOAT)
        scale = self._node("Gather", [self._table("words_scale", scales), "input_ids"], "words_scale_of_ids")
        return self._node("Mul", [words, scale], "words_scaled")

    def _places(self, shape: str) -> str:
        """Return the position embeddings `(tokens, dim)`."""
        positions = self._table("positions", self._weights["distilbert.embeddings.position_embeddings.weight"])
        one = self._table("one", np.array([1]))
        length = self._node("Slice", [shape, one, self._table("two", np.array([2]))], "length")
        zero = self._table("zero", np.array([0]))
        return self._node("Slice", [positions, zero, length, zero], "places")

    def _layer(self, hidden: str, prefix: str) -> str:
        """Return the hidden states after the attention and the feed-forward part of one layer."""
        attended = self._attention(hidden, prefix + "attention.")
        hidden = self._layer_norm(self._node("Add", [attended, hidden]), prefix + "sa_layer_norm")
        inner = self._linear(self._per_token(hidden), prefix + "ffn.lin1", self._bias(prefix + "ffn.lin1"))
        inner = self._node("Gelu", [inner], domain=MICROSOFT)
        outer = self._linear(self._per_token(inner), prefix + "ffn.lin2", self._bias(prefix + "ffn.lin2"))
        return self._layer_norm(self._node("Add", [outer, hidden]), prefix + "output_layer_norm")

    def _attention(self, hidden: str, prefix: str) -> str:
        quantized = self._per_token(hidden)
        query = self._linear(quantized, prefix + "q_lin", self._bias(prefix + "q_lin"))
        key = self._linear(quantized, prefix + "k_lin", None)
        value = self._linear(quantized, prefix + "v_lin", None)
        by_text = [self._node("Reshape", [each, self._by_text()]) for each in (query, key, value)]
        heads = self._config["n_heads"]
        attended = self._node("MultiHeadAttention", by_text, domain=MICROSOFT, num_heads=heads)
        flat = self._node("Reshape", [attended, "rows"])
        through = self._weights[prefix + "out_lin.weight"] @ self._bias(prefix + "v_lin")
        return self._linear(self._per_token(flat), prefix + "out_lin", self._bias(prefix + "out_lin") + through)

    def _classifier(self, by_text: str) -> None:
        """Add the head, in fp32: it reads one token of each text."""
        first = self._node("Gather", [by_text, self._table("first", np.array(0))], "first_hidden_state", axis=1)
        inner = self._dense(first, "pre_classifier", "pre_classified")
        self._dense(self._node("Relu", [inner], "rectified"), "classifier", "logits")

    def _dense(self, rows: str, name: str, output: str) -> str:
        tables = [self._table(f"{name}.{part}", self._weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self._node("Gemm", [rows, *tables], output, transB=1)

    def _per_token(self, rows: str) -> tuple[str, str]:
        """Return `rows` as integers, and the scale of each row `(n, 1)`."""
        largest = self._node("ReduceMax", [self._node("Abs", [rows])], axes=[-1], keepdims=1)
        above_zero = self._node("Max", [largest, self._table("tiny", np.array([1e-12], dtype=np.float32))])
        step = self._table("step", np.array([1 / _LARGEST_ACTIVATION], dtype=np.float32))
        scale = self._node("Mul", [above_zero, step])
        flat = self._node("Reshape", [scale, self._table("flat", np.array([-1]))])
        return self._node("QuantizeLinear", [rows, flat, "zero_points"], axis=0), scale

    def _linear(self, quantized: tuple[str, str], name: str, bias: NDArray[np.float32] | None) -> str:
        """Return the product of quantized rows with the weights `name`, plus `bias`, in fp32."""
        rows, scale = quantized
        weight = self._weights[name + ".weight"].T
        scales = _scales(weight, LARGEST_WEIGHT, axis=0)
        tables = [
            self._table(name + ".int8", _quantized(weight, scales, LARGEST_WEIGHT)),
            self._table("unit", np.array(1, dtype=np.float32)),
            self._table(name + ".scale", scales[0]),
            self._table("middle", np.array(_ZERO_POINT, dtype=np.uint8)),
        ]
        product = self._node("MatMulIntegerToFloat", [rows, *tables], domain=MICROSOFT)
        scaled = self._node("Mul", [product, scale])
        return scaled if bias is None else self._node("Add", [scaled, self._table(name + ".bias", bias)])

    def _layer_norm(self, rows: str, name: str) -> str:
        tables = [self._table(f"{name}.{part}", self._weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self._node("LayerNormalization", [rows, *tables], axis=-1, epsilon=_LAYER_NORM_EPSILON)

    def _by_text(self) -> str:
        """Return the shape `(texts, tokens, dim)`."""
        if "by_text" not in {node.output[0] for node in self._nodes}:
            dim = self._table("dim", np.array([self._config["dim"]]))
            self._node("Concat", ["shape", dim], "by_text", axis=0)
        return "by_text"

    def _bias(self, name: str) -> NDArray[np.float32]:
        return self._weights[name + ".bias"]

    def _table(self, name: str, array: NDArray[Any]) -> str:
        """Add a constant, once."""
        self._tables.setdefault(name, numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def _node(
        self,
        kind: str,
        inputs: list[str],
        output: str = "",
        *,
        domain: str = "",
        **attributes: _Attribute,
    ) -> str:
        name = output or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_node", domain=domain, **attributes))
        return name


def _scales(table: NDArray[np.float32], largest: int, axis: int = 1) -> NDArray[np.float32]:
    """Return what `largest` stands for along `axis`, which keeps its place with the size 1."""
    spread: NDArray[np.float32] = np.maximum(np.abs(table).max(axis=axis, keepdims=True), 1e-12) / largest
    return spread.astype(np.float32)


def _quantized(table: NDArray[np.float32], scales: NDArray[np.float32], largest: int) -> NDArray[np.int8]:
    rounded: NDArray[np.int8] = np.rint(table / scales).clip(-largest, largest).astype(np.int8)
    return rounded
