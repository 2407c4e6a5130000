"""`baseline`: a window that is accepted becomes the reference."""

import datetime as dt

import pytest

from sentiment_api.model.bundle import Bundle
from tests.protocols import ExitCode, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment", "calibrated", "undrawn")]


async def test_a_baseline_is_accepted_and_used(
    log: Log, make_records: MakeRecords, bundle: Bundle, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """`baseline accept` says what it holds; then `auto` judges by it, against what is normal for this shop."""
    await log(make_records(600, seed=2, mood=1.5), START - dt.timedelta(days=3))
    await log(make_records(300, seed=3, mood=1.5), START)
    accept = ("baseline", "accept", "2026-11-18..2026-11-20")
    assert await exit_code(*accept, "--dry-run") == 0
    assert "600 rows on 1 days" in capsys.readouterr().out
    assert await exit_code("baseline", "show") == 0
    assert "2026-11-18" not in capsys.readouterr().out
    assert await exit_code(*accept) == 0
    assert await exit_code("baseline", "show") == 0
    assert "2026-11-18 00:00 to 2026-11-20 00:00" in capsys.readouterr().out
    assert await exit_code("run", "--start", "2026-11-21", "--end", "2026-11-22") == 0
    assert "against baseline:2026-11-18T00:00:00Z..2026-11-20T00:00:00Z" in capsys.readouterr().out
