"""The shadow model scores after the reply, never before live work, and harms nothing when it fails."""

import asyncio
import contextlib
import datetime as dt
import os
import subprocess
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import psutil
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from sentiment_api.app import create_app
from sentiment_api.bundle import open_bundle
from sentiment_api.classifier import Classifier
from sentiment_api.commands.shadow import paired, wilson
from sentiment_api.database.erasures import Subject, erase
from sentiment_api.database.partitions import drop_old_months, first_id
from sentiment_api.database.tables import predictions, shadow_predictions
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.records import FeedbackRecord, PredictionRecord, Record, ShadowRecord, encode
from sentiment_api.prediction_log.segments import frame
from sentiment_api.prediction_log.set_aside import SetAside, find
from sentiment_api.prediction_log.shipper import Shipper
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas import ModelName, Prediction
from sentiment_api.settings import DatabaseSettings, ServiceSettings
from sentiment_api.shadow.comparison import MAX_WAITING, Candidate, Shadow
from sentiment_api.shadow.process import ShadowFailed, ShadowProcess
from sentiment_api.shadow.scoring import ShadowAnswer, ShadowModel

Client = TestClient[Litestar]
Waiting = Callable[[Callable[[], bool], str], None]
NewRecord = Callable[..., PredictionRecord]

PATIENCE_S = 30.0
REVIEW = {"text": "The lid never closes properly."}
PRAISE = {"text": "Great value, works perfectly."}


class FakeScorer:
    """Finds every text positive, or fails. `gate` holds it up; `heard` is what it was told meanwhile."""

    def __init__(self) -> None:
        """The gate is open at first."""
        self.gate = threading.Event()
        self.gate.set()
        self.may_start = threading.Event()
        self.may_start.set()
        self.started = threading.Semaphore(0)
        self.loading = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.texts: list[str] = []
        self.heard: list[str] = []
        self.fails_on: set[str] = set()
        self._stopped = False
        self._discarded = False

    def start(self) -> None:
        """Begin anew."""
        self._discarded = False
        self.started.release()
        assert self.may_start.wait(PATIENCE_S)

    def load(self) -> ShadowModel:
        """Load nothing, as soon as the gate is open."""
        self.loading.release()
        assert self.gate.wait(PATIENCE_S)
        if "load" in self.fails_on:
            raise ShadowFailed("no such folder")
        return ShadowModel("fake", "fedcba987654", ["negative", "positive"], "fake")

    def score(self, text: str, *, whole: bool) -> ShadowAnswer:  # noqa: ARG002 - the protocol has it
        """Return the one answer."""
        self.texts.append(text)
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        if self._stopped or self._discarded or "score" in self.fails_on:
            raise ShadowFailed("its process ended")
        return ShadowAnswer([-1.0, 1.0], [0.25, 0.75], 9.0, 4.0)

    def pause(self) -> None:
        """Note it."""
        self.heard.append("pause")

    def resume(self) -> None:
        """Note it."""
        self.heard.append("resume")

    def discard(self) -> None:
        """Let go of the text."""
        self.heard.append("discard")
        self._discarded = True
        self.gate.set()

    def stop(self) -> None:
        """Let go."""
        self.heard.append("stop")
        self._stopped = True
        self.gate.set()


@pytest.fixture
def scorer() -> FakeScorer:
    """A scorer that answers at once."""
    return FakeScorer()


@pytest.fixture
def metrics() -> Metrics:
    """The metrics of one process."""
    return Metrics()


@pytest.fixture
def shadow(scorer: FakeScorer, spool: Spool, metrics: Metrics) -> Iterator[Shadow]:
    """A shadow of all predictions that runs, by itself."""
    shadow = Shadow(scorer, 1.0, spool, metrics)
    shadow.start()
    yield shadow
    shadow.stop()


NewClient = Callable[..., Client]


