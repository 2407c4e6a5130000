"""The loop of a fit: steps, evaluations and checkpoints, in one process or in several that share each batch.

What a step does follows from the weights before it, the recipe and the step's number, and from nothing else: its rows
from (seed, epoch), its dropout from (seed, step). So a fit that was killed ends with the same weights as one that was
not, and a checkpoint needs no state of a random generator.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from types import FrameType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from torch.optim.swa_utils import AveragedModel
from transformers import DistilBertForSequenceClassification

from sentiment_train.errors import Diverged
from sentiment_train.fitting.devices import Stopwatch, logits_of, logits_of_all, on_device, wait_for_device
from sentiment_train.fitting.examples import Examples, steps_of_epoch
from sentiment_train.fitting.optimization import class_weights, new_optimizer, new_schedule, row_losses
from sentiment_train.fitting.recipe import FitRunOptions, Recipe
from sentiment_train.fitting.reporting import LearningCurve, Reporter
from sentiment_train.fitting.run_folder import RunFolder

STEPS_BETWEEN_REPORTS = 25
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Training:
    """A model that is being fitted."""

    def __init__(
        self,
        model: DistilBertForSequenceClassification,
        train: Examples,
        validation: Examples,
        recipe: Recipe,
        accelerator: Accelerator,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Take `model`, whose weights will change, to the accelerator's device, for which `stopwatch` waits."""
        self._recipe = recipe
        self._train = train
        self._validation = validation
        self._accelerator = accelerator
        self._parallel = accelerator.prepare(model)
        self._model = accelerator.unwrap_model(self._parallel)
        self._optimizer = new_optimizer(self._model, recipe)
        self._schedule = new_schedule(self._optimizer, recipe, self.steps)
        self._averaged = AveragedModel(self._model) if recipe.average > 0 else None
        weights = class_weights(train.labels, self._model.config.num_labels, recipe.class_weights)
        self._class_weights = torch.from_numpy(weights).to(accelerator.device)
        self._epoch, self._plan = -1, list[NDArray[np.intp]]()
        # On the device and not as numbers: to read them waits for the GPU.
        self._loss = torch.zeros((), device=accelerator.device)
        self._norm = torch.zeros((), device=accelerator.device)
        self._unreported = 0
        self._stopwatch = stopwatch or Stopwatch(partial(wait_for_device, accelerator.device))

        self.step = 0
        """Steps done."""
        self.tokens = 0
        """Tokens learned from, without padding."""
        self.reviews = 0
        self.history = LearningCurve(recipe.patience, recipe.judge)

    @property
    def steps_per_epoch(self) -> int:
        """The last one of an epoch may be smaller."""
        return -(-len(self._train) // (self._recipe.batch_size * self._recipe.gradient_accumulation))

    @property
    def steps(self) -> int:
        """Of the whole fit, unless it stops early."""
        return max(1, int(self._recipe.epochs * self.steps_per_epoch))

    def seconds_in_steps(self) -> float:
        """Wait for the device, stop the clock until the next step, and return the seconds that all steps took.

        Evaluations and checkpoints are not counted.
        """
        return self._stopwatch.stop()

    @property
    def is_ended(self) -> bool:
        """Whether all steps are done, or the evaluations have not become better for long enough."""
        return self.step >= self.steps or self.history.is_stale

    def run(self, folder: RunFolder, run_options: FitRunOptions, identity: dict[str, Any], report: Reporter) -> int:
        """Go on to the end, or until a signal: the number of the signal is returned then, otherwise 0.

        Raises:
            Diverged: the loss is not finite.
            NotWritten: a checkpoint cannot be written.
        """
        saved_at = time.monotonic()
        with stop_requests() as request:
            while not self.is_ended:
                self.advance()
                report.step(self.step)
                if self.step % STEPS_BETWEEN_REPORTS == 0 or self.step == self.steps:
                    report.training(self.step, self._report())
                if self._is_evaluation_due():
                    report.validation(self.step, self._evaluate(folder))
                is_late = time.monotonic() - saved_at >= 60 * run_options.checkpoint_minutes
                signal_number, is_late = self._agreed(request.signal_number, is_late)
                is_due = run_options.checkpoint_steps and self.step % run_options.checkpoint_steps == 0
                if signal_number or is_due or is_late:
                    self._save(folder, identity)
                    saved_at = time.monotonic()
                if signal_number:
                    return signal_number
        return 0

    def advance(self) -> None:
        """Do one step."""
        self._stopwatch.start()
        torch.manual_seed(self._seed_of_step())
        self._model.train()
        rows = self._rows()
        passes = [rows[at : at + self._recipe.batch_size] for at in range(0, len(rows), self._recipe.batch_size)]
        for number, part in enumerate(passes, 1):
            # Processes add up their gradients once a step and not at each pass.
            with nullcontext() if number == len(passes) else self._accelerator.no_sync(self._parallel):
                loss = self._share_of_loss(part, len(rows))
                (loss * self._accelerator.num_processes).backward()  # of gradients the mean over processes is taken
            self._loss += loss.detach()
        limit = self._recipe.max_grad_norm or float("inf")
        self._norm += torch.nn.utils.clip_grad_norm_(self._model.parameters(), limit).detach()
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        self.step += 1
        if self._averaged and self.step > (1 - self._recipe.average) * self.steps:
            self._averaged.update_parameters(self._model)
        self._unreported += 1
        self.reviews += len(rows)
        self.tokens += int(self._train.lengths[rows].sum())

    def validate(self) -> dict[str, float]:
        """Return loss, accuracy and macro F1 of the model on the validation part; neither weights nor steps change."""
        self._stopwatch.stop()
        logits = logits_of_all(self._judged, self._validation, self._recipe, self._accelerator)
        return _figures(logits, self._validation.labels)

    def resume(self, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint's `state` was taken."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        if self._averaged:
            self._averaged.load_state_dict(state["averaged"])
        if self._accelerator.is_main_process:  # it is the sum over processes already
            self._loss.copy_(state["loss"])
        self._norm.copy_(state["norm"])
        self._unreported = state["unreported"]
        self.step, self.tokens, self.reviews = state["step"], state["tokens"], state["reviews"]
        self.history.entries = state["history"]
        self._stopwatch.set(state["seconds"])

    def model(self, folder: RunFolder) -> DistilBertForSequenceClassification:
        """Return the model that is kept (see `LearningCurve.kept`), on the CPU.

        Raises:
            UnusableCheckpoint: it is that of an earlier evaluation, whose weights are damaged.
        """
        if self._recipe.patience:
            self._model.load_state_dict(folder.load_best())
            return self._model.cpu()
        return self._judged.cpu()

    @property
    def _judged(self) -> DistilBertForSequenceClassification:
        """The model that would be kept if this were the end."""
        return self._averaged.module if self._averaged and self._averaged.n_averaged > 0 else self._model

    def _rows(self) -> NDArray[np.intp]:
        """Return the rows of the step that is next."""
        epoch, number = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            size = self._recipe.batch_size * self._recipe.gradient_accumulation
            self._epoch, self._plan = epoch, steps_of_epoch(self._train.lengths, size, self._recipe.seed, epoch)
        return self._plan[number]

    def _seed_of_step(self) -> int:
        place = [self._recipe.seed, 3, self.step, self._accelerator.process_index]
        return int(np.random.SeedSequence(place).generate_state(1)[0])

    def _share_of_loss(self, rows: NDArray[np.intp], rows_of_step: int) -> torch.Tensor:
        """Return this process's summand of the mean loss over a step's rows.

        All processes' summands of all passes add up to it. A pass with fewer rows than processes leaves some without:
        they compute a row and count it as nothing, because the others wait for their gradients.
        """
        mine = rows[self._accelerator.process_index :: self._accelerator.num_processes]
        device = self._accelerator.device
        batch = on_device(self._train.batch(mine if len(mine) else rows[:1]), device)
        logits = logits_of(self._parallel, batch, self._recipe, device)
        losses = row_losses(logits, batch["targets"], self._class_weights, self._recipe.label_smoothing)
        return losses.sum() * (bool(len(mine)) / rows_of_step)

    def _is_evaluation_due(self) -> bool:
        each = self._recipe.evaluations_per_epoch
        passed, before = (step * each // self.steps_per_epoch for step in (self.step, self.step - 1))
        return passed > before or self.step == self.steps

    def _report(self) -> dict[str, float]:
        """Return the mean loss and gradient norm since the last report, the rate before the step and the speed."""
        self._check_finite()
        figures = {
            "loss": float(self._accelerator.reduce(self._loss)) / self._unreported,
            "grad_norm": float(self._norm) / self._unreported,
            "learning_rate": max(self._schedule.get_last_lr()),
        }
        self._loss.zero_()
        self._norm.zero_()
        self._unreported = 0
        self.history.entries.append({**figures, **self._place()})
        return {**figures, "tokens_per_s": self.tokens / self.seconds_in_steps()}

    def _evaluate(self, folder: RunFolder) -> dict[str, float]:
        """Return the figures of the validation part, and keep the model if it is the best one and that is asked for."""
        self._check_finite()
        figures = self.validate()
        entry = {**{f"eval_{name}": value for name, value in figures.items()}, **self._place()}
        self.history.entries.append(entry)
        if self._recipe.patience and self._accelerator.is_main_process and self.history.best is entry:
            folder.save_best(self._judged.state_dict())
        return figures

    def _place(self) -> dict[str, float]:
        return {"epoch": round(self.step / self.steps_per_epoch, 4), "step": self.step}

    def _check_finite(self) -> None:
        """The gradient's norm, unlike the loss, is the same in every process, and no number where one loss is none."""
        if not torch.isfinite(self._norm):
            raise Diverged(
                f"expected a finite loss and gradient, found {float(self._norm)} by step {self.step}; lower "
                "--learning-rate, or use --precision fp32"
            )

    def _agreed(self, signal_number: int, is_late: bool) -> tuple[int, bool]:
        """Return the signal that any of the processes got, and whether any has waited long for a checkpoint."""
        if self._accelerator.num_processes == 1:
            return signal_number, is_late
        mine = torch.tensor([[signal_number, is_late]], device=self._accelerator.device)
        signal_number, is_late = self._accelerator.gather(mine).amax(dim=0).tolist()
        return signal_number, bool(is_late)

    def _save(self, folder: RunFolder, identity: dict[str, Any]) -> None:
        self._stopwatch.stop()
        self._check_finite()
        loss = self._accelerator.reduce(self._loss)
        if not self._accelerator.is_main_process:
            return
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "averaged": self._averaged.state_dict() if self._averaged else {},
            "loss": loss,
            "norm": self._norm,
            "unreported": self._unreported,
            "step": self.step,
            "tokens": self.tokens,
            "reviews": self.reviews,
            "seconds": self.seconds_in_steps(),
            "history": self.history.entries,
        }
        folder.save_checkpoint(self.step, identity, state)


def _figures(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> dict[str, float]:
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(truth)), truth]
    guessed = logits.argmax(axis=1)
    return {
        "loss": float(losses.mean()),
        "accuracy": float(accuracy_score(truth, guessed)),
        "macro_f1": float(f1_score(truth, guessed, average="macro")),
    }


class StopRequest:
    """Whether Ctrl-C or SIGTERM asked the fit to stop: the step is ended and a checkpoint written first."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.signal_number = 0
        """0 while nothing was asked."""

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note the first signal; a second one of its kind ends the process as if nobody listened."""
        del frame
        self.signal_number = number
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Note Ctrl-C and SIGTERM instead of ending; outside the main thread, which alone may listen, note nothing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = [signal.signal(number, request.note) for number in _SIGNALS]
    try:
        yield request
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
