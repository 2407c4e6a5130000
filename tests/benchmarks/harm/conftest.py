"""What this room's tests share: a Postgres that may be killed, which is none of the other tests'."""

from collections.abc import Iterator

import pytest

from benchmarks.postgres import Postgres, own_postgres


@pytest.fixture(scope="session")
def victim() -> Iterator[Postgres]:
    """A Postgres of our own."""
    with own_postgres() as postgres:
        yield postgres
