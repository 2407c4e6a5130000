"""The commands: what they print, write and exit with."""

import asyncio
import datetime as dt
import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.__main__ import main
from sentiment_api.bundle import REFERENCE, Bundle, sealed, write_manifest
from sentiment_api.database.tables import drift_calibrations, drift_runs
from sentiment_api.settings import DatabaseSettings

MakeRecords = Callable[..., list[dict[str, Any]]]
Log = Callable[..., Awaitable[list[uuid.UUID]]]
Receive = Callable[[Callable[[Any], tuple[int, object]]], Any]

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
RUN = ("run", "--start", "2026-11-21", "--end", "2026-11-22", "--reference", "bundle")
NIGHT = ("nightly", "--date", "2026-11-21", "--reference", "bundle")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_settings: DatabaseSettings, bundle: Bundle) -> None:
    """The settings of a shop, as a container would be given them."""
    assert database_settings.database_url is not None
    monkeypatch.delenv("SENTIMENT_DATABASE", raising=False)
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", database_settings.database_url.get_secret_value())
    monkeypatch.setenv("SENTIMENT_MODEL", str(bundle.folder))
    monkeypatch.setenv("SENTIMENT_DRIFT_MIN_ROWS", "200")
    monkeypatch.setenv("SENTIMENT_DRIFT_QUIET_WINDOWS", "200")


