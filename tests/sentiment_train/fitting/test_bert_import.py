"""A BERT re-laid as a DistilBERT computes the same numbers, and what cannot be re-laid is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertModel, BertTokenizer, DistilBertModel

from sentiment_train.errors import FolderTaken, UnusableCheckpoint
from sentiment_train.fitting.bert_import import import_bert, relay

MakeBert = Callable[..., BertModel]

_VOCABULARY = {
    piece: index for index, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"])
}


def _config(**changes: str | float) -> BertConfig:
    """A small BERT's configuration."""
    shape = {
        "vocab_size": 61,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 32,
    }
    return BertConfig(**shape | changes)


def _random(model: torch.nn.Module) -> torch.nn.Module:
    """The model with every weight drawn anew: the usual start leaves biases and norms at 0 and 1, where errors hide."""
    torch.manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A random BERT with its tokenizer, as a folder."""
    folder = tmp_path / "bert"
    _random(BertModel(_config())).save_pretrained(folder)
    BertTokenizer(vocab=_VOCABULARY).save_pretrained(folder)
    return folder


@torch.inference_mode()
def _hidden(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    states: torch.Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return states


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_hidden_states_are_bit_equal(activation: str) -> None:
    """Whole batches without padding give the same floats, to the last bit."""
    bert = _random(BertModel(_config(hidden_act=activation), add_pooling_layer=False))
    ids = torch.randint(5, 61, (6, 17), generator=torch.Generator().manual_seed(1))
    assert torch.equal(_hidden(relay(bert), ids), _hidden(bert, ids))


def test_hidden_states_are_bit_equal_under_padding() -> None:
    """With padding masks too, the same floats come out at every place, the padded ones included."""
    bert = _random(BertModel(_config(), add_pooling_layer=False))
    ids = torch.randint(5, 61, (4, 12), generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(12) < torch.tensor([[12], [7], [3], [1]])).long()
    assert torch.equal(_hidden(relay(bert), ids * mask, mask), _hidden(bert, ids * mask, mask))


def test_the_written_folder_is_a_distilbert_with_its_tokenizer(checkpoint: Path, tmp_path: Path) -> None:
    """The folder opens as a DistilBERT with the checkpoint's outputs and tokens, and asks for no token types."""
    import_bert(str(checkpoint), tmp_path / "out")
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    model, report = DistilBertModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    tokens = AutoTokenizer.from_pretrained(tmp_path / "out")("good bad good", return_tensors="pt")
    assert set(tokens) == {"input_ids", "attention_mask"}
    assert tokens["input_ids"].tolist() == [[2, 5, 6, 5, 3]]
    bert = BertModel.from_pretrained(checkpoint)
    assert torch.equal(_hidden(model.eval(), tokens["input_ids"]), _hidden(bert.eval(), tokens["input_ids"]))


def test_a_half_precision_checkpoint_is_written_in_fp32(checkpoint: Path, tmp_path: Path) -> None:
    """Weights stored in fp16 are widened before the sum of embeddings, so that nothing is rounded twice."""
    BertModel.from_pretrained(checkpoint).half().save_pretrained(checkpoint)
    import_bert(str(checkpoint), tmp_path / "out")
    model = DistilBertModel.from_pretrained(tmp_path / "out")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    ids = torch.tensor([[2, 5, 6, 3]])
    assert torch.equal(_hidden(model, ids), _hidden(BertModel.from_pretrained(checkpoint).float(), ids))


def test_a_checkpoint_with_a_language_head_is_taken(checkpoint: Path, tmp_path: Path) -> None:
    """Weights that a DistilBERT has no place for, such as a language-model head, are left behind."""
    _random(BertForMaskedLM(_config())).save_pretrained(checkpoint)
    import_bert(str(checkpoint), tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_another_architecture_is_refused(base: Path, tmp_path: Path) -> None:
    """A DistilBERT, for one, is not re-laid again: what it is, is said."""
    with pytest.raises(UnusableCheckpoint, match=f"of type 'bert' in {base}, found 'distilbert'"):
        import_bert(str(base), tmp_path / "out")


@pytest.mark.parametrize("damage", ["empty", "configuration", "weights"])
def test_an_unreadable_folder_is_refused(damage: str, checkpoint: Path, tmp_path: Path) -> None:
    """An empty folder and damaged files are one clear error, and nothing is written."""
    if damage == "empty":
        shutil.rmtree(checkpoint)
        checkpoint.mkdir()
    elif damage == "configuration":
        (checkpoint / "config.json").write_text("{")
    else:
        (checkpoint / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(UnusableCheckpoint, match=f"cannot read {checkpoint}, expected a folder or a hub name"):
        import_bert(str(checkpoint), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_tokenizer_is_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    """A folder without tokenizer files is refused: transformers would give one that knows no words."""
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(UnusableCheckpoint, match=r"expected a tokenizer of at most 61 tokens, .* found one of 5"):
        import_bert(str(checkpoint), tmp_path / "out")


def test_missing_weights_are_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    """A checkpoint that lacks a layer is refused: its weights would otherwise start at random, silently."""
    _random(BertModel(_config(num_hidden_layers=2))).save_pretrained(tmp_path / "short")
    shutil.copy(tmp_path / "short" / "model.safetensors", checkpoint / "model.safetensors")
    with pytest.raises(
        UnusableCheckpoint, match=r"all weights of a BertModel in .*, found 16 missing, such as encoder"
    ):
        import_bert(str(checkpoint), tmp_path / "out")


def test_an_activation_that_distilbert_lacks_is_refused() -> None:
    """Another activation would give other numbers, so it is refused by name."""
    with pytest.raises(UnusableCheckpoint, match="expected the activation gelu or relu, found 'silu'"):
        relay(BertModel(_config(hidden_act="silu"), add_pooling_layer=False))


def test_another_layer_norm_epsilon_is_refused() -> None:
    """DistilBERT fixes the epsilon of its layer norms; another one cannot be carried over."""
    with pytest.raises(UnusableCheckpoint, match="expected layer_norm_eps 1e-12, which DistilBERT fixes, found 1e-05"):
        relay(BertModel(_config(layer_norm_eps=1e-5), add_pooling_layer=False))


def test_a_folder_with_files_is_not_overwritten(checkpoint: Path) -> None:
    """Importing onto a folder that holds something, such as the checkpoint itself, is refused."""
    with pytest.raises(FolderTaken, match="found files in it"):
        import_bert(str(checkpoint), checkpoint)
