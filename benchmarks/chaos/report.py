"""The outcomes as a JSON file and as a table."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.chaos.ledger import Outcome

RESULTS = Path(__file__).parents[1] / "results"
_TITLES = (
    *("case", "repetitions", "passed", "acknowledged", "missing", "doubled", "stored, not acknowledged"),
    *("feedback acknowledged", "missing", "doubled", "refused"),
)


def write(folder: Path, outcomes: list[Outcome], skipped: dict[str, str], *, seed: int, scale: dict[str, Any]) -> None:
    """Write `chaos.json` and `chaos.md` to a folder."""
    described = machine.describe()
    listed = [dataclasses.asdict(each) | {"passed": each.passed} for each in outcomes]
    result = {"machine": described, "seed": seed, "scale": scale, "skipped": skipped, "outcomes": listed}
    (folder / "chaos.json").write_text(json.dumps(result, indent=1) + "\n")
    heading = (
        f"{described['date']}, {described['processor']}, {described['cores']} cores. Seed {seed}; "
        f"{scale['blows']} blows in a repetition, outages of {scale['outage_s']:g} s."
    )
    (folder / "chaos.md").write_text(f"{heading}\n\n{table(outcomes, skipped)}\n")


def table(outcomes: list[Outcome], skipped: dict[str, str]) -> str:
    """Return the outcomes by case, in Markdown."""
    names = list(dict.fromkeys(each.case for each in outcomes))
    rows = [_row(name, [each for each in outcomes if each.case == name]) for name in names]
    lines = [_TITLES, ["---"] * len(_TITLES), *rows]
    notes = [f"\nSkipped: {name}, because {reason}." for name, reason in skipped.items()]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *notes])


def _row(name: str, outcomes: list[Outcome]) -> list[str]:
    predictions = [each.predictions for each in outcomes]
    feedback = [each.feedback for each in outcomes]
    refused = sum((Counter(each.refused) for each in outcomes), Counter[str]())
    numbers = [
        len(outcomes),
        sum(each.passed for each in outcomes),
        *(sum(getattr(each, field) for each in predictions) for field in ("acknowledged", "missing", "doubled")),
        sum(each.unacknowledged for each in predictions),
        *(sum(getattr(each, field) for each in feedback) for field in ("acknowledged", "missing", "doubled")),
    ]
    said = ", ".join(f"{number:,} {status}" for status, number in sorted(refused.items()))
    return [name, *(f"{number:,}" for number in numbers), said or "none"]
