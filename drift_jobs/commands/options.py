"""The options that several commands have: each is declared once, with the setting that it goes before."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from drift_jobs.settings import DriftSettings
from sentiment_api.settings import read_settings
from sentiment_api.signatures import declare_parameters, keyword

Reference = Annotated[
    str,
    typer.Option(
        help="bundle, baseline (your accepted window), auto (your own traffic as soon as there is enough of it, until "
        "then the bundle, whose differences are told and no alarm), or window:START..END of the prediction log."
    ),
]
Html = Annotated[Path | None, typer.Option(help="Write the report here; several models get files of their own.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the runs and their metrics here.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")]
ModelVersion = Annotated[str | None, typer.Option(help="As in `list`; by default the bundle's.")]
OnlyVersion = Annotated[str | None, typer.Option(help="Only of this one.")]

JUDGING: Final = ("sample", "model", "timezone", "min_rows")
NOTICES: Final = ("notify_url", "notify_on")
_OF_SETTINGS: Final[dict[str, tuple[str, Any]]] = {
    "model": (
        "model",
        Annotated[Path | None, typer.Option(help="The bundle's folder.", show_default="SENTIMENT_MODEL")],
    ),
    "timezone": (
        "timezone",
        Annotated[
            str | None, typer.Option(help="IANA name of the shop's time zone.", show_default="SENTIMENT_TIMEZONE")
        ],
    ),
    "min_rows": (
        "drift_min_rows",
        Annotated[int | None, typer.Option(min=1, help="Fewer rows are not judged.", show_default="500")],
    ),
    "sample": (
        "drift_sample",
        Annotated[
            int | None,
            typer.Option(
                min=1, help="Of larger windows judge so many rows, by a hash of their ids.", show_default="100000"
            ),
        ],
    ),
    "service_url": (
        "service_url",
        Annotated[
            str | None,
            typer.Option(
                help="The running service, such as http://127.0.0.1:8000: it is asked the bundle's golden texts.",
                show_default="SENTIMENT_SERVICE_URL",
            ),
        ],
    ),
    "notify_url": (
        "notify_url",
        Annotated[
            str | None,
            typer.Option(help="POST each new alarm to this address, as JSON.", show_default="SENTIMENT_NOTIFY_URL"),
        ],
    ),
    "notify_on": (
        "notify_on",
        Annotated[
            Literal["watch", "drift"] | None,
            typer.Option(help="The least verdict that is posted.", show_default="drift"),
        ],
    ),
}
"""By option: the setting that it stands for, and how the command line shows it."""


def settings_from(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds these options to a command, which takes the settings that follow first."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def called(**given: Any) -> None:  # noqa: ANN401 - whatever the command's own options hold
            chosen = {_OF_SETTINGS[name][0]: given.pop(name) for name in names}
            command(read_settings(DriftSettings, **chosen), **given)

        _, *own = inspect.signature(command).parameters.values()
        declare_parameters(called, [*own, *(keyword(name, _OF_SETTINGS[name][1], None) for name in names)])
        return called

    return decorated
