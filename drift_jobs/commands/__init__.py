"""The commands of `drift-jobs`, one file each, beside what they share; here the options that several of them have."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Reference = Annotated[
    str,
    typer.Option(
        help="bundle, baseline (your accepted window), auto (your own traffic as soon as there is enough of it, until "
        "then the bundle, whose differences are told and no alarm), or window:START..END of the prediction log."
    ),
]
Model = Annotated[Path | None, typer.Option(help="The bundle's folder.", show_default="SENTIMENT_MODEL")]
Zone = Annotated[str | None, typer.Option(help="IANA name of the shop's time zone.", show_default="SENTIMENT_TIMEZONE")]
MinRows = Annotated[int | None, typer.Option(min=1, help="Fewer rows are not judged.", show_default="500")]
Sample = Annotated[
    int | None,
    typer.Option(min=1, help="Of larger windows judge so many rows, by a hash of their ids.", show_default="100000"),
]
Html = Annotated[Path | None, typer.Option(help="Write the report here; several models get files of their own.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the runs and their metrics here.")]
NotifyUrl = Annotated[
    str | None, typer.Option(help="POST each new alarm to this address, as JSON.", show_default="SENTIMENT_NOTIFY_URL")
]
NotifyOn = Annotated[
    Literal["watch", "drift"] | None, typer.Option(help="The least verdict that is posted.", show_default="drift")
]
ServiceUrl = Annotated[
    str | None,
    typer.Option(
        help="The running service, such as http://127.0.0.1:8000: it is asked the bundle's golden texts.",
        show_default="SENTIMENT_SERVICE_URL",
    ),
]
ModelVersion = Annotated[str | None, typer.Option(help="As in `list`; by default the bundle's.")]
