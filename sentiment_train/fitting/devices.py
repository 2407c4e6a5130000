"""What a fit computes on: the device, other processes, the precision, and passes of texts through a model there."""

import os
import time
from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from sentiment_train.fitting.examples import Examples
from sentiment_train.fitting.recipe import Recipe


def new_accelerator() -> Accelerator:
    """Return what knows the device and the other processes that `torchrun` started.

    On GPUs torch is told to compute the same floats each time; on CPUs it does.
    """
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS repeats its sums only with this
        torch.use_deterministic_algorithms(mode=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # it looks for errors that we do not make
    return Accelerator(cpu=not torch.cuda.is_available())


def uses_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Return whether the passes compute in bf16."""
    if recipe.precision == "auto":
        return device.type == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return recipe.precision == "bf16"


def wait_for_device(device: torch.device) -> None:
    """Return when `device` has done all that it was told: a call on a GPU returns once its work is launched."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Stopwatch:
    """The seconds of a device's work: the clock is read only when the device has done what was launched on it."""

    def __init__(self, wait: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        """Stand at 0; `wait` returns when the device is idle (see `wait_for_device`)."""
        self._wait = wait
        self._clock = clock
        self._seconds = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Run on; nothing happens when it runs."""
        if self._started is None:
            self._wait()
            self._started = self._clock()

    def stop(self) -> float:
        """Stand still, and return the seconds so far."""
        if self._started is not None:
            self._wait()
            self._seconds += self._clock() - self._started
            self._started = None
        return self._seconds

    def set(self, seconds: float) -> None:
        """Stand at `seconds`."""
        self._seconds, self._started = seconds, None


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
