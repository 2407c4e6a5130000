"""The int8 file of a random DistilBERT, beside the same model on torch and beside whole numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.exporting.quantization import LARGEST_WEIGHT, MICROSOFT, OPSET, write_int8

_VOCABULARY = 500
_TOLERANCE = 0.05
"""Of logits whose spread is about 1: int8 rounds weights to 1/64 and activations to 1/127 of the largest."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DistilBERT and the int8 file made of it."""
    torch.manual_seed(5)
    config = DistilBertConfig(
        vocab_size=_VOCABULARY, max_position_embeddings=80, n_layers=2, n_heads=4, dim=32, hidden_dim=64
    )
    model = DistilBertForSequenceClassification(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    folder = tmp_path_factory.mktemp("int8")
    model.save_pretrained(folder)
    write_int8(folder, folder / "model.int8.onnx")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> DistilBertForSequenceClassification:
    """The random DistilBERT on torch."""
    return DistilBertForSequenceClassification.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def int8(folder: Path) -> onnxruntime.InferenceSession:
    """A session of the int8 file."""
    return session(folder / "model.int8.onnx")


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, onnx.TensorProto]:
    """The constants of the int8 file by name."""
    return {table.name: table for table in onnx.load(folder / "model.int8.onnx").graph.initializer}


def session(path: Path | bytes) -> onnxruntime.InferenceSession:
    """Return a session on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def some_ids(texts: int, tokens: int) -> NDArray[np.int64]:
    """Return random token ids."""
    return np.random.default_rng(tokens).integers(0, _VOCABULARY, (texts, tokens))


@pytest.mark.parametrize(("texts", "tokens"), [(1, 1), (1, 7), (1, 64), (3, 5), (8, 16)])
def test_the_int8_file_agrees_with_torch(
    texts: int, tokens: int, model: DistilBertForSequenceClassification, int8: onnxruntime.InferenceSession
) -> None:
    """For one text and for several of one length, logits and pooled embeddings are near the fp32 ones."""
    ids = some_ids(texts, tokens)
    with torch.inference_mode():
        output = model(torch.tensor(ids), output_hidden_states=True)
    logits, pooled = int8.run(["logits", "pooled"], {"input_ids": ids})
    hidden = output.hidden_states[-1].mean(1).numpy()
    assert np.abs(logits - output.logits.numpy()).max() < _TOLERANCE
    assert np.abs(pooled - hidden).max() < _TOLERANCE * max(1.0, 4 * float(hidden.std()))


def test_batch_mates_change_nothing(int8: onnxruntime.InferenceSession) -> None:
    """A text gets the same answer alone and beside others, one of which is a single token over and over."""
    ids = some_ids(16, 12)
    ids[7] = 3
    together = int8.run(["logits", "pooled"], {"input_ids": ids})
    for row, text in enumerate(ids):
        alone = int8.run(["logits", "pooled"], {"input_ids": text[None]})
        for one, all_of_them in zip(alone, together, strict=True):
            assert np.abs(one[0] - all_of_them[row]).max() < 1e-5


def test_the_largest_products_do_not_overflow() -> None:
    """With weights and activations at their bounds a product is what whole numbers give, also on CPUs without VNNI."""
    rows, inner, columns = 5, 256, 33
    activations = np.full((rows, inner), 255, np.uint8)
    activations[1], activations[2] = 0, 128
    weights = np.full((inner, columns), LARGEST_WEIGHT, np.int8)
    weights[:, 1::2] = -LARGEST_WEIGHT
    constants = {"a": activations, "b": weights, "one": np.float32(1), "scales": np.ones(columns, np.float32)}
    constants["middle"] = np.uint8(128)
    product = helper.make_node("MatMulIntegerToFloat", ["a", "b", "one", "scales", "middle"], ["y"], domain=MICROSOFT)
    graph = helper.make_graph(
        [product],
        "product",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, columns])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    found = session(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()).run(None, {})[0]
    assert (found == (activations.astype(np.int64) - 128) @ weights.astype(np.int64)).all()


def test_weights_keep_to_seven_bits(tables: dict[str, onnx.TensorProto]) -> None:
    """Each column of each matrix uses the whole range up to the bound, and not more."""
    matrices = [numpy_helper.to_array(table) for name, table in tables.items() if name.endswith("_lin.int8")]
    assert len(matrices) == 2 * 4
    assert all((np.abs(matrix.astype(np.int16)).max(axis=0) == LARGEST_WEIGHT).all() for matrix in matrices)


def test_no_large_float_table_is_left(tables: dict[str, onnx.TensorProto]) -> None:
    """The word embeddings are int8 with one float scale per row; the layers' matrices are int8 too."""
    floats = [list(table.dims) for table in tables.values() if table.data_type == TensorProto.FLOAT]
    assert [dims for dims in floats if _VOCABULARY in dims] == [[_VOCABULARY, 1]]
    assert (tables["words"].data_type, list(tables["words"].dims)) == (TensorProto.INT8, [_VOCABULARY, 32])
    head = ["pre_classifier.weight"]
    assert [
        name for name, table in tables.items() if table.data_type == TensorProto.FLOAT and list(table.dims) == [32, 32]
    ] == head
    assert not [dims for dims in floats if dims in ([32, 64], [64, 32])]


def test_every_word_row_keeps_its_own_scale(
    tables: dict[str, onnx.TensorProto], model: DistilBertForSequenceClassification
) -> None:
    """Turned back, each word's embedding is within half a step of 1/127 of its own largest number."""
    words = model.distilbert.embeddings.word_embeddings.weight.detach().numpy()
    turned_back = numpy_helper.to_array(tables["words"]) * numpy_helper.to_array(tables["words_scale"])
    step = np.abs(words).max(axis=1, keepdims=True) / 127
    assert (np.abs(turned_back - words) <= 0.501 * step).all()


@pytest.mark.parametrize("change", [{"activation": "relu"}, {"model_type": "bert"}])
def test_another_kind_of_model_is_refused(folder: Path, tmp_path: Path, change: dict[str, str]) -> None:
    """A graph for another function is never written in silence: the message says what was expected and found."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(UnusableCheckpoint, match=rf"expected a DistilBERT .* found .*{next(iter(change.values()))}"):
        write_int8(tmp_path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_a_model_without_a_head_is_refused(
    folder: Path, tmp_path: Path, model: DistilBertForSequenceClassification
) -> None:
    """Weights without the classifier are named as what is missing."""
    shutil.copy(folder / "config.json", tmp_path / "config.json")
    model.distilbert.save_pretrained(tmp_path / "bare")
    shutil.copy(tmp_path / "bare" / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(UnusableCheckpoint, match="weights of a DistilBERT classifier"):
        write_int8(tmp_path, tmp_path / "out.onnx")
