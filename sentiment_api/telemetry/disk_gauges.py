"""Shows how much room the disks of the data folder have, as they are when somebody asks."""

import asyncio
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sentiment_api.disk_space import DiskSpace, disk_space
from sentiment_api.telemetry.metrics import Metrics

DISK_TIMEOUT_S = 1.0
_UNKNOWN = DiskSpace(math.nan, math.nan, math.nan)  # type: ignore[arg-type] # Prometheus' word for it


class DiskGauges:
    """The gauges of some folders' disks.

    A disk that does not answer takes a thread of its own until it does, and no more than that: nobody else waits.
    """

    def __init__(
        self, folders: Mapping[str, Path], metrics: Metrics, read: Callable[[Path], DiskSpace] = disk_space
    ) -> None:
        """`folders` are those to look at, by the value of the label `folder`."""
        self._folders = dict(folders)
        self._metrics = metrics
        self._read = read
        self._threads = ThreadPoolExecutor(len(self._folders), "disk")
        self._readings: dict[str, asyncio.Future[DiskSpace]] = {}

    async def refresh(self) -> None:
        """Set the gauges to what the disks have now.

        A folder that is gone, or whose disk does not answer within `DISK_TIMEOUT_S`, has NaN.
        """
        for name, folder in self._folders.items():
            if name not in self._readings or self._readings[name].done():
                self._readings[name] = asyncio.get_running_loop().run_in_executor(self._threads, self._read, folder)
        readings = dict(self._readings)
        await asyncio.wait(readings.values(), timeout=DISK_TIMEOUT_S)
        for name, reading in readings.items():
            self._show(name, _result(reading))

    def close(self) -> None:
        """Start no thread any more; those that hang are left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _show(self, name: str, space: DiskSpace) -> None:
        self._metrics.disk_free.labels(name).set(space.free_bytes)
        self._metrics.disk_size.labels(name).set(space.size_bytes)
        self._metrics.disk_free_files.labels(name).set(space.free_files)


def _result(reading: asyncio.Future[DiskSpace]) -> DiskSpace:
    if not reading.done() or reading.cancelled() or isinstance(reading.exception(), OSError):
        return _UNKNOWN
    return reading.result()
