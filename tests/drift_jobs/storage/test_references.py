"""What a model version is compared with, and what is said when there is nothing."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.errors import ReferenceUnavailable, WindowInvalid
from drift_jobs.storage.baselines import accept_baseline
from drift_jobs.storage.counts import input_state
from drift_jobs.storage.references import (
    LoadedReference,
    WantedReference,
    choose_reference,
    load_reference,
    parse_reference,
)
from drift_jobs.windows import Window, parse_window
from sentiment_api.database.partitions import drop_old_months
from sentiment_api.model.bundle import REFERENCE, Bundle
from tests.protocols import Log, MakeRecords, Resolve

UTC = ZoneInfo("UTC")
START = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
NIGHT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
JUDGED = Window(NIGHT, NIGHT + dt.timedelta(days=1))
WEEK = Window(START, START + dt.timedelta(days=7))


@pytest.fixture
def find(engine: AsyncEngine, bundle: Bundle) -> Resolve:
    """Resolves a reference as it is written, for the night of the 21st and the bundle's version."""

    async def found(written: str, *, version: str | None = None, **options: Any) -> LoadedReference:
        reference = parse_reference(written, UTC)
        wanted = version or bundle.manifest.version
        async with engine.begin() as connection:
            chosen = await choose_reference(connection, bundle, wanted, reference, JUDGED, zone=UTC)
            return await load_reference(connection, bundle, wanted, chosen, **options)

    return found


@pytest.mark.anyio
async def test_the_bundles_reference_is_read_as_a_frame(find: Resolve, bundle: Bundle) -> None:
    """Log-odds, score and targets come from the file; its checksum is the state."""
    found = await find("bundle")
    stored = pd.read_parquet(bundle.path(REFERENCE))
    assert found.frame is not None
    assert (found.name, found.alarming, found.lacking) == ("bundle", True, "")
    assert found.state == bundle.manifest.files[REFERENCE]
    assert found.frame["logit"].to_list() == pytest.approx([negative[1] - negative[0] for negative in stored["logits"]])
    assert found.frame["score"].to_list() == pytest.approx([max(row) for row in stored["probabilities"]])
    assert found.frame["target"].to_list() == stored["target"].to_list()


@pytest.mark.anyio
async def test_a_bundle_without_reference_says_so(find: Resolve, bundle: Bundle) -> None:
    """The reason names the missing file and what can be done."""
    bundle.path(REFERENCE).unlink()
    found = await find("bundle")
    assert found.frame is None
    assert "found none; export the model" in found.lacking


@pytest.mark.anyio
@pytest.mark.parametrize("damage", ["column", "width", "bytes"])
async def test_a_reference_of_another_kind_is_refused(damage: str, find: Resolve, bundle: Bundle) -> None:
    """A missing column, three logits for two labels, or a file that is no parquet are one clear reason."""
    path = bundle.path(REFERENCE)
    rows = pd.read_parquet(path)
    if damage == "column":
        rows.drop(columns="words").to_parquet(path)
    elif damage == "width":
        rows.assign(logits=[[0.0, 0.0, 0.0]] * len(rows)).to_parquet(path)
    else:
        path.write_bytes(b"not a parquet file")
    found = await find("bundle")
    assert found.frame is None
    assert "reference.parquet" in found.lacking


@pytest.mark.anyio
async def test_another_version_is_not_compared_with_the_bundle(find: Resolve) -> None:
    """Logits of different models are never compared: the reason names both versions."""
    found = await find("bundle", version="0123456789ab")
    assert found.frame is None
    assert found.lacking.startswith("expected a reference of model version 0123456789ab, found ")


@pytest.mark.anyio
async def test_a_window_of_the_log_is_read_for_one_version(
    find: Resolve, engine: AsyncEngine, log: Log, make_records: MakeRecords
) -> None:
    """Its frame has that version's rows; its state is that of the window."""
    await log(make_records(30, seed=1), START, model_version="mine")
    await log(make_records(20, seed=2), START, model_version="other")
    found = await find(f"window:{WEEK}", version="mine")
    assert found.frame is not None
    assert (found.name, len(found.frame)) == (f"window:{WEEK}", 30)
    assert "segment_product" in found.frame
    async with engine.connect() as connection:
        assert found.state == await input_state(connection, WEEK, "mine")


