"""`backfill`: days of the past, one by one."""

import datetime as dt

import pytest

from tests.protocols import ExitCode, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment", "calibrated", "undrawn")]


async def test_backfill_judges_day_by_day(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each day has its line, those that cannot be judged stop no other, and the gravest is the exit code."""
    await log(make_records(300, seed=2, mood=1.5), START + dt.timedelta(days=1))
    days = ("backfill", "--from", "2026-11-21", "--to", "2026-11-23", "--reference", "bundle")
    assert await exit_code(*days, "--dry-run") == 0
    previewed = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in previewed] == ["2026-11-21:", "2026-11-22:", "2026-11-23:"]
    assert [line.rsplit(", ", 1)[1] for line in previewed] == ["0 rows", "300 rows", "300 rows"]

    assert await exit_code(*days) == 1
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.out.splitlines()] == ["drift", "drift"]
    assert (
        "not judged: 2026-10-25T00:00Z to 2026-11-22T00:00Z" in printed.err or "not judged: 2026-11-21" in printed.err
    )
    assert await exit_code(*days, "--dry-run") == 0
    assert capsys.readouterr().out.count("judged before") == 3
