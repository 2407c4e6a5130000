"""What was seen, as a JSON file and as a table."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import result_files

_TITLES = ("fault", "alert", "seconds to fire", "to arrive", "to clear", "receiver", "runbook", "told as well")


@dataclass(frozen=True)
class Sighting:
    """What became of one fault. Seconds to fire and to arrive count from the harm, those to clear from its mending."""

    fault: str
    alert: str
    fires_s: float
    """Until Prometheus said that the alert fires."""
    arrives_s: float
    """Until the webhook was told."""
    clears_s: float
    """Until the webhook was told that it is over."""
    receiver: str
    runbook: str
    others: list[str]
    """Alerts that were told meanwhile, also of what came of the fault."""


def write(folder: Path, factor: int, sightings: list[Sighting]) -> None:
    """Write `drill.json` and `drill.md` to a folder. What is there of other faults, at the same factor, stays."""
    before: dict[str, Any] = {"durations_divided_by": factor, "sightings": []} | result_files.read(folder, "drill")
    if before["durations_divided_by"] == factor:
        played = {each.fault for each in sightings}
        sightings = [*(Sighting(**each) for each in before["sightings"] if each["fault"] not in played), *sightings]
    heading = (
        f"{result_files.conditions()}. The durations of rules and routes (`for`, ranges, intervals) were divided by "
        f"{factor}; bounds and the service's own times were not."
    )
    listed = [dataclasses.asdict(each) for each in sightings]
    figures = {"durations_divided_by": factor, "sightings": listed}
    result_files.write(folder, "drill", figures, f"{heading}\n\n{table(sightings)}")


def table(sightings: list[Sighting]) -> str:
    """Return them in Markdown."""
    return result_files.table(_TITLES, *map(_row, sightings))


def _row(seen: Sighting) -> tuple[str, ...]:
    seconds = (f"{value:.1f}" for value in (seen.fires_s, seen.arrives_s, seen.clears_s))
    return (seen.fault, seen.alert, *seconds, seen.receiver, seen.runbook, ", ".join(seen.others) or "none")
