"""Where Postgres waits for a standby at each commit, what was shipped outlives the primary."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from sentiment_api.database.durability import durable_transaction
from sentiment_api.database.erasures import ErasureTarget, erase
from sentiment_api.database.schema import upgrade
from sentiment_api.errors import CommitUnconfirmed
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.telemetry.metrics import Metrics
from tests.clusters import Cluster
from tests.conftest import folder_for_databases, held_port
from tests.protocols import EngineOf, NewRecord

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
IS_WAITING = text("select count(*) from pg_stat_activity where wait_event = 'SyncRep'")
CANCEL = text("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")


@pytest.fixture
def servers() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary, and what will be its standby."""
    with held_port() as one, held_port() as other:
        primary, standby = (Cluster(port, folder_for_databases()) for port in (one, other))
        primary.start()
        yield primary, standby
        for each in (primary, standby):
            each.remove()


@pytest.fixture
async def engine(servers: tuple[Cluster, Cluster], engine_of: EngineOf) -> AsyncEngine:
    """An engine that knows both servers, on a migrated database that is told to wait for the standby."""
    primary, standby = servers
    engine = engine_of(f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/postgres")
    await upgrade(engine)
    primary.execute("alter system set synchronous_standby_names = 'standby'")
    primary.execute("alter database postgres set synchronous_commit = 'local'")
    primary.execute("alter database postgres set client_min_messages = error")
    primary.execute("select pg_reload_conf()")
    await engine.dispose()
    return engine


async def until_a_commit_waits(engine: AsyncEngine) -> None:
    """Return when a commit waits for the standby."""
    async with asyncio.timeout(30), engine.connect() as connection:
        while not await connection.scalar(IS_WAITING):
            await connection.rollback()
            await asyncio.sleep(0.01)


async def cancelled_commit(engine: AsyncEngine, work: Coroutine[Any, Any, object]) -> None:
    """Cancel the first commit of some work that waits for the standby."""
    task = asyncio.ensure_future(work)
    await until_a_commit_waits(engine)
    async with engine.connect() as connection:
        await connection.execute(CANCEL)
    await task


async def test_what_is_not_on_the_standby_is_not_said_to_be_erased(engine: AsyncEngine) -> None:
    """Neither where the wait was cancelled nor where it takes too long; the line names the standby."""
    target = ErasureTarget(prediction_id=uuid7())
    with pytest.raises(CommitUnconfirmed, match="the standby that it waits for did not confirm a commit"):
        await cancelled_commit(engine, erase(engine, target))
    with pytest.raises(CommitUnconfirmed):
        async with engine.connect() as connection, durable_transaction(connection, commit_timeout_s=0.1):
            await connection.execute(text("create table never_confirmed ()"))


async def test_what_counts_as_shipped_is_on_the_standby(
    servers: tuple[Cluster, Cluster], engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """A commit whose wait was cancelled does not count, nor does the attempt after it, which finds the row stored."""
    primary, standby = servers
    shipper = Shipper(spool, engine, Metrics())
    spool.append(encode(new_record()))
    await cancelled_commit(engine, shipper.ship())
    assert shipper.totals.last_error == "CommitUnconfirmed"

    again = asyncio.create_task(shipper.ship())
    await until_a_commit_waits(engine)
    await asyncio.to_thread(standby.start_standby_of, primary, "standby")
    assert await again
    assert spool.oldest_ms() is None

    await asyncio.to_thread(primary.control, "stop")
    await asyncio.to_thread(standby.control, "promote")
    standby.execute("alter system reset synchronous_standby_names")
    standby.execute("select pg_reload_conf()")
    spool.append(encode(new_record()))
    assert await shipper.ship()
    async with engine.connect() as connection:
        assert await connection.scalar(text("select count(*) from predictions")) == 2
