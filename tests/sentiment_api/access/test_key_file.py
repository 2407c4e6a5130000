"""The file of known keys: a service that starts while Postgres is away lets in whom the one before it let in."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from sentiment_api.access.authentication import KEYS_VALID_WITHOUT_DATABASE_S, KeyChecker
from sentiment_api.access.key_file import FILE_NAME, KEEP_S, KeyFile, KeyFileContent
from sentiment_api.access.key_table import insert_key, revoke_key
from sentiment_api.access.keys import Key, NewKey, make_key
from sentiment_api.app import create_app
from sentiment_api.errors import ApiKeyRequired, DatabaseAway
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import ServiceSettings
from sentiment_api.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0
REVIEW = "The zip jams half way, and the lining has come loose after one wash."


def kept(new: NewKey, name: str, *scopes: str, expires_at: datetime | None = None) -> Key:
    """Return what is kept of a new key."""
    return Key(
        key_id=new.key_id,
        name=name,
        secret_hash=new.secret_hash,
        scopes=scopes,
        tokens_per_minute=600_000,
        expires_at=expires_at,
    )


def bearer(key: NewKey) -> dict[str, str]:
    """Return the headers of a request with the key."""
    return {"Authorization": f"Bearer {key.text}"}


def write(path: Path, read_at: float, *keys: Key) -> None:
    """Write the file as a run before would have."""
    path.write_bytes(msgspec.json.encode(KeyFileContent(1, read_at, keys)))


def warnings(lines: list[Any]) -> list[Any]:
    """Return the reasons for which the file was ignored or not written."""
    return [line["reason"] for line in lines if "file" in line and line["log_level"] == "warning"]


def names(folder: Path) -> list[str]:
    """Return the names of a folder's files."""
    return [path.name for path in folder.iterdir()]


