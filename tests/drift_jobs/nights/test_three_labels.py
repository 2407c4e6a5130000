"""A shop whose model has three labels, from the prediction log to the page, the exit code and the floors."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from drift_jobs.judging.metrics import practical_floor
from drift_jobs.nights.plan import JudgingPlan
from drift_jobs.runs import DriftRun, MetricRow
from drift_jobs.storage.results import read_html
from drift_jobs.windows import Window
from sentiment_api.database.tables import drift_floors
from sentiment_api.model.bundle import Bundle, GoldenText, open_bundle, sealed, write_manifest
from sentiment_api.settings import DatabaseSettings
from tests.protocols import ExitCode, Judge, Log, MakeThreeLabelRecords, Rate, Receive

Record = dict[str, Any]

LABELS = ["negative", "neutral", "positive"]
RATINGS = dict(zip(LABELS, (1, 3, 5), strict=True))
START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
GOLDEN = [0.1, 0.3, 0.6]

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def make_records(make_records: MakeThreeLabelRecords) -> MakeThreeLabelRecords:
    """Makes the reviews of the shop with two labels as a model of three labels answers them."""

    def make(n: int, seed: int, **moved: float) -> list[Record]:
        return [_three_way(record) for record in make_records(n, seed, **moved)]

    return make


@pytest.fixture
def bundle(bundle: Bundle) -> Bundle:
    """The bundle with a reference, labels and a golden text of three labels."""
    manifest = replace(
        bundle.manifest,
        labels=LABELS,
        rating_labels={"1": "negative", "2": "negative", "3": "neutral", "4": "positive", "5": "positive"},
        golden=[GoldenText("The kettle sings", {"cpu": GOLDEN})],
    )
    write_manifest(bundle.folder, sealed(bundle.folder, manifest))
    return open_bundle(bundle.folder)


def _three_way(record: Record) -> Record:
    """Return the record with a neutral label between the two, and a true label drawn by the probabilities."""
    log_odds = record["logits"][1]
    logits = np.array([-log_odds, 0.5, log_odds])
    probabilities = np.exp(logits) / np.exp(logits).sum()
    drawn = NormalDist().cdf(record["embedding"][2])  # a normal number that nothing else depends on
    target = LABELS[min(int(np.searchsorted(probabilities.cumsum(), drawn)), 2)]
    return record | {
        "logits": logits.tolist(),
        "probabilities": probabilities.tolist(),
        "label": LABELS[int(probabilities.argmax())],
        "target": target,
        "rating": RATINGS[target],
    }


def _rows(run: DriftRun) -> dict[str, MetricRow]:
    return {row.metric: row for row in run.metrics}


async def test_quiet_and_drifted_windows_of_three_labels(
    engine: AsyncEngine, log: Log, make_records: MakeThreeLabelRecords, plan: JudgingPlan, judge: Judge, rate: Rate
) -> None:
    """Quiet is none and a changed mood drift, by floors that were learned; the page shows each logit."""
    records = make_records(300, seed=2)
    await rate(await log(records, START), [record["rating"] for record in records])
    await log(make_records(300, seed=3, mood=1.5), START + DAY)
    thorough = replace(plan, quiet_windows=200)
    (quiet,), (drifted,) = [await judge(thorough, Window(start, start + DAY)) for start in (START, START + DAY)]

    rows = _rows(quiet)
    assert quiet.verdict == "none"
    right = sum(record["label"] == record["target"] for record in records)
    assert rows["accuracy"].n == 300
    assert rows["accuracy"].value == pytest.approx(right / 300)
    assert rows["estimated_accuracy"].value == pytest.approx(right / 300, abs=0.1)
    assert {f"logit_{name}" for name in LABELS} | {f"share_em_{name}" for name in LABELS} <= set(rows)

    moved = _rows(drifted)
    assert drifted.verdict == moved["logits"].verdict == "drift"
    assert (moved["label_share"].direction, moved["logit_positive"].verdict) == ("up", "not_judged")
    async with engine.connect() as connection:
        floor = await connection.scalar(select(drift_floors.c.floor).where(drift_floors.c.metric == "logits"))
        page = await read_html(connection, drifted.run_id)
    assert floor is not None
    assert floor >= practical_floor("logits")
    assert drifted.reason in page
    assert "Described by Evidently" in page
    assert "logit_neutral" in page.partition("<body>")[0]  # where Evidently keeps what its widgets show


async def test_a_night_of_three_labels_through_the_command_line(
    log: Log,
    make_records: MakeThreeLabelRecords,
    bundle: Bundle,
    receive: Receive,
    exit_code: ExitCode,
    database_settings: DatabaseSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Golden texts that moved are drift and exit code 1, with the page; asked again when they did not, it is 0."""
    assert database_settings.database_url is not None
    monkeypatch.setenv("SENTIMENT_DATABASE_URL", database_settings.database_url.get_secret_value())
    monkeypatch.setenv("SENTIMENT_DRIFT_QUIET_WINDOWS", "200")
    await log(make_records(300, seed=2), START)
    html, path = tmp_path / "report.html", tmp_path / "run.json"
    judged = ("--date", "2026-11-21", "--reference", "bundle", "--model", str(bundle.folder), "--min-rows", "200")
    night = ("nightly", *judged, "--html", str(html), "--json", str(path))

    assert await exit_code(*night, "--service-url", receive(_service(bundle, [0.2, 0.3, 0.5])).url) == 1
    (run,) = msgspec.json.decode(path.read_bytes(), type=list[DriftRun])
    assert _rows(run)["golden"].value == pytest.approx(0.1)
    assert _rows(run)["logits"].verdict == "none"
    assert "1 golden texts moved by up to 0.100" in html.read_text(encoding="utf-8")
    assert await exit_code(*night, "--service-url", receive(_service(bundle, GOLDEN)).url) == 0


def _service(bundle: Bundle, probabilities: list[float]) -> Callable[[Any], tuple[int, object]]:
    """Return how a service answers that gives every text these probabilities."""

    def answer(request: Any) -> tuple[int, object]:
        if request.path == "/model":
            return 200, {"name": "shop", "version": bundle.manifest.version, "engine": "cpu", "labels": LABELS}
        assert json.loads(request.body) == {"text": "The kettle sings"}
        named = dict(zip(LABELS, probabilities, strict=True))
        return 200, {"label": "positive", "score": max(probabilities), "probabilities": named}

    return answer
