"""How commands reach Postgres."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS, check_schema, connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.database.refusals import refusal_line
from sentiment_api.database.schema import check_rights
from sentiment_api.errors import DatabaseAway, DatabaseNotReady
from sentiment_api.settings import DatabaseSettings, read_settings

T = TypeVar("T")


async def run_on_database(work: Callable[[AsyncEngine], Coroutine[Any, Any, T]]) -> T:
    """Return what `work` returns, given an engine on the migrated database of the settings.

    Raises:
        DatabaseNotReady: Postgres cannot be reached, or is not migrated.
    """
    try:
        async with connected(read_settings(DatabaseSettings), command_timeout_s=None) as engine:
            await check_schema(engine)
            return await work(engine)
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(refusal_line(error)) from error
    except DatabaseAway as error:
        raise DatabaseNotReady(refusal_line(error.__cause__ or error)) from error


async def check_database(settings: DatabaseSettings) -> bool:
    """Return whether this role may make months. An embedded server that was stopped is stopped again.

    Raises:
        DatabaseNotReady: Postgres is not reachable, not migrated, or takes no predictions from this role.
    """
    embedded = settings.database == "embedded"
    try:
        with EmbeddedServer(settings.data_dir).runs_meanwhile() if embedded else contextlib.nullcontext():
            async with connected(settings) as engine:
                may_make_months = await check_rights(engine)
                await check_schema(engine)
                return may_make_months
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(refusal_line(error)) from error
