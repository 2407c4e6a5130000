"""A fit that was stopped goes on to the same model, several processes learn as one, and bad input is one line."""

import contextlib
import io
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import polars as pl
import psutil
import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from sentiment_train.errors import (
    Diverged,
    FolderTaken,
    Interrupted,
    NotWritten,
    OutOfMemory,
    UnusableCheckpoint,
    UnusableData,
    out_of_memory_translated,
)
from sentiment_train.fitting.fit import SMALLER_STEPS, fit
from sentiment_train.fitting.recipe import FitRunOptions, Recipe
from tests.protocols import MakeBase, Start

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).parents[3]
_PLAIN = Recipe(epochs=20.0, batch_size=4, learning_rate=1e-3, max_tokens=64, seed=1)
_RICH = Recipe(
    epochs=20.0,
    batch_size=4,
    gradient_accumulation=2,
    learning_rate=1e-3,
    scheduler="cosine",
    layer_decay=0.9,
    class_weights="balanced",
    label_smoothing=0.05,
    sentence_crops=1.0,
    attention_dropout=0.1,
    average=0.5,
    max_tokens=64,
    evaluations_per_epoch=2,
    patience=40,
    judge="macro_f1",
    seed=2,
)


def _command(data: Path, base: Path, out: Path, recipe: Recipe, *more: object) -> list[str]:
    """The arguments of a fit, every option of the recipe among them."""
    options = [
        str(word)
        for name, value in msgspec.to_builtins(recipe).items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    return [
        "-m",
        "sentiment_train",
        "fit",
        str(data),
        "--base",
        str(base),
        "--out",
        str(out),
        *options,
        *map(str, more),
    ]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts Python with arguments as a process of its own, which does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(arguments: list[str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={"PATH": os.environ["PATH"], "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
        for child in children:  # torchrun's, which hold its pipes open
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.communicate()


def _wait_for_checkpoint(process: subprocess.Popen[str], out: Path) -> None:
    """Return once a checkpoint is there; each line of the log is an occasion to look."""
    assert process.stdout is not None
    for _ in process.stdout:
        if list((out / "checkpoints").glob("step-*.pt")):
            return
    assert process.stderr is not None
    pytest.fail(f"no checkpoint was written: {process.stderr.read()}")


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    return tensors


def _are_same(first: Path, second: Path) -> bool:
    """Whether two models have the same weights, to the last bit."""
    one, other = _weights(first), _weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_killed_and_resumed_it_ends_with_the_same_model(
    prepared: Path, base: Path, fitted: Path, start: Start, quiet: Console, tmp_path: Path
) -> None:
    """With every option, after SIGKILL, --resume gives the weights and the history of a fit that nobody killed."""
    recipe = msgspec.structs.replace(_RICH, teacher_share=0.5)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(_command(prepared, base, killed, recipe, "--teacher", fitted, "--checkpoint-steps", 7))
    _wait_for_checkpoint(process, killed)
    process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL
    assert [path.name for path in killed.iterdir()] == ["checkpoints"]
    resumed = fit(prepared, str(base), killed, recipe, quiet, FitRunOptions(resume=True), [fitted])
    uninterrupted = fit(prepared, str(base), whole, recipe, quiet, teachers=[fitted])
    assert _are_same(whole, killed)
    for name in ("history", "best_step", "steps", "validation"):
        assert resumed[name] == uninterrupted[name]
    assert not (killed / "checkpoints").exists()


def test_sigterm_leaves_a_checkpoint_and_says_how_to_go_on(
    prepared: Path, base: Path, start: Start, tmp_path: Path
) -> None:
    """SIGTERM ends the step, leaves a checkpoint of it, names --resume, and is the exit code 143."""
    recipe = msgspec.structs.replace(_PLAIN, epochs=400.0)
    process = start(_command(prepared, base, tmp_path / "run", recipe, "--checkpoint-steps", 20))
    _wait_for_checkpoint(process, tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 143
    assert errors.startswith("sentiment-train: stopped after step ")
    assert errors.endswith(" of 2800; the same command with --resume goes on\n")
    step = int(errors.split("after step ")[1].split()[0])
    assert (tmp_path / "run" / "checkpoints" / f"step-{step:08}.pt").is_file()
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 2


def test_the_same_seed_gives_the_same_model(prepared: Path, base: Path, quiet: Console, tmp_path: Path) -> None:
    """Two fits with one seed have equal weights, and another seed has others."""
    brief = msgspec.structs.replace(_RICH, epochs=2.0)
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        fit(prepared, str(base), tmp_path / name, msgspec.structs.replace(brief, seed=seed), quiet)
    assert _are_same(tmp_path / "one", tmp_path / "two")
    assert not _are_same(tmp_path / "one", tmp_path / "three")


def test_two_processes_learn_as_one(
    prepared: Path, base: Path, fitted: Path, start: Start, quiet: Console, tmp_path: Path
) -> None:
    """Under torchrun the losses are those of one process, each line is printed once, and one model is written."""
    recipe = msgspec.structs.replace(
        _RICH,
        epochs=8.0,
        batch_size=5,
        dropout=0.0,
        attention_dropout=0.0,
        head_dropout=0.0,
        teacher_share=0.5,
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = start([*torchrun, *_command(prepared, base, tmp_path / "two", recipe, "--teacher", fitted)])
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    one = fit(prepared, str(base), tmp_path / "one", recipe, quiet, teachers=[fitted])
    two = json.loads((tmp_path / "two" / "fit.json").read_text())
    assert (one["processes"], two["processes"]) == (1, 2)
    assert len(two["history"]) == len(one["history"])
    for mine, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)
    assert output.count("will write") == output.count("wrote") == 1
    assert output.count("\nstep ") == len(two["history"])


def test_machines_with_disks_of_their_own_go_on_as_one(
    prepared: Path, base: Path, start: Start, quiet: Console, tmp_path: Path
) -> None:
    """Under torchrun, checkpoints and the best model are needed where the first process runs, and nowhere else."""
    recipe = msgspec.structs.replace(_PLAIN, epochs=8.0, dropout=0.0, head_dropout=0.0, patience=40)
    with pytest.raises(Interrupted):
        fit(prepared, str(base), tmp_path / "0", recipe, Console(file=_Impatient()))
    arguments = shlex.join([sys.executable, *_command(prepared, base, tmp_path, recipe, "--resume")])
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    process = start([*torchrun, "sh", "-c", f'{arguments} --out "{tmp_path}/$RANK"'])
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert not (tmp_path / "1").exists()
    one = fit(prepared, str(base), tmp_path / "one", recipe, quiet)
    two = json.loads((tmp_path / "0" / "fit.json").read_text())
    assert two["processes"] == 2
    assert len(two["history"]) == len(one["history"])
    for mine, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)


def test_a_step_of_two_passes_learns_as_one_pass(prepared: Path, base: Path, quiet: Console, tmp_path: Path) -> None:
    """Twice the accumulation on half the batch gives the same losses, class weights included."""
    large = msgspec.structs.replace(
        _PLAIN,
        epochs=8.0,
        batch_size=8,
        dropout=0.0,
        head_dropout=0.0,
        class_weights="balanced",
        evaluations_per_epoch=2,
    )
    small = msgspec.structs.replace(large, batch_size=4, gradient_accumulation=2)
    one, two = (fit(prepared, str(base), tmp_path / str(recipe.batch_size), recipe, quiet) for recipe in (large, small))
    for mine, theirs in zip(one["history"], two["history"], strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)


def test_patience_ends_a_fit_that_no_longer_gains_and_keeps_the_best(
    prepared: Path, base: Path, quiet: Console, tmp_path: Path
) -> None:
    """At a rate that destroys what was learned, the fit ends early and the model is that of the best evaluation."""
    recipe = msgspec.structs.replace(_PLAIN, learning_rate=0.05, patience=3, warmup_share=0.0)
    outcome = fit(prepared, str(base), tmp_path / "run", recipe, quiet)
    losses = {entry["step"]: entry["eval_loss"] for entry in outcome["history"] if "eval_loss" in entry}
    assert outcome["steps"] < 140
    assert outcome["best_step"] == min(losses, key=lambda step: losses[step]) == sorted(losses)[-4]
    assert outcome["validation"]["loss"] == losses[outcome["best_step"]]
    brief = msgspec.structs.replace(recipe, patience=1)
    assert fit(prepared, str(base), tmp_path / "brief", brief, quiet)["steps"] <= outcome["steps"]


def test_the_mean_of_the_last_weights_is_kept(prepared: Path, base: Path, quiet: Console, tmp_path: Path) -> None:
    """With --average 1 over two steps the model is the mean of the weights after each of them; with half, the last."""
    one = msgspec.structs.replace(_PLAIN, epochs=0.15, warmup_share=0.0, scheduler="cosine")
    two = msgspec.structs.replace(one, epochs=0.3)
    recipes = {
        "one": one,
        "two": two,
        **{f"{share}": msgspec.structs.replace(two, average=share) for share in (1.0, 0.5)},
    }
    steps = [fit(prepared, str(base), tmp_path / name, recipe, quiet)["steps"] for name, recipe in recipes.items()]
    assert steps == [1, 2, 2, 2]
    after_one, after_two, mean = (_weights(tmp_path / name) for name in ("one", "two", "1.0"))
    for name, tensor in mean.items():
        torch.testing.assert_close(tensor, (after_one[name] + after_two[name]) / 2)
    assert _are_same(tmp_path / "two", tmp_path / "0.5")


class _Impatient(io.StringIO):
    """A terminal whose user presses Ctrl-C at the first line about the loss."""

    def write(self, text: str) -> int:
        """Take the text."""
        if "  train  " in text:
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


@pytest.fixture
def stopped(prepared: Path, base: Path, tmp_path: Path) -> Path:
    """A folder in which a fit was stopped by Ctrl-C."""
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted, match="stopped after step 25 of 140") as interrupted:
        fit(prepared, str(base), out, _PLAIN, Console(file=_Impatient()))
    assert interrupted.value.exit_code == 130
    return out


def test_a_fit_with_checkpoints_is_not_begun_anew(
    prepared: Path, base: Path, quiet: Console, stopped: Path, fitted: Path, tmp_path: Path
) -> None:
    """Checkpoints are refused without --resume, which is named; and --resume is where there are none."""
    with pytest.raises(FolderTaken, match="found checkpoints of a fit that did not end; go on with --resume"):
        fit(prepared, str(base), stopped, _PLAIN, quiet)
    with pytest.raises(UnusableCheckpoint, match="found none; start without --resume"):
        fit(prepared, str(base), tmp_path / "new", _PLAIN, quiet, FitRunOptions(resume=True))
    assert not (tmp_path / "new").exists()
    with pytest.raises(UnusableCheckpoint, match="found a finished model; nothing is left to do"):
        fit(prepared, str(base), fitted, _PLAIN, quiet, FitRunOptions(resume=True))


def test_a_fit_goes_on_only_as_what_it_was(prepared: Path, make_base: MakeBase, quiet: Console, stopped: Path) -> None:
    """With other options or another base a checkpoint is refused, and what differs is named."""
    base = make_base(stopped.parent / "base")
    weights = _weights(base)
    save_file({name: tensor * 1.5 for name, tensor in weights.items()}, base / "model.safetensors", {"format": "pt"})
    recipe = msgspec.structs.replace(_PLAIN, seed=4, epochs=2.0)
    with pytest.raises(UnusableCheckpoint) as refused:
        fit(prepared, str(base), stopped, recipe, quiet, FitRunOptions(resume=True))
    assert "epochs 2.0 instead of 20.0; seed 4 instead of 1; repeat those" in str(refused.value)
    assert "base sha256" in str(refused.value)
    assert "data hash" not in str(refused.value)


def test_a_damaged_checkpoint_is_named(prepared: Path, base: Path, quiet: Console, stopped: Path) -> None:
    """A checkpoint that cannot be read is refused with its path."""
    (stopped / "checkpoints" / "step-00000030.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(UnusableCheckpoint, match=r"step-00000030.pt is damaged; .* go on from the one before"):
        fit(prepared, str(base), stopped, _PLAIN, quiet, FitRunOptions(resume=True))


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files may not become larger than 100 kB: the tokenizer's may be written, weights may not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_checkpoint(
    prepared: Path, base: Path, quiet: Console, stopped: Path, request: pytest.FixtureRequest
) -> None:
    """A checkpoint that finds no room ends the fit in one line; the one before stays, and the fit can go on later."""
    request.getfixturevalue("small_files")
    run_options = FitRunOptions(resume=True, checkpoint_steps=1)
    with pytest.raises(
        NotWritten, match=r"cannot write .*step-00000026.pt \(.*File too large\); make room and go on with"
    ):
        fit(prepared, str(base), stopped, _PLAIN, quiet, run_options)
    assert [path.name for path in stopped.rglob("*")] == ["checkpoints", "step-00000025.pt"]


def test_a_full_disk_leaves_no_half_a_model(
    prepared: Path, base: Path, quiet: Console, small_files: None, tmp_path: Path
) -> None:
    """Weights that find no room leave nothing that could be taken for a model."""
    brief = msgspec.structs.replace(_PLAIN, epochs=1.0)
    with pytest.raises(NotWritten, match=r"cannot write .*run \(.*File too large.*\); make room and fit again"):
        fit(prepared, str(base), tmp_path / "run", brief, quiet)
    assert list((tmp_path / "run").rglob("*")) == []


def test_a_fit_killed_before_its_first_checkpoint_is_begun_anew(
    prepared: Path, base: Path, quiet: Console, stopped: Path
) -> None:
    """The best model so far is nothing to go on from: without --resume the same folder is taken again."""
    recipe = msgspec.structs.replace(_PLAIN, epochs=1.0, patience=2)
    checkpoints = stopped / "checkpoints"
    (checkpoints / "step-00000025.pt").rename(checkpoints / "best.pt")  # another model's: it must not be kept
    (checkpoints / "step-00000030.partial").touch()
    (checkpoints / "model").mkdir()
    (checkpoints / "model" / "config.json").touch()
    with pytest.raises(UnusableCheckpoint, match="found none; start without --resume"):
        fit(prepared, str(base), stopped, recipe, quiet, FitRunOptions(resume=True))
    fit(prepared, str(base), stopped, recipe, quiet)
    fit(prepared, str(base), stopped.parent / "new", recipe, quiet)
    assert _are_same(stopped, stopped.parent / "new")
    assert not checkpoints.exists()


def test_checkpoints_of_others_are_not_taken_over(prepared: Path, base: Path, quiet: Console, tmp_path: Path) -> None:
    """A folder of that name with another program's files in it, which the end would remove, is refused."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch-1.ckpt").touch()
    with pytest.raises(FolderTaken, match=r"expected a new or empty folder .*, found files in it"):
        fit(prepared, str(base), tmp_path, _PLAIN, quiet)


def test_a_loss_that_is_no_number_ends_the_fit(prepared: Path, base: Path, quiet: Console, tmp_path: Path) -> None:
    """Weights that grew without bound are not written; the message names the options to change."""
    recipe = msgspec.structs.replace(_PLAIN, learning_rate=1e30, warmup_share=0.0)
    with pytest.raises(Diverged, match=r"expected a finite loss .* lower --learning-rate, or use --precision fp32"):
        fit(prepared, str(base), tmp_path / "run", recipe, quiet)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize(("label", "found"), [("positive", "found 1 in"), ("neither", "found 0 in 0 rows")])
def test_a_part_without_two_labels_is_refused(
    part: str, label: str, found: str, prepared: Path, base: Path, quiet: Console, tmp_path: Path
) -> None:
    """An empty part and one of a single label teach nothing and judge nothing."""
    data = Path(shutil.copytree(prepared, tmp_path / "data"))
    pl.read_parquet(data / f"{part}.parquet").filter(label=label).write_parquet(data / f"{part}.parquet")
    with pytest.raises(UnusableData, match=f"at least two labels in the part '{part}' .* {found}"):
        fit(data, str(base), tmp_path / "run", _PLAIN, quiet)
    assert not (tmp_path / "run").exists()


def test_too_little_memory_names_what_to_lower() -> None:
    """What torch says when memory is short, on CPUs and on GPUs, becomes one line with the remedy."""
    advice = r"than there is \(.*\); lower --batch-size or --max-tokens, and raise --gradient-accumulation"
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nMore.")):
        with pytest.raises(OutOfMemory, match=advice), out_of_memory_translated(SMALLER_STEPS):
            raise error
    with pytest.raises(OutOfMemory, match="tried to allocate"), out_of_memory_translated():
        torch.empty(1 << 50)
    with pytest.raises(RuntimeError, match="another"), out_of_memory_translated():
        raise RuntimeError("another")


def test_a_terminal_shows_a_bar_and_tensorboard_gets_its_logs(prepared: Path, base: Path, tmp_path: Path) -> None:
    """In a terminal the losses stand beside a bar; the folder that was named holds the logs, and --out the model."""
    printed = io.StringIO()
    terminal = Console(file=printed, force_terminal=True, width=120)
    recipe = msgspec.structs.replace(_PLAIN, epochs=4.0)
    fit(prepared, str(base), tmp_path / "run", recipe, terminal, FitRunOptions(tensorboard=tmp_path / "logs"))
    shown = printed.getvalue()
    assert "28/28" in shown
    assert "loss 0." in shown
    assert "macro F1 0." in shown
    assert "step 25/28" not in shown
    (logs,) = (tmp_path / "logs").iterdir()
    for name in ("train/loss", "train/learning_rate", "validation/macro_f1"):
        assert name.encode() in logs.read_bytes()
