"""A dry run says what a fit would do, and leaves nothing behind."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from sentiment_train.errors import FolderTaken, UnusableCheckpoint
from sentiment_train.fitting.forecast import forecast
from sentiment_train.fitting.recipe import Recipe
from tests.protocols import Command


def test_a_dry_run_says_what_would_be_done(prepared: Path, base: Path, tmp_path: Path) -> None:
    """Rows, labels with their weights, steps, device, memory and time are printed."""
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    recipe = Recipe(epochs=3.0, batch_size=4, max_tokens=64, class_weights="balanced", warmup_share=0.1)
    forecast(prepared, str(base), tmp_path / "run", recipe, console)
    assert printed.getvalue().startswith(f"would write {tmp_path / 'run'}: weights, configuration, tokenizer and ")
    assert not (tmp_path / "run").exists()
    shown = {line.split(maxsplit=1)[0]: line for line in printed.getvalue().splitlines()}
    assert "28 texts" in shown["train"]
    assert "negative 14 (weight 1.00), positive 14 (weight 1.00)" in shown["labels"]
    assert "7 an epoch, 21 in all, 2 of them warm-up" in shown["steps"]
    assert "cpu, fp32, processes: 1" in shown["device"]
    assert "million" in shown["parameters"]
    assert "GB" in shown["memory"]
    assert "measured in 3 steps" in shown["time"]
    assert printed.getvalue().endswith("nothing was written\n")


def test_a_dry_run_refuses_what_the_fit_would_refuse(
    prepared: Path, base: Path, fitted: Path, tmp_path: Path, quiet: Console
) -> None:
    """A taken folder, and --resume without a checkpoint, are told before anything is computed."""
    with pytest.raises(FolderTaken, match="found files in it"):
        forecast(prepared, str(base), fitted, Recipe(), quiet)
    with pytest.raises(UnusableCheckpoint, match="found none; start without --resume"):
        forecast(prepared, str(base), tmp_path / "run", Recipe(), quiet, resume=True)


def test_the_command_passes_its_folder_on(prepared: Path, base: Path, fitted: Path, command: Command) -> None:
    """`fit --dry-run` with a taken --out is one line and exit code 1."""
    code, words, errors = command("fit", prepared, "--base", base, "--out", fitted, "--dry-run")
    assert (code, words) == (1, "")
    assert errors.startswith(f"sentiment-train: expected a new or empty folder {fitted}, found files in it")
    code, _, errors = command("fit", prepared, "--base", base, "--out", fitted, "--dry-run", "--resume")
    assert code == 1
    assert "found a finished model; nothing is left to do" in errors


def test_a_fit_of_one_step_is_timed_too(prepared: Path, base: Path, tmp_path: Path) -> None:
    """Where there is one step only, its own time is the measure."""
    printed = io.StringIO()
    console = Console(file=printed, width=200)
    forecast(prepared, str(base), tmp_path / "run", Recipe(epochs=1.0, batch_size=64, max_tokens=64), console)
    assert "measured in 1 steps" in printed.getvalue()
