"""`sentiment-api`: serve, check, predict, and the database's commands."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from sentiment_api import __version__
from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_api.cores import usable_cores
from sentiment_api.database import schema
from sentiment_api.database.connection import DATABASE_ERRORS, check_schema, connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.errors import DatabaseNotReady, SentimentError, SettingsInvalid
from sentiment_api.server import serve as serve_http
from sentiment_api.settings import DatabaseSettings, ModelSettings, ServiceSettings, read_settings

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
""",
)
database = typer.Typer(no_args_is_help=True, help="Migrations, and the embedded server's life.")
app.add_typer(database, name="db")
console = Console(soft_wrap=True, highlight=False)

ModelOption = Annotated[Path | None, typer.Option("--model", help="The bundle; SENTIMENT_MODEL otherwise.")]
EngineOption = Annotated[Literal["cpu", "torch"] | None, typer.Option("--engine", help="SENTIMENT_ENGINE otherwise.")]


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
    """Check the bundle, the engine and the database, one line each, without serving."""
    settings = read_settings(ServiceSettings, model=model, engine=engine)
    classifier = _load(settings)
    classifier.self_check()
    manifest = classifier.bundle.manifest
    console.print(
        f"model     {manifest.name} {manifest.version} on {classifier.engine.name}: golden texts answered as at export"
    )
    asyncio.run(_check_database(settings))
    console.print("database  reachable and migrated")


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


@database.command()
def upgrade() -> None:
    """Apply the migrations and make this month's and the next months' partitions."""
    revision = asyncio.run(_upgrade(read_settings(DatabaseSettings)))
    console.print(f"schema    {revision}")


@database.command()
def start() -> None:
    """Start the embedded server; it runs on until `db stop`."""
    server = _embedded()
    console.print(f"{'started' if server.start() else 'runs already'}: {server.folder}")


@database.command()
def stop() -> None:
    """Stop the embedded server."""
    server = _embedded()
    console.print(f"{'stopped' if server.stop() else 'was not running'}: {server.folder}")


@database.command()
def status() -> None:
    """Say whether the embedded server answers; exit code 1 when it does not."""
    server = _embedded()
    answers = server.answers()
    console.print(f"{'answers' if answers else 'does not run'}: {server.folder}")
    raise typer.Exit(0 if answers else 1)


@database.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the embedded server; what follows is psql's, such as -c "select count(*) from predictions"."""
    _embedded().psql(context.args)


def main() -> None:
    """Run the command line; a failure that an operator can mend is one line on standard error and exit code 1."""
    try:
        app()
    except SentimentError as error:
        print(f"sentiment-api: {error}", file=sys.stderr)
        sys.exit(1)


def _load(settings: ModelSettings) -> Classifier:
    return Classifier.load(open_bundle(settings.model), settings.engine, settings.threads or usable_cores())


def _embedded() -> EmbeddedServer:
    settings = read_settings(DatabaseSettings)
    if settings.database != "embedded":
        raise SettingsInvalid(
            "expected SENTIMENT_DATABASE=embedded: an external Postgres is started and stopped elsewhere"
        )
    return EmbeddedServer(settings.data_dir)


async def _upgrade(settings: DatabaseSettings) -> str:
    try:
        async with connected(settings) as engine:
            await schema.upgrade(engine)
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(_unreachable(error)) from error
    return schema.head()


async def _check_database(settings: DatabaseSettings) -> None:
    try:
        async with connected(settings) as engine:
            await check_schema(engine)
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(_unreachable(error)) from error


def _unreachable(error: Exception) -> str:
    kind = type(getattr(error, "orig", None) or error).__name__
    return f"Postgres does not respond or refuses ({kind}); check SENTIMENT_DATABASE_URL, or `sentiment-api db status`"


if __name__ == "__main__":
    main()
