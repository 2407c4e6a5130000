"""What a fit minimizes and how: the loss, its weights by label, the optimizer and the schedule of its rate."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DistilBertForSequenceClassification, get_scheduler

from sentiment_train.fitting.recipe import ClassWeights, Recipe

_POWERS: dict[ClassWeights, float] = {"none": 0.0, "square-root": 0.5, "balanced": 1.0}


def class_weights(labels: NDArray[np.int64], n_labels: int, kind: ClassWeights) -> NDArray[np.float32]:
    """Return the weight of each label `(n_labels,)`: 1 / its share (or the root of that), with the mean 1 over rows."""
    counts = np.bincount(labels, minlength=n_labels)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -_POWERS[kind], 0.0)
    scaled: NDArray[np.float32] = (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)
    return scaled


def row_losses(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, label_smoothing: float
) -> torch.Tensor:
    """Return the cross-entropy of each row with its targets, times the weight of its label, `(n,)` float32.

    `targets` are probabilities `(n, n_labels)`; a row that is several labels in part has the mean of their weights.
    torch's own weighted mean divides by the weights of the batch, so that it would depend on how rows are batched.
    """
    losses = torch.nn.functional.cross_entropy(
        logits.float(), targets, reduction="none", label_smoothing=label_smoothing
    )
    return losses * (targets @ weights)


def new_optimizer(model: DistilBertForSequenceClassification, recipe: Recipe) -> torch.optim.AdamW:
    """Return AdamW: no decay for biases and norms, and a rate that falls from layer to layer by `layer_decay`."""
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        rate = recipe.learning_rate * recipe.layer_decay ** _layers_below_head(name, model.config.n_layers)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    is_fusible = next(model.parameters()).device.type in {"cpu", "cuda", "mps"}
    return torch.optim.AdamW(
        [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()],
        fused=is_fusible,
    )


def new_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """Return the rise and the fall of the rate over `steps`."""
    return get_scheduler(
        recipe.scheduler, optimizer, num_warmup_steps=warmup_steps(recipe, steps), num_training_steps=steps
    )


def warmup_steps(recipe: Recipe, steps: int) -> int:
    """Return the number of steps in which the rate rises."""
    return int(recipe.warmup_share * steps)


def _layers_below_head(name: str, n_layers: int) -> int:
    """Return 0 for the head, 1 for the last block, up to `n_layers` + 1 for the embeddings."""
    if name.startswith("distilbert.embeddings."):
        return n_layers + 1
    if name.startswith("distilbert.transformer.layer."):
        return n_layers - int(name.split(".")[3])
    return 0
