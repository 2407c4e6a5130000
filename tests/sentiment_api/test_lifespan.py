"""When the application takes what is outside of the process, and whose threads its handlers run in."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from traceback import format_exception

import pytest
from litestar.testing import TestClient

from sentiment_api.access.authentication import KeyChecker
from sentiment_api.access.key_file import KeyFile
from sentiment_api.app import build_app, create_app
from sentiment_api.components import build_components
from sentiment_api.lifespan import Lifespan
from sentiment_api.model.classifier import Classifier
from sentiment_api.prediction_log.spool_folders import is_held
from tests.protocols import SettingsWithoutPostgres

REVIEW = {"text": "The lid never closes properly."}
PLACES = 2


class NeverReady(KeyChecker):
    """Fails in the middle of the start, when the engine's threads run already."""

    async def refresh(self) -> None:
        """Raise what the start is to raise."""
        raise LookupError("the keys cannot be read")


def test_building_the_application_touches_nothing(
    without_postgres: SettingsWithoutPostgres, cpu: Classifier, tmp_path: Path
) -> None:
    """The embedded Postgres, the spool and the key of the hashes are there once the application has started."""
    settings = without_postgres(database="embedded", database_url=None)
    tmp_path.chmod(0o755)  # as root Postgres runs as another user, who has to be able to enter
    create_app(settings, cpu)
    assert list(tmp_path.iterdir()) == []


def test_the_spool_is_held_from_start_to_stop(
    without_postgres: SettingsWithoutPostgres, cpu: Classifier, tmp_path: Path
) -> None:
    """Another process may have the spool before the start and after the stop, and not in between."""
    spool = tmp_path / "spool" / "0"
    app = create_app(without_postgres(), cpu)
    assert not is_held(spool)
    with TestClient(app, base_url="http://127.0.0.1"):
        assert is_held(spool)
        assert (tmp_path / "text-hash.key").exists()
    assert not is_held(spool)


def test_a_start_that_fails_half_way_gives_the_spool_back(
    without_postgres: SettingsWithoutPostgres, cpu: Classifier, tmp_path: Path
) -> None:
    """The first failure is the one that is raised, and another process may have the spool."""
    components = build_components(without_postgres(), cpu)
    broken = replace(
        components,
        key_checker=NeverReady(
            components.engine, components.metrics, KeyFile(tmp_path / "keys", components.files), required=True
        ),
    )
    app = build_app(Lifespan(broken))
    with pytest.raises(ExceptionGroup) as failed, TestClient(app, base_url="http://127.0.0.1"):
        pass
    assert "the keys cannot be read" in "".join(format_exception(failed.value))
    assert not is_held(tmp_path / "spool" / "0")


def test_hanging_name_lookups_take_no_handlers_thread(
    without_postgres: SettingsWithoutPostgres, cpu: Classifier
) -> None:
    """With every thread busy that asyncio looks names up in, a review is answered in a thread of the handlers."""
    app = create_app(without_postgres(max_concurrent_requests=PLACES), cpu)
    released = threading.Event()
    with TestClient(app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(1) as asking:
        lookups = [client.blocking_portal.start_task_soon(_look_up, released) for _ in range(64)]
        try:
            assert asking.submit(client.post, "/predict", json=REVIEW).result(timeout=60).status_code == 200
        finally:
            released.set()
        assert [lookup.result() for lookup in lookups] == [True] * 64


async def _look_up(released: threading.Event) -> bool:
    """Wait where `getaddrinfo` waits for a name server."""
    return await asyncio.get_running_loop().run_in_executor(None, released.wait)


@pytest.mark.slow
def test_a_service_that_cannot_start_says_why_in_one_line(
    data_dir: Path, starter: Path, closed_port: int, new_port: Callable[[], int]
) -> None:
    """What the worker finds unusable ends `serve` with exit code 1 and the remedy, without a traceback."""
    (data_dir / "text-hash.key").write_bytes(b"short")
    served = subprocess.run(
        [sys.executable, "-m", "sentiment_api", "serve"],
        env={
            "SENTIMENT_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{closed_port}/nothing",
            "SENTIMENT_DATA_DIR": str(data_dir),
            "SENTIMENT_MODEL": str(starter),
            "SENTIMENT_PORT": str(new_port()),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert served.returncode == 1
    assert [line for line in served.stderr.splitlines() if line.startswith("sentiment-api: expected a key of 16")]
    assert "Traceback" not in served.stdout + served.stderr