@pytest.fixture
def new_client(
    cpu: Classifier, scorer: FakeScorer, without_postgres: Callable[..., ServiceSettings]
) -> Iterator[NewClient]:
    """A function that serves the starter here with that shadow of all predictions; no Postgres."""
    with contextlib.ExitStack() as running:

        def start(**changes: object) -> Client:
            app = create_app(without_postgres(**{"shadow_share": 1.0, **changes}), cpu, scorer)
            return running.enter_context(TestClient(app))

        yield start


def metric(client: Client | httpx.Client, sample: str) -> float:
    """Return the value of one sample of `/metrics`, 0 when there is none."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{sample} ")]
    return float(lines[0].rsplit(" ", 1)[1]) if lines else 0.0


def dropped(metrics: Metrics, reason: str) -> float:
    """Return how many texts were dropped for that reason."""
    return metrics.registry.get_sample_value("sentiment_shadow_dropped_total", {"reason": reason}) or 0.0


def compared(metrics: Metrics) -> float:
    """Return how many texts both models have answered."""
    counts = (
        metrics.registry.get_sample_value("sentiment_shadow_compared_total", {"agreement": each})
        for each in ("same", "other")
    )
    return sum(each or 0.0 for each in counts)


def candidate(text: str = REVIEW["text"]) -> Candidate:
    """Return a live prediction that finds the text negative."""
    live = Prediction(
        prediction_id=uuid7(),
        label="negative",
        score=0.9,
        probabilities={"negative": 0.9, "positive": 0.1},
        model=ModelName("starter", "0123456789ab"),
        tokens=8,
        truncated=False,
    )
    return Candidate(live, text, whole=False)


def shadow_of(record: PredictionRecord) -> ShadowRecord:
    """Return what a shadow says of the record's text."""
    return ShadowRecord(
        prediction_id=record.prediction_id,
        model_name="other",
        model_version="fedcba987654",
        engine="cpu",
        logits=[-0.5, 0.5],
        label="positive",
        score=0.75,
        probabilities={"negative": 0.25, "positive": 0.75},
        latency_ms=12.0,
        processor_ms=5.0,
    )


async def scored(engine: AsyncEngine) -> set[uuid.UUID]:
    """Return the predictions that Postgres holds a shadow's answer for."""
    async with engine.connect() as connection:
        return {uuid.UUID(str(each)) for each in await connection.scalars(select(shadow_predictions.c.prediction_id))}


async def ship(engine: AsyncEngine, spool: Spool, *records: Record) -> Metrics:
    """Ship the records and return the metrics of it."""
    metrics = Metrics()
    for record in records:
        spool.append(encode(record))
    assert await Shipper(spool, engine, metrics).ship()
    return metrics


def test_live_answers_do_not_wait_for_a_shadow_that_hangs(
    new_client: NewClient, scorer: FakeScorer, waiting: Waiting
) -> None:
    """With the shadow stuck in a text every request is answered, readiness stays, and the texts wait."""
    client = new_client()
    scorer.gate.clear()
    for _ in range(5):
        assert client.post("/predict", json=REVIEW).json()["label"] == "negative"
        assert client.get("/health/ready").status_code == 200
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    waiting(lambda: metric(client, "sentiment_shadow_waiting_texts") == 4, "the others wait")
    assert scorer.texts == [REVIEW["text"]]


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(
    new_client: NewClient, scorer: FakeScorer, waiting: Waiting
) -> None:
    """Beside the text that the shadow has, so many wait as the bound says; the live answers are all there."""
    client = new_client()
    scorer.gate.clear()
    client.post("/predict", json=REVIEW)
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    reply = client.post("/predict/batch", json={"items": [{"text": "Good."}] * (MAX_WAITING + 7)})
    assert len([each["label"] for each in reply.json()["results"]]) == MAX_WAITING + 7
    waiting(lambda: metric(client, 'sentiment_shadow_dropped_total{reason="full"}') == 7, "the rest is dropped")
    assert metric(client, "sentiment_shadow_waiting_texts") == MAX_WAITING


