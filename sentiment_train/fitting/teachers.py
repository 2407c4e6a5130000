"""Models that a fit learns from beside the labels: knowledge distillation (Hinton, Vinyals and Dean, 2015).

A label says what its whole review says. Of a piece of that review the mean answer of several models is a better judge,
and of a review it says how sure one can be.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from rich.console import Console
from transformers import DistilBertForSequenceClassification

from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.fitting.checkpoints import check_positions, read_config, read_model, read_tokenizer, weights_hash
from sentiment_train.fitting.devices import logits_of_all
from sentiment_train.fitting.examples import Examples
from sentiment_train.fitting.recipe import Recipe


class TeacherRecord(msgspec.Struct, frozen=True):
    """What `fit.json` of a teacher must say, and what else of it is kept."""

    base: str
    recipe: dict[str, Any]
    data: dict[str, Any]
    teachers: list[dict[str, Any]] = []
    base_sha256: str | None = None
    steps: int | None = None
    device: str | None = None
    processes: int | None = None
    precision: str | None = None
    versions: dict[str, str] | None = None

    @property
    def making(self) -> dict[str, Any]:
        """How the teacher was made: what is known of it, but for the data, which are the student's."""
        known = {key: value for key, value in msgspec.structs.asdict(self).items() if value is not None}
        return {key: value for key, value in known.items() if key not in {"data", "teachers"}}


class Student(msgspec.Struct, frozen=True):
    """What a fit's teachers have to fit to."""

    tokenizer: Any
    max_tokens: int
    data: dict[str, Any]
    """The record of the data, as `prepare` wrote it down."""


class Teacher(msgspec.Struct, frozen=True):
    """A folder that `fit` made."""

    folder: Path
    record: dict[str, Any]
    """The hash of its weights, and of how it was made what its own record says: enough to make it again."""


def read_teachers(folders: Sequence[Path], student: Student) -> list[Teacher]:
    """Return the teachers in `folders`.

    Raises:
        UnusableCheckpoint: one is no folder that `fit` made, cannot teach the student, had teachers itself, or is there
            twice.
    """
    teachers = []
    for folder in folders:
        fitted = _read_fit(folder)
        _check_learning(folder, fitted, student)
        _check_model(folder, student)
        teachers.append(Teacher(folder, {"sha256": weights_hash(str(folder)), **fitted.making}))
    if len({teacher.record["sha256"] for teacher in teachers}) < len(teachers):
        raise UnusableCheckpoint("expected teachers that differ, found two with the same weights; name each once")
    return teachers


def mean_probabilities(
    teachers: Sequence[Teacher], examples: Examples, recipe: Recipe, accelerator: Accelerator, console: Console
) -> NDArray[np.float32]:
    """Return the mean over the teachers of each label's probability, `(n, n_labels)`.

    Raises:
        UnusableCheckpoint: the weights of one cannot be read.
    """
    total = np.zeros(examples.targets.shape, dtype=np.float32)
    for number, teacher in enumerate(teachers, 1):
        console.print(f"asking teacher {number} of {len(teachers)}, {teacher.folder}")
        total += _probabilities(teacher, examples, recipe, accelerator)
    return total / np.float32(len(teachers))


def _probabilities(
    teacher: Teacher, examples: Examples, recipe: Recipe, accelerator: Accelerator
) -> NDArray[np.float32]:
    model = read_model(DistilBertForSequenceClassification, str(teacher.folder)).to(accelerator.device)
    logits = torch.from_numpy(logits_of_all(model, examples, recipe, accelerator))
    probabilities: NDArray[np.float32] = torch.softmax(logits, dim=1).numpy()
    return probabilities


def _read_fit(folder: Path) -> TeacherRecord:
    path = folder / "fit.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=TeacherRecord)
    except OSError as error:
        raise UnusableCheckpoint(f"expected a teacher that `sentiment-train fit` made, found no {path}") from error
    except msgspec.MsgspecError as error:
        raise UnusableCheckpoint(f"{path} is damaged ({error}); fit the teacher again") from error


def _check_learning(folder: Path, fitted: TeacherRecord, student: Student) -> None:
    """Held-out reviews must not be taught in a roundabout way, and one card must tell how all of it was made."""
    found, expected = str(fitted.data.get("hash"))[:12], student.data["hash"][:12]
    if found != expected:
        raise UnusableCheckpoint(
            f"expected a teacher of the same data, found {folder} of those with the hash {found} and not {expected}: "
            "it may have learned from held-out reviews; fit it on these data"
        )
    if fitted.teachers:
        raise UnusableCheckpoint(
            f"expected a teacher that learned from the labels alone, found one with teachers in {folder}; use those"
        )


def _check_model(folder: Path, student: Student) -> None:
    config = read_config(str(folder), "distilbert")
    check_positions(config, student.max_tokens, str(folder))
    if (labels := list(config.id2label.values())) != student.data["labels"]:
        raise UnusableCheckpoint(
            f"expected a teacher with the labels {student.data['labels']}, found {labels} in {folder}"
        )
    if _rules(read_tokenizer(str(folder), config.vocab_size)) != _rules(student.tokenizer):
        raise UnusableCheckpoint(f"expected a teacher with the tokenizer of the base, found another one in {folder}")


def _rules(tokenizer: Any) -> dict[str, Any]:  # noqa: ANN401 - transformers is untyped
    """Return what decides the ids of a text: not where it is cut, nor how it is padded."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    return {key: content[key] for key in ("normalizer", "pre_tokenizer", "model", "post_processor")}
