"""A made-up shop: reviews whose sentiment, form and embedding come from one seeded source; and what is around it."""

import asyncio
import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from evidently import Report
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from drift_jobs.__main__ import main
from drift_jobs.judging.frames import DESCRIPTORS, LabelSet, sample_frame
from sentiment_api.database.partitions import make_months, month_of
from sentiment_api.database.tables import feedback, predictions
from sentiment_api.model.bundle import REFERENCE, Bundle, Manifest, open_bundle, sealed, write_manifest
from sentiment_api.model.descriptors import DESCRIPTORS_VERSION
from tests.protocols import ExitCode, Log, MakeFrame, MakeRecords, Rate

Record = dict[str, Any]

DAY = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
TEXT = "The zipper <b>broke</b> on day one"


@pytest.fixture(scope="session")
def labels() -> LabelSet:
    """Two labels, the second one positive."""
    return LabelSet(("negative", "positive"), "positive")


@pytest.fixture(scope="session")
def make_records() -> MakeRecords:
    """Makes `n` reviews with predictions; `mood` moves the sentiment, `wordiness` multiplies the length."""

    def make(n: int, seed: int, *, mood: float = 0.0, wordiness: float = 1.0) -> list[Record]:
        random = np.random.default_rng(seed)
        log_odds = random.normal(mood, 2.0, n)
        truth = random.random(n) < 1 / (1 + np.exp(-log_odds))
        words = random.poisson(40 * wordiness, n)
        noise = random.normal(size=(n, 4))
        products = [f"p{number}" for number in random.integers(0, max(1, n // 4), n)]
        return [_record(*values) for values in zip(log_odds, truth, words, noise, products, strict=True)]

    return make


@pytest.fixture(scope="session")
def make_frame(labels: LabelSet) -> MakeFrame:
    """Turns reviews into a frame."""

    def make(records: Sequence[Record]) -> pd.DataFrame:
        return sample_frame(
            labels,
            logits=np.array([record["logits"] for record in records]).reshape(-1, 2),
            probabilities=np.array([record["probabilities"] for record in records]).reshape(-1, 2),
            descriptors={name: [record["descriptors"][name] for record in records] for name in DESCRIPTORS},
            product=[record["product_cluster"] for record in records],
            **{name: [record[name] for record in records] for name in ("label", "target", "embedding")},
        )

    return make


@pytest.fixture
def bundle(tmp_path: Path, make_records: MakeRecords) -> Bundle:
    """A bundle with a reference of 1,500 rows and nothing that could answer."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    columns = [record | record["descriptors"] for record in make_records(1500, seed=1)]
    pd.DataFrame(columns).drop(columns="descriptors").to_parquet(folder / REFERENCE)
    ratings = {"1": "negative", "2": "negative", "3": None, "4": "positive", "5": "positive"}
    manifest = Manifest(name="shop", version="", labels=["negative", "positive"], rating_labels=ratings, max_tokens=256)
    write_manifest(folder, sealed(folder, manifest))
    return open_bundle(folder)


@pytest.fixture
def log(engine: AsyncEngine, bundle: Bundle) -> Log:
    """Writes reviews into the prediction log, one a second from `start` on, and returns their ids."""

    async def write(records: Sequence[Record], start: dt.datetime = DAY, **columns: object) -> list[uuid.UUID]:
        moments = [start + dt.timedelta(seconds=number) for number in range(len(records))]
        rows = [_row(record, moment, bundle) | columns for record, moment in zip(records, moments, strict=True)]
        async with engine.begin() as connection:
            await make_months(connection, [month_of(start)])
            await connection.execute(insert(predictions), rows)
        return [row["prediction_id"] for row in rows]

    return write


@pytest.fixture
def rate(engine: AsyncEngine) -> Rate:
    """Writes feedback of these ratings on these predictions, received when the day ends unless said otherwise."""

    async def write(
        ids: Sequence[uuid.UUID],
        ratings: Sequence[int],
        received_at: dt.datetime = DAY + dt.timedelta(days=1),
        **columns: object,
    ) -> None:
        common = {"received_at": received_at, "request_id": "r"} | columns
        rows = [
            {"feedback_id": uuid7(), "prediction_id": one, "rating": rating} | common
            for one, rating in zip(ids, ratings, strict=True)
        ]
        async with engine.begin() as connection:
            await connection.execute(insert(feedback), rows)

    return write


class _Undrawn:
    """What Evidently would have made of two frames: a page and a snapshot with nothing in them."""

    def get_html_str(self, **_: object) -> str:
        return "<html><head></head><body></body></html>"

    def dumps(self) -> str:
        return "{}"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidently draws nothing: its part of a page takes 1.6 s of a core, and these tests look at no page."""
    monkeypatch.setattr(Report, "run", lambda *_: _Undrawn())


@pytest.fixture(scope="session")
def exit_code() -> ExitCode:
    """Runs the command line with these arguments, in a thread, where it may have an event loop of its own."""

    async def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            await asyncio.to_thread(main, arguments)
        return int(stopped.value.code or 0)

    return run


class Received(NamedTuple):
    """A request that a `Receiver` took."""

    path: str
    headers: Message
    body: bytes


class Receiver:
    """An HTTP server on the loopback interface that answers each request with what `answer` returns."""

    def __init__(self, answer: Callable[[Received], tuple[int, object]]) -> None:
        """It listens at once; `requests` are those it took."""
        self.requests: list[Received] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = Received(self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"] or 0)))
                receiver.requests.append(request)
                status, body = answer(request)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.headers["Content-Length"] = "0"
                self.do_POST()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receive() -> Iterator[Callable[[Callable[[Received], tuple[int, object]]], Receiver]]:
    """Starts HTTP servers, given what each answers, and stops them at the end."""
    started: list[Receiver] = []

    def start(answer: Callable[[Received], tuple[int, object]]) -> Receiver:
        started.append(Receiver(answer))
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


def _record(log_odds: float, truth: np.bool_, words: int, noise: np.ndarray, product: str) -> Record:
    positive = float(1 / (1 + np.exp(-log_odds)))
    return {
        "label": "positive" if positive > 0.5 else "negative",
        "target": "positive" if truth else "negative",
        "rating": 5 if truth else 1,
        "timestamp": DAY,
        "product_cluster": product,
        "logits": [float(-log_odds / 2), float(log_odds / 2)],
        "probabilities": [1 - positive, positive],
        "embedding": [*map(float, noise), float(log_odds + noise[0])],
        "descriptors": _descriptors(int(words), abs(float(noise[1]))),
    }


def _descriptors(words: int, noise: float) -> dict[str, float | bool]:
    values = (words * 5, words, words + 9, 1.1 + noise / 10, words > 50, noise / 20, noise / 30, noise / 40, 4 + noise)
    return dict(zip(DESCRIPTORS, values, strict=True))


def _row(record: Record, moment: dt.datetime, bundle: Bundle) -> Record:
    names = bundle.manifest.labels
    return {
        "prediction_id": _id_at(moment),
        "created_at": moment,
        "request_id": "r",
        "source": "api",
        "product_id": record["product_cluster"],
        "text": TEXT,
        "text_hash": b"\x00" * 16,
        "descriptors": record["descriptors"],
        "descriptors_version": DESCRIPTORS_VERSION,
        "tokens": record["descriptors"]["tokens"],
        "truncated": record["descriptors"]["truncated"],
        "logits": record["logits"],
        "label": record["label"],
        "score": max(record["probabilities"]),
        "probabilities": dict(zip(names, record["probabilities"], strict=True)),
        "embedding": record["embedding"],
        "model_name": bundle.manifest.name,
        "model_version": bundle.manifest.version,
        "engine": "cpu",
        "latency_ms": 5.0,
    }


def _id_at(moment: dt.datetime) -> uuid.UUID:
    """Return a UUIDv7 of that millisecond."""
    milliseconds = round(moment.timestamp() * 1000)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & ((1 << 62) - 1))
