"""`run`: one window, its exit code, its line and its files."""

import datetime as dt
import re
from pathlib import Path

import msgspec
import pytest

from sentiment_api.model.bundle import REFERENCE, Bundle, sealed, write_manifest
from tests.protocols import ExitCode, Log, MakeRecords

START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
RUN = ("run", "--start", "2026-11-21", "--end", "2026-11-22", "--reference", "bundle")

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("environment")]


@pytest.mark.usefixtures("undrawn")
async def test_a_quiet_window_ends_with_0(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """No drift is exit code 0 and one line on stdout; the first run says on stderr that it calibrates."""
    await log(make_records(300, seed=2), START)
    assert await exit_code(*RUN) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("no drift: 2026-11-21T00:00Z to 2026-11-22T00:00Z, model shop ")
    assert printed.err == "calibrating: quiet windows of 200 rows of bundle, for the first time (200)\n"
    assert await exit_code(*RUN) == 0
    again = capsys.readouterr()
    assert (again.out, again.err) == (printed.out, "")


@pytest.mark.usefixtures("calibrated", "undrawn")
async def test_a_window_without_an_end_goes_up_to_now(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --end all predictions since the start are judged, and the run's window is over."""
    await log(make_records(300, seed=2), START)
    before = dt.datetime.now(dt.UTC)
    assert await exit_code(*RUN[:3], *RUN[5:]) == 0
    said = re.match(r"no drift: (\S+) to (\S+), model", capsys.readouterr().out)
    assert said
    start, end = said.groups()
    assert start == "2026-11-21T00:00Z"
    assert abs(dt.datetime.fromisoformat(end) - before) < dt.timedelta(minutes=5)


@pytest.mark.usefixtures("calibrated")
async def test_drift_ends_with_1_and_files(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drift is exit code 1; the report and the metrics are where they were asked for, and `show` repeats them."""
    await log(make_records(300, seed=2, mood=1.5), START)
    html, json = tmp_path / "report.html", tmp_path / "run.json"
    assert await exit_code(*RUN, "--html", str(html), "--json", str(json)) == 1
    (run,) = msgspec.json.decode(json.read_bytes())
    assert run["verdict"] == "drift"
    assert {"logit", "label_share", "accuracy"} <= {row["metric"] for row in run["metrics"]}
    assert run["reason"] in html.read_text(encoding="utf-8")

    assert await exit_code("show", run["run_id"], "--html", str(tmp_path / "again.html")) == 0
    assert (tmp_path / "again.html").read_bytes() == html.read_bytes()
    assert await exit_code("list") == 0
    assert run["run_id"] in capsys.readouterr().out.split("metric", 1)[1]


@pytest.mark.usefixtures("calibrated", "undrawn")
async def test_too_few_rows_end_with_2(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be judged is exit code 2 and a line on stderr with found and needed; --min-rows may ask for less."""
    await log(make_records(150, seed=2), START)
    assert await exit_code(*RUN) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert "found 150 rows in the window, needed 200" in printed.err
    assert await exit_code(*RUN, "--min-rows", "100") == 0


@pytest.mark.usefixtures("calibrated")
async def test_several_models_have_a_page_each(
    log: Log, make_records: MakeRecords, bundle: Bundle, exit_code: ExitCode, tmp_path: Path
) -> None:
    """A page for each version is named after it, and drift of one outweighs that the other could not be judged."""
    await log(make_records(1, seed=2), START, model_version="0123456789ab")
    await log(make_records(300, seed=2, mood=1.5), START + dt.timedelta(hours=1))
    assert await exit_code(*RUN, "--html", str(tmp_path / "report.html")) == 1
    assert _pages(tmp_path) == {"report-0123456789ab.html", f"report-{bundle.manifest.version}.html"}


def _pages(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.html")}


@pytest.mark.usefixtures("calibrated", "undrawn")
async def test_a_version_that_cannot_be_read_ends_with_2(
    log: Log, make_records: MakeRecords, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a line on stderr that quotes no row; the other version is judged."""
    await log(make_records(300, seed=2), START, model_version="0123456789ab", probabilities=None)
    await log(make_records(300, seed=3), START + dt.timedelta(hours=1))
    assert await exit_code(*RUN) == 2
    printed = capsys.readouterr()
    assert printed.out.startswith("no drift: ")
    window = "2026-11-21T00:00:00Z..2026-11-22T00:00:00Z"
    assert printed.err.startswith(f"could not be judged: {window}, model version 0123456789ab: ")


async def test_a_bundle_without_reference_ends_with_2(
    bundle: Bundle, exit_code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the file and the remedy in one line."""
    manifest = bundle.path("bundle.json")
    manifest.write_bytes(msgspec.json.encode(msgspec.json.decode(manifest.read_bytes()) | {"files": {}}))
    bundle.path(REFERENCE).unlink()
    assert await exit_code(*RUN) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "found none; export the model with sentiment-train" in error


@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_damaged_reference_ends_with_2(
    log: Log,
    make_records: MakeRecords,
    bundle: Bundle,
    exit_code: ExitCode,
    is_listed: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is not the manifest's is refused in one line; one that is, and is no parquet, keeps the rest."""
    await log(make_records(300, seed=2), START)
    bundle.path(REFERENCE).write_bytes(b"no parquet")
    if is_listed:
        write_manifest(bundle.folder, sealed(bundle.folder, bundle.manifest))
    path = tmp_path / "run.json"
    assert await exit_code(*RUN, "--json", str(path)) == 2
    error = capsys.readouterr().err
    assert (error.count("\n"), "reference.parquet" in error) == (1, True)
    assert path.exists() == is_listed
    if is_listed:
        (run,) = msgspec.json.decode(path.read_bytes())
        assert {row["metric"]: row["value"] for row in run["metrics"]}["label_share"] is not None
