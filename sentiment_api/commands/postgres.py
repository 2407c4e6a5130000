"""How commands reach Postgres, and what they say when they do not."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.connection import DATABASE_ERRORS, check_schema, connected
from sentiment_api.database.embedded import EmbeddedServer
from sentiment_api.errors import DatabaseNotReady
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
        raise DatabaseNotReady(unreachable_message(error)) from error


async def check_database(settings: DatabaseSettings) -> None:
    """Do nothing when Postgres is reachable and migrated. An embedded server that was stopped is stopped again.

    Raises:
        DatabaseNotReady: it is not.
    """
    embedded = settings.database == "embedded"
    try:
        with EmbeddedServer(settings.data_dir).runs_meanwhile() if embedded else contextlib.nullcontext():
            async with connected(settings) as engine:
                await check_schema(engine)
    except DATABASE_ERRORS as error:
        raise DatabaseNotReady(unreachable_message(error)) from error


def unreachable_message(error: Exception) -> str:
    """Return one line that says how Postgres fails and what to look at."""
    told = getattr(error, "orig", None) or error
    kind, cause = type(told).__name__, told.__cause__ or told
    # Other messages of this kind may quote the URL, which holds a password.
    if isinstance(cause, asyncpg.ClientConfigurationError) and "certificate file" in str(cause):
        return f"no connection to Postgres: {str(cause).splitlines()[0]}; name it as sslrootcert in the URL"
    return f"Postgres does not respond or refuses ({kind}); check SENTIMENT_DATABASE_URL, or `sentiment-api db status`"
