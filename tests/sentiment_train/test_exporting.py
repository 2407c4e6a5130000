"""The steps of an export on models and logits whose right answers are known."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from sentiment_train.exporting import fit_temperature
from sentiment_train.quantization import SingleText, write_int8

_VOCABULARY = 500
_TOLERANCE = 0.05
"""Of logits whose spread is about 1: int8 rounds weights to 1/63 and activations to 1/255 of the largest."""


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> tuple[DistilBertForSequenceClassification, Path]:
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
    write_int8(folder, folder / "model.int8.onnx", folder)
    return model, folder / "model.int8.onnx"


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature: float) -> None:
    """Labels drawn from softmax(logits / temperature) give the temperature back within 5 %."""
    random = np.random.default_rng(11)
    logits = random.normal(0.0, 3.0, (20_000, 3)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)  # argmax(x + Gumbel noise) is a draw from softmax(x)
    truth = (logits / temperature + noise).argmax(axis=1)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.05)


def test_the_temperature_of_a_model_that_is_never_wrong_is_bounded() -> None:
    """Without a single error the best temperature would be 0; it sharpens, and stays above exp(-3)."""
    logits = np.array([[4.0, 0.0], [0.0, 4.0]], dtype=np.float32)
    assert np.exp(-3) <= fit_temperature(logits, np.array([0, 1])) < 0.2


@pytest.mark.parametrize("tokens", [1, 7, 16, 64])
def test_the_int8_file_agrees_with_torch(tokens: int, int8: tuple[DistilBertForSequenceClassification, Path]) -> None:
    """At every length logits and pooled embeddings are within the tolerance of the fp32 ones."""
    model, path = int8
    ids = torch.randint(0, _VOCABULARY, (1, tokens), generator=torch.Generator().manual_seed(tokens))
    with torch.inference_mode():
        expected = [output.numpy() for output in SingleText(model)(ids)]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, pooled = session.run(["logits", "pooled"], {"input_ids": ids.numpy()})
    spread = float(expected[1].std())
    assert np.abs(logits - expected[0]).max() < _TOLERANCE
    assert np.abs(pooled - expected[1]).max() < _TOLERANCE * max(1.0, 4 * spread)


def test_no_float_table_of_the_vocabulary_is_left(int8: tuple[DistilBertForSequenceClassification, Path]) -> None:
    """The word embeddings are int8 with one float scale per row; every large matrix is int8 too."""
    _, path = int8
    tables = {table.name: table for table in onnx.load(path).graph.initializer}
    floats = [table for table in tables.values() if table.data_type == TensorProto.FLOAT]
    assert [list(table.dims) for table in floats if _VOCABULARY in table.dims] == [[_VOCABULARY, 1]]
    words = tables["word_embeddings_int8"]
    assert (words.data_type, list(words.dims)) == (TensorProto.INT8, [_VOCABULARY, 32])
    assert not [table.name for table in floats if list(table.dims) in ([32, 32], [32, 64], [64, 32])]


def test_every_word_row_keeps_its_own_scale(int8: tuple[DistilBertForSequenceClassification, Path]) -> None:
    """Turned back, each word's embedding is within half a step of 1/127 of its own largest number."""
    model, path = int8
    tables = {table.name: onnx.numpy_helper.to_array(table) for table in onnx.load(path).graph.initializer}
    words = model.distilbert.embeddings.word_embeddings.weight.detach().numpy()
    turned_back = tables["word_embeddings_int8"] * tables["word_embeddings_scale"]
    step = np.abs(words).max(axis=1, keepdims=True) / 127
    assert (np.abs(turned_back - words) <= 0.501 * step).all()
