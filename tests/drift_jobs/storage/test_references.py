"""The bundle's reference, and how references are written."""

from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.errors import ReferenceUnavailable, WindowInvalid
from drift_jobs.storage.references import parse_reference, read_reference, reference_name
from sentiment_api.bundle import REFERENCE, Bundle

UTC = ZoneInfo("UTC")


@pytest.mark.anyio
async def test_the_bundles_reference_is_read_as_a_frame(engine: AsyncEngine, bundle: Bundle) -> None:
    """Log-odds, score and targets come from the file, under the bundle's version."""
    async with engine.connect() as connection:
        reference = await read_reference(connection, bundle, None)
    frame = reference.frames[bundle.manifest.version]
    stored = pd.read_parquet(bundle.path(REFERENCE))
    assert reference.name == "bundle"
    assert frame["logit"].to_list() == pytest.approx([negative[1] - negative[0] for negative in stored["logits"]])
    assert frame["score"].to_list() == pytest.approx([max(row) for row in stored["probabilities"]])
    assert frame["target"].to_list() == stored["target"].to_list()


@pytest.mark.anyio
async def test_a_bundle_without_reference_says_so(engine: AsyncEngine, bundle: Bundle) -> None:
    """The error names the missing file and what can be done."""
    bundle.path(REFERENCE).unlink()
    async with engine.connect() as connection:
        with pytest.raises(ReferenceUnavailable, match="found none; export the model"):
            await read_reference(connection, bundle, None)


@pytest.mark.anyio
@pytest.mark.parametrize("damage", ["column", "width", "bytes"])
async def test_a_reference_of_another_kind_is_refused(damage: str, engine: AsyncEngine, bundle: Bundle) -> None:
    """A missing column, three logits for two labels, or a file that is no parquet are one clear error."""
    path = bundle.path(REFERENCE)
    rows = pd.read_parquet(path)
    if damage == "column":
        rows.drop(columns="words").to_parquet(path)
    elif damage == "width":
        rows.assign(logits=[[0.0, 0.0, 0.0]] * len(rows)).to_parquet(path)
    else:
        path.write_bytes(b"not a parquet file")
    async with engine.connect() as connection:
        with pytest.raises(ReferenceUnavailable, match=r"reference\.parquet"):
            await read_reference(connection, bundle, None)


def test_references_are_named_as_they_are_written() -> None:
    """`bundle` and `window:START..END` read, and their names do not depend on how the moments were written."""
    assert parse_reference("bundle", UTC) is None
    window = parse_reference("window:2026-11-01..2026-11-02T01:00+01:00", UTC)
    assert reference_name(window) == "window:2026-11-01T00:00:00Z..2026-11-02T00:00:00Z"
    assert reference_name(None) == "bundle"


def test_other_references_are_refused() -> None:
    """What is neither is an error that names both."""
    with pytest.raises(ReferenceUnavailable, match=r"bundle or window:START\.\.END"):
        parse_reference("last-week", UTC)
    with pytest.raises(WindowInvalid):
        parse_reference("window:last-week", UTC)
