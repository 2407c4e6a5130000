"""The cases, by the name that `--case` takes."""

from collections.abc import Callable

from benchmarks.harm.chaos.cases import database, service, spool
from benchmarks.harm.stage import Stage

ChaosCase = Callable[[Stage], None]

CASES: dict[str, ChaosCase] = {
    "service-killed": service.killed,
    "service-killed-starting": service.killed_while_starting,
    "all-killed": service.killed_with_postgres,
    "drained": service.drained,
    "terminated": service.terminated,
    "terminated-spooling": service.terminated_without_postgres,
    "two-services": service.one_of_two_killed,
    "four-services": service.two_of_four_killed,
    "postgres-stopped": database.stopped,
    "postgres-killed": database.killed_in_a_batch,
    "embedded-killed": database.embedded_killed,
    "commits-asynchronous": database.commits_asynchronous,
    "postgres-frozen": database.frozen,
    "connections-cut": database.connections_cut,
    "read-only": database.read_only,
    "failover-synchronous": database.failover_synchronous,
    "failover-asynchronous": database.failover_asynchronous,
    "unmigrated": database.unmigrated,
    "schema-older": database.schema_older,
    "month-missing": database.month_missing,
    "postgres-disk-full": database.disk_full,
    "spool-disk-full": spool.disk_full,
    "spool-disk-full-restart": spool.disk_full_at_start,
    "spool-damaged": spool.damaged,
    "spool-foreign-files": spool.foreign_files,
    "clock-set-back": spool.clock_set_back,
    "shipped-twice": spool.shipped_twice,
    "older-format": spool.older_format,
    "newer-format": spool.newer_format,
}
