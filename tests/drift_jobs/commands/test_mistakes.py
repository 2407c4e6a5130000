"""What an operator got wrong, or has not started: one line on stderr and exit code 2."""

import pytest

from tests.protocols import ExitCode

RUN = ("run", "--start", "2026-11-21", "--end", "2026-11-22", "--reference", "bundle")
NIGHT = ("nightly", "--date", "2026-11-21", "--reference", "bundle")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--start", "2026-11-22", "--end", "2026-11-21"), "ends after its start"),
        (("run", "--start", "noon", "--end", "2026-11-21"), "expected a date or time"),
        ((*RUN, "--reference", "yesterday"), "baseline or window:START..END"),
        ((*RUN, "--model", "nowhere"), "found no folder nowhere"),
        (("nightly", "--timezone", "Mars/Olympus"), "IANA time zone"),
        (("schedule", "--cron", "every night"), "cron expression"),
        (("schedule", "--cron", "0 25 * * *"), "maximum value (23)"),
        (("schedule", "--cron", "0 2 * * 1"), "weekdays as names"),
        (("show", "0199f0c2-7c1e-7b52-9d3f-0d6a3f1c2b4e"), "drift-jobs list"),
        (
            (*RUN, "--sample", "399"),
            "at least twice the 200 rows below which nothing is judged, found 399; raise",
        ),
        (
            ("nightly", "--min-rows", "60000"),
            "found 100000; raise --sample (SENTIMENT_DRIFT_SAMPLE), or lower --min-rows",
        ),
        (("show", "one"), "expected the UUID of a run, found 'one'; `drift-jobs list` shows them"),
        (("run",), "--start"),
        (("backfill", "--from", "2026-11-22", "--to", "2026-11-21"), "--to on or after --from"),
        (("run", "--start", "2026-11-22", "--end", "2926-11-23"), "expected a window that is over"),
        (("nightly", "--date", "2926-11-21"), "expected a window that is over"),
        (("backfill", "--from", "2026-11-21", "--to", "2926-11-21"), "expected a window that is over"),
        (("baseline", "accept", "2026-11-01..2926-11-08"), "expected a window that is over"),
        (("calibrate", "--size", "700"), "expected sizes among 100, 200, 500"),
        (("baseline", "accept", "2026-11-01..2026-11-08"), "at least 500 rows"),
        (("list", "--verdict", "quiet"), "not_judged"),
        ((*RUN, "--notify-url", "shop"), "SENTIMENT_NOTIFY_URL: expected an address such as"),
        (("nightly", "--service-url", "shop"), "SENTIMENT_SERVICE_URL: expected an address such as"),
    ],
)
async def test_mistakes_end_with_2(
    exit_code: ExitCode, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an operator got wrong is said on stderr, with what was expected."""
    assert await exit_code(*arguments) == 2
    assert message in capsys.readouterr().err


async def test_an_absent_database_ends_with_2(
    exit_code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that cannot be reached is one line that does not show the URL, which holds a password."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", "postgresql://shop:s3cret@127.0.0.1:1/shop")
    assert await exit_code(*RUN) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Postgres cannot be reached: nothing listens at its address" in error
    assert "SENTIMENT_DATABASE_URL" in error
    assert "s3cret" not in error
    assert await exit_code(*NIGHT) == 2
    upkeep, night = capsys.readouterr().err.splitlines()
    assert upkeep.startswith("the prediction log could not be maintained: ")
    assert night.startswith("drift-jobs: ")
    assert "s3cret" not in upkeep + night
