"""Opens checkpoints of others: a folder or a hub name in, a model in fp32 or a clear refusal out.

transformers fills weights that it does not find with random numbers and loads one architecture's file into another
with a warning; both are refused here. A folder is read without asking the hub.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer
from transformers.utils import cached_file

from sentiment_train.errors import UnusableCheckpoint


def read_config(source: str, expected: str) -> Any:  # noqa: ANN401 - transformers is untyped
    """Return the configuration of `source` (a folder or a hub name), a model of the type `expected`, such as `bert`.

    Raises:
        UnusableCheckpoint: its configuration cannot be read or names another type.
    """
    with _translated(source):
        config = AutoConfig.from_pretrained(source, local_files_only=_is_local(source))
    if (found := config.model_type) != expected:
        raise UnusableCheckpoint(f"expected a checkpoint of type {expected!r} in {source}, found {found!r}")
    return config


def check_positions(config: Any, tokens: int, source: str) -> None:  # noqa: ANN401 - transformers is untyped
    """Return when the model of `config`, read from `source`, takes texts of `tokens` tokens.

    Raises:
        UnusableCheckpoint: it has fewer positions.
    """
    if (found := config.max_position_embeddings) < tokens:
        raise UnusableCheckpoint(
            f"expected a model with {tokens} positions or more in {source}, found {found}; lower --max-tokens to that"
        )


def read_model(model_class: Any, source: str, *, new: tuple[str, ...] = (), **options: Any) -> Any:  # noqa: ANN401 - transformers is untyped
    """Return the checkpoint `source` as a `model_class` in fp32, whatever precision it is stored in.

    Weights whose names begin with one of `new` may be missing: they start at random. `options` go to the model's
    configuration.

    Raises:
        UnusableCheckpoint: it cannot be read, has another shape, or lacks weights.
    """
    with _translated(source):
        model, report = model_class.from_pretrained(
            source, dtype=torch.float32, local_files_only=_is_local(source), output_loading_info=True, **options
        )
    if missing := sorted(name for name in report["missing_keys"] if not name.startswith(new)):
        raise UnusableCheckpoint(
            f"expected all weights of a {model_class.__name__} in {source}, found {len(missing)} missing, such as "
            f"{missing[0]}"
        )
    return model


def read_tokenizer(source: str, vocabulary: int, **options: Any) -> Any:  # noqa: ANN401 - transformers is untyped
    """Return the tokenizer of the checkpoint `source`, whose model has embeddings for `vocabulary` tokens.

    `options` are kept with it when it is saved.

    Raises:
        UnusableCheckpoint: it has none that can be read, or one for another vocabulary.
    """
    with _translated(source):
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=_is_local(source), **options)
    # Without any file transformers gives a tokenizer that knows nothing but the special tokens.
    if not len(tokenizer.all_special_tokens) < len(tokenizer) <= vocabulary:
        raise UnusableCheckpoint(
            f"expected a tokenizer of at most {vocabulary} tokens, which the model has, in {source}; found one of "
            f"{len(tokenizer)}"
        )
    return tokenizer


def weights_hash(source: str) -> str:
    """Return the SHA-256 of the weights file of the checkpoint `source`, as `sha256sum` gives it.

    Raises:
        UnusableCheckpoint: it has none that can be read.
    """
    with _translated(source):
        options = {"local_files_only": _is_local(source), "_raise_exceptions_for_missing_entries": False}
        found = cached_file(source, "model.safetensors", **options) or cached_file(source, "pytorch_model.bin")
        with Path(found).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _is_local(source: str) -> bool:
    return Path(source).is_dir()


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UnusableCheckpoint(
            f"cannot read {source}, expected a folder or a hub name of a Hugging Face checkpoint: {error}"
        ) from error
