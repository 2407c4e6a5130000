"""What was seen, as a JSON file and as a table."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine

RESULTS = Path(__file__).parents[1] / "results"
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
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "drill.json"
    before = json.loads(path.read_text()) if path.exists() else {"durations_divided_by": factor, "sightings": []}
    if before["durations_divided_by"] == factor:
        played = {each.fault for each in sightings}
        sightings = [*(Sighting(**each) for each in before["sightings"] if each["fault"] not in played), *sightings]
    described = machine.describe()
    listed = [dataclasses.asdict(each) for each in sightings]
    path.write_text(
        json.dumps({"machine": described, "durations_divided_by": factor, "sightings": listed}, indent=1) + "\n"
    )
    heading = (
        f"{described['date']}, {described['processor']}, {described['cores']} cores. The durations of rules and "
        f"routes (`for`, ranges, intervals) were divided by {factor}; bounds and the service's own times were not."
    )
    (folder / "drill.md").write_text(f"{heading}\n\n{table(sightings)}\n")


def table(sightings: list[Sighting]) -> str:
    """Return them in Markdown."""
    lines = [_TITLES, ("---",) * len(_TITLES), *map(_row, sightings)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(seen: Sighting) -> tuple[str, ...]:
    seconds = (f"{value:.1f}" for value in (seen.fires_s, seen.arrives_s, seen.clears_s))
    return (seen.fault, seen.alert, *seconds, seen.receiver, seen.runbook, ", ".join(seen.others) or "none")
