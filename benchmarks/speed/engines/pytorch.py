"""The candidates on PyTorch, in fp32: as it comes, and compiled."""

import numpy as np
import torch
from torch._dynamo.exc import TorchDynamoException
from torch._inductor.exc import CppCompileError
from transformers import DistilBertForSequenceClassification

from benchmarks.speed.engines.candidates import CandidateUnavailable, Ids, Logits, PaddedRun, Run, SourceModel


class TorchFp32:
    """The model as transformers loads it."""

    name = "torch-fp32"
    summary = "PyTorch, eager, `sdpa` attention, fp32"

    def prepare(self, model: SourceModel) -> None:
        """Load the model."""
        loaded = DistilBertForSequenceClassification.from_pretrained(
            model.folder, attn_implementation="sdpa", dtype=torch.float32
        )
        self._model = loaded.eval()

    def open(self, threads: int) -> Run:
        """Return a function that gives a mask of ones, as a service that pads would."""
        return lambda ids: self._logits(ids, None, threads)

    def open_for(self, callers: int) -> list[Run]:
        """Return the same function for all: the weights are shared, the number of threads is each thread's own."""
        return [self.open(1)] * callers

    def open_padded(self) -> PaddedRun | None:
        """Return a function on one core."""
        return lambda ids, mask: self._logits(ids, mask, 1)

    def _logits(self, ids: Ids, mask: Ids | None, threads: int) -> Logits:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        tokens = torch.from_numpy(ids)
        with torch.inference_mode():
            logits: Logits = self._forward(tokens, torch.ones_like(tokens) if mask is None else torch.from_numpy(mask))
            return logits

    def _forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> Logits:
        logits: Logits = self._model(input_ids=tokens, attention_mask=mask).logits.numpy()
        return logits


class TorchCompile(TorchFp32):
    """The same, compiled with shapes left open."""

    name = "torch-compile"
    summary = "PyTorch, `torch.compile` with dynamic shapes (Inductor), `sdpa` attention, fp32"

    def prepare(self, model: SourceModel) -> None:
        """Load the model, and see whether it can be compiled."""
        super().prepare(model)
        self._compiled = torch.compile(self._model, dynamic=True)
        try:
            self.open(1)
        except (TorchDynamoException, CppCompileError) as error:
            reason = str(error).strip().splitlines()[0]
            raise CandidateUnavailable(f"torch.compile needs a working C++ compiler here: {reason}") from error

    def open(self, threads: int) -> Run:
        """Return the function once its code for one text and for several is there, for so many threads."""
        run = super().open(threads)
        for texts in (1, 2):
            run(np.ones((texts, 24), dtype=np.int64))
        return run

    def _forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> Logits:
        logits: Logits = self._compiled(input_ids=tokens, attention_mask=mask).logits.numpy()
        return logits
