"""The database role that Grafana reads with."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.mark.anyio
@pytest.mark.parametrize("table", ["drift_runs", "drift_metrics", "spools"])
async def test_grafana_reads_what_the_dashboards_show(granted: AsyncEngine, table: str) -> None:
    """The drift tables, and which spools there are, can be read."""
    async with granted.connect() as connection:
        await connection.execute(text("SET ROLE grafana"))
        assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 - from the list above


@pytest.mark.anyio
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT text FROM predictions",
        "SELECT count(*) FROM predictions",
        "SELECT rating FROM feedback",
        "SELECT product_id FROM tombstones",
        "SELECT secret_hash FROM api_keys",
        "DELETE FROM drift_runs",
    ],
)
async def test_grafana_does_nothing_else(granted: AsyncEngine, statement: str) -> None:
    """Review texts, ratings and keys stay out of reach of whoever sees a dashboard, and nothing can be changed."""
    async with granted.connect() as connection:
        await connection.execute(text("SET ROLE grafana"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            await connection.execute(text(statement))
