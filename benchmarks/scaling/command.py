"""Stops and kills replicas behind nginx under load, and looks whether a client notices and whether anything is lost.

Real processes: two or four services under Granian, an nginx with `deploy/nginx/sentiment.conf`, one Postgres, clients.

    python -m benchmarks scaling                             # all cases, five times each, four replicas three times
    python -m benchmarks scaling --quick                     # all cases once, shortly
    python -m benchmarks scaling --case "kill in 2" --seed 12345
    python -m benchmarks scaling --shapes                    # the model in each process, or as a process of its own

Writes scaling.json and scaling.md, where other cases' rows stay, or model-process.json. Exit code 1 when a client saw a
failure, or anything was lost or doubled.
"""

import argparse
import random
import signal
import sys
from pathlib import Path

from benchmarks.chaos.command import own_postgres
from benchmarks.chaos.stage import QUICK, Scale, new_stage
from benchmarks.scaling import comparison, report
from benchmarks.scaling.cases import CASES
from benchmarks.scaling.finding import Finding, play

LONG = Scale(repeats=5, outage_s=0, blows=3, replies=(100, 600))


def main() -> None:
    """Play the cases, print a line for each repetition, and write the results after each."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped then, too
    if options.shapes:
        comparison.main(options)
        return
    print(f"seed {options.seed}", flush=True)
    findings = _played(options, QUICK if options.quick else LONG)
    failed = sum(bool(each.problems) for each in findings)
    print(f"\n{report.table(findings)}\n\n{len(findings)} repetitions, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


def _played(options: argparse.Namespace, scale: Scale) -> list[Finding]:
    findings: list[Finding] = []
    chosen = random.Random(options.seed)  # noqa: S311 - no secret
    seeds = [options.seed, *(chosen.sample(range(1 << 31), 100))]
    with own_postgres() as postgres:
        for name in options.case or CASES:
            repeats = 1 if options.quick else 5 if CASES[name].replicas == 2 else 3
            for seed in seeds[: options.repeats or repeats]:
                with new_stage(postgres, seed, scale) as stage:
                    findings.append(play(name, stage))
                print(findings[-1].line(), flush=True)
                report.write(options.results, findings)
    return findings


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=list(CASES), metavar="NAME", help=f"one of {_names()}")
    parser.add_argument("--repeats", type=int, help="of each case (default: 5, with four replicas 3, or 1 when quick)")
    parser.add_argument("--quick", action="store_true", help="few replies between two events")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="of the random moments")  # noqa: S311
    parser.add_argument("--results", type=Path, default=report.RESULTS, metavar="FOLDER", help="where to write them")
    apart = parser.add_argument_group("with --shapes")
    apart.add_argument("--shapes", action="store_true", help="measure the model in each process and as one of its own")
    apart.add_argument("--reviews", type=Path, nargs="+", default=[], metavar="FILE", help="parquet, column text")
    apart.add_argument("--rounds", type=int, default=5)
    apart.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    apart.add_argument("--rate", type=float, default=40.0, help="requests a second where latencies are measured")
    return parser.parse_args()


def _names() -> str:
    return ", ".join(f'"{name}"' for name in CASES)
