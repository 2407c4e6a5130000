"""`sentiment-train`: the commands, registered in the order in which they are used."""

import os
import sys

import typer

from sentiment_api.errors import SentimentError
from sentiment_train.commands.compare import compare
from sentiment_train.commands.evaluate import evaluate
from sentiment_train.commands.export import card, export
from sentiment_train.commands.fit import fit, import_bert
from sentiment_train.commands.prepare import look, prepare
from sentiment_train.errors import TrainingError, missing_library_translated, out_of_memory_translated

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Makes the next model from ratings and shows if it is better: look, prepare, fit, evaluate, export, compare.

[bold]Example[/bold]

    sentiment-train look my-ratings.csv
    sentiment-train prepare my-ratings.csv --out prepared
    sentiment-train fit prepared --base distilbert/distilbert-base-uncased --out run
    sentiment-train evaluate run --data prepared
    sentiment-train export run --data prepared --out models/mine --name mine
    sentiment-train compare models/starter models/mine --data prepared && SENTIMENT_MODEL=models/mine make serve
""",
)
app.command("import-bert")(import_bert)
for command in (look, prepare, fit, evaluate, export, compare, card):
    app.command()(command)


def main() -> None:
    """Run the command line; a failure that a user can mend is one line on standard error, and an exit code above 0."""
    # transformers' bars and reports of what it loaded are no news: what matters in them is refused as an error. By
    # variables, since it takes seconds to import, and `--help` needs none of it.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        with out_of_memory_translated(), missing_library_translated():
            app()
    except (TrainingError, SentimentError) as error:
        print(f"sentiment-train: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, TrainingError) else 1)


if __name__ == "__main__":
    main()