class Files:
    """A thread for files, and what its test needs to know of it."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.executor = ThreadPoolExecutor(1)

    def settle(self) -> None:
        """Return when all that was begun is done."""
        self.executor.submit(int).result(timeout=30)


@pytest.fixture
def files() -> Iterator[Files]:
    """A thread for files."""
    files = Files()
    yield files
    files.executor.shutdown()


async def test_a_restart_during_an_outage_turns_no_client_away(
    new_service: Callable[..., Any], engine: AsyncEngine, data_dir: Path, closed_port: int, waiting: Callable[..., None]
) -> None:
    """The real service, started again with a dead database: known keys open, revoked and unknown ones do not."""
    shop, revoked, prometheus = make_key(), make_key(), make_key()
    for key in (kept(shop, "shop", "predict"), kept(revoked, "old", "predict"), kept(prometheus, "prom", "metrics")):
        await insert_key(engine, key)
    before = new_service(SENTIMENT_KEYS="required")
    await revoke_key(engine, "old", dry_run=False)
    file = data_dir / FILE_NAME
    waiting(lambda: file.exists() and b'"old"' not in file.read_bytes(), "the file has the keys")
    assert before.stop() == 0

    assert file.stat().st_mode & 0o777 == 0o600
    assert all(key.text.rpartition("_")[2].encode() not in file.read_bytes() for key in (shop, revoked, prometheus))
    read_at = msgspec.json.decode(file.read_bytes())["read_at"]
    assert 0 < time.time() - read_at < 600

    dead = f"postgresql://nobody@127.0.0.1:{closed_port}/nothing"
    service = new_service(SENTIMENT_KEYS="required", SENTIMENT_DATABASE_URL=dead)

    def status(key: NewKey) -> int:
        body = {"text": REVIEW}
        return httpx.post(f"{service.url}/predict", json=body, headers=bearer(key), timeout=30).status_code

    assert [status(key) for key in (shop, revoked, make_key(), prometheus)] == [200, 401, 401, 403]
    metrics = httpx.get(f"{service.url}/metrics", headers=bearer(prometheus)).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("sentiment_keys_read_timestamp_seconds ")]
    assert float(line.split()[1]) == pytest.approx(read_at)
    (said,) = [line for line in service.log().splitlines() if "API keys cannot be read" in line]
    assert '"source":"file"' in said.replace(" ", "")
    assert '"keys":2' in said.replace(" ", "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is damaged, or of another format"),
        (b'{"format_version":1,"read_at":17', "it is damaged, or of another format"),
        (b'{"format_version":1,"read_at":1.0,"keys":["\xff"]}', "it is damaged, or of another format"),
        (b'{"format_version":2,"read_at":NOW,"keys":[]}', "it is damaged, or of another format"),
        (b'{"read_at":NOW,"keys":[]}', "it is damaged, or of another format"),
        (b'{"format_version":1,"read_at":FUTURE,"keys":[]}', "it is from the future"),
        (b'{"format_version":1,"read_at":OLD,"keys":[]}', "it is too old"),
    ],
    ids=["empty", "torn", "not UTF-8", "newer format", "no format", "from the future", "too old"],
)
def test_a_file_that_cannot_be_believed_opens_nothing(
    without_postgres: Callable[..., ServiceSettings], cpu: Classifier, content: bytes, reason: str
) -> None:
    """The service starts as without a file, and says once why; it is not ready, and calls no key wrong."""
    settings = without_postgres(keys="required")
    now = time.time()
    for word, moment in ((b"NOW", now), (b"FUTURE", now + HOUR_S), (b"OLD", now - KEYS_VALID_WITHOUT_DATABASE_S)):
        content = content.replace(word, str(moment).encode())
    (settings.data_dir / FILE_NAME).write_bytes(content)
    with capture_logs() as lines, TestClient(create_app(settings, cpu)) as client:
        assert client.get("/health/ready").json()["status"] == "keys unknown"
        assert client.get("/metrics", headers=bearer(make_key())).status_code == 503
    (warning,) = warnings(lines)
    assert warning.startswith(reason)


def test_without_a_file_there_is_nothing_to_warn_of(
    without_postgres: Callable[..., ServiceSettings], cpu: Classifier
) -> None:
    """The first start of all has no file, and a service that asks for no keys neither reads nor writes one."""
    with capture_logs() as lines, TestClient(create_app(without_postgres(keys="required"), cpu)):
        assert warnings(lines) == []
    settings = without_postgres()
    (settings.data_dir / FILE_NAME).write_bytes(b"anything")
    with capture_logs() as lines, TestClient(create_app(settings, cpu), base_url="http://127.0.0.1") as client:
        assert client.get("/health/ready").status_code == 200
        assert warnings(lines) == []
    assert (settings.data_dir / FILE_NAME).read_bytes() == b"anything"


async def test_the_day_counts_from_the_time_in_the_file(engine: AsyncEngine, tmp_path: Path, files: Files) -> None:
    """A restart gives no further day; what ends by its time ends, and Postgres has the last word when it is back."""
    await rename(engine, "api_keys", "elsewhere")
    shop, ended = make_key(), make_key()
    path, read_at = tmp_path / FILE_NAME, time.time() - KEYS_VALID_WITHOUT_DATABASE_S + HOUR_S
    past = datetime.now(UTC) - timedelta(minutes=1)
    write(path, read_at, kept(shop, "shop", "predict"), kept(ended, "trial", "predict", expires_at=past))
    now, metrics = [5.0], Metrics()  # a machine that has just been started, as its monotonic clock tells
    key_checker = KeyChecker(engine, metrics, KeyFile(path, files.executor), required=True, clock=lambda: now[0])
    await key_checker.refresh()
    found = key_checker.authenticate((shop.text,))
    assert (found.name, found.scopes, found.tokens_per_minute) == ("shop", ("predict",), 600_000)
    assert metrics.registry.get_sample_value("sentiment_keys_read_timestamp_seconds") == read_at
    with pytest.raises(ApiKeyRequired):
        key_checker.authenticate((ended.text,))
    now[0] += HOUR_S - 60
    assert key_checker.keys_known()
    now[0] += 61
    await key_checker.refresh()
    with pytest.raises(DatabaseAway):
        key_checker.authenticate((shop.text,))
    await rename(engine, "elsewhere", "api_keys")
    await key_checker.refresh()
    with pytest.raises(ApiKeyRequired):
        key_checker.authenticate((shop.text,))


async def test_the_file_is_written_when_keys_change_and_now_and_then(
    engine: AsyncEngine, tmp_path: Path, files: Files
) -> None:
    """Reading the same keys every two seconds writes nothing; a change is written at once, the time now and then."""
    path, now = tmp_path / FILE_NAME, [1000.0]
    key_checker = KeyChecker(engine, Metrics(), KeyFile(path, files.executor, clock=lambda: now[0]), required=True)

    async def written() -> bool:
        file = path.stat().st_ino if path.exists() else None
        await key_checker.refresh()
        files.settle()
        return path.stat().st_ino != file

    assert await written()
    assert not await written()
    for name in ("shop", "console"):
        await insert_key(engine, kept(make_key(), name, "predict"))
    assert await written()
    async with engine.begin() as connection:  # as every lease of tokens does: rows move, keys stay as they are
        await connection.execute(text("update api_keys set bucket = 1 where name = 'shop'"))
    assert not await written()
    now[0] += KEEP_S
    assert await written()
    await revoke_key(engine, "shop", dry_run=False)
    assert await written()
    (left,) = msgspec.json.decode(path.read_bytes(), type=KeyFileContent).keys
    assert left.name == "console"
    assert names(tmp_path) == [FILE_NAME]


async def test_a_file_that_cannot_be_written_harms_nothing(engine: AsyncEngine, tmp_path: Path, files: Files) -> None:
    """It is said once, keys open as ever, no piece is left behind, and when it can be written again it is."""
    path, now = tmp_path / FILE_NAME, [1000.0]
    path.mkdir()  # nothing can be renamed to it
    key_checker = KeyChecker(engine, Metrics(), KeyFile(path, files.executor, clock=lambda: now[0]), required=True)
    shop = make_key()
    await insert_key(engine, kept(shop, "shop", "predict"))
    with capture_logs() as lines:
        for _ in range(3):
            await key_checker.refresh()
            files.settle()
            now[0] += KEEP_S
    assert len(warnings(lines)) == 1
    assert key_checker.authenticate((shop.text,)).name == "shop"
    assert names(tmp_path) == [FILE_NAME]
    path.rmdir()
    await key_checker.refresh()
    files.settle()
    assert b'"shop"' in path.read_bytes()


async def test_a_disk_that_hangs_does_not_hold_up_revocation(engine: AsyncEngine, tmp_path: Path, files: Files) -> None:
    """While the thread for files is stuck keys are read all the same; the file has the last of them when it goes on."""
    path, goes_on, shop = tmp_path / FILE_NAME, threading.Event(), make_key()
    files.executor.submit(goes_on.wait)
    key_checker = KeyChecker(engine, Metrics(), KeyFile(path, files.executor), required=True)
    await insert_key(engine, kept(shop, "shop", "predict"))
    await key_checker.refresh()
    assert key_checker.authenticate((shop.text,)).name == "shop"
    await revoke_key(engine, "shop", dry_run=False)
    await key_checker.refresh()
    with pytest.raises(ApiKeyRequired):
        key_checker.authenticate((shop.text,))
    assert not path.exists()
    goes_on.set()
    files.settle()
    await key_checker.refresh()
    files.settle()
    assert msgspec.json.decode(path.read_bytes(), type=KeyFileContent).keys == ()


async def rename(engine: AsyncEngine, table: str, name: str) -> None:
    """Give a table another name, so that nothing finds it under its own."""
    async with engine.begin() as connection:
        await connection.execute(text(f"alter table {table} rename to {name}"))
