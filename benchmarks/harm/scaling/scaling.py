"""Stops and kills replicas behind nginx under load, and looks whether a client notices and whether anything is lost.

Real processes: two or four services under Granian, an nginx with `deploy/nginx/sentiment.conf`, one Postgres, clients.

    python -m benchmarks scaling                             # all cases, five times each, four replicas three times
    python -m benchmarks scaling --quick                     # all cases once, shortly
    python -m benchmarks scaling --case "kill in 2" --seed 12345
    python -m benchmarks scaling --shapes                    # the model in each process, or as a process of its own

Writes scaling.json and scaling.md, where other cases' rows stay, or model-process.json. Exit code 1 when a client saw a
failure, or anything was lost or doubled.
"""

import random

from benchmarks.harm.scaling import comparison, report
from benchmarks.harm.scaling.cases import CASES
from benchmarks.harm.scaling.finding import Finding, play
from benchmarks.harm.stage import QUICK, Effort, new_stage
from benchmarks.postgres import own_postgres
from benchmarks.steps import REVIEWS, Namespace, option, rounds, seconds

LONG = Effort(repeats=5, outage_s=0, blows=3, replies=(100, 600))

_NAMES = ", ".join(f'"{name}"' for name in CASES)
OPTIONS = (
    option("--case", action="append", choices=list(CASES), metavar="NAME", help=f"one of {_NAMES}"),
    option("--repeats", type=int, help="of each case (default: 5, with four replicas 3, or 1 when quick)"),
    option("--quick", action="store_true", help="few replies between two events"),
    option("--seed", type=int, help="of the random moments (default: another one each time)"),
    option("--shapes", action="store_true", help="measure the model in each process and as one of its own instead"),
    REVIEWS,
    rounds(5),
    seconds(8.0, "of each measurement of --shapes"),
    option("--rate", type=float, default=40.0, help="requests a second where latencies are measured (default 40)"),
)


def run(options: Namespace) -> int:
    """Play the cases, print a line for each repetition, and write the results after each; return 1 for a failure."""
    if options.shapes:
        comparison.compare(options)
        return 0
    seed = random.randrange(1 << 31) if options.seed is None else options.seed  # noqa: S311 - no secret
    print(f"seed {seed}", flush=True)
    findings = _played(options, seed, QUICK if options.quick else LONG)
    failed = sum(bool(each.problems) for each in findings)
    print(f"\n{report.table(findings)}\n\n{len(findings)} repetitions, {failed} failed", flush=True)
    return 1 if failed else 0


def _played(options: Namespace, seed: int, scale: Effort) -> list[Finding]:
    findings: list[Finding] = []
    chosen = random.Random(seed)  # noqa: S311 - no secret
    seeds = [seed, *(chosen.sample(range(1 << 31), 100))]
    with own_postgres() as postgres:
        for name in options.case or CASES:
            repeats = 1 if options.quick else 5 if CASES[name].replicas == 2 else 3
            for each in seeds[: options.repeats or repeats]:
                with new_stage(postgres, each, scale) as stage:
                    findings.append(play(name, stage))
                print(findings[-1].line(), flush=True)
                report.write(options.out, findings)
    return findings
