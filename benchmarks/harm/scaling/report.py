"""The findings as a JSON file and as a table."""

import dataclasses
from pathlib import Path

from benchmarks import result_files
from benchmarks.harm.ledger import Count
from benchmarks.harm.scaling.cases import CONNECTIONS
from benchmarks.harm.scaling.finding import Finding

_TITLES = (
    *("case", "repetitions", "passed", "kills", "requests", "failed", "cut off", "turned away", "median, slowest ms"),
    *("predictions acknowledged", "missing", "doubled", "stored, not acknowledged"),
    *("feedback acknowledged", "missing", "stored again", "left in a spool"),
)
_WORDS = (
    "*Cut off*: requests that a replica had got and did not answer, since it stopped or died. *Turned away*: requests "
    "that a replica which was away never got. nginx handed both to another replica. *Stored again*: feedback that a "
    "killed replica had recorded and not acknowledged. *Left in a spool*: records of the killed replica that Postgres "
    "did not have when it died."
)


def write(folder: Path, findings: list[Finding]) -> None:
    """Write `scaling.json` and `scaling.md` to a folder. What is there of other cases stays."""
    before = result_files.read(folder, "scaling").get("findings", [])
    played = {each.case for each in findings}
    findings = [*(_finding(each) for each in before if each["case"] not in played), *findings]
    heading = (
        f"{result_files.conditions()}, shared by replicas, Postgres, nginx and {CONNECTIONS} clients that ask without "
        "a pause; the starter, one engine thread in each replica."
    )
    listed = [dataclasses.asdict(each) for each in findings]
    result_files.write(folder, "scaling", {"findings": listed}, f"{heading}\n\n{table(findings)}\n\n{_WORDS}")


def table(findings: list[Finding]) -> str:
    """Return them by case, in Markdown."""
    names = list(dict.fromkeys(each.case for each in findings))
    rows = [_row(name, [each for each in findings if each.case == name]) for name in names]
    return result_files.table(_TITLES, *rows)


def _row(name: str, findings: list[Finding]) -> list[str]:
    totals = [sum(getattr(each, what) for each in findings) for what in ("kills", "requests", "failed", "cut_off")]
    slowest = max(each.slowest_ms for each in findings)
    median = sorted(each.median_ms for each in findings)[len(findings) // 2]
    return [
        name,
        str(len(findings)),
        str(sum(not each.problems for each in findings)),
        *(f"{total:,}" for total in totals),
        f"{sum(each.turned_away for each in findings):,}",
        f"{median:.0f}, {slowest:,.0f}",
        *_counts([each.predictions for each in findings], "acknowledged", "missing", "doubled", "unacknowledged"),
        *_counts([each.feedback for each in findings], "acknowledged", "missing", "doubled"),
        f"{sum(each.left for each in findings):,}",
    ]


def _counts(counts: list[Count], *fields: str) -> list[str]:
    return [f"{sum(getattr(each, field) for each in counts):,}" for field in fields]


def _finding(written: dict[str, object]) -> Finding:
    """Return what `write` has written."""
    counts = {name: Count(**written[name]) for name in ("predictions", "feedback")}  # type: ignore[arg-type]
    return Finding(**{**written, **counts})  # type: ignore[arg-type]
