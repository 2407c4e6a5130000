"""Work is timed to its end: a GPU's call returns once the work is launched, long before it is done."""

from pathlib import Path

from sentiment_train.fitting.devices import Stopwatch, new_accelerator
from sentiment_train.fitting.fit import load_inputs
from sentiment_train.fitting.recipe import Recipe
from sentiment_train.fitting.training import Training


class _Gpu:
    """A device on which work is launched in no time, and a clock that goes on only while somebody waits for it."""

    def __init__(self) -> None:
        """Have nothing to do."""
        self.now_s = 100.0
        self.launched_s = 0.0

    def wait(self) -> None:
        """Do what was launched."""
        self.now_s += self.launched_s
        self.launched_s = 0.0

    def stopwatch(self) -> Stopwatch:
        """A new one of this device."""
        return Stopwatch(self.wait, lambda: self.now_s)


def test_the_time_of_launched_work_is_measured() -> None:
    """The clock is read when the device is done, at both ends: what was launched before is not counted."""
    gpu = _Gpu()
    stopwatch = gpu.stopwatch()
    gpu.launched_s = 7.0
    stopwatch.start()
    gpu.launched_s = 2.5
    stopwatch.start()
    assert stopwatch.stop() == 2.5
    gpu.launched_s = 4.0
    assert stopwatch.stop() == 2.5
    stopwatch.start()
    gpu.launched_s = 1.0
    assert stopwatch.stop() == 3.5
    stopwatch.set(60.0)
    assert stopwatch.stop() == 60.0


def test_the_seconds_of_a_fit_are_those_of_its_steps_and_not_of_its_evaluations(prepared: Path, base: Path) -> None:
    """Of three steps of two seconds each six are counted, although no step waited for the device."""
    gpu = _Gpu()
    recipe = Recipe(batch_size=4, max_tokens=64)
    inputs = load_inputs(prepared, str(base), recipe)
    training = Training(
        inputs.model, inputs.train, inputs.validation, recipe, new_accelerator(), stopwatch=gpu.stopwatch()
    )
    for _ in range(3):
        training.advance()
        gpu.launched_s += 2.0
    training.validate()
    gpu.launched_s += 9.0
    assert training.seconds_in_steps() == 6.0
