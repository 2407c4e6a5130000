"""`ship.py` on a folder that a replica has left behind, with the real service and Postgres."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.settings import DatabaseSettings
from tests.protocols import ShipClaim

pytestmark = pytest.mark.slow

AWAY = "postgresql://sentiment@127.0.0.1:1/sentiment"


@pytest.fixture
def left_behind(new_service: Callable[..., Any]) -> list[str]:
    """Ids that clients got of a replica which was stopped while Postgres was away, and is gone."""
    service = new_service(SENTIMENT_DATABASE_URL=AWAY, SENTIMENT_DRAIN_TIMEOUT_S="0.1")
    replies = [httpx.post(f"{service.url}/predict", json={"text": f"Works well, {n}."}) for n in range(3)]
    service.stop(signal.SIGTERM)
    return [reply.json()["prediction_id"] for reply in replies]


@pytest.fixture
def ship(folder: Path, root: Path, data_dir: Path, closed_port: int) -> ShipClaim:
    """Run the script as the Job does, on the claim's folder and the database given."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(root),
        "SENTIMENT_DATA_DIR": str(data_dir),
        "SENTIMENT_MODEL": str(root / "models/starter"),
        "SENTIMENT_PORT": str(closed_port),
    }

    def run(database_url: str) -> "subprocess.CompletedProcess[str]":
        given = {**environment, "SENTIMENT_DATABASE_URL": database_url, "SENTIMENT_DRAIN_TIMEOUT_S": "2"}
        command = [sys.executable, str(folder / "ship-claim/ship.py")]
        return subprocess.run(command, env=given, capture_output=True, text=True, check=False)

    return run


@pytest.mark.anyio
async def test_what_was_left_reaches_postgres_once(
    left_behind: list[str], ship: ShipClaim, engine: AsyncEngine, database_settings: DatabaseSettings
) -> None:
    """While Postgres is away the Job fails and loses nothing; then it ships every prediction, and nothing is left."""
    assert database_settings.database_url is not None
    url = database_settings.database_url.get_secret_value()
    assert ship(AWAY).returncode == 1
    shipped = ship(url)
    assert shipped.returncode == 0, shipped.stderr
    assert "left: 0 segments to be shipped, 0 files that need somebody" in shipped.stdout
    async with engine.connect() as connection:
        rows = await connection.scalars(text("select prediction_id::text from predictions"))
        assert sorted(rows) == sorted(left_behind)


def test_what_postgres_refused_needs_somebody(
    ship: ShipClaim, data_dir: Path, database_settings: DatabaseSettings
) -> None:
    """Records that are set aside give an exit code of their own: the claim is to be kept, and no retry would help."""
    assert database_settings.database_url is not None
    aside = data_dir / "spool/0/set-aside"
    aside.mkdir(parents=True)
    (aside / "01a21383-0b2d-75f4-9327-ab0dc0cf9b69.json").write_text("{}")
    refused = ship(database_settings.database_url.get_secret_value())
    assert refused.returncode == 3, refused.stderr
    assert "left: 0 segments to be shipped, 1 files that need somebody" in refused.stdout


def test_a_service_that_does_not_start_is_a_failure(ship: ShipClaim) -> None:
    """A database address that cannot be read ends the Job with the reason."""
    failed = ship("nowhere")
    assert failed.returncode == 1
    assert "SENTIMENT_DATABASE_URL" in failed.stderr
