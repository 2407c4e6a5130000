"""What this room's tests share: spools below a folder, and what is in them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sentiment_api.prediction_log.segments import read_segment
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.takeover import claim_spool

BOUND = 1 << 20


@pytest.fixture(scope="session")
def claim() -> Callable[..., Spool]:
    """A function that returns the first free spool under a folder: `claim(root, bound=...)`."""

    def claim(root: Path, bound: int = BOUND) -> Spool:
        return claim_spool(root, bound)

    return claim


@pytest.fixture(scope="session")
def payloads() -> Callable[[Spool], list[bytes]]:
    """A function that returns all sealed payloads of a spool, oldest first."""
    return lambda spool: [payload for segment in spool.segments() for payload in read_segment(segment).payloads]


@pytest.fixture(scope="session")
def write_one_segment(claim: Callable[..., Spool]) -> Callable[[Path, list[bytes]], Path]:
    """A function that returns the segment of a spool that was closed after these records."""

    def write(root: Path, records: list[bytes]) -> Path:
        spool = claim(root)
        for record in records:
            spool.append(record)
        spool.close()
        return next(root.glob("0/*.seg"))

    return write
