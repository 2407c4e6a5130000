"""What is decided before a fit: the recipe, which makes the weights, and the options of the run, which do not.

Types and defaults stand here; which fields are options of `sentiment-train fit` is said in `commands.fit_options`.
"""

from pathlib import Path
from typing import Literal

import msgspec

ClassWeights = Literal["none", "balanced", "square-root"]
Schedule = Literal["linear", "cosine"]
Precision = Literal["auto", "fp32", "bf16"]
Judge = Literal["loss", "macro_f1"]

TEACHER_SHARE = 0.8
"""Where there are teachers and nothing else is said."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the weights, beside the data and the base checkpoint."""

    epochs: float = 2.0
    batch_size: int = 32
    """Reviews in one pass, over all processes together."""
    gradient_accumulation: int = 1
    """Passes of one step: a step learns from `batch_size` times as many reviews."""
    max_tokens: int = 160
    """Training texts are cut here; the model may serve longer ones."""
    learning_rate: float = 8e-5
    warmup_share: float = 0.06
    """Of all steps: the rate rises from 0 to `learning_rate` in them, and falls to 0 in the rest."""
    scheduler: Schedule = "linear"
    layer_decay: float = 1.0
    """What each layer's learning rate is multiplied by, beside that of the layer above; 1 is one rate for all."""
    max_grad_norm: float = 1.0
    """Longer gradients are cut; 0 cuts none."""
    class_weights: ClassWeights = "none"
    """Whether rare labels weigh more in the loss."""
    sentence_crops: float = 0.0
    """Short pieces that are trained on as well, per review of at least two sentences."""
    teacher_share: float = 0.0
    """Of what is learned of a text: the teachers' mean probabilities; the rest is its label. Above 0 with teachers."""
    weight_decay: float = 0.01
    dropout: float = 0.1
    attention_dropout: float = 0.0
    """With any of it torch has no fast attention on CPUs: 1.2 times the time at 128 tokens, 1.7 times at 256."""
    head_dropout: float = 0.2
    """Before the last layer."""
    label_smoothing: float = 0.0
    average: float = 0.0
    """The model is the mean of the weights over this share of the steps; 0 takes the last weights."""
    evaluations_per_epoch: int = 1
    patience: int = 0
    """After so many evaluations without a better one the fit stops and keeps the best; 0 keeps the last model."""
    judge: Judge = "loss"
    """The figure of the validation part that says which evaluation is better."""
    precision: Precision = "auto"
    """auto is bf16 on GPUs that have it, else fp32. Weights and optimizer are in fp32 either way."""
    seed: int = 0


class FitRunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a fit is run; none of it changes the weights."""

    resume: bool = False
    """Go on from the checkpoint in the folder of the fit."""
    checkpoint_steps: int = 0
    """A checkpoint each so many steps; 0 goes by the clock."""
    checkpoint_minutes: float = 10.0
    """A checkpoint at least so often."""
    tensorboard: Path | None = None
    """The folder of TensorBoard's logs."""


DEFAULT_RUN_OPTIONS = FitRunOptions()
