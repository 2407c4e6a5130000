"""Harm to Postgres."""

import datetime as dt

from benchmarks.harm import spool_files
from benchmarks.harm.disks import fill
from benchmarks.harm.stage import Stage
from benchmarks.postgres import Postgres, failover_url
from benchmarks.processes import let_pass, wait_until
from benchmarks.service_process import Service

_DISK_MB = 192
"""An empty server takes 40 MB, its first write-ahead log 16 or 32, and a database 10."""
_CUT = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1"
_WAITING = "select 1 from pg_locks where not granted and database = (select oid from pg_database where datname = $1)"


def stopped(stage: Stage) -> None:
    """Postgres is stopped for a while, and comes back."""
    service = stage.service()
    with stage.load(service):
        stage.wait_for_replies()
        stage.postgres.stop()
        let_pass(stage.scale.outage_s)
        stage.wait_for_replies()
        stage.insist(service.log()["database"] == "away", "the service does not say that Postgres is away")
        stage.postgres.start()
    stage.settle()


def killed_in_a_batch(stage: Stage) -> None:
    """All of Postgres gets SIGKILL while a batch is being inserted."""
    service = stage.service()
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            _kill_in_a_batch(stage)
            stage.wait_for_replies()
            stage.postgres.start()
            stage.wait_for_replies()
            stage.postgres.kill()  # at any moment
            stage.postgres.start()
    stage.settle()


def embedded_killed(stage: Stage) -> None:
    """The embedded Postgres gets SIGKILL, and nobody but the service starts it again; nor when it was stopped."""
    stage.embed_postgres()
    service = stage.service(SENTIMENT_DATABASE="embedded", SENTIMENT_DATABASE_URL="")
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            stage.random.choice((stage.postgres.kill, stage.postgres.stop))()
            stage.wait_for_replies()
            service.kill()
            stage.postgres.kill()
            service.start()
    stage.settle()


def commits_asynchronous(stage: Stage) -> None:
    """The database's own setting is not to wait for its disk, and all of Postgres gets SIGKILL after a commit."""
    stage.postgres.administration.run(f"alter database {stage.database.name} set synchronous_commit = off")
    service = stage.service()
    with stage.load(service):
        for _ in range(4 * stage.scale.blows):
            stage.wait_for_replies()
            wait_until(lambda: bool(spool_files.segments(stage.spools)), "something is to be shipped")
            wait_until(lambda: not spool_files.segments(stage.spools), "all of it is shipped")
            stage.postgres.kill()
            stage.postgres.start()
    stage.settle()


def frozen(stage: Stage) -> None:
    """Postgres keeps its connections and answers nothing, and then goes on."""
    service = stage.service()
    with stage.load(service):
        stage.wait_for_replies()
        with stage.postgres.frozen():
            let_pass(stage.scale.outage_s)
            stage.wait_for_replies()
    stage.settle()


def connections_cut(stage: Stage) -> None:
    """All connections are terminated by the server, again and again."""
    service = stage.service()
    with stage.load(service):
        for _ in range(round(stage.scale.outage_s / 0.3)):
            _cut(stage)
            stage.let_pass(0.5)
        stage.insist(service.lives(), "the service has ended")
    stage.settle()


def read_only(stage: Stage) -> None:
    """The database takes no writes for a while, as after a failover."""
    service = stage.service()
    name = stage.database.name
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            stage.postgres.administration.run(f"alter database {name} set default_transaction_read_only = on")
            _cut(stage)
            _wait_for_error(service, "25006")
            stage.postgres.administration.run(f"alter database {name} reset default_transaction_read_only")
            _cut(stage)
    stage.settle()


def failover_synchronous(stage: Stage) -> None:
    """The primary gets SIGKILL and its standby takes over, which each commit has waited for."""
    primary, service = _replicated(stage, at_commit=True)
    with stage.load(service):
        stage.wait_for_replies()
        primary.kill()
        _fail_over(stage)
    stage.settle()


