"""What is decided before a fit: the recipe, which makes the weights, and the conduct of the run, which does not."""

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
    """Reviews in one pass through the model, over all processes together."""
    gradient_accumulation: int = 1
    """Passes of a step: a step learns from `batch_size` times as many reviews."""
    learning_rate: float = 8e-5
    warmup_share: float = 0.06
    """Of all steps; the rate rises from 0 to `learning_rate` in them, and falls to 0 in the rest."""
    scheduler: Schedule = "linear"
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    """A longer gradient is shortened to it; 0 leaves every gradient as it is."""
    layer_decay: float = 1.0
    """What each layer's learning rate is multiplied by, beside that of the layer above; 1 is one rate for all."""
    class_weights: ClassWeights = "none"
    label_smoothing: float = 0.0
    sentence_crops: float = 0.0
    """Short pieces to train on beside the reviews, as a share of the reviews that have two sentences."""
    dropout: float = 0.1
    attention_dropout: float = 0.0
    """With any of it torch has no fast attention on CPUs: 1.2 times the time at 128 tokens, 1.7 times at 256."""
    head_dropout: float = 0.2
    teacher_share: float = 0.0
    """Of what is learned of a text: the teachers' mean probabilities; the rest is its label. Above 0 with teachers."""
    average: float = 0.0
    """The model is the mean of the weights over this share of the steps, the last ones; 0 takes the last weights."""
    max_tokens: int = 160
    """Training texts are cut here; the model may serve longer ones."""
    precision: Precision = "auto"
    """auto: bf16 on GPUs that have it, otherwise fp32. Weights and optimizer are in fp32 either way."""
    evaluations_per_epoch: int = 1
    patience: int = 0
    """Evaluations without a better one after which the fit stops and the best model is kept; 0 runs to the end and
    keeps the last one."""
    judge: Judge = "loss"
    """The figure of the validation part that says which evaluation is better."""
    seed: int = 0


class Conduct(msgspec.Struct, frozen=True, kw_only=True):
    """How a fit is run; none of it changes the weights."""

    resume: bool = False
    checkpoint_steps: int = 0
    """A checkpoint each so many steps; 0 leaves it to the minutes."""
    checkpoint_minutes: float = 10.0
    tensorboard: Path | None = None
    """Folder for TensorBoard's logs; None writes none."""


DEFAULT_CONDUCT = Conduct()
