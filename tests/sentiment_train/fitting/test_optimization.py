"""The loss weighs labels as asked, however rows are batched, and the rates fall from layer to layer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DistilBertForSequenceClassification

from sentiment_train.fitting.optimization import class_weights, new_optimizer, new_schedule, row_losses
from sentiment_train.fitting.recipe import ClassWeights, Recipe, Schedule

_LABELS = np.array([0, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", [1.0, 1.0]), ("balanced", [2.5, 0.625]), ("square-root", [5 / 3, 5 / 6])]
)
def test_rare_labels_weigh_more(kind: ClassWeights, expected: list[float]) -> None:
    """Balanced gives each label the same sum, the root half of that on a log scale; the mean over rows stays 1."""
    weights = class_weights(_LABELS, 2, kind)
    assert weights.tolist() == pytest.approx(expected)
    assert weights[_LABELS].mean() == pytest.approx(1.0)


def test_a_label_without_rows_has_no_weight() -> None:
    """A label that no row has neither divides by nothing nor changes the others."""
    assert class_weights(_LABELS, 3, "balanced").tolist() == pytest.approx([2.5, 0.625, 0.0])


def test_the_loss_of_a_row_does_not_depend_on_its_batch() -> None:
    """Rows have the smoothed cross-entropy that torch computes, times their label's weight, alone or together.

    A row that is half of each label has the mean of both losses and of both weights.
    """
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.25], [-3.0, 1.0]])
    labels, weights = torch.tensor([0, 0, 1]), torch.tensor([2.5, 0.625])
    targets = torch.nn.functional.one_hot(labels).float()
    together = row_losses(logits, targets, weights, 0.1)
    for row in range(3):
        alone = torch.nn.functional.cross_entropy(logits[row : row + 1], labels[row : row + 1], label_smoothing=0.1)
        torch.testing.assert_close(together[row], alone * weights[labels[row]])
    both = torch.nn.functional.cross_entropy(logits[:1].repeat(2, 1), torch.tensor([0, 1]), reduction="none").mean()
    torch.testing.assert_close(
        row_losses(logits[:1], torch.tensor([[0.5, 0.5]]), weights, 0.0)[0], both * weights.mean()
    )


def test_rates_fall_from_the_head_to_the_embeddings(base: Path) -> None:
    """With a layer decay of one half each layer has half the rate of the one above; biases and norms do not decay."""
    model = DistilBertForSequenceClassification.from_pretrained(base)
    optimizer = new_optimizer(model, Recipe(learning_rate=0.08, layer_decay=0.5, weight_decay=0.3))
    found = {
        id(each): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for each in group["params"]
    }
    names = dict(model.named_parameters())
    assert len(found) == len(names)
    for name, expected in {
        "classifier.weight": (0.08, 0.3),
        "pre_classifier.bias": (0.08, 0.0),
        "distilbert.transformer.layer.1.ffn.lin1.weight": (0.04, 0.3),
        "distilbert.transformer.layer.0.sa_layer_norm.weight": (0.02, 0.0),
        "distilbert.embeddings.word_embeddings.weight": (0.01, 0.3),
    }.items():
        assert found[id(names[name])] == pytest.approx(expected)


@pytest.mark.parametrize("scheduler", ["linear", "cosine"])
def test_the_rate_rises_and_falls(scheduler: Schedule) -> None:
    """It starts at 0, is whole after the warm-up, and is 0 at the end."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = new_schedule(optimizer, Recipe(scheduler=scheduler, warmup_share=0.2), 10)
    rates = [schedule.get_last_lr()[0]]
    for _ in range(10):
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates[:3] == pytest.approx([0.0, 0.25, 0.5])
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[10] == pytest.approx(0.0)
