"""What a fit keeps of its way, its learning curve, and what it shows of it: a bar, lines, TensorBoard's logs."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from sentiment_train.fitting.recipe import Judge

Figures = dict[str, float]


class LearningCurve:
    """What a fit found on its way. It ends after `patience` evaluations without a better one (0: never)."""

    def __init__(self, patience: int, judge: Judge) -> None:
        """Hold nothing yet."""
        self._patience = patience
        self._judge = judge
        self.entries: list[Figures] = []
        """Each with step and epoch: of a report with loss, of an evaluation with eval_loss, eval_accuracy and
        eval_macro_f1."""

    @property
    def evaluations(self) -> list[Figures]:
        """The entries that are evaluations."""
        return [entry for entry in self.entries if "eval_loss" in entry]

    @property
    def best(self) -> Figures:
        """The best evaluation, the earliest of equal ones; there must be one."""
        if self._judge == "loss":
            return min(self.evaluations, key=lambda entry: entry["eval_loss"])
        return max(self.evaluations, key=lambda entry: entry["eval_macro_f1"])

    @property
    def kept(self) -> Figures:
        """The evaluation of the model that is kept: the best one where there is patience, otherwise the last."""
        return self.best if self._patience else self.evaluations[-1]

    @property
    def is_stale(self) -> bool:
        """Whether patience is at its end."""
        evaluations = self.evaluations
        return bool(self._patience and evaluations) and (
            len(evaluations) - 1 - evaluations.index(self.best) >= self._patience
        )


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
