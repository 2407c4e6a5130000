"""What every test may ask for: a real Postgres, and a fresh, migrated, empty database in it."""

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.schema import upgrade
from sentiment_api.settings import DatabaseSettings

_TEMPLATE = "template_migrated"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedServer]:
    """A Postgres server for the whole run, stopped and removed at its end."""
    data_dir = Path(tempfile.mkdtemp(prefix="sentiment-test-"))
    # As root the server runs as another user, who has to be able to enter the folder.
    data_dir.chmod(0o755)
    server = EmbeddedServer(data_dir)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
async def template(postgres: EmbeddedServer, anyio_backend: str) -> str:  # noqa: ARG001 - sets the loop
    """The name of a migrated database that others are copied from."""
    await _administer(postgres, f"create database {_TEMPLATE}")
    async with connected(_settings(postgres, _TEMPLATE)) as engine:
        await upgrade(engine)
    return _TEMPLATE


@pytest.fixture
async def database_settings(postgres: EmbeddedServer, template: str) -> AsyncIterator[DatabaseSettings]:
    """Settings that name a fresh, migrated, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    await _administer(postgres, f"create database {name} template {template}")
    yield _settings(postgres, name)
    await _administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
async def engine(database_settings: DatabaseSettings) -> AsyncIterator[AsyncEngine]:
    """An engine on a fresh, migrated, empty database."""
    async with connected(database_settings) as engine:
        yield engine


def _settings(server: EmbeddedServer, name: str) -> DatabaseSettings:
    url = f"postgresql://postgres@/{name}?host={server.folder}&port=5432"
    return DatabaseSettings(database=None, database_url=url, data_dir=server.folder.parent)


async def _administer(server: EmbeddedServer, statement: str) -> None:
    """Run one statement that cannot run in a transaction."""
    async with connected(_settings(server, "postgres")) as engine:
        connection = await engine.connect()
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(statement))
        await connection.close()
