"""Harm to the spool's files and their disk."""

import datetime as dt
import shutil
import uuid
from pathlib import Path
from typing import Any

import msgspec
from uuid_utils.compat import uuid7

from benchmarks.harm import spool_files
from benchmarks.harm.disks import fill
from benchmarks.harm.stage import Stage
from benchmarks.payload import new_record
from benchmarks.processes import wait_until
from benchmarks.service_process import Service
from sentiment_api.database.partitions import first_id
from sentiment_api.prediction_log.records import RECORD_FORMAT, encode

_OLDER = Path(__file__).parents[1] / "spools" / "0.1.0"
"""What release 0.1.0 left: a spool's folder, and the ids in it."""
_DISK_MB = 8
_ROOM = 100_000
"""Bytes: some 100 records, and the small files that a start makes."""
_HOUR_MS = 3_600_000


def disk_full(stage: Stage) -> None:
    """The spool's disk is full while Postgres is away; then Postgres is back, then there is room."""
    disk = stage.put_data_on_small_disk(_DISK_MB)
    service = stage.service()
    with stage.load(service):
        for _ in range(stage.scale.blows):
            stage.wait_for_replies()
            stage.postgres.stop()
            ballast = fill(disk, _ROOM)
            stage.wait_for_refusals(503)
            stage.postgres.start()
            stage.wait_for_replies()  # what is shipped makes room
            ballast.unlink()
            stage.wait_for_replies()
    stage.settle()


def disk_full_at_start(stage: Stage) -> None:
    """The service is killed while the disk is full, and starts on the full disk."""
    disk = stage.put_data_on_small_disk(_DISK_MB)
    service = stage.service()
    with stage.load(service):
        stage.wait_for_replies()
        stage.postgres.stop()
        fill(disk, _ROOM)
        stage.wait_for_refusals(503)
        fill(disk)
        service.kill()
        service.start()
        stage.postgres.start()
    stage.settle()


def damaged(stage: Stage) -> None:
    """Segments of a service that does not run are cut off, overwritten, zeroed, flipped, shortened or lengthened."""
    service = stage.service()
    _spool_without_postgres(stage, service, rounds=3)
    expected = 0
    for path in stage.random.sample(spool_files.segments(stage.spools), stage.scale.blows):
        touched = spool_files.damage(path, stage.random)
        expected += touched.damaged_bytes
        stage.touched_predictions |= {each.prediction_id for each in touched.frames if each.kind == "prediction"}
        stage.touched_feedback |= {each.prediction_id for each in touched.frames if each.kind == "feedback"}
    _ship(stage, service)
    counted = service.metric("sentiment_damaged_spool_bytes_total")
    stage.insist(counted == expected, f"expected {expected} damaged bytes in the metric, found {counted:g}")


def foreign_files(stage: Stage) -> None:
    """Somebody has put other files into the spool's folder, and a copy of a segment under a name of their own."""
    service = stage.service()
    _spool_without_postgres(stage, service)
    segment = spool_files.segments(stage.spools)[0]
    for name in ("notes.txt", "backup.tar", "empty"):
        (segment.parent / name).touch()
    (segment.parent / "folder").mkdir()
    copy = segment.with_name(f"{segment.stem}-copy.seg")
    shutil.copy(segment, copy)
    service.start()
    with stage.load(service):
        stage.wait_for_replies()
        stage.postgres.start()
    wait_until(lambda: set(spool_files.segments(stage.spools)) <= {copy}, "the service's own segments are shipped")


def clock_set_back(stage: Stage) -> None:
    """The clock was ahead and is set back, and ids of far-off months are in the spool."""
    service = stage.service()
    _spool_without_postgres(stage, service, rounds=2)
    ahead = stage.random.choice((_HOUR_MS, 24 * _HOUR_MS, -_HOUR_MS))
    for path in spool_files.segments(stage.spools):
        path.rename(path.with_name(f"{int(path.stem) + ahead:015d}.seg"))
    _put(stage, [encode(new_record(stage.random, each)) for each in _far_off(stage)])
    service.start()
    with stage.load(service):
        stage.wait_for_replies()
        service.kill()
        service.start()
        stage.postgres.start()
    stage.settle()


