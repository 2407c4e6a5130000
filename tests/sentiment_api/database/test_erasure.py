"""What was erased is gone everywhere and does not come back, wherever its record was at that moment."""

import asyncio
import datetime as dt
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from uuid_utils.compat import uuid7

from sentiment_api.database.erasures import ErasureTarget, Tombstones, count_erasable, erase, spool_states
from sentiment_api.database.partitions import first_id
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.prediction_log.maintenance import Maintenance
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, encode
from sentiment_api.prediction_log.set_aside import SetAsideRecord
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool_folders import set_aside_files
from sentiment_api.prediction_log.takeover import claim_spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.preloaded import program
from tests.protocols import NewRecord

pytestmark = pytest.mark.anyio


def rating_of(record: PredictionRecord) -> FeedbackRecord:
    """Return feedback for the record."""
    return FeedbackRecord(
        feedback_id=uuid7(), prediction_id=record.prediction_id, rating=1, label=None, request_id="r-1"
    )


async def ids(engine: AsyncEngine) -> set[uuid.UUID]:
    """Return the predictions that Postgres holds."""
    async with engine.connect() as connection:
        return {uuid.UUID(str(each)) for each in await connection.scalars(select(predictions.c.prediction_id))}


async def rated(engine: AsyncEngine) -> set[uuid.UUID]:
    """Return the predictions that Postgres holds feedback for."""
    async with engine.connect() as connection:
        return {uuid.UUID(str(each)) for each in await connection.scalars(select(feedback.c.prediction_id))}


class Process:
    """What one service has of the prediction log, without the rest of it."""

    def __init__(self, root: Path, engine: AsyncEngine) -> None:
        """Claim a spool under `root`."""
        self.forgot = 0
        self.spool = claim_spool(root, 1 << 20)
        self.metrics = Metrics()
        self.shipper = Shipper(self.spool, engine, self.metrics)
        self._files = ThreadPoolExecutor(1)
        self.maintenance = Maintenance(self.spool, self.shipper, engine, self._files, self.metrics, [self._forget])

    def _forget(self) -> None:
        self.forgot += 1

    def append(self, *records: PredictionRecord | FeedbackRecord) -> None:
        """Spool the records."""
        for record in records:
            self.spool.append(encode(record))

    def close(self) -> None:
        """Let go of the spool."""
        self._files.shutdown()
        self.spool.close()


@pytest.fixture
def process(tmp_path: Path, engine: AsyncEngine) -> Iterator[Process]:
    """One process."""
    process = Process(tmp_path / "spool", engine)
    yield process
    process.close()


@pytest.fixture
def beside(tmp_path: Path, engine: AsyncEngine, process: Process) -> Iterator[Process]:
    """Another one, whose spool lies beside the first one's."""
    process = Process(tmp_path / "spool", engine)
    yield process
    process.close()


