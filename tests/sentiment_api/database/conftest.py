"""What this room's tests share: a server on TCP, of which each database can be made as it is needed."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import make_engine
from sentiment_api.settings import DatabaseSettings
from tests.clusters import Cluster
from tests.conftest import folder_for_databases, held_port
from tests.protocols import EngineOf, SettingsOf


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server on TCP. Its databases, roles and rules are named by the tests that make them."""
    with held_port() as port:
        cluster = Cluster(port, folder_for_databases())
        cluster.start()
        yield cluster
        cluster.remove()


@pytest.fixture
def settings_of(tmp_path: Path) -> SettingsOf:
    """A function that gives the settings for a URL; keyword arguments are further ones."""

    def settings(url: str, **further: Any) -> DatabaseSettings:
        usual: dict[str, Any] = {"database": None, "database_url": url, "data_dir": tmp_path}
        return DatabaseSettings(**{**usual, **further})

    return settings


@pytest.fixture
async def engine_of(settings_of: SettingsOf) -> AsyncIterator[EngineOf]:
    """A function that gives an engine for a URL, disposed of at the end."""
    async with contextlib.AsyncExitStack() as stack:

        def engine(url: str, **further: Any) -> AsyncEngine:
            engine = make_engine(settings_of(url, **further))
            stack.push_async_callback(engine.dispose)
            return engine

        yield engine
