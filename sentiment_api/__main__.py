"""`sentiment-api`: serve, drain, check, predict, and the groups of commands in `commands`."""

import asyncio
import sys
from typing import Annotated

import typer

from sentiment_api import __version__
from sentiment_api.commands import console, database, keys, set_aside, shadow
from sentiment_api.commands.disk import check_disk
from sentiment_api.commands.drain import drain
from sentiment_api.commands.options import EngineOption, ModelOption
from sentiment_api.commands.postgres import check_database
from sentiment_api.errors import SentimentError
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.cores import usable_cores
from sentiment_api.server import serve as serve_http
from sentiment_api.settings import ModelSettings, ServiceSettings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""The sentiment service. Settings come from the environment: SENTIMENT_DATABASE=embedded or
SENTIMENT_DATABASE_URL, SENTIMENT_MODEL, SENTIMENT_PORT, ... (docs/settings.md lists all).

[bold]Examples[/bold]

    sentiment-api predict "Broke after two days."
    SENTIMENT_DATABASE=embedded sentiment-api db upgrade
    SENTIMENT_DATABASE=embedded sentiment-api serve --port 8080
    sentiment-api drain --stop
""",
)
app.add_typer(database.app, name="db")
app.add_typer(keys.app, name="keys")
app.add_typer(set_aside.app, name="set-aside")
app.add_typer(shadow.app, name="shadow")
app.command()(drain)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; SENTIMENT_HOST otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; SENTIMENT_PORT otherwise.")] = None,
    model: ModelOption = None,
    engine: EngineOption = None,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C."""
    settings = read_settings(ServiceSettings, host=host, port=port, model=model, engine=engine)
    if sys.stderr.isatty():
        url = f"http://{settings.host}:{settings.port}"
        console.print(f"Serving on {url}, documentation at {url}/docs. Once it says ready, try:\n")
        console.print(f'  curl {url}/predict --json \'{{"text": "Great value, works perfectly."}}\'\n')
    serve_http(settings)


@app.command()
def check(model: ModelOption = None, engine: EngineOption = None) -> None:
    """Check the bundle, the engine, the disk and the database, one line each, without serving."""
    settings = read_settings(ServiceSettings, model=model, engine=engine)
    classifier = _load(settings)
    classifier.self_check()
    manifest = classifier.bundle.manifest
    console.print(
        f"model     {manifest.name} {manifest.version} on {classifier.engine.name}: golden texts answered as at export"
    )
    console.print(f"disk      {check_disk(settings)}")
    may_make_months = asyncio.run(check_database(settings))
    console.print("database  reachable and migrated")
    if not may_make_months:
        console.print("months    this role cannot make them: let the tables' owner run `db maintain` each night")


@app.command()
def predict(
    text: Annotated[str, typer.Argument(help="One review.")], model: ModelOption = None, engine: EngineOption = None
) -> None:
    """Classify one text here and now; nothing is logged."""
    classifier = _load(read_settings(ModelSettings, model=model, engine=engine))
    probabilities = classifier.classify(text)
    for label, probability in sorted(zip(classifier.labels, probabilities, strict=True), key=lambda pair: -pair[1]):
        console.print(f"{label:<10} {probability:.4f}")


@app.command()
def version() -> None:
    """Print the version."""
    console.print(__version__)


def main() -> None:
    """Run the command line; a failure that an operator can mend is one line on standard error and exit code 1."""
    try:
        app()
    except SentimentError as error:
        print(f"sentiment-api: {error}", file=sys.stderr)
        sys.exit(1)


def _load(settings: ModelSettings) -> Classifier:
    return Classifier.load(open_bundle(settings.model), settings.engine, settings.threads or usable_cores())


if __name__ == "__main__":
    main()
