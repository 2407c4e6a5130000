"""Turns a review into token ids. Serving and training share it, so that both see the same tokens."""

from pathlib import Path
from typing import NamedTuple

import tokenizers

from sentiment_api.errors import BundleInvalid


class Tokens(NamedTuple):
    """One encoded text."""

    ids: list[int]
    """Token ids with the special tokens, at most the model's limit."""
    truncated: bool
    """Whether the text had more tokens than the model takes."""


class ReviewTokenizer:
    """A fast tokenizer that cuts at `max_tokens`. Safe to share between threads."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        """Read `tokenizer.json` at `path`; `max_tokens` counts the special tokens too.

        Raises:
            BundleInvalid: the file cannot be read, or is none of a tokenizer's.
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises bare Exception
            raise BundleInvalid(f"cannot read {path}: {error}") from error
        # Cutting and padding by the tokenizer are state shared by all threads: both stay off, we cut ourselves.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._max_tokens = max_tokens

    def encode(self, text: str) -> Tokens:
        """Return the tokens of `text`; when it is too long its beginning and the closing separator remain."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: list[str]) -> list[Tokens]:
        """Return the tokens of each text, in order.

        Batch calls release the GIL for the whole of the work; `Tokenizer.encode` holds it.
        """
        return [self._cut(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(texts)]

    def encode_whole(self, text: str) -> list[int]:
        """Return all token ids of `text` with the special tokens, however many they are."""
        ids: list[int] = self._tokenizer.encode_batch_fast([text])[0].ids
        return ids

    def _cut(self, ids: list[int]) -> Tokens:
        if len(ids) <= self._max_tokens:
            return Tokens(ids, truncated=False)
        return Tokens([*ids[: self._max_tokens - 1], ids[-1]], truncated=True)
