"""What came of one repetition of a case, and what must have come of it."""

import statistics
from dataclasses import dataclass, field

from benchmarks.harm.ledger import Count
from benchmarks.harm.scaling.cases import CASES, CONNECTIONS, Death, Play, perform
from benchmarks.harm.scaling.proxy import Passage
from benchmarks.harm.stage import Stage

_NOTICE_S = 0.25
"""What nginx may take to see that a connection is closed, when others have the processor."""


@dataclass
class Finding:
    """One repetition. Requests are those that clients sent to the proxy."""

    case: str
    seed: int
    replicas: int
    connections: int
    seconds: float
    """Under load."""
    kills: int
    requests: int
    failed: int
    """Requests that a client got another answer to than the one it asked for, or none."""
    cut_off: int
    """Requests that a replica had got and did not answer, as it stopped or died; another one answered them."""
    turned_away: int
    """Requests that a replica which was away never got; another one answered them."""
    left: int
    """Records in killed replicas' spools that Postgres did not have when they were gone."""
    median_ms: float
    slowest_ms: float
    predictions: Count
    feedback: Count
    problems: list[str] = field(default_factory=list)
    """What was not as it must be."""

    def line(self) -> str:
        """Return it as one line."""
        return (
            f"{'FAIL' if self.problems else 'ok  '} {self.case:<29} seed {self.seed:<10} {self.seconds:5.1f} s, "
            f"{self.requests} requests, {self.failed} failed, {self.cut_off} cut off, {self.turned_away} turned away, "
            f"slowest {self.slowest_ms:.0f} ms; {self.left} left in a spool; predictions {_said(self.predictions)}; "
            f"feedback {_said(self.feedback)}" + "".join(f"\n     {problem}" for problem in self.problems)
        )


def play(name: str, stage: Stage, connections: int = CONNECTIONS, pace_s: float = 0.0) -> Finding:
    """Play a case once, and compare what clients, proxy and Postgres have seen."""
    played, seconds = perform(CASES[name], stage, connections, pace_s)
    passages = [each for each in played.proxy.passages() if not each.path.startswith("/health")]
    outcome = stage.outcome(name, seconds)
    finding = Finding(
        case=name,
        seed=stage.seed,
        replicas=CASES[name].replicas,
        connections=connections,
        seconds=seconds,
        kills=len(played.deaths),
        requests=len(passages),
        failed=sum(outcome.refused.values()),
        cut_off=sum(len(each.cut_off) for each in passages),
        turned_away=sum(len(each.turned_away) for each in passages),
        left=sum(each.left for each in played.deaths),
        median_ms=1000 * statistics.median(each.seconds for each in passages),
        slowest_ms=1000 * max(each.seconds for each in passages),
        predictions=outcome.predictions,
        feedback=outcome.feedback,
        problems=outcome.problems,
    )
    finding.problems += _problems(finding, outcome.refused, passages, played)
    return finding


def _problems(finding: Finding, refused: dict[str, int], passages: list[Passage], played: Play) -> list[str]:
    """Return what was not as it must be.

    Feedback that a replica had recorded, and did not live to acknowledge, is recorded by the next one again: rows of
    the same request, of which the last counts. There may be as many as such requests were cut off.
    """
    ratings_cut_off = sum(len(each.cut_off) for each in passages if each.path == "/feedback")
    checks = {
        f"requests failed: {refused}": finding.failed == 0,
        f"{finding.predictions.missing} acknowledged predictions are missing": finding.predictions.missing == 0,
        f"{finding.feedback.missing} acknowledged feedbacks are missing": finding.feedback.missing == 0,
        f"{finding.predictions.doubled} predictions are stored twice": finding.predictions.doubled == 0,
        f"{finding.feedback.doubled} feedbacks are stored twice, and {ratings_cut_off} were cut off": (
            finding.feedback.doubled <= ratings_cut_off
        ),
    }
    problems = [problem for problem, holds in checks.items() if not holds]
    return problems + (cut_off_wrongly(finding.connections, passages, played.deaths) if played.deaths else [])


def cut_off_wrongly(connections: int, passages: list[Passage], deaths: list[Death]) -> list[str]:
    """Return what should not have been cut off: by a replica that lived, or more than there could be at once."""
    cut_off = [(each.begun_at, attempt.port) for each in passages for attempt in each.cut_off]
    owners = [_death_of(begun_at, port, deaths) for begun_at, port in cut_off]
    problems = []
    for death in deaths:
        begun = [at for (at, _), owner in zip(cut_off, owners, strict=True) if owner is death]
        under_way = sum(at <= death.killed_at for at in begun)
        if under_way > connections:
            problems.append(f"{under_way} requests of {connections} clients had begun before a kill and were cut off")
    strange = [_since_deaths(at, deaths) for (at, _), owner in zip(cut_off, owners, strict=True) if owner is None]
    if strange:
        problems.append(f"requests were cut off that had begun so many seconds after each replica was gone: {strange}")
    return problems


def _death_of(begun_at: float, port: int, deaths: list[Death]) -> Death | None:
    """Return the death that cut a request off: the first one of this replica that came after its begin, or nearly so.

    For a moment after it nginx may send on a connection that it has kept, and has not seen to be closed.
    """
    of_port = (each for each in deaths if each.port == port)
    return next((each for each in of_port if begun_at <= each.gone_at + _NOTICE_S), None)


def _since_deaths(begun_at: float, deaths: list[Death]) -> str:
    return ", ".join(f"{begun_at - each.gone_at:.3f} ({each.port})" for each in deaths)


def _said(count: Count) -> str:
    return (
        f"{count.acknowledged} acknowledged, {count.missing} missing, {count.doubled} doubled, "
        f"{count.unacknowledged} not acknowledged"
    )