async def _exit_code(*arguments: str) -> int:
    """Run the command line in a thread, where it may have an event loop of its own."""
    with pytest.raises(SystemExit) as stopped:
        await asyncio.to_thread(main, arguments)
    return int(stopped.value.code or 0)


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_quiet_window_ends_with_0(
    log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """No drift is exit code 0 and one line on stdout; the first run says on stderr that it calibrates."""
    await log(make_records(300, seed=2), START)
    assert await _exit_code(*RUN) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("no drift: 2026-11-21T00:00Z to 2026-11-22T00:00Z, model shop ")
    assert printed.err == "calibrating: quiet windows of 200 rows of bundle, for the first time (200)\n"
    assert await _exit_code(*RUN) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (printed.out, "")


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_drift_ends_with_1_and_files(
    log: Log, make_records: MakeRecords, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drift is exit code 1; the report and the metrics are where they were asked for, and `show` repeats them."""
    await log(make_records(300, seed=2, mood=1.5), START)
    html, json = tmp_path / "report.html", tmp_path / "run.json"
    assert await _exit_code(*RUN, "--html", str(html), "--json", str(json)) == 1
    (run,) = msgspec.json.decode(json.read_bytes())
    assert run["verdict"] == "drift"
    assert {"logit", "label_share", "accuracy"} <= {row["metric"] for row in run["metrics"]}
    assert run["reason"] in html.read_text(encoding="utf-8")

    assert await _exit_code("show", run["run_id"], "--html", str(tmp_path / "again.html")) == 0
    assert (tmp_path / "again.html").read_bytes() == html.read_bytes()
    assert await _exit_code("list") == 0
    assert run["run_id"] in capsys.readouterr().out.split("metric", 1)[1]


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_too_few_rows_end_with_2(log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be judged is exit code 2 and a line on stderr with found and needed; --min-rows may ask for less."""
    await log(make_records(150, seed=2), START)
    assert await _exit_code(*RUN) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "found 150 rows in the window, needed 200" in printed.err
    assert await _exit_code(*RUN, "--min-rows", "100") == 0


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_nightly_judges_the_shops_day(
    log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """`nightly` takes the day from midnight to midnight of the time zone, and with few rows the days before it.

    Here the rows lie half an hour before midnight in UTC.
    """
    await log(make_records(300, seed=2), START - dt.timedelta(minutes=30))
    assert await _exit_code(*NIGHT, "--timezone", "Europe/Paris") == 0
    assert "2026-11-20T23:00Z to 2026-11-21T23:00Z" in capsys.readouterr().out
    assert await _exit_code(*NIGHT, "--timezone", "UTC") == 0
    assert "2026-11-20T00:00Z to 2026-11-22T00:00Z" in capsys.readouterr().out


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_nightly_drops_what_is_too_old(
    log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months older than SENTIMENT_KEEP go, whatever becomes of the night's window."""
    old = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    await log(make_records(3, seed=2), old)
    assert await _exit_code("nightly") == 2
    assert "dropped" not in capsys.readouterr().err
    monkeypatch.setenv("SENTIMENT_KEEP", "60d")
    assert await _exit_code("nightly") == 2
    assert f"dropped predictions_{old:%Y_%m}, older than 60 days" in capsys.readouterr().err


def _pages(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.html")}


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_several_models_have_a_page_each(
    log: Log, make_records: MakeRecords, bundle: Bundle, tmp_path: Path
) -> None:
    """A page for each version is named after it, and drift of one outweighs that the other could not be judged."""
    await log(make_records(1, seed=2), START, model_version="0123456789ab")
    await log(make_records(300, seed=2, mood=1.5), START + dt.timedelta(hours=1))
    assert await _exit_code(*RUN, "--html", str(tmp_path / "report.html")) == 1
    assert _pages(tmp_path) == {"report-0123456789ab.html", f"report-{bundle.manifest.version}.html"}


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_version_that_cannot_be_read_ends_with_2(
    log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a line on stderr that quotes no row; the other version is judged."""
    await log(make_records(300, seed=2), START, model_version="0123456789ab", probabilities=None)
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1))
    assert await _exit_code(*RUN) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("no drift: ")
    window = "2026-11-21T00:00:00Z..2026-11-22T00:00:00Z"
    assert printed.err.startswith(f"could not be judged: {window}, model version 0123456789ab: ")


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_bundle_without_reference_ends_with_2(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the file and the remedy in one line."""
    manifest = bundle.path("bundle.json")
    manifest.write_bytes(msgspec.json.encode(msgspec.json.decode(manifest.read_bytes()) | {"files": {}}))
    bundle.path(REFERENCE).unlink()
    assert await _exit_code(*RUN) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "found none; export the model with sentiment-train" in error


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_damaged_reference_ends_with_2(
    is_listed: bool,
    bundle: Bundle,
    log: Log,
    make_records: MakeRecords,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is not the manifest's is refused in one line; one that is, and is no parquet, keeps the rest."""
    await log(make_records(300, seed=2), START)
    bundle.path(REFERENCE).write_bytes(b"no parquet")
    if is_listed:
        write_manifest(bundle.folder, sealed(bundle.folder, bundle.manifest))
    path = tmp_path / "run.json"
    assert await _exit_code(*RUN, "--json", str(path)) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "reference.parquet" in error) == (1, True)
    assert path.exists() == is_listed
    if is_listed:
        (run,) = msgspec.json.decode(path.read_bytes())
        assert {row["metric"]: row["value"] for row in run["metrics"]}["label_share"] is not None


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--start", "2026-11-22", "--end", "2026-11-21"), "ends after its start"),
        (("run", "--start", "noon", "--end", "2026-11-21"), "expected a date or time"),
        ((*RUN, "--reference", "yesterday"), "baseline or window:START..END"),
        ((*RUN, "--model", "nowhere"), "found no folder nowhere"),
        (("nightly", "--timezone", "Mars/Olympus"), "IANA time zone"),
        (("schedule", "--cron", "every night"), "cron expression"),
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
        (("show", "one"), "UUID"),
        (("run",), "--start"),
        (("backfill", "--from", "2026-11-22", "--to", "2026-11-21"), "--to on or after --from"),
        (("calibrate", "--size", "700"), "expected sizes among 100, 200, 500"),
        (("baseline", "accept", "2026-11-01..2026-11-08"), "at least 500 rows"),
        (("list", "--verdict", "quiet"), "not_judged"),
        ((*RUN, "--notify-url", "shop"), "SENTIMENT_NOTIFY_URL: expected an address such as"),
        (("nightly", "--service-url", "shop"), "SENTIMENT_SERVICE_URL: expected an address such as"),
    ],
)
async def test_mistakes_end_with_2(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an operator got wrong is said on stderr, with what was expected."""
    assert await _exit_code(*arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_an_absent_database_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that cannot be reached is one line that does not show the URL, which holds a password."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", "postgresql://shop:s3cret@127.0.0.1:1/shop")
    assert await _exit_code(*RUN) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "s3cret" not in error
    assert await _exit_code(*NIGHT) == 2
    upkeep, night = capsys.readouterr().err.splitlines()
    assert upkeep.startswith("the prediction log could not be maintained: ")
    assert night.startswith("drift-jobs: ")
    assert "s3cret" not in upkeep + night


@pytest.mark.usefixtures("environment")
def test_the_schedule_outlives_an_absent_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night without a database is a line and no traceback; the process waits for the next night."""
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", "postgresql://shop:s3cret@127.0.0.1:1/shop")
    with _schedule("--cron", "0 0 * * *") as process:
        line = _until(process, "could not be judged: ")
        process.send_signal(signal.SIGTERM)
        rest = _the_rest(process)
        assert process.wait(timeout=60) == 0
    assert "s3cret" not in line + rest
    assert "Traceback" not in rest


def test_settings_that_contradict_end_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a database the message names both variables."""
    for name in ("SENTIMENT_DATABASE", "SENTIMENT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["list"])
    assert stopped.value.code == 2
    assert "SENTIMENT_DATABASE_URL" in capsys.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` ends with commands to copy and the meaning of the exit codes."""
    with pytest.raises(SystemExit):
        main(["--help"])
    printed = capsys.readouterr().out
    assert "drift-jobs nightly --timezone Europe/Paris" in printed
    assert "Exit codes: 0 none or watch, 1 drift, 2" in printed


@pytest.mark.parametrize("command", ["run", "nightly", "schedule", "backfill", "list", "show", "baseline", "calibrate"])
def test_each_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`COMMAND --help` ends with commands to copy."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"  drift-jobs {command}" in capsys.readouterr().out.split("Examples:")[1]


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_new_alarm_is_posted_once(
    log: Log, make_records: MakeRecords, receive: Receive, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drift is posted when it is new; judged again it is not, nor is a quiet window."""
    await log(make_records(300, seed=2, mood=1.5), START)
    await log(make_records(300, seed=2), START - dt.timedelta(days=1))
    server = receive(lambda _: (204, None))
    for _ in range(2):
        assert await _exit_code(*RUN, "--notify-url", server.url) == 1
    quiet = ("run", "--start", "2026-11-20", "--end", "2026-11-21", "--reference", "bundle")
    assert await _exit_code(*quiet, "--notify-url", server.url) == 0
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["verdict"] == "drift"


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_notice_that_is_not_taken_changes_nothing(
    log: Log, make_records: MakeRecords, receive: Receive, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is one line on stderr; verdict and exit code stay what they are."""
    await log(make_records(300, seed=2, mood=1.5), START)
    assert await _exit_code(*RUN, "--notify-url", receive(lambda _: (403, None)).url) == 1
    assert re.search(
        r"^the notice of run \S+ was not taken: status 403; each run tries it again for 7 days$",
        capsys.readouterr().err,
        re.MULTILINE,
    )


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_receiver_that_was_away_is_told_the_next_night(
    log: Log, make_records: MakeRecords, receive: Receive, closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm that was not taken is posted by the first run that finds a receiver, which says so, and never again."""
    await log(make_records(300, seed=2, mood=1.5), START)
    await log(make_records(300, seed=2), START + dt.timedelta(days=1))
    assert await _exit_code(*NIGHT, "--notify-url", receive(lambda _: (403, None)).url) == 1
    next_night = ("nightly", "--date", "2026-11-22", "--reference", "bundle", "--notify-url")
    capsys.readouterr()
    assert await _exit_code(*next_night, f"http://127.0.0.1:{closed_port}") == 0
    assert "was not taken: ConnectError; each run tries it again for 7 days" in capsys.readouterr().err
    server = receive(lambda _: (204, None))
    for said in (["posted late", "no drift"], ["no drift"]):
        assert await _exit_code(*next_night, server.url) == 0
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == said
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["window_end"] == "2026-11-22T00:00:00+00:00"


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_backfill_tells_nobody(
    log: Log, make_records: MakeRecords, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days of the past are no alarms: neither does it post them, nor does a later run."""
    await log(make_records(300, seed=2, mood=1.5), START)
    server = receive(lambda _: (204, None))
    monkeypatch.setenv("SENTIMENT_NOTIFY_URL", server.url)
    assert await _exit_code("backfill", "--from", "2026-11-21", "--to", "2026-11-21", "--reference", "bundle") == 1
    assert await _exit_code(*NIGHT) == 1
    assert server.requests == []


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_backfill_judges_day_by_day(
    log: Log, make_records: MakeRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each day has its line, those that cannot be judged stop no other, and the gravest is the exit code."""
    await log(make_records(300, seed=2, mood=1.5), START + dt.timedelta(days=1))
    days = ("backfill", "--from", "2026-11-21", "--to", "2026-11-23", "--reference", "bundle")
    assert await _exit_code(*days, "--dry-run") == 0
    previewed = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in previewed] == ["2026-11-21:", "2026-11-22:", "2026-11-23:"]
    assert [line.rsplit(", ", 1)[1] for line in previewed] == ["0 rows", "300 rows", "300 rows"]

    assert await _exit_code(*days) == 1
    printed = capsys.readouterr()
    assert [line.split(":")[0] for line in printed.out.splitlines()] == ["drift", "drift"]
    assert (
        "not judged: 2026-10-25T00:00Z to 2026-11-22T00:00Z" in printed.err or "not judged: 2026-11-21" in printed.err
    )
    assert await _exit_code(*days, "--dry-run") == 0
    assert capsys.readouterr().out.count("judged before") == 3


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_baseline_is_accepted_and_used(
    log: Log, make_records: MakeRecords, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """`baseline accept` says what it holds; then `auto` judges by it, against what is normal for this shop."""
    await log(make_records(600, seed=2, mood=1.5), START - dt.timedelta(days=3))
    await log(make_records(300, seed=3, mood=1.5), START)
    accept = ("baseline", "accept", "2026-11-18..2026-11-20")
    assert await _exit_code(*accept, "--dry-run") == 0
    assert "600 rows on 1 days" in capsys.readouterr().out
    assert await _exit_code("baseline", "show") == 0
    assert "2026-11-18" not in capsys.readouterr().out
    assert await _exit_code(*accept) == 0
    assert await _exit_code("baseline", "show") == 0
    assert "2026-11-18 00:00 to 2026-11-20 00:00" in capsys.readouterr().out
    assert await _exit_code("run", "--start", "2026-11-21", "--end", "2026-11-22") == 0
    assert "against baseline:2026-11-18T00:00:00Z..2026-11-20T00:00:00Z" in capsys.readouterr().out


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_calibrate_prints_what_to_expect(capsys: pytest.CaptureFixture[str]) -> None:
    """One table row for each size: rates of false alarms with bounds, alarms in a year. The second time is quick."""
    for err in ("calibrating: quiet windows of 100 rows of auto:bundle, for the first time (200)", ""):
        assert await _exit_code("calibrate", "--size", "100") == 0
        printed = capsys.readouterr()
        assert all(name in printed.out for name in ("windows", "products", "watch rate", "drift rate", "alarms a year"))
        assert re.search(r"100 .* 200 .* % \([0-9.]+ %\).* % \([0-9.]+ %\)", printed.out)
        assert err in printed.err


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_night_says_when_the_service_is_away(
    log: Log, make_records: MakeRecords, closed_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The night goes on without golden texts; that they were not compared is on stderr and in the run."""
    await log(make_records(300, seed=2), START)
    path = tmp_path / "run.json"
    service = ("--service-url", f"http://127.0.0.1:{closed_port}")
    assert await _exit_code(*NIGHT, *service, "--json", str(path)) == 0
    assert "the golden texts could not be compared" in capsys.readouterr().err
    (run,) = msgspec.json.decode(path.read_bytes())
    assert {row["metric"]: row["verdict"] for row in run["metrics"]}["golden"] == "not_judged"


def _schedule(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "drift_jobs", "schedule", "--reference", "bundle", *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def _until(process: subprocess.Popen[str], words: str) -> str:
    """Return the first line of stderr with these words."""
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


def _the_rest(process: subprocess.Popen[str]) -> str:
    """Return what is left of stderr until the process ends."""
    assert process.stderr is not None
    return process.stderr.read()


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_missed_night_is_caught_up_once(log: Log, make_records: MakeRecords, engine: AsyncEngine) -> None:
    """A start after the night's time judges it at once; the next start finds its run and judges nothing."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2), midnight - dt.timedelta(hours=12))
    with _schedule("--cron", "0 0 * * *") as process:
        assert f"to {midnight:%Y-%m-%dT%H:%MZ}" in await asyncio.to_thread(_until, process, "no drift")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with _schedule("--cron", "0 0 * * *") as process:
        await asyncio.to_thread(_until, process, "was judged before")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(drift_runs)) == 1


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_a_restart_posts_what_is_owed(log: Log, make_records: MakeRecords, receive: Receive) -> None:
    """A start that finds the night judged tells what nobody has taken yet."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2, mood=1.5), midnight - dt.timedelta(hours=12))
    refusing = receive(lambda _: (403, None))
    assert await _exit_code("nightly", "--reference", "bundle", "--notify-url", refusing.url) == 1
    server = receive(lambda _: (204, None))
    with _schedule("--cron", "0 0 * * *", "--notify-url", server.url) as process:
        await asyncio.to_thread(_until, process, "was judged before")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    (request,) = server.requests
    assert msgspec.json.decode(request.body)["verdict"] == "drift"


@pytest.mark.anyio
@pytest.mark.usefixtures("environment")
async def test_the_schedule_ends_cleanly_within_a_night(
    log: Log, make_records: MakeRecords, engine: AsyncEngine
) -> None:
    """SIGTERM while the night calibrates itself ends with exit code 0, and leaves nothing of the night."""
    midnight = dt.datetime.combine(dt.datetime.now(dt.UTC), dt.time(), dt.UTC)
    await log(make_records(300, seed=2), midnight - dt.timedelta(hours=12))
    with _schedule("--cron", "0 0 * * *") as process:
        await asyncio.to_thread(_until, process, "calibrating")
        process.send_signal(signal.SIGTERM)
        assert "the night was stopped" in await asyncio.to_thread(_the_rest, process)
        assert process.wait(timeout=60) == 0
    async with engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(drift_runs)) == 0
        assert await connection.scalar(select(func.count()).select_from(drift_calibrations)) == 0


@pytest.mark.usefixtures("environment")
def test_the_schedule_ends_while_a_service_keeps_silent() -> None:
    """SIGTERM while the golden texts wait for their answer is one line that says so, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(60)
        address = f"http://127.0.0.1:{service.getsockname()[1]}"
        with _schedule("--cron", "0 0 * * *", "--service-url", address) as process:
            asked, _ = service.accept()
            with asked:
                process.send_signal(signal.SIGTERM)
                said = _the_rest(process)
            assert process.wait(timeout=60) == 0
    last = said.splitlines()[-1]
    assert last.endswith("WARNING the night was stopped; the next start judges it, unless its run is stored")
    assert "Traceback" not in said


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_schedule_ends_cleanly(number: signal.Signals) -> None:
    """`schedule` says when it will run next, and a signal ends it with exit code 0."""
    with _schedule("--cron", "0 2 1 jan *", "--timezone", "Europe/Paris") as process:
        line = _until(process, "the next run is at")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    assert " 02:00:00+0" in line
