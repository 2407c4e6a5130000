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

import itertools
import random
from collections.abc import Callable

from benchmarks.harm.chaos import report
from benchmarks.harm.chaos.cases import CASES
from benchmarks.harm.disks import Skipped
from benchmarks.harm.ledger import Outcome
from benchmarks.harm.stage import LONG, QUICK, Effort, play
from benchmarks.postgres import own_postgres
from benchmarks.steps import Namespace, option

OPTIONS = (
    option(
        "--case",
        action="append",
        choices=list(CASES),
        metavar="NAME",
        help=f"one of {', '.join(CASES)}; several are possible",
    ),
    option("--repeats", type=int, help="of each case (default: 5, or 1 when quick)"),
    option("--quick", action="store_true", help="short outages and few blows"),
    option("--seed", type=int, help="of the random moments (default: another one each time)"),
)


def run(options: Namespace) -> int:
    """Play the cases, print a line for each repetition, and write the results after each; return 1 for a failure."""
    scale = QUICK if options.quick else LONG
    seed = random.randrange(1 << 31) if options.seed is None else options.seed  # noqa: S311 - no secret
    print(f"seed {seed}", flush=True)
    outcomes, skipped = _played(
        options.case or list(CASES),
        options.repeats or scale.repeats,
        seed,
        scale,
        then=lambda played, skipped: report.write(options.out, played, skipped),
    )
    failed = sum(not each.passed for each in outcomes)
    print(f"\n{report.table(outcomes, skipped)}\n\n{len(outcomes)} repetitions, {failed} failed", flush=True)
    return 1 if failed else 0


def _played(
    names: list[str], repeats: int, seed: int, scale: Effort, *, then: Callable[[list[Outcome], dict[str, str]], None]
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
