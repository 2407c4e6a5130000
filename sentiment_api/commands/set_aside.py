"""`sentiment-api set-aside`: what Postgres refuses as data, to be read, mended and sent again."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sentiment_api.commands import console
from sentiment_api.database.partitions import created_at
from sentiment_api.errors import SetAsideInvalid
from sentiment_api.prediction_log import set_aside
from sentiment_api.prediction_log.draining import withdraw
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.settings import SpoolSettings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Records that Postgres refuses as data, kept in the spools under SENTIMENT_DATA_DIR.

[bold]Examples[/bold]

    sentiment-api set-aside list
    sentiment-api set-aside mend 01982f6e-5a1b-7c3d-9e4f-0123456789ab --set product_id=null
    sentiment-api set-aside replay --all
""",
)
NameArgument = Annotated[str, typer.Argument(help="As `list` prints it.")]


@app.command("list")
def list_() -> None:
    """Print name, kind, reason and time of each, and no text."""
    found = set_aside.find_all(_root())
    for _, each in found.records.values():
        console.print(f"{each.name:<36}  {each.kind:<10}  {each.reason:<11}  {_made(each)}")
    _complain(found)
    if not any(found):
        console.print("Nothing is set aside.")


@app.command()
def show(name: NameArgument) -> None:
    """Print one as JSON, the review's text included."""
    ((_, each),) = set_aside.find(_root(), [name])
    console.print_json(msgspec.json.encode(each).decode())


@app.command()
def mend(
    name: NameArgument,
    changes: Annotated[
        list[str], typer.Option("--set", metavar="FIELD=JSON", help="A field and its new value; several are possible.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whether it would do, and change nothing.")] = False,
) -> None:
    """Set fields of one, such as `--set metadata=null` or `--set 'text="Broke."'`. Send it again with `replay`."""
    ((path, _),) = set_aside.find(_root(), [name])
    parsed = dict(map(_change, changes))
    set_aside.mend(path, parsed, dry_run=dry_run)
    console.print(f"{'would set' if dry_run else 'set'} {', '.join(parsed)} of {name}")


@app.command()
def replay(
    names: Annotated[list[str] | None, typer.Argument(help="As `list` prints them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which, and send none.")] = False,
) -> None:
    """Put them back into a spool. A service that runs ships it within a minute, else the next that starts does."""
    if bool(names) == everything:
        raise typer.BadParameter("expected names or --all")
    if dry_run:
        replayed = [each.name for _, each in _chosen(names) if each.kind != "bytes"]
    else:
        spool = claim_spool(_root(), read_settings(SpoolSettings).spool_max_bytes)
        withdraw(spool.folder)
        try:
            replayed = set_aside.replay(_chosen(names), spool)
        finally:
            spool.close()
    for name in replayed:
        console.print(f"{'would replay' if dry_run else 'replayed'} {name}")
    console.print(f"{len(replayed)} records")


def _chosen(names: list[str] | None) -> list[tuple[Path, set_aside.SetAsideRecord]]:
    """Return the records of these names, or all that can be read."""
    if names:
        return set_aside.find(_root(), names)
    found = set_aside.find_all(_root())
    _complain(found)
    return list(found.records.values())


def _complain(found: set_aside.SetAsideFiles) -> None:
    for error in found.unreadable.values():
        typer.echo(f"not as it must be: {error}", err=True)


def _root() -> Path:
    return read_settings(SpoolSettings).data_dir / "spool"


def _change(given: str) -> tuple[str, Any]:
    field, equals, value = given.partition("=")
    try:
        return field, msgspec.json.decode(value.encode())
    except msgspec.DecodeError:
        raise SetAsideInvalid(f'--set {field}{equals}: expected JSON behind =, such as null, 3 or "text"') from None


def _made(each: set_aside.SetAsideRecord) -> str:
    if isinstance(each.record, bytes):
        return ""
    moment: dt.datetime = created_at(each.record.prediction_id)
    return f"{moment:%Y-%m-%d %H:%M:%S}"
