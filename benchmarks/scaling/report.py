"""The findings as a JSON file and as a table."""

import dataclasses
import json
from pathlib import Path

from benchmarks import machine
from benchmarks.chaos.ledger import Count
from benchmarks.scaling.cases import CONNECTIONS
from benchmarks.scaling.finding import Finding

RESULTS = Path(__file__).parents[1] / "results"
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
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "scaling.json"
    before = json.loads(path.read_text())["findings"] if path.exists() else []
    played = {each.case for each in findings}
    findings = [*(_finding(each) for each in before if each["case"] not in played), *findings]
    described = machine.describe()
    listed = [dataclasses.asdict(each) for each in findings]
    path.write_text(json.dumps({"machine": described, "findings": listed}, indent=1) + "\n")
    heading = (
        f"{described['date']}, {described['processor']}, {described['cores']} cores, shared by replicas, Postgres, "
        f"nginx and {CONNECTIONS} clients that ask without a pause; the starter, one engine thread in each replica."
    )
    (folder / "scaling.md").write_text(f"{heading}\n\n{table(findings)}\n\n{_WORDS}\n")


def table(findings: list[Finding]) -> str:
    """Return them by case, in Markdown."""
    names = list(dict.fromkeys(each.case for each in findings))
    rows = [_row(name, [each for each in findings if each.case == name]) for name in names]
    return "\n".join(f"| {' | '.join(line)} |" for line in (_TITLES, ["---"] * len(_TITLES), *rows))


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
