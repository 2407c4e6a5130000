"""What happens to replicas behind the proxy, under load: each is restarted in its turn, or some are killed."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harm import spool_files
from benchmarks.harm.load import ClientLoad
from benchmarks.harm.scaling.proxy import Proxy, proxied
from benchmarks.harm.stage import Stage
from benchmarks.processes import wait_until
from benchmarks.service_process import Service
from sentiment_api.prediction_log.draining import port_of

CONNECTIONS = 16
"""Of clients, each of which asks as soon as it is answered: so many requests are under way at once."""


@dataclass(frozen=True)
class Death:
    """A SIGKILL. Times are those of `time.time`."""

    port: int
    killed_at: float
    gone_at: float
    """When the system had closed all that it had open; until then it takes connections, which nobody answers."""
    left: int
    """Records in its spool that Postgres did not have."""


@dataclass
class Play:
    """Replicas, the proxy before them, and the stage for both."""

    stage: Stage
    services: list[Service]
    folders: list[Path]
    """All data folders: one, or one for each replica."""
    proxy: Proxy
    deaths: list[Death] = field(default_factory=list)

    def segments(self) -> list[Path]:
        """Return what lies in the spools of all."""
        return [path for folder in self.folders for path in spool_files.segments(folder / "spool")]


def restarted(play: Play) -> None:
    """Every replica is drained and stopped, and starts again, before the next one is."""
    for service in play.services:
        play.stage.wait_for_replies()
        drain = service.command("drain", "--port", str(port_number(service)), "--grace", "0", "--stop")
        play.stage.insist(drain.returncode == 0, f"drain ended with {drain.returncode}: {drain.stderr.strip()[-500:]}")
        play.stage.insist(service.end() == 0, "the drained replica ended with an error")
        play.stage.wait_for_replies()
        service.start()
        play.stage.wait_for_replies()


def killed(play: Play) -> None:
    """A replica gets SIGKILL and starts again, several times; the last one does only if nobody else sees its spool."""
    victims = [play.stage.random.choice(play.services) for _ in range(play.stage.scale.blows)]
    for number, victim in enumerate(victims):
        play.stage.wait_for_replies()
        _kill(play, victim)
        play.stage.wait_for_replies()
        if number < len(victims) - 1 or len(play.folders) > 1:
            victim.start()
            # A request tries each replica once: those that this one turned away must be answered before the next dies.
            play.stage.let_pass(3, 2)
    play.stage.wait_for_replies()


def _kill(play: Play, victim: Service) -> None:
    port = port_number(victim)
    killed_at = time.time()
    victim.kill()
    play.deaths.append(Death(port, killed_at, time.time(), _left(play, port)))


def port_number(service: Service) -> int:
    """Return where a replica listens."""
    return int(service.environment["SENTIMENT_PORT"])


def _left(play: Play, port: int) -> int:
    """Return how many records lie in a dead replica's spool and not in Postgres."""
    frames: list[spool_files.Frame] = []
    for path in play.segments():
        if port_of(path.parent) == port:
            with contextlib.suppress(FileNotFoundError):  # a sibling was quick
                frames += spool_files.frames(path.read_bytes())
    stored = dict(zip(("prediction", "feedback"), map(set, play.stage.database.stored()), strict=True))
    return sum(each.prediction_id not in stored[each.kind] for each in frames)


@dataclass(frozen=True)
class ScalingCase:
    """What is done to how many replicas."""

    act: Callable[[Play], None]
    replicas: int
    one_folder: bool
    """Whether the replicas share SENTIMENT_DATA_DIR."""


CASES = {
    "restart of 2": ScalingCase(restarted, 2, one_folder=True),
    "restart of 4": ScalingCase(restarted, 4, one_folder=True),
    "kill in 2": ScalingCase(killed, 2, one_folder=True),
    "kill in 4": ScalingCase(killed, 4, one_folder=True),
    "restart of 2, a folder each": ScalingCase(restarted, 2, one_folder=False),
    "kill in 2, a folder each": ScalingCase(killed, 2, one_folder=False),
}


def perform(case: ScalingCase, stage: Stage, connections: int, pace_s: float) -> tuple[Play, float]:
    """Play a case to its end, when all that was spooled is shipped; return it and the seconds under load.

    There are as many clients as `connections`, each with `pace_s` between an answer and its next request.
    """
    with _played(case, stage) as play:
        started = time.monotonic()
        seed = stage.random.getrandbits(32)
        with ClientLoad([play.proxy.url], stage.ledger, seed, connections=connections, pace_s=pace_s):
            case.act(play)
        seconds = time.monotonic() - started
        wait_until(lambda: not play.segments(), "the spools are empty")
    return play, seconds


@contextlib.contextmanager
def _played(case: ScalingCase, stage: Stage) -> Iterator[Play]:
    folders = [stage.data_dir]
    if not case.one_folder:
        folders = [stage.folder / f"data-{number}" for number in range(case.replicas)]
    services = [
        stage.service(SENTIMENT_DATA_DIR=str(folders[number % len(folders)])) for number in range(case.replicas)
    ]
    with proxied(stage.folder / "nginx", list(map(port_number, services))) as proxy:
        yield Play(stage, services, folders, proxy)
