"""An evaluation as a folder: numbers for programs, a page and pictures for people. No text of a review is in it."""

import json
from pathlib import Path
from typing import Any

import msgspec

from sentiment_api.model.bundle import MANIFEST, open_bundle
from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.evaluation.answers import Answers
from sentiment_train.evaluation.drawing import History, draw
from sentiment_train.evaluation.mistakes import worst_mistakes
from sentiment_train.evaluation.page import page
from sentiment_train.evaluation.tables import (
    Table,
    abstain_table,
    figures_table,
    intervals_table,
    labels_table,
    mistakes_table,
    slices_table,
    thresholds_table,
)
from sentiment_train.folders import staged


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What was evaluated, on what."""

    model: str
    """Its name."""
    version: str
    engine: str
    reviews: str
    """The part or the file that they are from."""


def write_report(
    folder: Path, subject: Subject, answers: Answers, evaluation: dict[str, Any], *, history: History, worst: int
) -> None:
    """Write `evaluation.json`, `index.html` and `figures/` to `folder`, with the `worst` mistakes by id.

    Raises:
        FolderTaken: `folder` holds something.
        NotWritten: it could not be written; nothing is left.
    """
    mistakes = worst_mistakes(answers, worst)
    with staged(folder) as staging:
        captions = draw(answers, evaluation, staging / "figures", history)
        pictures = {caption: (staging / "figures" / name).read_bytes() for name, caption in captions.items()}
        record = {**msgspec.to_builtins(subject), **evaluation, "mistakes": mistakes}
        tables = [*evaluation_tables(evaluation, subject.reviews), mistakes_table(mistakes)]
        words = page(_title(subject), _facts(subject, evaluation), tables[:3], pictures, tables[3:])
        (staging / "evaluation.json").write_text(json.dumps(record, indent=2) + "\n")
        (staging / "index.html").write_text(words)


def evaluation_tables(evaluation: dict[str, Any], name: str) -> list[Table]:
    """Return all tables of an evaluation of the reviews called `name`: three that sum up, and those of details."""
    summary = [figures_table(evaluation, name), intervals_table(evaluation, name), labels_table(evaluation)]
    return [*summary, slices_table(evaluation), abstain_table(evaluation), thresholds_table(evaluation)]


def read_history(model: Path) -> History:
    """Return the log of the fit that made `model`, a folder of `fit` or a bundle; empty where there is none.

    Raises:
        UnusableCheckpoint: the log is damaged.
    """
    path = model / "fit.json"
    if not path.exists():
        return open_bundle(model).manifest.training.get("history", []) if (model / MANIFEST).exists() else []
    try:
        history: History = json.loads(path.read_text()).get("history", [])
    except (OSError, ValueError) as error:
        raise UnusableCheckpoint(f"{path} is damaged ({error}); fit the model again, or leave it out") from error
    return history


def _title(subject: Subject) -> str:
    return f"{subject.model} on {subject.reviews}"


def _facts(subject: Subject, evaluation: dict[str, Any]) -> list[str]:
    figures, bootstrap = evaluation["all"], evaluation["bootstrap"]
    labels = ", ".join(f"{n} {label}" for label, n in figures["support"].items())
    return [
        f"Model {subject.model} {subject.version}, engine {subject.engine}.",
        f"{figures['n']} reviews: {labels}.",
        f"Intervals hold {bootstrap['level']:.0%} of {bootstrap['resamples']} resamples of {bootstrap['drawn']}.",
        *(f"Note: {note}." for note in evaluation["notes"]),
    ]
