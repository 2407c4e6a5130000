"""`sentiment-api db`: migrations, upkeep, export, erasure, and the embedded server's life."""

import asyncio
import datetime as dt
import os
import time
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.status import Status
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.commands import console
from sentiment_api.commands.export_feedback import Exported, unambiguous
from sentiment_api.commands.export_feedback import export_feedback as write_feedback
from sentiment_api.commands.options import DryRunOption, EndOption, StartOption, parse_times
from sentiment_api.commands.postgres import run_on_database
from sentiment_api.database import erasures, schema
from sentiment_api.database.connection import DATABASE_ERRORS, connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.partitions import drop_old_months, make_next_months, old_months
from sentiment_api.database.refusals import refusal_line
from sentiment_api.errors import DatabaseNotReady, SettingsInvalid
from sentiment_api.model.bundle import open_bundle
from sentiment_api.settings import DatabaseSettings, ModelSettings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Migrations, upkeep, export, erasure, and the embedded server's life.

[bold]Examples[/bold]

    sentiment-api db upgrade
    sentiment-api db maintain --keep 400d
    sentiment-api db export-feedback ratings.jsonl.gz --from 2026-01-01T00:00:00Z
    sentiment-api db erase --product-id mug-7 --dry-run
""",
)
_POLL_S = 1.0
_TOLD_EVERY = 1_000


@app.command()
def upgrade() -> None:
    """Apply the migrations and make this month's and the next months' partitions."""
    revision = asyncio.run(_upgrade(read_settings(DatabaseSettings)))
    known = schema.head()
    newer = f", newer than this release's {known}: left as it is" if revision > known else ""
    console.print(f"schema    {revision}{newer}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Such as 0001.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it.")] = False,
) -> None:
    """Take the schema back for a release before the last one. The last one runs on this schema as it is.

    Predictions and feedback stay. What newer revisions brought is lost: with 0002 what keeps erased predictions from
    coming back out of spools and backups.
    """
    if revision not in schema.revisions():
        raise typer.BadParameter(f"expected one of {', '.join(schema.revisions())}")
    if not yes:
        console.print(f"would take the schema back to {revision} and lose what newer revisions brought; --yes does it")
        raise typer.Exit(1)
    asyncio.run(run_on_database(lambda engine: schema.downgrade(engine, revision)))
    console.print(f"schema    {revision}")


@app.command()
def start() -> None:
    """Start the embedded server; it runs on until `db stop`."""
    server = _embedded()
    console.print(f"{'started' if server.start() else 'runs already'}: {server.folder}")


@app.command()
def stop() -> None:
    """Stop the embedded server."""
    server = _embedded()
    console.print(f"{'stopped' if server.stop() else 'was not running'}: {server.folder}")


@app.command()
def status() -> None:
    """Say whether the embedded server answers; exit code 1 when it does not."""
    server = _embedded()
    answers = server.answers()
    console.print(f"{'answers' if answers else 'does not run'}: {server.folder}")
    raise typer.Exit(0 if answers else 1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the embedded server; what follows is psql's, such as -c "select count(*) from predictions"."""
    _embedded().become("psql", context.args)


@app.command()
def dump(file: Annotated[Path, typer.Argument(help="Where to write it; it holds texts.")]) -> None:
    """Write all of the embedded server's data to a file, while services go on."""
    os.umask(0o077)
    server = _embedded()
    server.start()
    server.become("pg_dump", ["--format=custom", f"--file={file}"])


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="What `dump` wrote.", exists=True)]) -> None:
    """Read a dump into the embedded server, which must be empty, as one just made is; all of it or nothing."""
    server = _embedded()
    server.start()
    server.become("pg_restore", ["--dbname=postgres", "--single-transaction", str(file)])


