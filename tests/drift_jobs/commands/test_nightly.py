"""`nightly`: the day that is judged, the log's upkeep, and a service that is away."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from tests.protocols import ExitCode, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
NIGHT = ("nightly", "--date", "2026-11-21", "--reference", "bundle")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment", "calibrated", "undrawn")]


async def test_nightly_judges_the_shops_day(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """`nightly` takes the day from midnight to midnight of the time zone, and with few rows the days before it.

    Here the rows lie half an hour before midnight in UTC.
    """
    await log(make_records(300, seed=2), START - dt.timedelta(minutes=30))
    assert await exit_code(*NIGHT, "--timezone", "Europe/Paris") == 0
    assert "2026-11-20T23:00Z to 2026-11-21T23:00Z" in capsys.readouterr().out
    assert await exit_code(*NIGHT, "--timezone", "UTC") == 0
    assert "2026-11-20T00:00Z to 2026-11-22T00:00Z" in capsys.readouterr().out


async def test_nightly_drops_what_is_too_old(
    log: Log,
    make_records: MakeRecords,
    exit_code: ExitCode,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Months older than SENTIMENT_KEEP go, whatever becomes of the night's window."""
    old = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    await log(make_records(3, seed=2), old)
    assert await exit_code("nightly") == 2
    assert "dropped" not in capsys.readouterr().err
    monkeypatch.setenv("SENTIMENT_KEEP", "60d")
    assert await exit_code("nightly") == 2
    assert f"dropped predictions_{old:%Y_%m}, older than 60 days" in capsys.readouterr().err


async def test_a_night_says_when_the_service_is_away(
    log: Log,
    make_records: MakeRecords,
    exit_code: ExitCode,
    closed_port: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The night goes on without golden texts; that they were not compared is on stderr and in the run."""
    await log(make_records(300, seed=2), START)
    path = tmp_path / "run.json"
    service = ("--service-url", f"http://127.0.0.1:{closed_port}")
    assert await exit_code(*NIGHT, *service, "--json", str(path)) == 0
    assert "the golden texts could not be compared" in capsys.readouterr().err
    (run,) = msgspec.json.decode(path.read_bytes())
    assert {row["metric"]: row["verdict"] for row in run["metrics"]}["golden"] == "not_judged"
