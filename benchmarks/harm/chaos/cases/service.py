"""Harm to the service's processes, and their orderly end."""

import time

from benchmarks.harm.ledger import Exchange
from benchmarks.harm.stage import Stage
from benchmarks.processes import wait_until
from benchmarks.service_process import Part, Service

_PARTS: tuple[Part, ...] = ("all", "all", "main", "worker")
_FSYNC = ("append", "interval", "never")
_GRACE_S = 2
"""Of `sentiment-api drain`: far longer than the clients take to see that the service is not ready."""


def killed(stage: Stage) -> None:
    """The service, or its main process or its worker alone, gets SIGKILL under load and is started again."""
    service = stage.service(SENTIMENT_SPOOL_FSYNC=stage.random.choice(_FSYNC))
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            service.kill(stage.random.choice(_PARTS))
            service.start()
    stage.settle()


def killed_while_starting(stage: Stage) -> None:
    """It gets SIGKILL while it has much to ship, and again while it starts and takes over what a dead one has left."""
    service = stage.service()
    with stage.load(service):
        stage.postgres.stop()
        for number in range(stage.scale.blows):
            stage.wait_for_replies()
            service.kill()
            (stage.spools / "0").rename(stage.spools / str(10 + number))
            service.begin()
            stage.let_pass(3.0)
            service.kill()
            stage.postgres.start()
            service.start()
    stage.settle()


def killed_with_postgres(stage: Stage) -> None:
    """Service and Postgres get SIGKILL at once, and come back in any order."""
    service = stage.service()
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            stage.postgres.kill()
            service.kill()
            for start in stage.random.sample([service.start, stage.postgres.start], 2):
                start()
    stage.settle()


def drained(stage: Stage) -> None:
    """`sentiment-api drain --stop` under full load: clients that heed /health/ready see no failure at all."""
    service = stage.service()
    with stage.load(service, connections=16, pace_s=0.0, heed_readiness=True):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            drain = service.command("drain", "--grace", str(_GRACE_S), "--stop")
            stage.insist(drain.returncode == 0, f"drain ended with {drain.returncode}: {drain.stderr.strip()[-500:]}")
            stage.insist(service.end() == 0, "the drained service ended with an error")
            service.start()
    stage.settle()
    failed = {str(each.status) for each in stage.ledger.exchanges if each.status not in (200, 202)}
    stage.insist(not failed, f"requests failed, with {', '.join(failed)}")


def terminated(stage: Stage) -> None:
    """SIGTERM without draining, under full load: what the service had on an accepted connection is answered."""
    _terminated(stage, stage.service())


def terminated_without_postgres(stage: Stage) -> None:
    """The same while Postgres is away: what cannot be shipped is shipped after the next start."""
    service = stage.service(SENTIMENT_DRAIN_TIMEOUT_S="1")
    stage.postgres.stop()
    _terminated(stage, service)


def _terminated(stage: Stage, service: Service) -> None:
    moments = []
    with stage.load(service, connections=16, pace_s=0.0):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            moments.append(time.perf_counter())
            service.terminate()
            stage.insist(service.end() == 0, "the service ended with an error")
            service.start()
    stage.postgres.start()
    stage.settle()
    waiting = [each for each in stage.ledger.exchanges if any(_was_waiting(each, moment) for moment in moments)]
    cut = [each.path for each in waiting if each.status not in (200, 202, 503)]
    stage.insist(bool(waiting), "no request was in the service when the signal came")
    stage.insist(not cut, f"of {len(waiting)} requests in the service {len(cut)} were cut off: {', '.join(cut)}")


def one_of_two_killed(stage: Stage) -> None:
    """Two services share a folder; one is killed and not started again, and the other takes over its spool."""
    _some_killed(stage, [stage.service() for _ in range(2)], 1)


def two_of_four_killed(stage: Stage) -> None:
    """Of four services two are killed, one after the other, and not started again."""
    _some_killed(stage, [stage.service() for _ in range(4)], 2)


def _some_killed(stage: Stage, services: list[Service], victims: int) -> None:
    with stage.load(*services):
        stage.wait_for_replies()
        stage.postgres.stop()  # so that the victims leave something
        for victim in stage.random.sample(services, victims):
            stage.wait_for_replies()
            victim.kill()
        if stage.random.random() < 0.5:
            wait_until(lambda: _owned(stage) == len(services) - victims, "their spools are taken over without Postgres")
        stage.postgres.start()
    stage.settle()
    held = [service.log()["spool_bytes"] for service in services if service.lives()]
    stage.insist(held == [0] * (len(services) - victims), f"the services say that they hold {held} bytes")


def _owned(stage: Stage) -> int:
    """Return how many spools have segments; those of the living always do while Postgres is away."""
    return len({path.parent for path in stage.spools.glob("*/*.seg")})


def _was_waiting(exchange: Exchange, moment: float) -> bool:
    """Return whether the request had been sent, on a connection that was accepted, and not answered yet."""
    return exchange.sent_at is not None and exchange.answered_before and exchange.sent_at < moment < exchange.ended_at