def test_agreement_and_distance_are_counted(new_client: NewClient, waiting: Waiting) -> None:
    """Each text that the shadow scored counts as the same label or another, with the distance of the scores."""
    client = new_client()
    live = [client.post("/predict", json=body).json() for body in (REVIEW, PRAISE, PRAISE)]
    waiting(lambda: metric(client, 'sentiment_shadow_compared_total{agreement="same"}') == 2, "two agree")
    waiting(lambda: metric(client, "sentiment_shadow_score_distance_count") == 3, "all are compared")
    assert metric(client, 'sentiment_shadow_compared_total{agreement="other"}') == 1
    expected = sum(abs(each["score"] - {"negative": 0.25, "positive": 0.75}[each["label"]]) for each in live)
    assert metric(client, "sentiment_shadow_score_distance_sum") == pytest.approx(expected)
    info = 'sentiment_shadow_model{engine="fake",name="fake",version="fedcba987654"}'
    assert metric(client, info) == 1


def test_the_shadow_shows_in_health_and_model(new_client: NewClient, waiting: Waiting) -> None:
    """Both say which model it is and how it does."""
    client = new_client(shadow_share=0.25)
    waiting(lambda: client.get("/health/ready").json()["shadow"]["state"] == "ready", "it is loaded")
    expected = {
        "state": "ready",
        "name": "fake",
        "version": "fedcba987654",
        "share": 0.25,
        "waiting": 0,
        "reason": None,
    }
    assert client.get("/health/ready").json()["shadow"] == client.get("/model").json()["shadow"] == expected


def test_without_a_shadow_nothing_is_said_of_one(client: Client) -> None:
    """Health and model have null there."""
    assert client.get("/health/ready").json()["shadow"] is client.get("/model").json()["shadow"] is None


def test_a_text_is_begun_only_while_the_engine_has_nothing_to_do(
    shadow: Shadow, scorer: FakeScorer, waiting: Waiting
) -> None:
    """While live work goes on it waits; with the last of that done it is scored."""
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    shadow.live_begins()
    shadow.offer([candidate()])
    assert not scorer.entered.acquire(timeout=0.1)
    shadow.live_ends()
    assert scorer.entered.acquire(timeout=PATIENCE_S)


def test_a_text_stands_still_while_there_is_live_work(shadow: Shadow, scorer: FakeScorer) -> None:
    """Live work that comes in the middle of a text pauses it, and only then is there something to resume."""
    shadow.live_begins()
    shadow.live_ends()
    scorer.gate.clear()
    shadow.offer([candidate()])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    for _ in range(2):
        shadow.live_begins()
        shadow.live_ends()
    assert scorer.heard == ["pause", "resume"] * 2


def test_the_share_is_chosen_by_the_id(scorer: FakeScorer, spool: Spool, metrics: Metrics) -> None:
    """The same ids are chosen again, about as many as the share says, and none of our own tries."""
    ids = [uuid7() for _ in range(4000)]
    tenth, all_, none = (Shadow(scorer, share, spool, metrics) for share in (0.1, 1.0, 0.0))
    chosen = {each for each in ids if tenth.chooses(each, "api")}
    assert 300 < len(chosen) < 500
    again = Shadow(FakeScorer(), 0.1, spool, metrics)
    assert chosen == {each for each in ids if again.chooses(each, "hf")}
    assert all(all_.chooses(each, "v2") for each in ids)
    assert not any(none.chooses(each, "api") for each in ids)
    assert not any(all_.chooses(each, source) for each in ids for source in ("golden", "console", "bench"))


def test_a_share_beyond_one_is_refused() -> None:
    """The settings take 0 to 1."""
    with pytest.raises(ValueError, match="less than or equal to 1"):
        ServiceSettings(database="embedded", shadow_share=1.5)


