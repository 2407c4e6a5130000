"""What one repetition of a case plays on: a folder, a fresh database, services, clients, and chance."""

import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from benchmarks.harm import spool_files
from benchmarks.harm.disks import Skipped, small_disk
from benchmarks.harm.ledger import Count, Ledger, Outcome
from benchmarks.harm.load import ClientLoad
from benchmarks.postgres import Database, Postgres
from benchmarks.processes import let_pass, wait_until
from benchmarks.service_process import Service


@dataclass(frozen=True)
class Effort:
    """How much of everything."""

    repeats: int
    outage_s: float
    """How long Postgres is away, or harmed again and again."""
    blows: int
    """How often harm is done where one blow is soon over."""
    replies: tuple[int, int]
    """Between how many and how many predictions are acknowledged from one blow to the next."""


LONG = Effort(repeats=5, outage_s=60, blows=4, replies=(20, 200))
QUICK = Effort(repeats=1, outage_s=3, blows=1, replies=(10, 40))


class Stage:
    """The means of a case. Ends with what it was opened with, in reverse."""

    def __init__(
        self, postgres: Postgres, folder: Path, seed: int, scale: Effort, opened: contextlib.ExitStack
    ) -> None:
        """Use `new_stage`."""
        self.postgres = postgres
        self.folder = folder
        self.data_dir = folder / "data"
        self.scale = scale
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.ledger = Ledger()
        self.services: list[Service] = []
        self.problems: list[str] = []
        self.touched_predictions: set[UUID] = set()
        self.touched_feedback: set[UUID] = set()
        self._opened = opened
        self.database = postgres.new_database()
        opened.callback(self._drop, postgres, self.database)

    @property
    def spools(self) -> Path:
        """The folder of all spools."""
        return self.data_dir / "spool"

    def new_service(self, **environment: str) -> Service:
        """Return a service that does not run yet; keyword arguments are variables."""
        self.data_dir.mkdir(exist_ok=True)
        log = self.folder / f"service-{len(self.services)}.log"
        service = Service(log, self.data_dir, self.database.url, **environment)
        self.services.append(service)
        self._opened.callback(service.kill)
        return service

    def service(self, **environment: str) -> Service:
        """Start a service and return it when it is ready."""
        service = self.new_service(**environment)
        service.start()
        return service

    @contextlib.contextmanager
    def load(
        self, *services: Service, connections: int = 8, pace_s: float = 0.05, heed_readiness: bool = False
    ) -> Iterator[None]:
        """Have clients ask these services meanwhile, until they have got some more replies at the end."""
        urls = [service.url for service in services]
        seed = self.random.getrandbits(32)
        with ClientLoad(urls, self.ledger, seed, connections=connections, pace_s=pace_s, heed_readiness=heed_readiness):
            yield
            self.wait_for_replies()

    def wait_for_replies(self) -> None:
        """Return after a random number of acknowledgements: the moment of the next blow."""
        wanted = len(self.ledger.predictions) + self.random.randint(*self.scale.replies)
        wait_until(lambda: len(self.ledger.predictions) >= wanted, "there are more replies")

    def wait_for_refusals(self, status: int) -> None:
        """Return when several more requests have got this status."""
        wanted = self.ledger.refused()[str(status)] + 5
        wait_until(lambda: self.ledger.refused()[str(status)] >= wanted, f"the service refuses with {status}")

    def let_pass(self, longest_s: float, shortest_s: float = 0.0) -> None:
        """Let a random time pass."""
        let_pass(self.random.uniform(shortest_s, longest_s))

    def insist(self, holds: bool, otherwise: str) -> None:
        """Note a problem unless something holds."""
        if not holds:
            self.problems.append(otherwise)

    def settle(self) -> None:
        """Return when a service runs and no spool holds a segment: all is shipped that ever will be."""
        wait_until(
            lambda: any(service.lives() for service in self.services) and not spool_files.segments(self.spools),
            "the spools are empty",
        )

    def put_data_on_small_disk(self, megabytes: int) -> Path:
        """Have the services' files on a disk of this size, and return its folder."""
        self.data_dir = self._opened.enter_context(small_disk(self.folder / "disk", megabytes))
        return self.data_dir

    def put_postgres_on_small_disk(self, megabytes: int) -> Path:
        """Have a Postgres of our own on a disk of this size, and return its folder."""
        disk = self._opened.enter_context(small_disk(self.folder / "disk", megabytes))
        self.postgres = Postgres(disk)
        self.postgres.start()
        self._opened.callback(self.postgres.stop)
        self.database = self.postgres.new_database()
        return disk

    def new_postgres(self, name: str, of: Postgres | None = None) -> Postgres:
        """Start a Postgres of our own, or a standby of another one, in a folder of this name, and return it."""
        folder = self.folder / name
        folder.mkdir(mode=0o755)
        if of is None:
            server = Postgres(folder)
            server.start()
        else:
            server = of.new_standby(folder)
        self._opened.callback(server.stop)
        return server

    def embed_postgres(self) -> None:
        """Have the services look after a Postgres of their own, in their folder."""
        self.data_dir.mkdir()
        self.data_dir.chmod(0o755)
        self.postgres = Postgres(self.data_dir)
        self.postgres.start()
        self._opened.callback(self.postgres.stop)
        self.database = self.postgres.administration
        self.database.upgrade()

    def outcome(self, case: str, seconds: float) -> Outcome:
        """Compare what was acknowledged with what is stored."""
        predictions, feedback = self.database.stored()
        return Outcome(
            case=case,
            seed=self.seed,
            blows=self.scale.blows,
            outage_s=self.scale.outage_s,
            seconds=seconds,
            predictions=Count.of(self.ledger.predictions, predictions, self.touched_predictions),
            feedback=Count.of(self.ledger.feedback, feedback, self.touched_feedback),
            refused=dict(self.ledger.refused()),
            problems=self.problems,
        )

    def _drop(self, postgres: Postgres, database: Database) -> None:
        postgres.start()
        postgres.drop(database)


@contextlib.contextmanager
def new_stage(postgres: Postgres, seed: int, scale: Effort) -> Iterator[Stage]:
    """Yield a stage, and clear it in the end whatever happened on it."""
    with contextlib.ExitStack() as opened:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        opened.callback(shutil.rmtree, folder)
        folder.chmod(0o755)  # as root Postgres runs as another user
        postgres.start()
        yield Stage(postgres, folder, seed, scale, opened)


def play(name: str, case: Callable[[Stage], None], postgres: Postgres, seed: int, scale: Effort) -> Outcome:
    """Play a case once and return what came of it.

    Raises:
        Skipped: it cannot be played here.
    """
    started = time.monotonic()
    with new_stage(postgres, seed, scale) as stage:
        try:
            case(stage)
        except Skipped:
            raise
        except Exception as failure:  # noqa: BLE001 - a finding, and the next repetition is to come
            stage.problems.append(f"{type(failure).__name__}: {failure}")
        stage.postgres.start()
        return stage.outcome(name, time.monotonic() - started)
