"""`sentiment-train`: the commands in the order in which they are used."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table
from transformers.utils import logging as transformers_logging

from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_api.cores import usable_cores
from sentiment_api.errors import SentimentError
from sentiment_train.bert_import import import_bert as import_bert_checkpoint
from sentiment_train.errors import TrainingError
from sentiment_train.evaluation import evaluate as evaluate_model
from sentiment_train.evaluation import evaluate_texts
from sentiment_train.exporting import Card
from sentiment_train.exporting import export as export_bundle
from sentiment_train.fitting import Recipe
from sentiment_train.fitting import fit as fit_model
from sentiment_train.preparation import prepare as prepare_ratings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Makes the next model from ratings: prepare, fit, evaluate, export.

[bold]Example[/bold]

    sentiment-train prepare reviews/*.parquet --out prepared
    sentiment-train fit prepared --base distilbert/distilbert-base-uncased --out run
    sentiment-train evaluate run --data prepared
    sentiment-train export run --data prepared --out models/mine --name mine
    SENTIMENT_MODEL=models/mine make serve
""",
)
console = Console(soft_wrap=True)

Prepared = Annotated[Path, typer.Option("--data", help="The folder that `prepare` made.")]
NewFolder = Annotated[
    Path, typer.Option("--out", help="The folder to write: new or empty. One with files in it is refused.")
]
_DEFAULTS = Recipe()


@app.command("import-bert")
def import_bert(
    source: Annotated[str, typer.Argument(help="A BERT checkpoint: a folder or a hub name.")],
    out: NewFolder,
) -> None:
    """Re-lay a BERT checkpoint (such as the MiniLM family) as a DistilBERT with equal outputs."""
    model = import_bert_checkpoint(source, out)
    config = model.config
    console.print(f"wrote {out}: a DistilBERT of {config.n_layers} layers, width {config.dim}")


@app.command()
def prepare(
    sources: Annotated[
        list[Path], typer.Argument(help="Parquet, csv, jsonl or jsonl.gz files: text, rating, product_id, timestamp.")
    ],
    out: NewFolder,
    labels: Annotated[
        Literal["binary", "three-way"], typer.Option(help="Leave 3 stars out, or call them neutral.")
    ] = "binary",
) -> None:
    """Clean ratings, make texts unique and split them into train, validation, reference and later."""
    console.print(f"will write {out}: train, validation, reference and later as parquet files, and data.json")
    record = prepare_ratings(sources, out, labels=labels)
    left_out = ", ".join(f"{rows} {reason}" for reason, rows in record["rows_left_out"].items())
    table = Table("part", "reviews", "labels", title=f"{record['rows_read']} rows; left out: {left_out}")
    for name, counts in record["parts"].items():
        table.add_row(name, str(counts["rows"]), ", ".join(f"{label} {n}" for label, n in counts["labels"].items()))
    console.print(table)


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    data: Annotated[Path, typer.Argument(help="The folder that `prepare` made.")],
    base: Annotated[str, typer.Option(help="A DistilBERT to start from: a folder or a hub name.")],
    out: NewFolder,
    epochs: Annotated[float, typer.Option(min=0.01)] = _DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(min=1)] = _DEFAULTS.batch_size,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = _DEFAULTS.learning_rate,
    max_tokens: Annotated[int, typer.Option(min=8, help="Training texts are cut here.")] = _DEFAULTS.max_tokens,
    bf16: Annotated[bool, typer.Option(help="Mixed precision; faster where the processor has it.")] = _DEFAULTS.bf16,
    seed: Annotated[int, typer.Option()] = _DEFAULTS.seed,
) -> None:
    """Fine-tune a DistilBERT on prepared ratings."""
    recipe = Recipe(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_tokens=max_tokens,
        bf16=bf16,
        seed=seed,
    )
    console.print(f"will write {out}: weights, configuration, tokenizer and fit.json, the record of the run")
    outcome = fit_model(data, base, out, recipe, console)
    validation = outcome["validation"]
    console.print(
        f"wrote {out}: validation accuracy {validation['accuracy']:.4f}, macro F1 {validation['macro_f1']:.4f}"
    )


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A bundle, or a folder that `fit` made.")],
    data: Annotated[Path | None, typer.Option(help="The folder that `prepare` made.")] = None,
    texts: Annotated[
        Path | None, typer.Option(help="A parquet file to score as it is: text, and label by name or 0 and 1.")
    ] = None,
    engine: Annotated[Literal["cpu", "torch"], typer.Option(help="A folder of `fit` runs on torch only.")] = "torch",
    part: Annotated[Literal["validation", "later"], typer.Option(help="Of the folder.")] = "later",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Print accuracy, macro F1, ROC AUC, Brier score and calibration error on ratings that the model never saw.

    They come from a prepared folder (--data) or from one plain file of labelled texts (--texts).
    """
    if (data is None) == (texts is None):
        raise typer.BadParameter("give exactly one of --data and --texts")
    classifier = Classifier.load(open_bundle(model), engine, usable_cores())
    if data is not None:
        result = evaluate_model(classifier, data, part)
        rows = {part: result["all"], f"{part}, unseen": result["unseen"], **result["by_category"]}
    elif texts is not None:
        result = evaluate_texts(classifier, texts)
        rows = {texts.name: result}
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        console.print(_figures_table(rows, title=f"{model}, {engine}"))


def _figures_table(rows: dict[str, dict[str, Any] | None], title: str) -> Table:
    part = Column("part", overflow="fold")
    table = Table(part, "n", "accuracy", "macro F1", "ROC AUC", "Brier", "calibration error", title=title)
    for name, figures in rows.items():
        if figures is not None:
            numbers = (figures[key] for key in ("accuracy", "macro_f1", "roc_auc", "brier", "calibration_error"))
            cells = ("" if number is None else f"{number:.4f}" for number in numbers)
            table.add_row(name, str(figures["n"]), *cells)
    return table


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder that `fit` made, or a bundle, to export its weights again.")],
    data: Prepared,
    out: Annotated[Path, typer.Option(help="The bundle's folder, which must not exist yet.")],
    name: Annotated[str, typer.Option(help="The model's name, as replies carry it.")],
    max_tokens: Annotated[int, typer.Option(min=8, help="Longer texts are cut when served.")] = 512,
    licence: Annotated[str | None, typer.Option(help="Of the weights, for the model card.")] = None,
    terms: Annotated[str | None, typer.Option(help="Of the training data, for the model card.")] = None,
) -> None:
    """Turn a fitted model into a bundle that the service takes: int8 file, calibration, reference, golden texts."""
    card = Card(licence=licence, terms=terms)
    manifest = export_bundle(run, data, out, name=name, max_tokens=max_tokens, card=card, console=console)
    figures = manifest.training["metrics"]["all"]
    console.print(
        f"wrote {out}: {manifest.name} {manifest.version}, later accuracy {figures['accuracy']:.4f}, "
        f"macro F1 {figures['macro_f1']:.4f}"
    )


def main() -> None:
    """Run the command line; a failure that a user can mend is one line on standard error and exit code 1."""
    # Its bars and reports of what it loaded are no news: what matters in them is refused as an error.
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        app()
    except (TrainingError, SentimentError) as error:
        print(f"sentiment-train: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