@pytest.mark.parametrize("where", ["load", "score"])
def test_a_shadow_that_fails_is_given_up_and_harms_nothing(
    new_client: NewClient, scorer: FakeScorer, waiting: Waiting, where: str
) -> None:
    """It is disabled with a reason, a metric and a log line; requests are answered and readiness stays."""
    scorer.fails_on = {where}
    with capture_logs() as lines:
        client = new_client()
        assert client.post("/predict", json=REVIEW).status_code == 200
        waiting(lambda: metric(client, "sentiment_shadow_disabled") == 1, "it is given up")
    (line,) = [line for line in lines if line["event"] == "shadow model disabled"]
    assert line["reason"] == {"load": "no such folder", "score": "its process ended"}[where]
    assert (line["log_level"], scorer.heard[-1]) == ("error", "stop")
    health = client.get("/health/ready")
    assert (health.status_code, health.json()["shadow"]["state"]) == (200, "disabled")
    assert client.post("/predict", json=REVIEW).status_code == 200
    waiting(lambda: metric(client, 'sentiment_shadow_dropped_total{reason="disabled"}') >= 1, "the next is dropped")


def test_stopping_drops_what_waits(shadow: Shadow, scorer: FakeScorer, metrics: Metrics) -> None:
    """Neither the text that is being scored nor those behind it hold up the stop; what comes later is dropped too."""
    scorer.gate.clear()
    shadow.offer([candidate() for _ in range(3)])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    shadow.stop()
    shadow.offer([candidate()])
    assert (dropped(metrics, "stopping"), shadow.health().state) == (3, "stopped")


def test_an_erasure_drops_what_waits_and_what_is_being_scored(
    shadow: Shadow, scorer: FakeScorer, metrics: Metrics, waiting: Waiting
) -> None:
    """No text stays in memory once this process says that it has purged; the next one is scored as ever."""
    scorer.gate.clear()
    shadow.offer([candidate() for _ in range(3)])
    assert scorer.entered.acquire(timeout=PATIENCE_S)
    shadow.forget()
    assert (scorer.heard, shadow.health().waiting) == (["discard"], 0)
    waiting(lambda: dropped(metrics, "erased") == 3, "all are dropped")
    shadow.offer([candidate(PRAISE["text"])])
    waiting(lambda: compared(metrics) == 1, "the next is scored")
    assert (scorer.texts, shadow.health().state) == ([REVIEW["text"], PRAISE["text"]], "ready")


def test_an_erasure_leaves_a_process_alone_that_has_no_text(shadow: Shadow, scorer: FakeScorer) -> None:
    """Loading it again takes seconds."""
    shadow.forget()
    assert scorer.heard == []


def test_an_erasure_ends_a_process_that_stands_still_in_a_text(
    process: ShadowProcess, spool: Spool, metrics: Metrics, waiting: Waiting
) -> None:
    """Its memory goes with it, however long live work lasts; another is loaded when that is done, and scores."""
    shadow = Shadow(process, 1.0, spool, metrics)
    shadow.start()
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    held = psutil.Process(pid_of(process))
    long = candidate(REVIEW["text"] * 20_000)
    shadow.offer([long._replace(whole=True)])
    waiting(lambda: shadow.health().waiting == 0, "it has the text")
    shadow.live_begins()
    waiting(lambda: held.status() == psutil.STATUS_STOPPED, "it stands still")
    shadow.forget()
    waiting(lambda: has_ended(held), "it is gone")
    shadow.offer([candidate()])
    shadow.live_ends()
    waiting(lambda: compared(metrics) == 1, "the next is scored")
    assert (dropped(metrics, "erased"), pid_of(process) != held.pid) == (1, True)
    shadow.stop()


def test_it_begins_to_load_only_while_the_engine_has_nothing_to_do(
    scorer: FakeScorer, spool: Spool, metrics: Metrics, waiting: Waiting
) -> None:
    """Live work that is there before holds it up; a stop does not wait for that."""
    held, stopped = (Shadow(each, 1.0, spool, metrics) for each in (scorer, FakeScorer()))
    for shadow in (held, stopped):
        shadow.live_begins()
        shadow.start()
    stopped.stop()
    held.offer([candidate()])
    assert not scorer.entered.acquire(timeout=0.1)
    assert held.health().state == "loading"
    held.live_ends()
    waiting(lambda: compared(metrics) == 1, "it is loaded and scores")
    held.stop()