def failover_asynchronous(stage: Stage) -> None:
    """With a standby that no commit waits for and that is behind, what it had not received is lost, no more."""
    primary, service = _replicated(stage, at_commit=False)
    with stage.load(service):
        stage.wait_for_replies()
        stage.postgres.stop()
        shipped = service.log()["shipped"]
        stage.wait_for_replies()
        wait_until(lambda: service.log()["shipped"] > shipped, "the primary alone has some rows")
        primary.kill()
        stage.postgres.start()
        _fail_over(stage)
    stage.settle()
    service.kill()
    primary.start()  # its disk may still be read
    stage.touched_predictions, stage.touched_feedback = map(set, primary.database(stage.database.name).stored())


def unmigrated(stage: Stage) -> None:
    """The tables are not there until late."""
    service = stage.service()
    stage.database.downgrade("base")
    with stage.load(service):
        stage.wait_for_replies()
        _wait_for_error(service, "42P01")
        stage.wait_for_replies()
        stage.database.upgrade()
    stage.settle()


def schema_older(stage: Stage) -> None:
    """The schema is taken back to the first release's, under load, and forward again."""
    service = stage.service()
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            stage.database.downgrade("0001")
            stage.wait_for_replies()
            stage.database.upgrade()
    stage.settle()


def month_missing(stage: Stage) -> None:
    """No month has a partition: the shipper makes the one that it needs."""
    service = stage.service()
    _drop_months(stage)
    with stage.load(service):
        stage.wait_for_replies()
    stage.settle()
    now = dt.datetime.now(dt.UTC)
    made = stage.database.column("select 1 from pg_class where relname = $1", f"predictions_{now:%Y_%m}")
    stage.insist(bool(made), "the month's partition was not made")


def disk_full(stage: Stage) -> None:
    """Postgres has no room on its disk for a while."""
    disk = stage.put_postgres_on_small_disk(_DISK_MB)
    service = stage.service()
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            ballast = fill(disk)
            try:
                wait_until(lambda: bool(service.log()["last_error"]), "Postgres runs out of room")
                stage.wait_for_replies()
            finally:
                ballast.unlink()
            stage.postgres.start()  # it may have given up
    stage.settle()


def _replicated(stage: Stage, *, at_commit: bool) -> tuple[Postgres, Service]:
    """Start a primary, its standby, whose database the stage goes on with, and a service that knows both."""
    primary = stage.new_postgres("primary")
    stage.database = primary.new_database()
    stage.postgres = stage.new_postgres("standby", of=primary)
    primary.wait_for_standby(at_commit=at_commit)
    before, stage.database = stage.database, stage.postgres.database(stage.database.name)
    return primary, stage.service(SENTIMENT_DATABASE_URL=failover_url(before, stage.database))


def _fail_over(stage: Stage) -> None:
    stage.wait_for_replies()
    stage.postgres.promote()
    stage.postgres.wait_for_standby(at_commit=False)
    stage.wait_for_replies()


def _kill_in_a_batch(stage: Stage) -> None:
    """Hold a batch up in its transaction, by a lock, and kill Postgres."""
    holder = "begin; lock table predictions in exclusive mode; select pg_sleep(60)"
    with stage.database.running(holder):
        administration = stage.postgres.administration
        wait_until(lambda: bool(administration.column(_WAITING, stage.database.name)), "a batch waits for the lock")
        stage.postgres.kill()


def _cut(stage: Stage) -> None:
    stage.postgres.administration.run(_CUT, stage.database.name)


def _wait_for_error(service: Service, sqlstate: str) -> None:
    wait_until(lambda: bool(service.log()["last_error"] == sqlstate), f"Postgres refuses with {sqlstate}")


def _drop_months(stage: Stage) -> None:
    names = stage.database.column(
        "select inhrelid::regclass::text from pg_inherits where inhparent = 'predictions'::regclass"
    )
    for name in names:
        stage.database.run(f"drop table {name}")
