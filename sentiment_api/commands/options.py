"""The options that several commands have, and how their values are read."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from sentiment_api.model.engines import EngineName
from sentiment_api.schemas.fields import Timestamp

ModelOption = Annotated[Path | None, typer.Option("--model", help="The bundle; SENTIMENT_MODEL otherwise.")]
EngineOption = Annotated[EngineName | None, typer.Option("--engine", help="SENTIMENT_ENGINE otherwise.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
StartOption = Annotated[
    str | None, typer.Option("--from", help="Predictions made at this time or later, such as 2026-11-01T00:00:00Z.")
]
EndOption = Annotated[str | None, typer.Option("--to", help="Predictions made before this time.")]
_times: TypeAdapter[dt.datetime] = TypeAdapter(Timestamp)


def parse_times(start: str | None, end: str | None) -> tuple[dt.datetime | None, dt.datetime | None]:
    """Return the times that `--from` and `--to` give, each None where it is not given."""
    return _parse_time(start) if start else None, _parse_time(end) if end else None


def _parse_time(given: str) -> dt.datetime:
    """Return the time that an option gives.

    Raises:
        typer.BadParameter: it is no time with an offset.
    """
    try:
        return _times.validate_python(given)
    except ValidationError:
        raise typer.BadParameter("expected a time with an offset such as 2026-11-01T00:00:00Z") from None