def test_it_stands_still_while_it_is_loaded_and_there_is_live_work(
    scorer: FakeScorer, spool: Spool, metrics: Metrics, waiting: Waiting
) -> None:
    """Live work pauses it in the middle of loading, and as soon as it can be paused when that came before.

    An erasure leaves it alone meanwhile: it has no text.
    """
    shadow = Shadow(scorer, 1.0, spool, metrics)
    scorer.may_start.clear()
    scorer.gate.clear()
    shadow.start()
    assert scorer.started.acquire(timeout=PATIENCE_S)
    shadow.live_begins()
    assert scorer.heard == []
    scorer.may_start.set()
    assert scorer.loading.acquire(timeout=PATIENCE_S)
    assert scorer.heard == ["pause"]
    shadow.live_ends()
    shadow.live_begins()
    shadow.forget()
    shadow.live_ends()
    assert scorer.heard == ["pause", "resume"] * 2
    scorer.gate.set()
    waiting(lambda: shadow.health().state == "ready", "it is loaded")
    shadow.stop()


class Text(str):
    """A text that can be watched."""

    __slots__ = ("__weakref__",)


def test_a_text_that_was_scored_is_let_go(
    shadow: Shadow, scorer: FakeScorer, metrics: Metrics, waiting: Waiting
) -> None:
    """It does not stay in memory until the next one comes: an erasure could not reach it there."""
    text = Text(REVIEW["text"])
    watched = weakref.ref(text)
    shadow.offer([candidate(text)])
    waiting(lambda: compared(metrics) == 1, "it is scored")
    scorer.texts.clear()
    del text
    waiting(lambda: watched() is None, "it is gone")


def test_the_shadow_leaves_half_of_the_spool_to_live_predictions(
    scorer: FakeScorer, tmp_path: Path, metrics: Metrics, waiting: Waiting
) -> None:
    """Beyond it its answers are not kept, and counted; live records still find room."""
    spool = Spool.claim(tmp_path, 1 << 20)
    for _ in range(3):
        spool.append(bytes(200_000))
    before = spool.size_bytes
    shadow = Shadow(scorer, 1.0, spool, metrics)
    shadow.start()
    shadow.offer([candidate()])
    waiting(lambda: dropped(metrics, "log-full") == 1, "its answer is dropped")
    assert spool.size_bytes == before
    spool.append(bytes(200_000))
    shadow.stop()
    spool.close()


@pytest.mark.anyio
async def test_a_shadow_record_that_0_1_set_aside_is_shipped(
    engine: AsyncEngine, tmp_path: Path, new_record: NewRecord
) -> None:
    """That release knows no such kind and wrote what it could not read to one file of frames."""
    record = new_record()
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "set-aside.frames").write_bytes(frame(encode(record)) + frame(encode(shadow_of(record))))
    spool = Spool.claim(tmp_path, 1 << 20)
    assert await Shipper(spool, engine, Metrics()).ship()
    assert await scored(engine) == {record.prediction_id}
    assert not (folder / "set-aside.frames").exists()
    spool.close()


