"""The folder of a fit while it runs: checkpoints to go on from, and the finished model, each there whole or not at all.

out/checkpoints/step-00000120.pt     the two newest
out/checkpoints/best.pt              the best model so far, where a fit keeps the best one
out/config.json, model.safetensors   at the end, when the checkpoints go

Without a `step-*.pt` there is nothing to go on from: what else stands beside it is no reason to refuse the folder.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

from sentiment_train.errors import FolderTaken, NotWritten, UnusableCheckpoint
from sentiment_train.folders import check_free

CONTENTS = "weights, configuration, tokenizer and fit.json, the record of the run"
"""Of the folder at the end, in a user's words."""
KEPT_CHECKPOINTS = 2
_WEIGHTS = "model.safetensors"
_BEST = "best.pt"
_STAGING = "model"
_PARTIAL = ".partial"


class RunFolder:
    """The folder that `fit` was told to write."""

    def __init__(self, folder: Path) -> None:
        """Nothing is written yet."""
        self.folder = folder
        self._checkpoints = folder / "checkpoints"

    def check(self, *, resume: bool) -> None:
        """Return when a fit may write here: into what is new, empty, or was left by a fit without a checkpoint.

        Raises:
            FolderTaken: the folder holds something else, and `resume` is false.
            UnusableCheckpoint: `resume` is true, and there is no checkpoint.
        """
        found = self._by_age()
        if not resume:
            if found:
                raise FolderTaken(
                    f"expected a new or empty folder {self.folder}, found checkpoints of a fit that did not end; "
                    "go on with --resume, or name another one"
                )
            if not self._is_left_over():
                check_free(self.folder)
        elif not found:
            is_finished = (self.folder / _WEIGHTS).exists()
            state = "a finished model; nothing is left to do" if is_finished else "none; start without --resume"
            raise UnusableCheckpoint(f"expected a checkpoint to go on from in {self._checkpoints}, found {state}")

    def save_checkpoint(self, step: int, identity: dict[str, Any], state: dict[str, Any]) -> None:
        """Write `state` as the newest checkpoint, and drop those that are too many.

        `identity` says of which fit it is: names and JSON values.

        Raises:
            NotWritten: it could not be written; the ones before it stay.
        """
        self._save(self._checkpoints / f"step-{step:08}.pt", {"identity": identity, "state": state})
        for path in self._by_age()[:-KEPT_CHECKPOINTS]:
            path.unlink()

    def load_checkpoint(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Return the newest checkpoint's state, on the CPU.

        Raises:
            UnusableCheckpoint: it is damaged, or of another fit than `identity` says.
        """
        path = self._by_age()[-1]
        saved = _load(path)
        differences = _differences(saved["identity"], identity)
        if differences:
            raise UnusableCheckpoint(
                f"expected the options, data, base and teachers that {path} was made with, found "
                f"{'; '.join(differences)}; repeat those, or start anew in another folder"
            )
        state: dict[str, Any] = saved["state"]
        return state

    def save_best(self, weights: dict[str, torch.Tensor]) -> None:
        """Keep `weights` as the best model so far.

        Raises:
            NotWritten: they could not be written; the best one before stays.
        """
        self._save(self._checkpoints / _BEST, weights)

    def load_best(self) -> dict[str, torch.Tensor]:
        """Return the best model's weights, on the CPU.

        Raises:
            UnusableCheckpoint: there are none, or they are damaged.
        """
        return _load(self._checkpoints / _BEST)

    def finish(self, write: Callable[[Path], object]) -> None:
        """Let `write` fill a folder beside the checkpoints; move what it wrote to its place, and drop the checkpoints.

        The weights come last, so that a folder with weights has all the rest.

        Raises:
            NotWritten: it could not be written; the checkpoints stay.
        """
        staging = self._checkpoints / _STAGING
        with self._room_for(self.folder):
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir(parents=True)
            try:
                write(staging)
                for path in sorted(staging.iterdir(), key=lambda path: path.name == _WEIGHTS):
                    path.replace(self.folder / path.name)
            finally:
                shutil.rmtree(staging)
            shutil.rmtree(self._checkpoints)

    def _save(self, path: Path, content: dict[str, Any]) -> None:
        partial = path.with_suffix(_PARTIAL)
        with self._room_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open("wb") as file:
                    torch.save(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    @contextmanager
    def _room_for(self, path: Path) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:  # torch's writer makes a RuntimeError of an OSError
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            last = "go on with --resume from the last whole checkpoint" if self._by_age() else "fit again"
            raise NotWritten(f"cannot write {path} ({cause}); make room and {last}") from error
        finally:
            with suppress(OSError):  # it holds something, or is not there
                self._checkpoints.rmdir()

    def _is_left_over(self) -> bool:
        """Whether here is nothing but what a fit leaves that ended before its first checkpoint.

        Only names that a fit writes: at the end the checkpoints' folder is removed with all that it holds.
        """
        if not self._checkpoints.is_dir() or list(self.folder.iterdir()) != [self._checkpoints]:
            return False
        return all(path.name in {_BEST, _STAGING} or path.suffix == _PARTIAL for path in self._checkpoints.iterdir())

    def _by_age(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return sorted(self._checkpoints.glob("step-*.pt"))


def _load(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        RuntimeError,
        ValueError,
        EOFError,
        UnpicklingError,
    ) as error:  # torch's advice would be wrong here
        raise UnusableCheckpoint(f"{path} is damaged; remove it to go on from the one before") from error
    return content


def _differences(saved: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return what differs, one phrase a field, such as `seed 2 instead of 1`."""
    return [
        f"{name} {found.get(name)} instead of {saved.get(name)}"
        for name in sorted(saved.keys() | found.keys())
        if saved.get(name) != found.get(name)
    ]
