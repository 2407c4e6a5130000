"""What `sentiment-api check` says of the disk of the data folder."""

import contextlib
from pathlib import Path

from sentiment_api.disk_space import LEAST_FREE_BYTES, LEAST_FREE_FILES, STATED_RATE, SpoolRoom, shown_bytes, spool_room
from sentiment_api.errors import DiskUnusable
from sentiment_api.prediction_log.spool_folders import SEGMENT
from sentiment_api.settings import SpoolSettings


def check_disk(settings: SpoolSettings) -> str:
    """Return one line: what the disk has, and how long the spool lasts on it without Postgres.

    Raises:
        DiskUnusable: the disk is full, or does not say how much room it has.
    """
    return line_on(_room(settings), settings)


def line_on(room: SpoolRoom, settings: SpoolSettings) -> str:
    """Return the line of `check_disk` on a disk with this room.

    Raises:
        DiskUnusable: the disk is full.
    """
    free, bound = shown_bytes(room.disk.free_bytes), shown_bytes(settings.spool_max_bytes)
    if room.disk.is_full:
        raise DiskUnusable(
            f"expected at least {shown_bytes(LEAST_FREE_BYTES)} and {LEAST_FREE_FILES} files free on the disk of "
            f"SENTIMENT_DATA_DIR={settings.data_dir}, found {free} and {room.disk.free_files:,.0f} files; "
            "make room there, or predictions are refused"
        )
    lasts = f"without Postgres {room.hours:.1f} hours at {STATED_RATE} predictions a second"
    if room.is_short:
        return f"{free} free, too little for SENTIMENT_SPOOL_MAX_BYTES, {bound}: {lasts}"
    return f"{free} free, enough for the spool's {bound}: {lasts}"


def _room(settings: SpoolSettings) -> SpoolRoom:
    try:
        return spool_room(settings.data_dir, settings.spool_max_bytes, _spooled_bytes(settings.data_dir / "spool"))
    except OSError as error:
        raise DiskUnusable(f"SENTIMENT_DATA_DIR={settings.data_dir} cannot be looked at: {error.strerror}") from error


def _spooled_bytes(root: Path) -> int:
    total = 0
    for path in root.glob(f"*/*{SEGMENT}"):
        with contextlib.suppress(FileNotFoundError):  # shipped meanwhile
            total += path.stat().st_size
    return total