@pytest.mark.anyio
async def test_a_shadow_record_becomes_a_row_once(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """It has the time of its prediction, and shipping it again changes nothing."""
    record = new_record()
    metrics = await ship(engine, spool, record, shadow_of(record), shadow_of(record))
    async with engine.connect() as connection:
        row = (await connection.execute(select(shadow_predictions))).mappings().one()
        live = (await connection.execute(select(predictions))).mappings().one()
    assert (row["prediction_id"], row["created_at"]) == (live["prediction_id"], live["created_at"])
    assert (row["label"], row["score"], row["logits"]) == ("positive", 0.75, [-0.5, 0.5])
    assert row["probabilities"] == {"negative": 0.25, "positive": 0.75}
    assert (row["model_name"], row["model_version"], row["processor_ms"]) == ("other", "fedcba987654", 5.0)
    assert metrics.registry.get_sample_value("sentiment_shipped_records_total", {"kind": "shadow"}) == 2


@pytest.mark.anyio
async def test_erasure_takes_shadow_answers_too(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """By id and by product, stored or still spooled, before or after the erasure; those of others stay."""
    by_id, of_product, kept = new_record(product_id=None), new_record(product_id="mug-7"), new_record(product_id="x")
    records = [by_id, of_product, kept]
    await ship(engine, spool, *records, *map(shadow_of, records))
    await erase(engine, Subject(prediction_id=by_id.prediction_id))
    await erase(engine, Subject.product("mug-7"))
    assert await scored(engine) == {kept.prediction_id}
    metrics = await ship(engine, spool, *map(shadow_of, records))
    assert await scored(engine) == {kept.prediction_id}
    assert metrics.registry.get_sample_value("sentiment_left_out_records_total", {"reason": "erased"}) == 2


@pytest.mark.anyio
async def test_a_shadow_answer_goes_when_its_prediction_is_left_out(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord
) -> None:
    """It was stored while its prediction, of an erased product, was still spooled."""
    record = new_record(product_id="mug-7")
    await ship(engine, spool, shadow_of(record))
    await erase(engine, Subject.product("mug-7"))
    assert await scored(engine) == {record.prediction_id}
    await ship(engine, spool, record)
    assert await scored(engine) == set()


@pytest.mark.anyio
async def test_old_months_take_their_shadow_answers(engine: AsyncEngine, spool: Spool, new_record: NewRecord) -> None:
    """They go with the predictions, and a late spool does not bring them back."""
    now = dt.datetime.now(dt.UTC)
    old, new = (new_record(prediction_id=first_id(now - dt.timedelta(days=days))) for days in (500, 1))
    await ship(engine, spool, old, new, shadow_of(old), shadow_of(new))
    await drop_old_months(engine, dt.timedelta(days=400))
    await ship(engine, spool, shadow_of(old))
    assert await scored(engine) == {new.prediction_id}


def test_a_refused_shadow_record_is_set_aside_beside_its_prediction(spool: Spool, new_record: NewRecord) -> None:
    """Its name is not the prediction's, so that neither file replaces the other."""
    record = new_record()
    for each in (record, shadow_of(record)):
        SetAside("22021", each).save(spool.folder)
    names = [str(record.prediction_id), f"shadow-{record.prediction_id}"]
    found = find(spool.folder.parent, names)
    assert [aside.kind for _, aside in found] == ["prediction", "shadow"]


@pytest.fixture
def process(other_model: Path) -> Iterator[ShadowProcess]:
    """The real process, on another model than the one that serves; not loaded yet."""
    process = ShadowProcess(other_model, "cpu")
    yield process
    process.stop()


def pid_of(process: ShadowProcess) -> int:
    """Return its process id."""
    assert process._process is not None
    return process._process.pid


@pytest.mark.parametrize("whole", [False, True])
def test_the_process_answers_as_its_model_does(process: ShadowProcess, other_model: Path, whole: bool) -> None:
    """It reads the beginning or all of a text, as told, and gives that model's logits and probabilities."""
    text = "The lid never closes properly. " * 200 + "And yet I love it!"
    process.start()
    model = process.load()
    classifier = Classifier.load(open_bundle(other_model), "cpu", 1)
    assert (model.version, model.labels) == (classifier.bundle.manifest.version, classifier.labels)
    answer = process.score(text, whole=whole)
    reading = classifier.read(text, whole=whole)
    assert (len(reading.windows) > 1) is whole
    expected = reading.pooled([classifier.forward([window.ids]).logits[0] for window in reading.windows])
    assert answer.logits == pytest.approx(expected.tolist(), abs=1e-5)
    assert answer.probabilities == pytest.approx(classifier.calibrate(expected).tolist(), abs=1e-5)
    assert answer.latency_ms > 0
    assert answer.processor_ms > 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such priority")
def test_the_process_is_behind_everything(process: ShadowProcess) -> None:
    """It runs only where nobody else wants the processor, and is the first to go when memory runs out."""
    process.start()
    process.load()
    pid = pid_of(process)
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"


def test_the_process_stands_still_when_told(process: ShadowProcess, waiting: Waiting) -> None:
    """Paused it uses no processor, and it answers once it is resumed."""
    process.start()
    process.load()
    process.pause()
    waiting(lambda: psutil.Process(pid_of(process)).status() == psutil.STATUS_STOPPED, "it stands still")
    answers: list[ShadowAnswer] = []
    asking = threading.Thread(target=lambda: answers.append(process.score("Fine.", whole=False)))
    asking.start()
    asking.join(0.2)
    assert answers == []
    process.resume()
    asking.join(PATIENCE_S)
    assert len(answers) == 1


def test_a_process_that_dies_fails_the_shadow(process: ShadowProcess) -> None:
    """Whoever waits for an answer hears how it ended."""
    process.start()
    process.load()
    psutil.Process(pid_of(process)).kill()
    with pytest.raises(ShadowFailed, match="its process ended by signal 9"):
        process.score("Fine.", whole=False)


def test_stopping_the_process_while_it_stands_still_ends_it(process: ShadowProcess) -> None:
    """Nothing of it is left."""
    process.start()
    process.load()
    pid = pid_of(process)
    process.pause()
    process.stop()
    assert not psutil.pid_exists(pid)


def has_ended(process: psutil.Process) -> bool:
    """Return whether it is gone, or only waits to be taken note of by whoever takes over orphans."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


STARTED_AND_PAUSED = """
import sys, time
from pathlib import Path
from sentiment_api.shadow.process import ShadowProcess
process = ShadowProcess(Path(sys.argv[1]), "cpu")
process.start()
process.pause()
print(process._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell nobody of a parent's death")
def test_a_process_that_stands_still_goes_with_its_service(other_model: Path, waiting: Waiting) -> None:
    """A service that is killed has no time to end it, and stopped as it is it cannot hear that the service hung up."""
    command = [sys.executable, "-c", STARTED_AND_PAUSED, str(other_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as service:
        assert service.stdout is not None
        left = psutil.Process(int(service.stdout.readline()))
        try:
            waiting(lambda: left.status() == psutil.STATUS_STOPPED, "it stands still")
            service.kill()
            waiting(lambda: has_ended(left), "it is gone")
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()


def test_a_folder_that_is_no_bundle_fails_with_what_was_expected(tmp_path: Path) -> None:
    """The reason is the one that the service itself would give at its start."""
    process = ShadowProcess(tmp_path / "nothing", "cpu")
    process.start()
    with pytest.raises(ShadowFailed, match="expected a model bundle, found no folder"):
        process.load()
    process.stop()


@pytest.mark.anyio
async def test_the_service_keeps_what_its_shadow_answers(
    new_service: Callable[..., Any], engine: AsyncEngine, other_model: Path, waiting: Waiting
) -> None:
    """With real processes the live row has the live model's answer and the shadow's row its own."""
    service = new_service(SENTIMENT_SHADOW_MODEL=str(other_model), SENTIMENT_SHADOW_SHARE="1")
    waiting(lambda: httpx.get(f"{service.url}/model").json()["shadow"]["state"] == "ready", "the shadow is loaded")
    texts = [REVIEW["text"], PRAISE["text"], "Not sure what to think of it."]
    live = {
        uuid.UUID(each["prediction_id"]): (text, each)
        for text in texts
        for each in [httpx.post(f"{service.url}/predict", json={"text": text}).json()]
    }
    with httpx.Client(base_url=service.url) as operator:
        shipped = 'sentiment_shipped_records_total{kind="shadow"}'
        waiting(lambda: metric(operator, shipped) == len(texts), "its answers are stored")
    assert service.stop() == 0
    other = Classifier.load(open_bundle(other_model), "cpu", 1)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(shadow_predictions))).mappings().all()
    assert {row["prediction_id"] for row in rows} == set(live)
    for row in rows:
        text, answer = live[row["prediction_id"]]
        expected = other.classify(text)
        assert row["model_version"] == other.bundle.manifest.version != answer["model"]["version"]
        assert list(row["probabilities"].values()) == pytest.approx(expected.tolist(), abs=1e-3)
        assert (row["label"], row["score"]) == (
            other.labels[int(np.argmax(expected))],
            pytest.approx(float(expected.max()), abs=1e-3),
        )
        assert row["score"] < answer["score"], "the other model is less sure of everything"


def test_a_service_whose_shadow_is_no_bundle_serves(
    new_service: Callable[..., Any], tmp_path: Path, waiting: Waiting
) -> None:
    """It is ready and answers, and its health says what was expected of the folder."""
    service = new_service(SENTIMENT_SHADOW_MODEL=str(tmp_path / "nothing"), SENTIMENT_SHADOW_SHARE="1")
    waiting(lambda: httpx.get(f"{service.url}/health").json()["shadow"]["state"] == "disabled", "it is given up")
    assert "expected a model bundle" in httpx.get(f"{service.url}/health").json()["shadow"]["reason"]
    assert httpx.post(f"{service.url}/predict", json=REVIEW).status_code == 200


def test_intervals_are_those_of_the_books() -> None:
    """Wilson's for 15 of 148, as in Newcombe 1998, and the paired one as worked out by hand."""
    assert wilson(15, 148) == pytest.approx((0.1014, 0.0624, 0.1605), abs=5e-5)
    assert paired(132, 107, 1144) == pytest.approx((-0.02185, -0.04828, 0.00465), abs=1e-5)


@pytest.mark.anyio
async def test_the_report_compares_with_feedback(
    engine: AsyncEngine, spool: Spool, new_record: NewRecord, database_settings: DatabaseSettings
) -> None:
    """One text is out of the time, one is a repeat, one has no feedback; of the rest each model has its share right."""
    now = dt.datetime.now(dt.UTC)
    old = new_record(prediction_id=first_id(now - dt.timedelta(days=3)))
    records = [new_record(prediction_id=first_id(now + dt.timedelta(milliseconds=each))) for each in range(5)]
    records[1], records[4] = (msgspec.structs.replace(each, idempotency_key="order-66") for each in records[1::3])
    ratings = [1, 5, 5]  # the live model says negative, its shadow positive
    feedback = [
        FeedbackRecord(
            feedback_id=uuid7(), prediction_id=record.prediction_id, rating=rating, label=None, request_id="r-1"
        )
        for record, rating in zip(records, ratings, strict=False)
    ]
    await ship(engine, spool, old, shadow_of(old), *records, *map(shadow_of, records), *feedback)
    since = (now - dt.timedelta(days=1)).isoformat()
    done = await asyncio.to_thread(report, database_settings, "--from", since)
    assert done.stdout.splitlines() == [
        "live 0123456789ab, shadow fedcba987654",
        "  texts                 4",
        f"  same label      {wilson(0, 4)}",
        "  with feedback         3",
        f"  live right      {wilson(1, 3)}",
        f"  shadow right    {wilson(2, 3)}",
        f"  shadow - live   {paired(1, 2, 3)}",
    ], done.stderr
    none = await asyncio.to_thread(report, database_settings, "--to", "2020-01-01T00:00:00Z")
    assert (none.returncode, none.stdout) == (0, "no shadow answers in that time\n")


def report(database: DatabaseSettings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `sentiment-api shadow report`."""
    assert database.database_url is not None
    return subprocess.run(
        [sys.executable, "-m", "sentiment_api", "shadow", "report", *arguments],
        env={"SENTIMENT_DATABASE_URL": database.database_url.get_secret_value(), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
