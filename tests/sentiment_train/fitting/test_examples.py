"""Reviews as numbers: padded to their own length, in steps of like length, each once an epoch."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sentiment_api.model.tokenizer import ReviewTokenizer
from sentiment_train.errors import UnusableData
from sentiment_train.fitting.examples import Examples, read_examples, steps_of_epoch

_TEXTS = ["love it", "terrible, it broke after two days", "average and okay"]


@pytest.fixture
def tokenizer(base: Path) -> ReviewTokenizer:
    """The tokenizer of the tiny model."""
    return ReviewTokenizer(base / "tokenizer.json", 8)


@pytest.fixture
def part() -> pl.DataFrame:
    """Three reviews."""
    return pl.DataFrame({"text": _TEXTS, "label": ["positive", "negative", "positive"]})


@pytest.mark.parametrize("vocabulary", [300, 70_000])
def test_a_batch_holds_its_texts_padded_to_the_longest(
    vocabulary: int, part: pl.DataFrame, tokenizer: ReviewTokenizer
) -> None:
    """Ids, mask and labels are those of the rows in their order; a text that is too long is cut."""
    examples = Examples(part, tokenizer, ["negative", "positive"], vocabulary)
    batch = examples.batch(np.array([2, 1]))
    assert batch["targets"].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    for line, text in zip(range(2), (_TEXTS[2], _TEXTS[1]), strict=True):
        ids = tokenizer.encode(text).ids
        assert batch["input_ids"][line].tolist() == ids + [0] * (8 - len(ids))
        assert batch["attention_mask"][line].tolist() == [1] * len(ids) + [0] * (8 - len(ids))
    assert examples.tokens == sum(len(tokenizer.encode(text).ids) for text in _TEXTS)


def test_texts_can_be_added(part: pl.DataFrame, tokenizer: ReviewTokenizer) -> None:
    """Added texts stand after the others."""
    examples = Examples(part, tokenizer, ["negative", "positive"], 300)
    examples.add(["broke"], [0], tokenizer)
    assert len(examples) == 4
    batch = examples.batch(np.array([3, 0]))
    assert batch["input_ids"][:, :4].tolist() == [
        [*tokenizer.encode("broke").ids, 0],
        tokenizer.encode("love it").ids,
    ]
    assert batch["targets"].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_an_empty_part_is_refused(part: pl.DataFrame, tokenizer: ReviewTokenizer) -> None:
    """Nothing can be learned from nothing."""
    with pytest.raises(UnusableData, match="found an empty part"):
        read_examples(part.clear(), tokenizer, ["negative", "positive"], 300)


def test_an_epoch_takes_each_row_once_in_steps_of_like_length() -> None:
    """The longest step is first, lengths within a step are near each other, and epochs differ."""
    lengths = np.random.default_rng(0).integers(5, 160, 1003).astype(np.int32)
    steps = steps_of_epoch(lengths, 16, seed=1, epoch=0)
    assert len(steps) == 63
    assert sorted(np.concatenate(steps).tolist()) == list(range(1003))
    assert lengths[steps[0]].max() == lengths.max()
    padding = sum(len(rows) * int(lengths[rows].max()) for rows in steps) / lengths.sum()
    assert padding < 1.1
    again, later = steps_of_epoch(lengths, 16, seed=1, epoch=0), steps_of_epoch(lengths, 16, seed=1, epoch=1)
    assert all(np.array_equal(one, other) for one, other in zip(steps, again, strict=True))
    assert not np.array_equal(np.concatenate(steps), np.concatenate(later))


def test_targets_can_be_softened(part: pl.DataFrame, tokenizer: ReviewTokenizer) -> None:
    """A quarter of another's probabilities leaves three quarters of the label."""
    examples = Examples(part, tokenizer, ["negative", "positive"], 300)
    examples.soften(np.array([[0.4, 0.6], [0.8, 0.2], [1.0, 0.0]], dtype=np.float32), 0.25)
    assert examples.batch(np.array([0, 1, 2]))["targets"].flatten().tolist() == pytest.approx(
        [0.1, 0.9, 0.95, 0.05, 0.25, 0.75]
    )
