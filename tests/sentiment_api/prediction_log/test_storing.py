"""Whose fault it is when asyncpg refuses to send rows."""

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.prediction_log.storing import POSTGRES_ERRORS, insert_rows

pytestmark = pytest.mark.anyio


async def test_rows_that_do_not_fit_the_statement_are_a_defect(engine: AsyncEngine) -> None:
    """Asyncpg calls it what it calls a closed connection, but Postgres has no say in it."""
    async with engine.connect() as connection:
        driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
        with pytest.raises(TypeError, match="rows that fit the statement") as failed:
            await insert_rows(driver, "select $1::int", [(1, 2)])
    assert not isinstance(failed.value, POSTGRES_ERRORS)


async def test_a_closed_connection_is_an_absent_postgres(engine: AsyncEngine) -> None:
    """The same kind of error is then what it says."""
    async with engine.connect() as connection:
        driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
        await driver.close()
        with pytest.raises(POSTGRES_ERRORS):
            await insert_rows(driver, "select $1::int", [(1,)])
        await connection.invalidate()