@app.command()
def maintain(
    keep: Annotated[
        str | None, typer.Option(help="How long predictions are kept at least, such as 400d; SENTIMENT_KEEP otherwise.")
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Make the next months' partitions, and drop the months that are older than what is kept, with their feedback.

    `drift-jobs nightly` and `drift-jobs schedule` do so each night.
    """
    settings = read_settings(DatabaseSettings, keep=keep)
    months = asyncio.run(run_on_database(lambda engine: _maintain(engine, settings.keep, dry_run=dry_run)))
    for name in months:
        console.print(f"{'would drop' if dry_run else 'dropped'} {name}")
    console.print(f"{len(months)} months older than {settings.keep.days} days")


@app.command()
def erase(
    prediction_id: Annotated[UUID | None, typer.Option(help="This prediction and its feedback.")] = None,
    product_id: Annotated[str | None, typer.Option(help="All predictions of this product until now.")] = None,
    dry_run: DryRunOption = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the services to purge their files.")] = 120,
) -> None:
    """Erase predictions and their feedback for good: from Postgres, and from every service's spool and cache.

    With --product-id the drift runs that name the product lose its figures and their pages too.

    Exit code 0 when every spool has been purged; 1 when some have not within the time, and which. What a service that
    does not run has in its spool is left out when it is shipped, at any later time.
    """
    if (prediction_id is None) == (product_id is None):
        raise typer.BadParameter("expected one of --prediction-id and --product-id")
    target = (
        erasures.ErasureTarget(prediction_id=prediction_id)
        if prediction_id
        else erasures.ErasureTarget.product(product_id or "")
    )
    if dry_run:
        found = asyncio.run(run_on_database(lambda engine: erasures.count_erasable(engine, target)))
        console.print(f"would erase {found.predictions} predictions and {found.feedback} feedback, and what is spooled")
        return
    if not asyncio.run(run_on_database(lambda engine: _erase(engine, target, timeout))):
        raise typer.Exit(1)


@app.command()
def export_feedback(
    file: Annotated[Path, typer.Argument(help="The file to write; it ends in .csv, .jsonl or .jsonl.gz.")],
    start: StartOption = None,
    end: EndOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Write customers' reviews with their ratings as `sentiment-train prepare` reads them.

    A prediction's latest feedback counts. A label without a rating counts where the model of SENTIMENT_MODEL has one
    rating for it. The file holds reviews, and an erasure does not reach it; the column prediction_id tells their rows.
    """
    bounds = parse_times(start, end)
    with Status("reading", console=console) as status:

        def tell(seen: int) -> None:
            if seen % _TOLD_EVERY == 0:
                status.update(f"read {seen} predictions with feedback")

        exported = asyncio.run(
            run_on_database(
                lambda engine: write_feedback(engine, file, *bounds, force=force, ratings=_ratings, tell=tell)
            )
        )
    _print_exported(file, exported)


def _ratings() -> dict[str, int]:
    """Return the rating of each label of the model that stands for one only."""
    return unambiguous(open_bundle(read_settings(ModelSettings).model).manifest.rating_labels)


def _print_exported(file: Path, exported: Exported) -> None:
    console.print(f"wrote {file}: {exported.written} reviews with a rating, {exported.redacted} of them redacted")
    notes = {
        "have no product id; `sentiment-train prepare` takes each for a product of its own": exported.without_product,
        "left out: no text is kept": exported.without_text,
        "left out: a label without a rating, which stands for several or none": exported.without_rating,
    }
    for note, count in notes.items():
        if count:
            console.print(f"{count} {note}")


def _embedded() -> EmbeddedServer:
    settings = read_settings(DatabaseSettings)
    if settings.database != "embedded":
        raise SettingsInvalid(
            "expected SENTIMENT_DATABASE=embedded: an external Postgres is started and stopped elsewhere"
        )
    return EmbeddedServer(settings.data_dir)


async def _upgrade(settings: DatabaseSettings) -> str:
    try:
        async with connected(settings, command_timeout_s=None) as engine:
            return await schema.upgrade(engine)
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(refusal_line(error)) from error


async def _maintain(engine: AsyncEngine, keep: dt.timedelta, *, dry_run: bool) -> list[str]:
    if dry_run:
        return await old_months(engine, keep)
    await make_next_months(engine)
    return await drop_old_months(engine, keep)


async def _erase(engine: AsyncEngine, target: erasures.ErasureTarget, timeout_s: float) -> bool:
    """Erase and wait for the services; return whether all that run have purged their files."""
    number, found = await erasures.erase(engine, target)
    console.print(f"erased {found.predictions} predictions and {found.feedback} feedback from Postgres")
    deadline = time.monotonic() + timeout_s
    with Status("waiting for the services to purge their spools", console=console):
        while True:
            spools = await erasures.spool_states(engine, number)
            late = [each for each in spools if not each.purged]
            if not any(each.lives for each in late) or time.monotonic() > deadline:
                break
            await asyncio.sleep(_POLL_S)
    for each in late:
        if each.lives:
            console.print(f"not purged yet: {each.folder} on {each.host}")
        else:
            when = f"{each.seen_at:%Y-%m-%d %H:%M}"
            console.print(f"not purged, and not seen since {when}: {each.folder} on {each.host}; it is when it starts")
    console.print("not done; run this again to ask once more" if late else "done")
    return not late