@pytest.mark.anyio
async def test_reference_windows_are_sampled_above_a_cap(find: Resolve, log: Log, make_records: MakeRecords) -> None:
    """About as many rows as the cap are read."""
    await log(make_records(300, seed=1), START)
    found = await find(f"window:{WEEK}", cap=50)
    assert found.frame is not None
    assert 15 < len(found.frame) < 85


@pytest.mark.anyio
async def test_a_window_is_not_compared_with_itself(find: Resolve, log: Log, make_records: MakeRecords) -> None:
    """A reference that holds the night's first hour, its last one or all of it is refused; one beside it is not."""
    hour = dt.timedelta(hours=1)
    await log(make_records(30, seed=1), START)
    await log(make_records(30, seed=1), JUDGED.end)
    first, last = Window(START, NIGHT + hour), Window(JUDGED.end - hour, JUDGED.end + hour)
    for held in (first, last, Window(NIGHT + hour, NIGHT + 2 * hour)):
        assert f"does not overlap {JUDGED}" in (await find(f"window:{held}")).lacking
    for beside in (Window(START, NIGHT), Window(JUDGED.end, JUDGED.end + hour)):
        assert (await find(f"window:{beside}")).lacking == ""


@pytest.mark.anyio
async def test_an_empty_window_or_another_models_labels_are_reasons(
    find: Resolve, log: Log, make_records: MakeRecords
) -> None:
    """Without rows of the version, or with other labels, there is nothing to compare with."""
    await log(make_records(5, seed=1), START, probabilities={"bad": 0.5, "good": 0.5}, model_version="other")
    assert "found none" in (await find(f"window:{WEEK}")).lacking
    assert "expected the labels negative, positive" in (await find(f"window:{WEEK}", version="other")).lacking


@pytest.mark.anyio
async def test_the_accepted_baseline_is_the_reference(
    find: Resolve, engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """`baseline` and `auto` both take it, for its own version only."""
    await log(make_records(30, seed=1), START)
    async with engine.begin() as connection:
        await accept_baseline(connection, bundle.manifest.version, WEEK, 30, "accepted", NIGHT)
    for written in ("baseline", "auto"):
        found = await find(written)
        assert found.frame is not None
        assert (found.name, found.alarming, len(found.frame)) == (f"baseline:{WEEK}", True, 30)
    assert "found none; accept one" in (await find("baseline", version="other")).lacking


@pytest.mark.anyio
async def test_a_dropped_baseline_is_a_reason(
    find: Resolve, engine: AsyncEngine, log: Log, make_records: MakeRecords, bundle: Bundle
) -> None:
    """When the months of an accepted baseline were dropped for their age, the reason says what to do."""
    old = parse_window("2025-01-10..2025-01-24", UTC)
    await log(make_records(30, seed=1), old.start)
    async with engine.begin() as connection:
        await accept_baseline(connection, bundle.manifest.version, old, 30, "accepted", NIGHT)
    await drop_old_months(engine, dt.datetime.now(dt.UTC) - dt.datetime(2025, 6, 15, tzinfo=dt.UTC))
    found = await find("auto")
    assert found.frame is None
    assert "dropped for their age; give or accept a later window" in found.lacking


def test_references_are_named_as_they_are_written() -> None:
    """What was read writes itself again, and does not depend on how the moments were written."""
    for written in ("auto", "bundle", "baseline"):
        assert str(parse_reference(written, UTC)) == written
    window = parse_reference("window:2026-11-01..2026-11-02T01:00+01:00", UTC)
    assert window == WantedReference("window", parse_window("2026-11-01..2026-11-02", UTC))
    assert str(window) == "window:2026-11-01T00:00:00Z..2026-11-02T00:00:00Z"


def test_other_references_are_refused() -> None:
    """What is none of the four is an error that names them."""
    with pytest.raises(ReferenceUnavailable, match=r"auto, bundle, baseline or window:START\.\.END"):
        parse_reference("last-week", UTC)
    with pytest.raises(WindowInvalid):
        parse_reference("window:last-week", UTC)
