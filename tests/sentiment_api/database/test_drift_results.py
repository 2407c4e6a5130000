"""The drift job's results: how segments are shown to people, and that an erased product leaves nothing in them."""

import gzip
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.drift_results import ERASED_REASON, SHOWN_CHARACTERS, product_segment, shown_segment
from sentiment_api.database.erasures import ErasureTarget, erase
from sentiment_api.database.tables import drift_metrics, drift_runs
from tests.protocols import StoreRun

pytestmark = pytest.mark.anyio
REPORTS: dict[str, Any] = {"report_html": gzip.compress(b"<p>mug-7"), "report_json": gzip.compress(b"{}")}
CAUSES: dict[str, Any] = {"descriptors": [], "mix": None, "novel": []}
HOSTILE = "mug\n" + "7" * 150


def reason_on(*product_ids: str) -> str:
    """Return a reason as the judge writes it."""
    named = (
        f"label_share of {shown_segment(product_segment(each))} down (effect 0.30, floor 0.10)" for each in product_ids
    )
    return "2 of 15 tests found a change: words up (effect 0.20, floor 0.10), " + ", ".join(named)


def metrics_on(*product_ids: str) -> list[dict[str, Any]]:
    """Return metrics of the whole window and of these products."""
    segments = ["", *map(product_segment, product_ids)]
    return [{"segment": segment, "metric": metric} for segment in segments for metric in ("words", "label_share")]


def details_on(*product_ids: str) -> dict[str, Any]:
    """Return details whose causes are these products."""
    changes = [{"metric": "words", "segment": product_segment(each), "effect": 0.3} for each in product_ids]
    return {"alarming": True, "timezone": "Europe/Berlin", "causes": CAUSES | {"segments": changes}}


async def run_in(engine: AsyncEngine, run_id: UUID) -> RowMapping:
    """Return a run as Postgres has it."""
    async with engine.connect() as connection:
        return (await connection.execute(select(drift_runs).where(drift_runs.c.run_id == run_id))).mappings().one()


async def segments_in(engine: AsyncEngine, run_id: UUID) -> set[str]:
    """Return the segments that a run has metrics of."""
    async with engine.connect() as connection:
        return set(await connection.scalars(select(drift_metrics.c.segment).where(drift_metrics.c.run_id == run_id)))


@pytest.mark.parametrize("product_id", ["mug-7", HOSTILE])
async def test_a_run_that_names_it_keeps_nothing_of_it(
    engine: AsyncEngine, store_run: StoreRun, product_id: str
) -> None:
    """Its metrics, its mention in reason and causes, and the reports go; the verdict and other segments stay."""
    both = (product_id, "mug-77")
    run_id = await store_run(
        verdict="drift", reason=reason_on(*both), metrics=metrics_on(*both), details=details_on(*both), **REPORTS
    )
    await erase(engine, ErasureTarget.product(product_id))
    run = await run_in(engine, run_id)
    assert (run["verdict"], run["reason"]) == ("drift", ERASED_REASON)
    assert run["details"] == details_on("mug-77")
    assert (run["report_html"], run["report_json"]) == (None, None)
    assert await segments_in(engine, run_id) == {"", "product:mug-77"}


async def test_a_reason_that_does_not_name_it_stays(engine: AsyncEngine, store_run: StoreRun) -> None:
    """A product that was tested among others is taken out of the figures and the report, and no sentence is lost."""
    reason = reason_on("mug-77")
    run_id = await store_run(reason=reason, metrics=metrics_on("mug-7"), details={"alarming": True}, **REPORTS)
    await erase(engine, ErasureTarget.product("mug-7"))
    run = await run_in(engine, run_id)
    assert (run["reason"], run["details"], run["report_html"]) == (reason, {"alarming": True}, None)
    assert await segments_in(engine, run_id) == {""}


@pytest.mark.parametrize("product_id", ["mug-7", "mug%"])
async def test_runs_on_other_products_stay_as_they_are(
    engine: AsyncEngine, store_run: StoreRun, product_id: str
) -> None:
    """A product whose name begins alike loses nothing, nor does the erasure of one prediction touch a run."""
    run_id = await store_run(
        reason=reason_on("mug-77"), metrics=metrics_on("mug-77"), details=details_on("mug-77"), **REPORTS
    )
    before = await run_in(engine, run_id)
    await erase(engine, ErasureTarget.product(product_id))
    await erase(engine, ErasureTarget(prediction_id=run_id))
    assert dict(await run_in(engine, run_id)) == dict(before)
    assert await segments_in(engine, run_id) == {"", "product:mug-77"}


def test_a_plain_segment_is_shown_as_it_is() -> None:
    """Spaces, umlauts and emoji are nobody's harm."""
    assert shown_segment(product_segment("Große Tasse 🙂")) == "product:Große Tasse 🙂"


def test_unprintable_characters_are_replaced() -> None:
    """Line breaks, escape characters and those that turn the writing direction."""
    assert shown_segment("a\nb\r\x1b\x9b\u2028\u202e\x7fc") == "a\ufffdb" + 6 * "\ufffd" + "c"


def test_a_long_segment_is_cut() -> None:
    """80 characters are shown; of more the last one says that something is missing."""
    assert shown_segment("x" * SHOWN_CHARACTERS) == "x" * 80
    assert shown_segment("x" * (SHOWN_CHARACTERS + 1)) == "x" * 79 + "…"
