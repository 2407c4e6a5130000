"""A dry run says what a fit would do, and leaves nothing behind."""

import io
from pathlib import Path

from rich.console import Console

from sentiment_train.fitting.forecast import forecast
from sentiment_train.fitting.recipe import Recipe


def test_a_dry_run_says_what_would_be_done(prepared: Path, base: Path, tmp_path: Path) -> None:
    """Rows, labels with their weights, steps, device, memory and time are printed."""
    console = Console(file=io.StringIO(), width=200)
    recipe = Recipe(epochs=3.0, batch_size=4, max_tokens=64, class_weights="balanced", warmup_share=0.1)
    forecast(prepared, str(base), recipe, console)
    shown = {line.split(maxsplit=1)[0]: line for line in console.file.getvalue().splitlines()}
    assert "28 texts" in shown["train"]
    assert "negative 14 (weight 1.00), positive 14 (weight 1.00)" in shown["labels"]
    assert "7 an epoch, 21 in all, 2 of them warm-up" in shown["steps"]
    assert "cpu, fp32, processes: 1" in shown["device"]
    assert "million" in shown["parameters"]
    assert "GB" in shown["memory"]
    assert "measured in 3 steps" in shown["time"]
    assert console.file.getvalue().endswith("nothing was written\n")


def test_a_fit_of_one_step_is_timed_too(prepared: Path, base: Path) -> None:
    """Where there is one step only, its own time is the measure."""
    console = Console(file=io.StringIO(), width=200)
    forecast(prepared, str(base), Recipe(epochs=1.0, batch_size=64, max_tokens=64), console)
    assert "measured in 1 steps" in console.file.getvalue()
