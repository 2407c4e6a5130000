"""Behind the shipped nginx a replica stops or dies unnoticed, and what clients were told is stored once."""

from collections.abc import Callable

import pytest

from benchmarks.harm.scaling.cases import Death
from benchmarks.harm.scaling.finding import Finding, cut_off_wrongly, play
from benchmarks.harm.scaling.proxy import SHIPPED, Attempt, Passage, configuration
from benchmarks.harm.stage import QUICK, new_stage
from benchmarks.postgres import Postgres
from tests.packages import command_of

pytestmark = pytest.mark.slow

SEED = 20_262


@pytest.fixture
def finding(victim: Postgres) -> Callable[[str], Finding]:
    """A function that plays a case once, with few clients."""
    command_of("nginx-light", "nginx")

    def played(case: str) -> Finding:
        with new_stage(victim, SEED, QUICK) as stage:
            return play(case, stage, connections=6, pace_s=0.02)

    return played


def test_two_replicas_are_restarted_unnoticed(finding: Callable[[str], Finding]) -> None:
    """Each is drained, stopped and started in its turn: no request fails, and all that was acknowledged is stored."""
    found = finding("restart of 2")
    assert found.problems == []
    assert found.failed == 0
    assert found.turned_away > 0, found.line()
    assert found.predictions.acknowledged > 0, found.line()


def test_a_killed_replica_is_made_up_for(finding: Callable[[str], Finding]) -> None:
    """SIGKILL under load: only what the replica had is asked again, no client notices, its spool is taken over."""
    found = finding("kill in 2")
    assert found.problems == []
    assert found.failed == 0
    assert found.kills == 1
    assert found.predictions.acknowledged > 0, found.line()


def test_the_configuration_has_as_many_replicas_as_there_are() -> None:
    """The shipped lines are replaced by one for each replica, with the same options; nothing else changes."""
    written = configuration(SHIPPED.read_text(), [1001, 1002, 1003], 1000)
    added = [line.strip() for line in written.splitlines() if line not in SHIPPED.read_text().splitlines()]
    assert added == [
        *(f"server 127.0.0.1:{port} max_fails=0;" for port in (1001, 1002, 1003)),
        "listen 127.0.0.1:1000;",
    ]


def test_what_was_cut_off_without_need_is_seen() -> None:
    """More at once than there are clients, by a replica that lives, or after a death, is a problem each."""
    deaths = [Death(port=1, killed_at=10.0, gone_at=11.0, left=0)]
    by_death = [_cut_off(1, begun_at=9.9), _cut_off(1, begun_at=10.5)]
    assert cut_off_wrongly(1, by_death, deaths) == []
    assert len(cut_off_wrongly(1, [*by_death, _cut_off(1, begun_at=9.8)], deaths)) == 1
    assert len(cut_off_wrongly(1, [*by_death, _cut_off(2, begun_at=9.9)], deaths)) == 1
    assert len(cut_off_wrongly(1, [*by_death, _cut_off(1, begun_at=11.5)], deaths)) == 1


def test_a_replica_that_dies_twice_cuts_off_twice() -> None:
    """What a second death cut off is not taken for the first one's."""
    deaths = [Death(1, 10.0, 11.0, 0), Death(1, 20.0, 21.0, 0)]
    cut_off = [_cut_off(1, begun_at=moment) for moment in (9.9, 19.9)]
    assert cut_off_wrongly(1, cut_off, deaths) == []


def _cut_off(port: int, begun_at: float) -> Passage:
    return Passage("/predict", 200, 0.1, begun_at, [Attempt(port, sent_bytes=300), Attempt(9, sent_bytes=300)])
