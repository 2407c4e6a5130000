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
from sentiment_train.fitting.checkpoints import check_model_type, read_model, read_tokenizer, weights_hash
from sentiment_train.fitting.examples import Examples
from sentiment_train.fitting.passes import logits_of_all
from sentiment_train.fitting.recipe import Recipe


class Teacher(msgspec.Struct, frozen=True):
    """A folder that `fit` made."""

    folder: str
    record: dict[str, Any]
    """name, sha256, base and recipe: enough to make it again."""


def read_teachers(folders: Sequence[str], tokenizer: Any, data: dict[str, Any]) -> list[Teacher]:  # noqa: ANN401 - transformers is untyped
    """Return the teachers in `folders`, for a fit with `tokenizer` on the data whose record is `data`.

    Raises:
        UnusableCheckpoint: one is no folder that `fit` made, is of other data, labels or tokens, or had teachers
            itself.
    """
    teachers = [_read_teacher(Path(folder), tokenizer, data) for folder in folders]
    names = [teacher.record["name"] for teacher in teachers]
    if len(set(names)) < len(names):
        raise UnusableCheckpoint(
            f"expected teachers with names of their own, found {', '.join(names)}: rename a folder, since the record "
            "of the fit names them"
        )
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
        console.print(f"asking teacher {number} of {len(teachers)}: {teacher.record['name']}")
        model = read_model(DistilBertForSequenceClassification, teacher.folder).to(accelerator.device)
        logits = torch.from_numpy(logits_of_all(model, examples, recipe, accelerator))
        total += torch.softmax(logits, dim=1).numpy()
    return total / np.float32(len(teachers))


def _read_teacher(folder: Path, tokenizer: Any, data: dict[str, Any]) -> Teacher:  # noqa: ANN401 - transformers is untyped
    path = folder / "fit.json"
    try:
        fitted = json.loads(path.read_text())
        base, recipe, found_hash = fitted["base"], fitted["recipe"], fitted["data"]["hash"]
    except OSError as error:
        raise UnusableCheckpoint(f"expected a teacher that `sentiment-train fit` made, found no {path}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnusableCheckpoint(f"{path} is damaged ({error!r}); fit the teacher again") from error
    if found_hash != data["hash"]:
        raise UnusableCheckpoint(
            f"expected a teacher of the same data, found {folder} of those with the hash {found_hash[:12]} and not "
            f"{data['hash'][:12]}: it may have learned from held-out reviews; fit it on these data"
        )
    if fitted.get("teachers"):
        raise UnusableCheckpoint(
            f"expected a teacher that learned from the labels alone, found one with teachers in {folder}; use those"
        )
    check_model_type(str(folder), "distilbert")
    config = json.loads((folder / "config.json").read_text())
    if (labels := list(config.get("id2label", {}).values())) != data["labels"]:
        raise UnusableCheckpoint(f"expected a teacher with the labels {data['labels']}, found {labels} in {folder}")
    if read_tokenizer(str(folder), config["vocab_size"]).get_vocab() != tokenizer.get_vocab():
        raise UnusableCheckpoint(f"expected a teacher with the tokenizer of the base, found another one in {folder}")
    record = {"name": folder.resolve().name, "sha256": weights_hash(str(folder)), "base": base, "recipe": recipe}
    return Teacher(str(folder), record)
