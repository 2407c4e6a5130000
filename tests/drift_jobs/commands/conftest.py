"""What the commands are given: the settings of a shop."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.tables import drift_calibrations, drift_floors
from sentiment_api.model.bundle import Bundle
from sentiment_api.settings import DatabaseSettings


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_settings: DatabaseSettings, bundle: Bundle) -> None:
    """The settings of a shop, as a container would be given them."""
    assert database_settings.database_url is not None
    monkeypatch.delenv("SENTIMENT_DATABASE", raising=False)
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", database_settings.database_url.get_secret_value())
    monkeypatch.setenv("SENTIMENT_MODEL", str(bundle.folder))
    monkeypatch.setenv("SENTIMENT_DRIFT_MIN_ROWS", "200")
    monkeypatch.setenv("SENTIMENT_DRIFT_QUIET_WINDOWS", "200")


@pytest.fixture(scope="session")
def learned() -> dict[Table, list[dict[str, Any]]]:
    """The calibrations that earlier tests' databases were left with, and their floors."""
    return {drift_calibrations: [], drift_floors: []}


@pytest.fixture
async def calibrated(engine: AsyncEngine, learned: dict[Table, list[dict[str, Any]]]) -> AsyncIterator[None]:
    """What one database learned of quiet windows the next one knows: the same reference gives the same calibration.

    A calibration takes a second and more of a core. It is found by all that it depends on, so no other one is.
    """
    async with engine.begin() as connection:
        for table, rows in learned.items():
            if rows:
                await connection.execute(insert(table), rows)
    yield
    async with engine.connect() as connection:
        for table in learned:
            learned[table] = [dict(row) for row in (await connection.execute(select(table))).mappings()]
