"""Several hosts are tried in turn, and the one that is wanted is taken."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import READ_ONLY
from sentiment_api.database.schema import upgrade
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.telemetry.metrics import Metrics
from tests.clusters import Cluster
from tests.conftest import folder_for_databases, held_port
from tests.protocols import EngineOf, NewRecord

pytestmark = pytest.mark.anyio
PORT = "select inet_server_port()"


@pytest.fixture(scope="session")
def reader(cluster: Cluster) -> Iterator[Cluster]:
    """A second server that has the database `listed` of the first for reading only."""
    with held_port() as port:
        reader = Cluster(port, folder_for_databases())
        reader.start()
        for each in (cluster, reader):
            each.execute("create database listed")
        reader.execute("alter database listed set default_transaction_read_only = on")
        yield reader
        reader.remove()


async def port_of(engine: AsyncEngine) -> int | None:
    """Return the port of the server that a new connection has."""
    async with engine.connect() as connection:
        await connection.invalidate()
    async with engine.connect() as connection:
        port: int | None = await connection.scalar(text(PORT))
        return port


async def test_a_host_that_is_away_is_passed_over(
    cluster: Cluster, reader: Cluster, engine_of: EngineOf, new_port: Callable[[], int]
) -> None:
    """The first host of the list that answers is taken: ports stand behind the hosts, or in a list of their own."""
    away = new_port()
    engine = engine_of(f"postgresql://postgres@127.0.0.1:{away},127.0.0.1:{cluster.port}/listed")
    assert await port_of(engine) == cluster.port
    engine = engine_of(f"postgresql://postgres@/listed?host=127.0.0.1,127.0.0.1&port={away},{cluster.port}")
    assert await port_of(engine) == cluster.port


async def test_of_several_hosts_the_one_that_can_be_written_to_is_taken(
    cluster: Cluster, reader: Cluster, engine_of: EngineOf
) -> None:
    """Without a word, since all commands write; `target_session_attrs` asks for another."""
    both = f"postgresql://postgres@127.0.0.1:{reader.port},127.0.0.1:{cluster.port}/listed"
    assert await port_of(engine_of(both)) == cluster.port
    expected = {
        "any": reader.port,
        "read-write": cluster.port,
        "read-only": reader.port,
        "primary": reader.port,
        "prefer-standby": reader.port,
    }
    for wanted, port in expected.items():
        assert await port_of(engine_of(f"{both}?target_session_attrs={wanted}")) == port, wanted


async def test_the_host_that_was_taken_is_tried_first(cluster: Cluster, reader: Cluster, engine_of: EngineOf) -> None:
    """After a failover new connections do not wait for the host that is gone, which may swallow what it is sent."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        first = silent.getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{first},127.0.0.1:{cluster.port}/listed?connect_timeout=1"
        engine = engine_of(url)
        assert await port_of(engine) == cluster.port
        silent.settimeout(0.0)
        while True:  # what came until now
            try:
                silent.accept()[0].close()
            except BlockingIOError:
                break
        assert await port_of(engine) == cluster.port
        with pytest.raises(BlockingIOError):
            silent.accept()


async def test_none_that_is_wanted_is_an_error(cluster: Cluster, reader: Cluster, engine_of: EngineOf) -> None:
    """Where all hosts answer and none fits there is no connection."""
    url = f"postgresql://postgres@127.0.0.1:{reader.port},127.0.0.1:{reader.port}/listed"
    with pytest.raises(Exception, match="target_session_attrs"):
        await port_of(engine_of(url))


async def test_a_server_that_takes_no_writes_any_more_is_left(
    cluster: Cluster, reader: Cluster, engine_of: EngineOf, spool: Spool, new_record: NewRecord
) -> None:
    """After a switchover the open connection still answers, and refuses writes; they go to the new primary."""
    for each in (cluster, reader):
        each.execute("create database switched")
    engine = engine_of(f"postgresql://postgres@127.0.0.1:{reader.port},127.0.0.1:{cluster.port}/switched")
    both = [engine_of(each.url("switched")) for each in (cluster, reader)]
    for each_engine in both:
        await upgrade(each_engine)
    spool.append(encode(new_record()))
    shipper = Shipper(spool, engine, Metrics())
    assert await shipper.ship()
    reader.execute("alter database switched set default_transaction_read_only = on")
    async with engine.connect() as connection:  # as a demoted server does to the session that is open
        await connection.execute(text("set default_transaction_read_only = on"))
        await connection.commit()
    for _ in range(2):
        spool.append(encode(new_record()))
    assert not await shipper.ship()
    assert shipper.totals.last_error == READ_ONLY
    assert await shipper.ship()
    counts = [await count(each) for each in both]
    assert counts == [2, 1]


async def count(engine: AsyncEngine) -> int:
    """Return how many predictions there are."""
    async with engine.connect() as connection:
        return int(await connection.scalar(text("select count(*) from predictions")))


async def test_a_connection_is_kept_alive(cluster: Cluster, engine_of: EngineOf) -> None:
    """As libpq does, and as the URL says: a connection whose other end has gone without a word is found out."""
    level, options = socket.IPPROTO_TCP, (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    query = "keepalives_idle=31&keepalives_interval=7&keepalives_count=3"
    async with engine_of(f"{cluster.url()}?{query}").connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        sock = driver._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert [sock.getsockopt(level, option) for option in options] == [31, 7, 3]
    async with engine_of(f"{cluster.url()}?keepalives=0").connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


async def test_a_process_has_no_more_connections_than_the_url_allows(cluster: Cluster, engine_of: EngineOf) -> None:
    """`connection_limit` bounds the pool; one is too few, since dropping months takes two."""
    for limit, expected in {"3": 3, "1": 2, "40": 40}.items():
        pool: Any = engine_of(f"{cluster.url()}?connection_limit={limit}").pool
        assert pool.size() + pool._max_overflow == expected
