"""Re-lays a BERT checkpoint as a DistilBERT with bit-equal outputs.

DistilBERT's blocks are BERT's under other names. What it lacks is the token-type embedding and the pooler. Reviews are
one segment, so the type-0 row is a constant: added to every word embedding it gives the same sum. The pooler is
dropped: the classification head of DistilBERT has its own.

Bit-equal holds because float addition is done in BERT's own order: (word + type) + position.
"""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel

from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.fitting.checkpoints import read_config, read_model, read_tokenizer
from sentiment_train.folders import check_free

_EMBEDDINGS = {
    "embeddings.position_embeddings.weight": "embeddings.position_embeddings.weight",
    "embeddings.LayerNorm.weight": "embeddings.LayerNorm.weight",
    "embeddings.LayerNorm.bias": "embeddings.LayerNorm.bias",
}
_BLOCK = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


def import_bert(source: str, destination: Path) -> DistilBertModel:
    """Write the BERT checkpoint `source` (a folder or a hub name) to `destination` as a DistilBERT, with its tokenizer.

    Raises:
        FolderTaken: `destination` holds something.
        UnusableCheckpoint: `source` cannot be read, or its blocks are not BERT's.
    """
    check_free(destination)
    read_config(source, "bert")
    bert = read_model(BertModel, source, add_pooling_layer=False)
    inputs = ["input_ids", "attention_mask"]  # a DistilBERT has no token types
    tokenizer = read_tokenizer(source, bert.config.vocab_size, model_input_names=inputs)
    distilbert = relay(bert)
    distilbert.save_pretrained(destination)
    tokenizer.save_pretrained(destination)
    return distilbert


def relay(bert: BertModel) -> DistilBertModel:
    """Return a DistilBERT whose last hidden state equals `bert`'s bit for bit on single-segment inputs.

    Raises:
        UnusableCheckpoint: `bert` has an activation or a layer-norm epsilon that DistilBERT cannot have.
    """
    distilbert = DistilBertModel(_distilbert_config(bert.config))
    distilbert.load_state_dict(_renamed_weights(bert))
    return distilbert.eval()


def _distilbert_config(config: BertConfig) -> DistilBertConfig:
    if config.hidden_act not in ("gelu", "relu"):
        raise UnusableCheckpoint(f"expected the activation gelu or relu, found {config.hidden_act!r}")
    if config.layer_norm_eps != 1e-12:
        raise UnusableCheckpoint(
            f"expected layer_norm_eps 1e-12, which DistilBERT fixes, found {config.layer_norm_eps}"
        )
    return DistilBertConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        dim=config.hidden_size,
        hidden_dim=config.intermediate_size,
        dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        activation=config.hidden_act,
        initializer_range=config.initializer_range,
        pad_token_id=config.pad_token_id,
    )


def _renamed_weights(bert: BertModel) -> dict[str, torch.Tensor]:
    old = bert.state_dict()
    new = {target: old[source] for target, source in _EMBEDDINGS.items()}
    new["embeddings.word_embeddings.weight"] = (
        old["embeddings.word_embeddings.weight"] + old["embeddings.token_type_embeddings.weight"][0]
    )
    for layer in range(bert.config.num_hidden_layers):
        for target, source in _BLOCK.items():
            for kind in ("weight", "bias"):
                new[f"transformer.layer.{layer}.{target}.{kind}"] = old[f"encoder.layer.{layer}.{source}.{kind}"]
    return new
