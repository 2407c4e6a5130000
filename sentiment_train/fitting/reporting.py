"""What a fit shows while it runs: a bar in a terminal, lines otherwise, and TensorBoard's logs on request."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

Figures = dict[str, float]


class Reporter:
    """Shows the figures of a fit of `steps` steps, of which `done` were done before."""

    def __init__(self, console: Console, steps: int, done: int, tensorboard: Path | None) -> None:
        """Show nothing yet."""
        self._console = console
        self._steps = steps
        self._first = done
        self._started = time.monotonic()
        self._loss = ""
        self._validation = ""
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=steps, completed=done)
        self._writer = SummaryWriter(str(tensorboard)) if tensorboard else None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._writer:
            self._writer.close()

    def step(self, step: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step)

    def training(self, step: int, figures: Figures) -> None:
        """Show the loss and the like of the steps since the last time."""
        self._loss = f"loss {figures['loss']:.4f}"
        self._show(step, "train", figures)

    def validation(self, step: int, figures: Figures) -> None:
        """Show what an evaluation found."""
        self._validation = f"  validation {figures['loss']:.4f}, macro F1 {figures['macro_f1']:.4f}"
        self._show(step, "validation", figures)

    def _show(self, step: int, name: str, figures: Figures) -> None:
        if self._writer:
            for figure, value in figures.items():
                self._writer.add_scalar(f"{name}/{figure}", value, step)
        self._bar.update(self._task, completed=step, description=self._loss + self._validation)
        if not self._console.is_terminal:
            shown = "  ".join(f"{figure} {value:.4g}" for figure, value in figures.items())
            self._console.print(
                f"step {step}/{self._steps}  {name}  {shown}  {self._left(step)}".rstrip(), highlight=False
            )

    def _left(self, step: int) -> str:
        if step <= self._first or step == self._steps:
            return ""
        seconds = (time.monotonic() - self._started) / (step - self._first) * (self._steps - step)
        return f"{time_words(seconds)} left"


def time_words(seconds: float) -> str:
    """Return a duration as a reader wants it, such as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
