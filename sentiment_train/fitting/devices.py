"""What a fit runs on: the device, other processes, the precision, and what is said when memory is short."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator

from sentiment_train.errors import OutOfMemory
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


SMALLER_STEPS = "lower --batch-size or --max-tokens, and raise --gradient-accumulation for as many reviews a step"
"""What helps a fit."""


@contextmanager
def memory_translated(remedy: str = "free some, or use a machine with more") -> Iterator[None]:
    """Turn what torch says when memory is short, on a CPU or a GPU, into `OutOfMemory`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch says RuntimeError on CPUs, and a class of its own on GPUs
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        reason = (str(error) or "memory is exhausted").splitlines()[0]
        raise OutOfMemory(f"more memory is needed than there is ({reason}); {remedy}") from error
