"""The gauges of the data folder's disk: as it is now, and unknown rather than waited for."""

import asyncio
import math
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.disk_space import DiskSpace
from sentiment_api.telemetry.disk_gauges import DiskGauges
from sentiment_api.telemetry.metrics import Metrics

pytestmark = pytest.mark.anyio
SOME = DiskSpace(free_bytes=3_000, size_bytes=10_000, free_files=math.inf)


def shown(metrics: Metrics, name: str, folder: str = "spool") -> float:
    """Return what a scrape shows."""
    value = metrics.registry.get_sample_value(f"sentiment_disk_{name}", {"folder": folder})
    assert value is not None
    return value


async def test_each_scrape_shows_what_the_disk_has_now() -> None:
    """What was written since the last scrape is missing from the free bytes."""
    metrics, found = Metrics(), [SOME, SOME._replace(free_bytes=1_000)]
    gauges = DiskGauges({"spool": Path("spool")}, metrics, lambda _: found.pop(0))
    await gauges.refresh()
    assert (shown(metrics, "free_bytes"), shown(metrics, "size_bytes")) == (3_000, 10_000)
    assert shown(metrics, "free_files") == math.inf
    await gauges.refresh()
    assert shown(metrics, "free_bytes") == 1_000
    gauges.close()


async def test_a_folder_that_is_gone_is_unknown_and_comes_back(tmp_path: Path) -> None:
    """Without its folder nothing is known; what the disk had before is not shown as if it held."""
    metrics, folder = Metrics(), tmp_path / "spool"
    gauges = DiskGauges({"spool": folder}, metrics)
    await gauges.refresh()
    assert math.isnan(shown(metrics, "free_bytes"))
    folder.mkdir()
    await gauges.refresh()
    assert shown(metrics, "free_bytes") > 0
    gauges.close()


async def test_a_disk_that_does_not_answer_holds_up_nobody_and_takes_one_thread() -> None:
    """Its gauges are unknown, the other disk's are shown, and no scrape asks it again while it hangs."""
    metrics, answers, asked = Metrics(), threading.Event(), []

    def read(folder: Path) -> DiskSpace:
        asked.append(folder.name)
        if folder.name == "dead":
            answers.wait()
        return SOME

    gauges = DiskGauges({"spool": Path("dead"), "postgres": Path("well")}, metrics, read)
    for _ in range(2):
        await gauges.refresh()
        assert math.isnan(shown(metrics, "free_bytes"))
        assert shown(metrics, "free_bytes", "postgres") == 3_000
    assert asked.count("dead") == 1
    answers.set()
    async with asyncio.timeout(10):
        while math.isnan(shown(metrics, "free_bytes")):
            await gauges.refresh()
    gauges.close()


def test_a_scrape_shows_the_disk_of_the_spool(
    client: TestClient[Litestar], metric: Callable[[httpx.Client, str], float]
) -> None:
    """The free bytes are what this user can still write, within what others write meanwhile."""
    size = metric(client, 'sentiment_disk_size_bytes{folder="spool"}')
    disk = os.statvfs(tempfile.gettempdir())
    assert size == disk.f_blocks * disk.f_frsize
    free = metric(client, 'sentiment_disk_free_bytes{folder="spool"}')
    assert free == pytest.approx(disk.f_bavail * disk.f_frsize, abs=0.05 * size)


def test_bytes_are_counted_as_they_are_spooled(
    client: TestClient[Litestar], metric: Callable[[httpx.Client, str], float]
) -> None:
    """A prediction adds the bytes of its record, its text among them: hours are told by their rate."""
    before = metric(client, "sentiment_spooled_bytes_total")
    assert client.post("/predict", json={"text": "Works as described. " * 50}).status_code == 200
    assert 1_000 < metric(client, "sentiment_spooled_bytes_total") - before < 4_000
