"""`sentiment-api keys`: who may ask the service, and for what."""

import asyncio
import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from sentiment_api.access.key_table import insert_key, list_keys, revoke_key
from sentiment_api.access.keys import NAME, Key, Scope, make_key
from sentiment_api.commands import console
from sentiment_api.commands.postgres import run_on_database

EFFECTIVE_WITHIN_S = 5
"""As docs/decisions/0014-api-keys.md promises, as long as a service reaches Postgres."""
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help=f"""API keys. Services that ask for keys (SENTIMENT_KEYS=required) heed a change within {EFFECTIVE_WITHIN_S} seconds, without a restart.

Scopes: predict, feedback, read (whatever shows texts or drift), metrics, and admin, which holds all of them.

[bold]Examples[/bold]

    sentiment-api keys create shop --scope predict --scope feedback
    sentiment-api keys create trial --scope predict --expires 30d --tokens-per-minute 20000
    sentiment-api keys create prometheus --scope metrics > metrics.key
    sentiment-api keys list
    sentiment-api keys revoke shop --dry-run
""",  # noqa: E501 - the help's lines are wrapped for the terminal
)
_LIFETIME = re.compile(r"([1-9][0-9]{0,4})([dh])")
NameArgument = Annotated[str, typer.Argument(help="Of the key, such as shop; it stands in the logs.")]


@app.command()
def create(
    name: NameArgument,
    scopes: Annotated[list[Scope], typer.Option("--scope", help="What it opens; several are possible.")],
    expires: Annotated[
        str | None, typer.Option(help="After how many days or hours it ends, such as 90d or 12h; never otherwise.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(help="How much it may ask of the model; without a limit otherwise.", min=1)
    ] = None,
) -> None:
    """Make a key and print it on standard output. It is shown this once: only its hash is kept."""
    if not NAME.fullmatch(name):
        raise typer.BadParameter("expected a name of 1 to 63 of a-z, 0-9, '.', '_' and '-', such as shop")
    new = make_key()
    key = Key(
        key_id=new.key_id,
        name=name,
        secret_hash=new.secret_hash,
        scopes=tuple(dict.fromkeys(map(str, scopes))),
        tokens_per_minute=tokens_per_minute,
        expires_at=_end(expires),
    )
    asyncio.run(run_on_database(lambda engine: insert_key(engine, key)))
    # Not through the console, which would colour it.
    typer.echo(new.text)
    until = f", until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else ""
    typer.echo(f"created {name} for {', '.join(key.scopes)}{until}; the key is not shown again", err=True)


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that were revoked, too.")] = False,
) -> None:
    """Print name, id, scopes, limit, age and state of each, and no secret."""
    found = asyncio.run(run_on_database(lambda engine: list_keys(engine, revoked=everything)))
    now = dt.datetime.now(dt.UTC)
    lines = [_cells(row, now) for row in found]
    if lines:
        heading = ("NAME", "ID", "SCOPES", "LIMIT", "MADE", "STATE")
        widths = [max(map(len, column)) for column in zip(heading, *lines, strict=True)]
        for line in (heading, *lines):
            console.print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    else:
        console.print("There are no keys; `sentiment-api keys create` makes one.")


@app.command()
def revoke(
    name: NameArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which it would be, and revoke none.")] = False,
) -> None:
    """Revoke a key for good. Its name is free then."""
    found = asyncio.run(run_on_database(lambda engine: revoke_key(engine, name, dry_run=dry_run)))
    what = f"{name} ({found['key_id']}, {', '.join(found['scopes'])}, made {found['created_at']:%Y-%m-%d})"
    if dry_run:
        console.print(f"would revoke {what}")
    else:
        console.print(f"revoked {what}; services refuse it within {EFFECTIVE_WITHIN_S} seconds")


def _end(lifetime: str | None) -> dt.datetime | None:
    """Return when a key made now ends; None is never."""
    if lifetime is None:
        return None
    parts = _LIFETIME.fullmatch(lifetime)
    if parts is None:
        raise typer.BadParameter("expected days or hours such as 90d or 12h")
    return dt.datetime.now(dt.UTC) + dt.timedelta(**{"days" if parts[2] == "d" else "hours": int(parts[1])})


def _cells(row: Mapping[str, Any], now: dt.datetime) -> tuple[str, ...]:
    limit = f"{row['tokens_per_minute']} tokens/min" if row["tokens_per_minute"] else "no limit"
    made = f"{row['created_at']:%Y-%m-%d}"
    return row["name"], row["key_id"], ",".join(row["scopes"]), limit, made, _state(row, now)


def _state(row: Mapping[str, Any], now: dt.datetime) -> str:
    if row["revoked_at"] is not None:
        return f"revoked {row['revoked_at']:%Y-%m-%d %H:%M}"
    if row["expires_at"] is None:
        return "lives"
    return f"{'expired' if row['expires_at'] <= now else 'until'} {row['expires_at']:%Y-%m-%d %H:%M}"
