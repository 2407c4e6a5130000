"""`sentiment-api shadow`: how the shadow model does beside the live one."""

import asyncio
import math
from typing import NamedTuple

import typer

from sentiment_api.commands import console
from sentiment_api.commands.options import EndOption, StartOption, parse_times
from sentiment_api.commands.postgres import run_on_database
from sentiment_api.database.shadow_counts import ShadowCounts, count_shadow
from sentiment_api.model.bundle import open_bundle
from sentiment_api.settings import ModelSettings, read_settings

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""The shadow model, which scores beside the live one for comparison (SENTIMENT_SHADOW_MODEL).

[bold]Example[/bold]

    sentiment-api shadow report --from 2026-11-01T00:00:00Z
""",
)
Z_95 = 1.959964


class Interval(NamedTuple):
    """A share or a difference of shares, with the interval that holds the true one in 95 of 100 cases."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it with four digits, enough to tell a tenth of a point."""
        return f"{self.value:7.4f}  [{self.low:.4f}, {self.high:.4f}]"


@app.callback()
def shadow() -> None:
    """Hold the group together: with one command alone typer would leave out its name."""


@app.command()
def report(
    start: StartOption = None,
    end: EndOption = None,
) -> None:
    """Compare the shadow's answers with the live model's, and both with feedback, for each pair of versions.

    The latest feedback counts: its label, else the label that its rating stands for in the model of SENTIMENT_MODEL.
    """
    bounds = parse_times(start, end)
    ratings = open_bundle(read_settings(ModelSettings).model).manifest.rating_labels
    found = asyncio.run(run_on_database(lambda engine: count_shadow(engine, ratings, *bounds)))
    for counts in found:
        for line in lines_of(counts):
            console.print(line)
    if not found:
        console.print("no shadow answers in that time")


def lines_of(counts: ShadowCounts) -> list[str]:
    """Return what the report says of one pair of versions."""
    lines = [
        f"live {counts.live_version}, shadow {counts.shadow_version}",
        f"  texts           {counts.texts:7}",
        f"  same label      {wilson(counts.same_label, counts.texts)}",
        f"  with feedback   {counts.judged:7}",
    ]
    if counts.judged:
        lines += [
            f"  live right      {wilson(counts.live_right, counts.judged)}",
            f"  shadow right    {wilson(counts.shadow_right, counts.judged)}",
            f"  shadow - live   {paired(counts.only_live_right, counts.only_shadow_right, counts.judged)}",
        ]
    return lines


def wilson(hits: int, n: int) -> Interval:
    """Return the share of `hits` in `n` > 0 with its score interval.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    share, z2 = hits / n, Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def paired(only_first: int, only_second: int, n: int) -> Interval:
    """Return how much more often the second of two is right than the first on the same `n` > 0 texts.

    The interval is Wald's with half a text added to each of the four cells: Agresti and Min, "Simple improved
    confidence intervals for comparing matched proportions", Statistics in Medicine 24, 2005.
    """
    first, second, all_ = only_first + 0.5, only_second + 0.5, n + 2
    middle = (second - first) / all_
    half = Z_95 * math.sqrt(first + second - (second - first) ** 2 / all_) / all_
    return Interval((only_second - only_first) / n, max(-1.0, middle - half), min(1.0, middle + half))
