"""`evaluate`: how good a model is on ratings that it never saw."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Column
from rich.table import Table as ScreenTable

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_api.model.engines import EngineName
from sentiment_train.commands import console
from sentiment_train.evaluation.answers import answer_part, answer_texts
from sentiment_train.evaluation.drawing import History
from sentiment_train.evaluation.evaluate import evaluation as evaluate_answers
from sentiment_train.evaluation.mistakes import worst_mistakes
from sentiment_train.evaluation.report import Subject, evaluation_tables, read_history, write_report
from sentiment_train.evaluation.tables import Table, mistakes_table
from sentiment_train.folders import check_free

_WORST_IN_REPORT = 20
_WIDEST_NAME = 20


def evaluate(
    model: Annotated[Path, typer.Argument(help="A bundle, or a folder that `fit` made.")],
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="A parquet, csv or jsonl file to score as it is: text, and label by name or 0 and 1."),
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="A folder of `fit` runs on torch only.")] = "torch",
    part: Annotated[Literal["validation", "later"], typer.Option(help="Of the folder.")] = "later",
    out: Annotated[
        Path | None,
        typer.Option(help="Write JSON, a page and pictures here: new or empty. One with files in it is refused."),
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=0, help="List so many of the worst mistakes, by id; in --out 20 unless given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure a model on ratings that it never saw: figures with intervals, slices, thresholds, mistakes, pictures.

    They come from a prepared folder (--data) or from one plain file of labelled texts (--texts). Texts of reviews are
    neither printed nor written.
    """
    if (data is None) == (texts is None):
        raise typer.BadParameter("give exactly one of --data and --texts")
    history = _history_for(out, model)
    bundle = open_bundle(model)
    classifier = Classifier.load(bundle, engine, usable_cores())
    answers = answer_texts(classifier, texts) if texts else answer_part(classifier, data or Path(), part)
    evaluation = evaluate_answers(answers)
    subject = Subject(
        model=bundle.manifest.name,
        version=bundle.manifest.version,
        engine=engine,
        reviews=texts.name if texts else part,
    )
    if out is not None:
        in_report = _WORST_IN_REPORT if worst is None else worst
        write_report(out, subject, answers, evaluation, history=history, worst=in_report)
    mistakes = worst_mistakes(answers, worst or 0)
    if as_json:
        # A plain file has no parts: what is printed of it are its figures.
        shown = evaluation["all"] if texts else evaluation
        print(json.dumps(shown | ({"mistakes": mistakes} if worst else {}), indent=2))
    else:
        _show(subject, evaluation, mistakes)
        if out is not None:
            console.print(f"wrote {out}: index.html, evaluation.json and figures")


def _history_for(out: Path | None, model: Path) -> History:
    """Return what the learning curve is drawn from; refuse a taken folder before the minutes that scoring takes."""
    if out is None:
        return ()
    check_free(out)
    return read_history(model)


def _show(subject: Subject, evaluation: dict[str, Any], mistakes: list[dict[str, Any]]) -> None:
    console.print(f"{subject.model} {subject.version}, {subject.engine}", highlight=False)
    for table in (*evaluation_tables(evaluation, subject.reviews), mistakes_table(mistakes)):
        if table.rows:
            console.print(_on_screen(table))
    for note in evaluation["notes"]:
        console.print(f"note: {note}", highlight=False)


def _on_screen(table: Table) -> ScreenTable:
    name, *others = table.columns
    longest = max(len(row[0]) for row in table.rows)
    # An id that is broken in two cannot be copied.
    first = Column(name, overflow="fold", min_width=min(longest, _WIDEST_NAME))
    screen = ScreenTable(first, *others, title=table.title)
    for row in table.rows:
        screen.add_row(*row)
    return screen