def shipped_twice(stage: Stage) -> None:
    """Segments that were shipped come again: as after a crash before they were unlinked, or from a backup."""
    service = stage.service()
    _spool_without_postgres(stage, service)
    backup = stage.folder / "backup"
    shutil.copytree(stage.spools, backup)
    _ship(stage, service)
    service.kill()
    for path in spool_files.segments(backup):
        for number in ("0", "7"):
            (stage.spools / number).mkdir(exist_ok=True)
            shutil.copy(path, stage.spools / number / path.name)
    _ship(stage, service)


def older_format(stage: Stage) -> None:
    """A spool that release 0.1.0 left is shipped."""
    shutil.copytree(_OLDER / "spool", stage.spools / "3")
    ids = list(map(uuid.UUID, (_OLDER / "ids.txt").read_text().split()))
    stage.ledger.predictions += ids
    service = stage.service()
    with stage.load(service):
        stage.wait_for_replies()
    stage.settle()


def newer_format(stage: Stage) -> None:
    """Records of a newer release hold up nobody, wait, are counted, and are shipped by a release that can read them."""
    service = stage.new_service()
    records = [new_record(stage.random) for _ in range(20)]
    newer = [_newer(msgspec.msgpack.decode(encode(each))) for each in records]
    strange = msgspec.msgpack.encode({"type": "shadow", "format": RECORD_FORMAT + 1, "prediction_id": str(uuid7())})
    _put(stage, [encode(new_record(stage.random)), *newer, strange])
    for _ in range(2):
        service.start()
        with stage.load(service):
            pass
        stage.settle()
        waiting = service.metric("sentiment_newer_records_waiting")
        stage.insist(waiting == len(newer) + 1, f"{waiting:g} records wait, not {len(newer) + 1}")
        service.kill()
    # As a release that knows the format would read them.
    for path in stage.spools.glob("*/*.newer"):
        path.write_bytes(b"".join(spool_files.framed(encode(each)) for each in records))
    stage.ledger.predictions += [each.prediction_id for each in records]
    _ship(stage, service)


def _spool_without_postgres(stage: Stage, service: Service, rounds: int = 1) -> None:
    """Have acknowledged what lies in the spool only, in several segments; neither service nor Postgres runs then."""
    stage.postgres.stop()
    with stage.load(service):
        for _ in range(rounds * stage.scale.blows):
            segments = len(spool_files.segments(stage.spools))
            stage.wait_for_replies()
            wait_until(lambda: len(spool_files.segments(stage.spools)) > segments, "there are more segments")  # noqa: B023
    service.kill()


def _ship(stage: Stage, service: Service) -> None:
    stage.postgres.start()
    service.start()
    stage.settle()


def _put(stage: Stage, payloads: list[bytes]) -> None:
    """Put a segment where a dead process would have left it."""
    folder = stage.spools / "5"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "000000000000001.seg").write_bytes(b"".join(map(spool_files.framed, payloads)))


def _far_off(stage: Stage) -> list[uuid.UUID]:
    """Return ids of other months, and have them count as acknowledged."""
    now = dt.datetime.now(dt.UTC)
    moments = [now + dt.timedelta(days=days) for days in (-300, -40, 40, 800)]
    ids = [
        uuid.UUID(int=first_id(moment).int | 0x7000_8000_0000_0000_0000 | stage.random.getrandbits(62))
        for moment in moments
    ]
    stage.ledger.predictions += ids
    return ids


def _newer(record: dict[str, Any]) -> bytes:
    """Return what a newer release might write for it."""
    return msgspec.msgpack.encode({**record, "format": RECORD_FORMAT + 1, "language": "de", "tokens": "ten"})
