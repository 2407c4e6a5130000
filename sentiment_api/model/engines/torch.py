"""The reference engine: the bundle's weights on torch, fp32 on a CPU and fp16 on a GPU, in padded batches."""

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import DistilBertForSequenceClassification

from sentiment_api.errors import EngineUnavailable
from sentiment_api.model.bundle import Bundle
from sentiment_api.model.engines import BatchLimits, EngineOutput

GPU_LIMITS = BatchLimits(texts=256, tokens=8_192, padding=0.15)
CPU_LIMITS = BatchLimits(texts=32, tokens=512, padding=0.15)
"""By `python -m benchmarks engine`: 8 texts of 32 tokens go about as fast as any, and a pass holds up others."""


class TorchEngine:
    """The model as transformers runs it."""

    name = "torch"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        """Load the bundle's weights onto the first GPU, or onto the CPU without one.

        Raises:
            EngineUnavailable: the folder's weights are not those of its configuration.
        """
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.limits = GPU_LIMITS if self._device.type == "cuda" else CPU_LIMITS
        dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        try:
            model = DistilBertForSequenceClassification.from_pretrained(bundle.folder, dtype=dtype)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise EngineUnavailable(f"torch cannot load the weights in {bundle.folder}: {error}") from error
        self._model = model.to(self._device).eval()
        # One pass at a time uses all the cores: two would share them and each be slower.
        self.threads = 1
        torch.set_num_threads(threads)

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:  # noqa: ARG002 - all cores, or all of the GPU, every time
        """Return the output for the texts in `batch`, padded to the longest."""
        with torch.inference_mode():
            return self._forward(*_padded(batch))

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> EngineOutput:
        ids, mask = ids.to(self._device), mask.to(self._device)
        hidden = self._model.distilbert(input_ids=ids, attention_mask=mask).last_hidden_state
        logits = self._model.classifier(torch.relu(self._model.pre_classifier(hidden[:, 0])))
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1)
        return EngineOutput(_float32(logits), _float32(pooled))


def _padded(batch: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(batch):
        ids[row, : len(text)] = torch.tensor(text)
        mask[row, : len(text)] = 1
    return ids, mask


def _float32(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array
