"""The outcomes as a JSON file and as a table."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import result_files
from benchmarks.harm.ledger import Count, Outcome

_TITLES = (
    *("case", "repetitions", "blows in each", "outage s", "passed"),
    *("acknowledged", "missing", "doubled", "touched", "stored, not acknowledged"),
    *("feedback acknowledged", "missing", "doubled", "refused"),
)


def write(folder: Path, outcomes: list[Outcome], skipped: dict[str, str]) -> None:
    """Write `chaos.json` and `chaos.md` to a folder. What is there of other cases stays."""
    before: dict[str, Any] = {"outcomes": [], "skipped": {}} | result_files.read(folder, "chaos")
    played = {each.case for each in outcomes} | skipped.keys()
    kept = [_outcome(each) for each in before["outcomes"] if each["case"] not in played]
    outcomes = [*kept, *outcomes]
    skipped = {name: reason for name, reason in before["skipped"].items() if name not in played} | skipped
    listed = [dataclasses.asdict(each) | {"passed": each.passed} for each in outcomes]
    text = f"{result_files.conditions()}.\n\n{table(outcomes, skipped)}"
    result_files.write(folder, "chaos", {"skipped": skipped, "outcomes": listed}, text)


def table(outcomes: list[Outcome], skipped: dict[str, str]) -> str:
    """Return the outcomes by case, in Markdown."""
    names = list(dict.fromkeys(each.case for each in outcomes))
    rows = [_row(name, [each for each in outcomes if each.case == name]) for name in names]
    notes = [f"\nSkipped: {name}, because {reason}." for name, reason in skipped.items()]
    return "\n".join([result_files.table(_TITLES, *rows), *notes])


def _row(name: str, outcomes: list[Outcome]) -> list[str]:
    predictions = [each.predictions for each in outcomes]
    feedback = [each.feedback for each in outcomes]
    refused = sum((Counter(each.refused) for each in outcomes), Counter[str]())
    numbers = [
        len(outcomes),
        outcomes[0].blows,
        round(outcomes[0].outage_s),
        sum(each.passed for each in outcomes),
        *(sum(getattr(each, field) for each in predictions) for field in ("acknowledged", "missing", "doubled")),
        *(sum(getattr(each, field) for each in predictions) for field in ("touched", "unacknowledged")),
        *(sum(getattr(each, field) for each in feedback) for field in ("acknowledged", "missing", "doubled")),
    ]
    said = ", ".join(f"{number:,} {status}" for status, number in sorted(refused.items()))
    return [name, *(f"{number:,}" for number in numbers), said or "none"]


def _outcome(written: dict[str, Any]) -> Outcome:
    """Return what `write` has written."""
    fields = {name: value for name, value in written.items() if name != "passed"}
    counts = {name: Count(**fields[name]) for name in ("predictions", "feedback")}
    return Outcome(**{**fields, **counts})
