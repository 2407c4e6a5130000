"""An evaluation as a folder: numbers for programs, a page and pictures for people. No text of a review is in it."""

import json
from pathlib import Path
from typing import Any

import msgspec

from sentiment_api.model.bundle import MANIFEST, open_bundle
from sentiment_train.errors import UnusableCheckpoint
from sentiment_train.evaluation.answers import LabelledAnswers, worst_mistakes
from sentiment_train.evaluation.drawing import History, draw
from sentiment_train.evaluation.page import page
from sentiment_train.evaluation.tables import evaluation_tables, mistakes_table
from sentiment_train.folders import staged


class EvaluatedModel(msgspec.Struct, frozen=True, kw_only=True):
    """Which model was evaluated, on what."""

    model: str
    """Its name."""
    version: str
    engine: str
    reviews: str
    """The part or the file that they are from."""


def write_report(
    folder: Path,
    subject: EvaluatedModel,
    answers: LabelledAnswers,
    evaluation: dict[str, Any],
    *,
    history: History,
    worst: int,
) -> None:
    """Write `evaluation.json`, `index.html` and `figures/` to `folder`, with the `worst` mistakes by id.

    `evaluation` is what `figures.all_figures` makes of `answers`.

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


def _title(subject: EvaluatedModel) -> str:
    return f"{subject.model} on {subject.reviews}"


def _facts(subject: EvaluatedModel, evaluation: dict[str, Any]) -> list[str]:
    figures, bootstrap = evaluation["all"], evaluation["bootstrap"]
    labels = ", ".join(f"{n} {label}" for label, n in figures["support"].items())
    return [
        f"Model {subject.model} {subject.version}, engine {subject.engine}.",
        f"{figures['n']} reviews: {labels}.",
        f"Intervals hold {bootstrap['level']:.0%} of {bootstrap['resamples']} resamples of {bootstrap['drawn']}.",
        *(f"Note: {note}." for note in evaluation["notes"]),
    ]
