"""The tables may stand in a schema of one's own, and what a role lacks is told with the GRANT that mends it."""

import asyncio
import datetime as dt
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from sentiment_api.database import schema
from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.partitions import drop_old_months, make_months, month_of, old_months
from sentiment_api.prediction_log.records import encode
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.settings import DatabaseSettings
from sentiment_api.telemetry.metrics import Metrics
from tests.clusters import Cluster
from tests.preloaded import program
from tests.protocols import EngineOf, NewRecord

pytestmark = pytest.mark.anyio
KEEP = dt.timedelta(days=400)
TABLES = (
    "select schemaname || '.' || tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
)


def run(url: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api`."""
    return program("sentiment_api").run(*arguments, environment={"SENTIMENT_DATABASE_URL": url, **environment})


@pytest.mark.parametrize("how", ["setting", "schema=Shop Eins", 'options=-c search_path="Shop\\ Eins"'])
async def test_everything_stands_in_a_schema_of_ones_own(
    cluster: Cluster, engine_of: EngineOf, spool: Spool, new_record: NewRecord, how: str
) -> None:
    """Tables, months and alembic's table are made, shipped to, dropped and taken back there; `public` stays empty."""
    name = f"own_{abs(hash(how)):x}"
    cluster.execute(f"create database {name}")
    if how == "setting":
        engine = engine_of(cluster.url(name), database_schema="Shop Eins")
    else:
        engine = engine_of(f"{cluster.url(name)}?{how}")
    await schema.upgrade(engine)
    await schema.check(engine)
    assert await schema.check_rights(engine)
    spool.append(encode(new_record()))
    assert await Shipper(spool, engine, Metrics()).ship()
    async with engine.begin() as connection:
        await make_months(connection, [month_of(dt.datetime.now(dt.UTC) - dt.timedelta(days=500))])
    assert len(await old_months(engine, KEEP)) == 1
    await drop_old_months(engine, KEEP)
    assert await old_months(engine, KEEP) == []
    async with engine_of(cluster.url(name)).connect() as connection:
        tables = (await connection.scalars(text(TABLES))).all()
        assert await connection.scalar(text('select count(*) from "Shop Eins".predictions')) == 1
    assert len(tables) > 12
    assert all(table.startswith("Shop Eins.") for table in tables)
    await schema.downgrade(engine, "base")
    async with engine_of(cluster.url(name)).connect() as connection:
        assert (await connection.scalars(text(TABLES))).all() == ["Shop Eins.alembic_version"]


@pytest.mark.parametrize("of", ["url", "role"])
async def test_another_installation_on_the_search_path_is_left_alone(
    cluster: Cluster, engine_of: EngineOf, of: str
) -> None:
    """Its months are neither dropped nor taken for ours, and its tables are none that are migrated already."""
    name = f"two_{of}"
    cluster.execute(f"create database {name}")
    theirs = engine_of(cluster.url(name))
    await schema.upgrade(theirs)
    if of == "url":
        ours = engine_of(f"{cluster.url(name)}?search_path=ours,public")
    else:
        await schema.upgrade(engine_of(cluster.url(name), database_schema="ours"))
        cluster.execute(f"alter database {name} set search_path = ours, public")
        ours = engine_of(cluster.url(name))
    await schema.upgrade(ours)
    long_ago = [month_of(dt.datetime.now(dt.UTC) - dt.timedelta(days=days)) for days in (500, 600)]
    async with theirs.begin() as connection:
        await connection.execute(text("set local search_path = public"))
        await make_months(connection, long_ago)
    assert await old_months(ours, KEEP) == []
    async with ours.begin() as connection:
        await make_months(connection, long_ago[:1])
    assert len(await drop_old_months(ours, KEEP)) == 1
    async with theirs.begin() as connection:
        await connection.execute(text("set local search_path = public"))
        for month in long_ago:
            assert await connection.scalar(text(f"select to_regclass('public.predictions_{month:%Y_%m}')")) is not None


async def test_the_users_schema_on_a_path_is_not_made(cluster: Cluster, engine_of: EngineOf) -> None:
    """Postgres takes `$user` for a schema of the role's name, where there is one; the tables go to the next."""
    cluster.execute("create database of_user")
    await schema.upgrade(engine_of(f'{cluster.url("of_user")}?search_path="$user",public'))
    async with engine_of(cluster.url("of_user")).connect() as connection:
        tables = (await connection.scalars(text(TABLES))).all()
    assert {table.partition(".")[0] for table in tables} == {"public"}
    async with engine_of(cluster.url("of_user")).connect() as connection:
        assert await connection.scalar(text("select count(*) from pg_namespace where nspname = '$user'")) == 0


async def test_the_embedded_server_has_schemas_as_well(postgres: EmbeddedServer) -> None:
    """The setting holds for it, too."""
    settings = DatabaseSettings(
        database="embedded", database_url=None, data_dir=postgres.folder.parent, database_schema="sentiment"
    )
    async with connected(settings) as engine:
        await schema.upgrade(engine)
        await schema.check(engine)
        async with engine.begin() as connection:
            assert await connection.scalar(text("select to_regclass('sentiment.predictions')")) is not None
            assert await connection.scalar(text("select to_regclass('public.predictions')")) is None
            await connection.execute(text("drop schema sentiment cascade"))


async def test_a_role_that_may_not_create_is_told_both_remedies(cluster: Cluster) -> None:
    """As PostgreSQL 15 has it: all privileges on a database are none on its schema `public`. Each remedy helps."""
    cluster.make_role("granted")
    cluster.execute("create database bare")
    cluster.execute("grant all privileges on database bare to granted")
    url = cluster.url("bare", "granted")
    refused = await asyncio.to_thread(run, url, "db", "upgrade")
    assert refused.returncode == 1
    assert refused.stderr == (
        "sentiment-api: expected that the role granted may create tables in the schema public, found that it may not; "
        "as the schema's owner run `GRANT CREATE ON SCHEMA public TO granted`, or set SENTIMENT_DATABASE_SCHEMA to one "
        "of your own, such as sentiment\n"
    )
    own = await asyncio.to_thread(run, url, "db", "upgrade", SENTIMENT_DATABASE_SCHEMA="sentiment")
    assert (own.returncode, own.stderr) == (0, "")
    cluster.execute("GRANT CREATE ON SCHEMA public TO granted", "bare")
    there = await asyncio.to_thread(run, url, "db", "upgrade")
    assert (there.returncode, there.stderr) == (0, "")


async def test_a_schema_that_may_not_be_created_is_told(cluster: Cluster, engine_of: EngineOf) -> None:
    """Both statements of the line help, and where the schema is there no right to create one is needed."""
    cluster.make_role("tenant")
    cluster.execute("create database shared")
    url = cluster.url("shared", "tenant")
    refused = await asyncio.to_thread(run, url, "db", "upgrade", SENTIMENT_DATABASE_SCHEMA="mine")
    assert "expected the schema mine, found none, and the role tenant may not create it" in refused.stderr
    cluster.execute("CREATE SCHEMA mine AUTHORIZATION tenant", "shared")
    await schema.upgrade(engine_of(url, database_schema="mine"))
    cluster.execute("GRANT CREATE ON DATABASE shared TO tenant")
    await schema.upgrade(engine_of(url, database_schema="yours"))


async def test_check_names_the_rights_that_a_role_lacks(cluster: Cluster, engine_of: EngineOf, tmp_path: Path) -> None:
    """First the schema, then the tables; a role with both may ship, and is told who has to make months."""
    cluster.make_role("writer")
    cluster.execute("create database guarded")
    await schema.upgrade(engine_of(cluster.url("guarded"), database_schema="vault"))

    async def check() -> "subprocess.CompletedProcess[str]":
        settings = {"SENTIMENT_DATABASE_SCHEMA": "vault", "SENTIMENT_DATA_DIR": str(tmp_path)}
        return await asyncio.to_thread(run, cluster.url("guarded", "writer"), "check", **settings)

    assert "run `GRANT USAGE ON SCHEMA vault TO writer`" in (await check()).stderr
    cluster.execute("GRANT USAGE ON SCHEMA vault TO writer", "guarded")
    grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vault TO writer"
    assert f"may not for alembic_version and 12 more; as their owner run `{grant}`" in (await check()).stderr
    cluster.execute(grant.replace(", DELETE", ""), "guarded")
    assert f"as their owner run `{grant}`" in (await check()).stderr
    cluster.execute(grant, "guarded")
    done = await check()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(
        "database  reachable and migrated\n"
        "months    this role cannot make them: let the tables' owner run `db maintain` each night\n"
    )
    cluster.execute("alter database guarded set default_transaction_read_only = on")
    assert (await check()).stderr.startswith("sentiment-api: Postgres refuses: it is read-only (SQLSTATE 25006)")


@pytest.mark.parametrize("name", ["pg_mine", "x" * 64, "a\nb"])
def test_a_name_that_postgres_does_not_take_is_refused(name: str) -> None:
    """Before anything is contacted."""
    refused = run("postgresql://h/x", "db", "upgrade", SENTIMENT_DATABASE_SCHEMA=name)
    assert refused.returncode == 1
    assert "SENTIMENT_DATABASE_SCHEMA: expected the name of a schema of your own" in refused.stderr
