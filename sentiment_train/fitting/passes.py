"""Passes through a model: of one batch, and of many examples that nothing is learned from."""

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from sentiment_train.fitting.devices import uses_bf16
from sentiment_train.fitting.examples import Examples
from sentiment_train.fitting.recipe import Recipe


def logits_of(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], recipe: Recipe, device: torch.device
) -> torch.Tensor:
    """Return the logits `(rows, n_labels)` of a batch that is on `device`, in the precision that computed them."""
    with torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(recipe, device)):
        logits: torch.Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return logits


@torch.inference_mode()  # type: ignore[untyped-decorator]  # torch is not followed by mypy
def logits_of_all(
    model: torch.nn.Module, examples: Examples, recipe: Recipe, accelerator: Accelerator
) -> NDArray[np.float32]:
    """Return the logits `(n, n_labels)` of all `examples`, which the processes divide among them.

    `model` is on the accelerator's device and is left in evaluation mode.
    """
    model.eval()
    order = np.argsort(-examples.lengths, kind="stable")
    parts = [order[at : at + recipe.batch_size] for at in range(0, len(order), recipe.batch_size)]
    found = torch.zeros(examples.targets.shape, device=accelerator.device)
    for rows in parts[accelerator.process_index :: accelerator.num_processes]:
        batch = on_device(examples.batch(rows), accelerator.device)
        found[rows] = logits_of(model, batch, recipe, accelerator.device).float()
    logits: NDArray[np.float32] = accelerator.reduce(found).cpu().numpy()
    return logits


def on_device(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """Return the batch on `device`."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
