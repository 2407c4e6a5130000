"""How good a model is on ratings that it never saw, from top to bottom: ask it, count, and write what was found."""

from pathlib import Path
from typing import Any, NamedTuple

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_train.errors import UnusableData
from sentiment_train.evaluation.answers import answer_part, answer_texts, worst_mistakes
from sentiment_train.evaluation.drawing import History
from sentiment_train.evaluation.figures import all_figures
from sentiment_train.evaluation.report import EvaluatedModel, read_history, write_report
from sentiment_train.folders import check_free
from sentiment_train.prepared import held_out_part

_WORST_IN_REPORT = 20


class Evaluation(NamedTuple):
    """What was found."""

    subject: EvaluatedModel
    figures: dict[str, Any]
    """As `figures.all_figures` returns them."""
    mistakes: list[dict[str, Any]]
    """The worst ones, as `answers.worst_mistakes` returns them."""


def evaluate(
    model: Path,
    data: Path | None,
    texts: Path | None,
    *,
    part: str | None,
    engine: str,
    out: Path | None,
    worst: int | None,
) -> Evaluation:
    """Measure the bundle, or folder of `fit`, `model`, and write a report to `out` if that is given.

    The reviews are one `part` of the prepared folder `data`, by default the one that is held out, or else the labelled
    `texts` of one file. `worst` mistakes
    are listed; None lists 20 in the report and none in what is returned.

    Raises:
        BundleInvalid: `model` is incomplete or damaged.
        UnusableData: there is no such part, the file cannot be read, or has a label that the model does not have.
        UnusableCheckpoint: the log of the fit is damaged, from which the report draws the learning curve.
        FolderTaken: `out` holds something.
        NotWritten: the report cannot be written; nothing of it is left.
    """
    history = _history_for(out, model)
    bundle = open_bundle(model)
    classifier = Classifier.load(bundle, engine, usable_cores())
    if texts is not None:
        answers = answer_texts(classifier, texts)
    elif data is not None:
        part = part or held_out_part(data)
        answers = answer_part(classifier, data, part)
    else:
        raise UnusableData("expected a prepared folder or a file of labelled texts, found none; name one")
    figures = all_figures(answers)
    subject = EvaluatedModel(
        model=bundle.manifest.name,
        version=bundle.manifest.version,
        engine=engine,
        reviews=texts.name if texts else part or "",
    )
    if out is not None:
        in_report = _WORST_IN_REPORT if worst is None else worst
        write_report(out, subject, answers, figures, history=history, worst=in_report)
    return Evaluation(subject, figures, worst_mistakes(answers, worst or 0))


def _history_for(out: Path | None, model: Path) -> History:
    """Return what the learning curve is drawn from; refuse a taken folder before the minutes that scoring takes."""
    if out is None:
        return ()
    check_free(out)
    return read_history(model)