async def test_a_stored_prediction_is_erased_with_its_feedback(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """The rows of that prediction go, those of others stay, and the counts are told before and after."""
    gone, kept = new_record(), new_record()
    process.append(gone, kept, rating_of(gone), rating_of(gone), rating_of(kept))
    assert await process.shipper.ship()
    subject = ErasureTarget(prediction_id=gone.prediction_id)
    assert await count_erasable(engine, subject) == (1, 2)
    assert (await erase(engine, subject))[1] == (1, 2)
    assert (await ids(engine), await rated(engine)) == ({kept.prediction_id}, {kept.prediction_id})
    assert await count_erasable(engine, subject) == (0, 0)


async def test_a_product_is_erased_until_now_and_not_for_ever(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """What is predicted of it later is kept: the product was erased, not forbidden."""
    old, other = new_record(product_id="mug-7"), new_record(product_id="mug-8")
    process.append(old, other, rating_of(old))
    assert await process.shipper.ship()
    assert (await erase(engine, ErasureTarget.product("mug-7")))[1] == (1, 1)
    new = new_record(product_id="mug-7", prediction_id=first_id(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)))
    process.append(old, new)
    assert await process.shipper.ship()
    assert await ids(engine) == {other.prediction_id, new.prediction_id}


async def test_a_spooled_prediction_is_never_stored(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """Erased while Postgres was away for the shipper, its record and its feedback are left out and counted."""
    by_id, of_product, kept = new_record(product_id=None), new_record(product_id="mug-7"), new_record(product_id="x")
    process.append(by_id, of_product, kept, rating_of(by_id), rating_of(kept))
    await erase(engine, ErasureTarget(prediction_id=by_id.prediction_id))
    await erase(engine, ErasureTarget.product("mug-7"))
    assert await process.shipper.ship()
    assert (await ids(engine), await rated(engine)) == ({kept.prediction_id}, {kept.prediction_id})
    process.append(rating_of(of_product), rating_of(by_id))
    assert await process.shipper.ship()
    assert await rated(engine) == {kept.prediction_id}, "feedback does not say of which product it is"
    assert process.metrics.registry.get_sample_value("sentiment_left_out_records_total", {"reason": "erased"}) == 5
    assert process.shipper.totals.left_out == 5
    assert process.spool.size_bytes == 0


async def test_feedback_goes_wherever_its_prediction_was(
    engine: AsyncEngine, process: Process, beside: Process, new_record: NewRecord
) -> None:
    """Feedback was stored by another process while its prediction was spooled, set aside, or in both their spools."""
    spooled, aside, purged = (new_record(product_id="mug-7") for _ in range(3))
    beside.append(rating_of(spooled), rating_of(aside), rating_of(purged))
    assert await beside.shipper.ship()
    process.append(spooled)
    SetAsideRecord("22021", aside).save(process.spool.folder)
    beside.append(purged)
    await erase(engine, ErasureTarget.product("mug-7"))
    assert await rated(engine) == {record.prediction_id for record in (spooled, aside, purged)}
    assert await process.shipper.ship()
    await process.maintenance.adopt_and_purge()
    await beside.maintenance.adopt_and_purge()
    assert (await ids(engine), await rated(engine)) == (set(), set())
    process.append(*(rating_of(record) for record in (spooled, aside, purged)))
    assert await process.shipper.ship()
    assert await rated(engine) == set()


async def test_erasure_waits_for_an_insert_in_flight(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """A transaction that has begun to store the row commits first; then the row is found and deleted."""
    record = new_record()
    process.append(record)
    async with engine.connect() as reader:
        # Holds up the insert in its middle, behind the check for tombstones.
        await reader.execute(text("lock table predictions in share mode"))
        shipping = asyncio.create_task(process.shipper.ship())
        await _someone_waits(engine, "relation")
        erasing = asyncio.create_task(erase(engine, ErasureTarget(prediction_id=record.prediction_id)))
        await _someone_waits(engine, "advisory")
    assert await shipping
    assert (await erasing)[1] == (1, 0)
    assert await ids(engine) == set()


async def _someone_waits(engine: AsyncEngine, kind: str) -> None:
    """Return when a transaction of this database waits for a lock of that kind."""
    query = text(
        "select count(*) from pg_locks join pg_stat_activity using (pid) "
        "where not granted and pg_locks.locktype = :kind and datname = current_database()"
    )
    async with asyncio.timeout(30):
        while True:
            async with engine.connect() as connection:
                if await connection.scalar(query, {"kind": kind}):
                    return
            await asyncio.sleep(0.01)


async def test_each_process_purges_its_files_and_says_so(
    engine: AsyncEngine, process: Process, beside: Process, new_record: NewRecord
) -> None:
    """Records in the spool, set aside, and of a newer release go, the cache is emptied, and only then is it purged."""
    record, kept = new_record(), new_record(product_id="other")
    aside = new_record(product_id="mug-7")
    for each in (process, beside):
        await each.maintenance.adopt_and_purge()
    process.append(record, kept)
    SetAsideRecord("22021", aside).save(beside.spool.folder)
    beside.spool.keep_newer([encode(record)])
    number, _ = await erase(engine, ErasureTarget.product("mug-7"))
    assert [state.purged for state in await spool_states(engine, number)] == [False, False]
    await process.maintenance.adopt_and_purge()
    assert sorted(state.purged for state in await spool_states(engine, number)) == [False, True]
    await beside.maintenance.adopt_and_purge()
    assert [(state.lives, state.purged) for state in await spool_states(engine, number)] == [(True, True)] * 2
    assert [path for path in process.spool.segments() if str(record.prediction_id).encode() in path.read_bytes()] == []
    assert process.spool.size_bytes == len(process.spool.segments()[0].read_bytes()) > 0
    assert (set_aside_files(beside.spool.folder), beside.spool.newer_records) == ([], 0)
    assert (process.forgot, beside.forgot) == (1, 1)
    for _ in range(2):
        await process.maintenance.adopt_and_purge()
    settled = process.forgot
    await process.maintenance.adopt_and_purge()
    assert process.forgot == settled, "once is enough"


async def test_the_dead_are_purged_when_they_are_adopted(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """What a dead process left was not there when the others purged: it is purged when it is taken over."""
    record = new_record()
    await process.maintenance.adopt_and_purge()
    number, _ = await erase(engine, ErasureTarget(prediction_id=record.prediction_id))
    await process.maintenance.adopt_and_purge()
    dead = claim_spool(process.spool.folder.parent, 1 << 20)
    dead.append(encode(record))
    SetAsideRecord("22021", record).save(dead.folder)
    dead.close()
    await process.maintenance.adopt_and_purge()
    assert (process.spool.size_bytes, set_aside_files(process.spool.folder)) == (0, [])
    assert (await spool_states(engine, number))[0].purged


async def test_what_was_adopted_while_postgres_was_away_is_purged_when_it_is_back(
    engine: AsyncEngine, tmp_path: Path, process: Process, new_record: NewRecord
) -> None:
    """A process that purged before it adopted has not purged what it adopted, and does not say so."""
    record = new_record()
    number, _ = await erase(engine, ErasureTarget(prediction_id=record.prediction_id))
    await process.maintenance.adopt_and_purge()
    dead = claim_spool(process.spool.folder.parent, 1 << 20)
    SetAsideRecord("22021", record).save(dead.folder)
    dead.close()
    await _rename(engine, "tombstones", "hidden")
    await process.maintenance.adopt_and_purge()
    assert len(set_aside_files(process.spool.folder)) == 1
    await _rename(engine, "hidden", "tombstones")
    await process.maintenance.heartbeat()
    assert not (await spool_states(engine, number))[0].purged
    await process.maintenance.adopt_and_purge()
    assert set_aside_files(process.spool.folder) == []
    assert (await spool_states(engine, number))[0].purged


async def _rename(engine: AsyncEngine, table: str, name: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"alter table {table} rename to {name}"))


async def test_what_postgres_cannot_hold_is_purged_by_its_id_and_stops_nothing(
    engine: AsyncEngine, process: Process, new_record: NewRecord
) -> None:
    """A record set aside for a NUL in its product does not keep the process from asking for the others."""
    poison, other = new_record(product_id="mug\0seven"), new_record(product_id="mug-7")
    for record in (poison, other):
        SetAsideRecord("22021", record).save(process.spool.folder)
    number, _ = await erase(engine, ErasureTarget.product("mug-7"))
    await process.maintenance.adopt_and_purge()
    assert [path.stem for path in set_aside_files(process.spool.folder)] == [str(poison.prediction_id)]
    assert (await spool_states(engine, number))[0].purged
    await erase(engine, ErasureTarget(prediction_id=poison.prediction_id))
    await process.maintenance.adopt_and_purge()
    assert set_aside_files(process.spool.folder) == []


async def test_a_spool_that_was_adopted_is_not_waited_for(
    engine: AsyncEngine, process: Process, beside: Process, new_record: NewRecord
) -> None:
    """What it had is in another one now, and is purged there."""
    beside.append(new_record())
    for each in (process, beside):
        await each.maintenance.adopt_and_purge()
    beside.spool.close()
    await process.maintenance.adopt_and_purge()
    assert len(await spool_states(engine, 0)) == 2, "it may have begun anew just now"
    async with engine.begin() as connection:
        await connection.execute(text("update spools set seen_at = seen_at - interval '61 seconds'"))
    await process.maintenance.adopt_and_purge()
    assert [state.folder for state in await spool_states(engine, 0)] == [str(process.spool.folder)]


async def test_a_process_that_ends_with_nothing_left_is_not_waited_for(
    engine: AsyncEngine, process: Process, beside: Process, new_record: NewRecord
) -> None:
    """One that leaves records stays on the list, so that an erasure can name it."""
    beside.append(new_record())
    for each in (process, beside):
        await each.maintenance.adopt_and_purge()
        await each.maintenance.sign_off()
    assert [state.folder for state in await spool_states(engine, 0)] == [str(beside.spool.folder)]


async def test_while_postgres_is_away_maintenance_is_quiet(tmp_path: Path, new_record: NewRecord) -> None:
    """Nothing is purged, nothing raised; the spool keeps what it has."""
    away = Process(tmp_path, create_async_engine("postgresql+asyncpg://postgres@127.0.0.1:1/postgres"))
    away.append(new_record())
    held = away.spool.size_bytes
    await away.maintenance.adopt_and_purge()
    await away.maintenance.sign_off()
    assert away.spool.size_bytes == held
    away.close()


async def test_the_command_waits_for_the_services_that_run(
    engine: AsyncEngine, database_settings: DatabaseSettings, process: Process, new_record: NewRecord
) -> None:
    """Exit code 1 names a spool that did not purge in time; 0 when it has; a dry run only counts."""
    record = new_record()
    process.append(record)
    assert await process.shipper.ship()
    await process.maintenance.adopt_and_purge()
    arguments = ["erase", "--prediction-id", str(record.prediction_id)]
    dry = await asyncio.to_thread(run, database_settings, *arguments, "--dry-run")
    assert dry.stdout == "would erase 1 predictions and 0 feedback, and what is spooled\n"
    assert await ids(engine) == {record.prediction_id}
    late = await asyncio.to_thread(run, database_settings, *arguments, "--timeout", "0")
    assert (late.returncode, late.stdout.splitlines()[-1]) == (1, "not done; run this again to ask once more")
    assert f"not purged yet: {process.spool.folder}" in late.stdout
    assert await ids(engine) == set()
    await process.maintenance.adopt_and_purge()
    done = await asyncio.to_thread(run, database_settings, *arguments)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done")


async def test_the_command_erases_nothing_while_postgres_is_away(closed_port: int) -> None:
    """It says so and ends with exit code 1: to say done it must have reached everyone."""
    url = f"postgresql://postgres@127.0.0.1:{closed_port}/postgres"
    away = await asyncio.to_thread(run, url, "erase", "--product-id", "mug-7")
    assert away.returncode == 1
    assert "Postgres cannot be reached" in away.stderr


def run(database: DatabaseSettings | str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api db`."""
    url = (
        database
        if isinstance(database, str)
        else str(database.database_url and database.database_url.get_secret_value())
    )
    return program("sentiment_api").run("db", *arguments, environment={"SENTIMENT_DATABASE_URL": url, "COLUMNS": "200"})


def test_tombstones_cover_what_they_name() -> None:
    """A prediction by its id; a product's predictions before the moment of its erasure, the later of two."""
    first, second, third = (first_id(dt.datetime(2026, 11, day, tzinfo=dt.UTC)) for day in (1, 2, 3))
    named = uuid.uuid4()
    tombstones = Tombstones([named], [("mug", second), ("mug", third), ("cup", second)])
    assert tombstones.cover(named, None)
    assert tombstones.cover(second, "mug")
    assert not tombstones.cover(third, "mug")
    assert tombstones.cover(first, "cup")
    assert not tombstones.cover(second, "cup")
    assert not tombstones.cover(first, None)
    assert not Tombstones()
