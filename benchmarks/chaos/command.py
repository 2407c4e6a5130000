"""Does harm to a running service under load, and shows whether an acknowledged prediction was lost or doubled.

Real processes: the service under Granian, a Postgres of its own, clients over HTTP. All lie in temporary folders and
are gone in the end. Some cases mount small disks, which takes root; without it they are skipped and say so.

    python -m benchmarks chaos                                  # all cases, five times each: two hours
    python -m benchmarks chaos --quick                          # all cases once, shortly
    python -m benchmarks chaos --case service-killed --case spool-damaged --repeats 20
    python -m benchmarks chaos --case drained --seed 12345      # that repetition again

Writes chaos.json and chaos.md, where other cases' rows stay. Exit code 1 when anything was lost or doubled, or was not
as it must be.
"""

import argparse
import contextlib
import itertools
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.chaos import report
from benchmarks.chaos.cases import CASES
from benchmarks.chaos.disks import Skipped
from benchmarks.chaos.ledger import Outcome
from benchmarks.chaos.postgres import Postgres
from benchmarks.chaos.stage import LONG, QUICK, Scale, play


def main() -> None:
    """Play the cases, print a line for each repetition, and write the results after each."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is stopped then, too
    scale = QUICK if options.quick else LONG
    print(f"seed {options.seed}", flush=True)
    write = partial(report.write, options.results)
    outcomes, skipped = run(
        options.case or list(CASES), options.repeats or scale.repeats, options.seed, scale, then=write
    )
    failed = sum(not each.passed for each in outcomes)
    print(f"\n{report.table(outcomes, skipped)}\n\n{len(outcomes)} repetitions, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


def run(
    names: list[str], repeats: int, seed: int, scale: Scale, *, then: Callable[[list[Outcome], dict[str, str]], None]
) -> tuple[list[Outcome], dict[str, str]]:
    """Play these cases, and return the outcomes and, by case, why some were skipped; `then` gets them so far.

    A repetition's own seed is the given one for the first, so that one repetition can be played again.
    """
    outcomes: list[Outcome] = []
    skipped: dict[str, str] = {}
    seeds = [seed, *(random.Random(seed).sample(range(1 << 31), repeats))][:repeats]  # noqa: S311 - no secret
    with own_postgres() as postgres:
        for name, each in itertools.product(names, seeds):
            try:
                outcomes.append(play(name, CASES[name], postgres, each, scale))
            except Skipped as reason:
                skipped[name] = str(reason)
                continue
            played = sum(outcome.case == name for outcome in outcomes)
            print(f"{outcomes[-1].line()} [{played}/{repeats}]", flush=True)
            then(outcomes, skipped)
    return outcomes, skipped


@contextlib.contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Yield a server that runs, and remove it in the end."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)  # as root Postgres runs as another user
    postgres = Postgres(folder)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        shutil.rmtree(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case",
        action="append",
        choices=list(CASES),
        metavar="NAME",
        help=f"one of {', '.join(CASES)}; several are possible",
    )
    parser.add_argument("--repeats", type=int, help="of each case (default: 5, or 1 when quick)")
    parser.add_argument("--quick", action="store_true", help="short outages and few blows")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="of the random moments")  # noqa: S311
    parser.add_argument("--results", type=Path, default=report.RESULTS, metavar="FOLDER", help="where to write them")
    return parser.parse_args()
