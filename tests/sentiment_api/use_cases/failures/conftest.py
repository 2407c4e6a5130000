"""What this room's tests share: the service in this process, without Postgres, on an engine that fails when told to."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from sentiment_api.app import create_app
from sentiment_api.model.bundle import Bundle
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.engines import BatchLimits, EngineOutput
from sentiment_api.settings import ServiceSettings
from tests.protocols import NewClient

Client = TestClient[Litestar]

PATIENCE_S = 30.0
POISON = {"text": "Lightning struck."}
SECRET = "words of the client"


class FakeEngine:
    """Finds every text negative, unless it is marked: then it does as `mood` says. `gate` holds it up."""

    name = "fake"
    threads = 1
    limits = BatchLimits(texts=8, tokens=1024, padding=0.9)

    def __init__(self, bundle: Bundle) -> None:
        """The gate is open at first, and no text is marked."""
        assert bundle.projection is not None
        self._dimensions = len(bundle.projection.mean)
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.marked = -1
        self.mood = "raises"

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:  # noqa: ARG002 - the protocol has it
        """Return logits of 2 and -2, or break over the marked token."""
        self.entered.release()
        assert self.gate.wait(PATIENCE_S)
        poisoned = [self.marked in ids for ids in batch]
        if any(poisoned) and self.mood == "raises":
            raise RuntimeError(SECRET)
        if any(poisoned) and self.mood == "ends its thread":
            raise SystemExit
        output = EngineOutput(
            np.array([[2.0, -2.0]] * len(batch), np.float32), np.ones((len(batch), self._dimensions), "f4")
        )
        if self.mood in EngineOutput._fields:
            getattr(output, self.mood)[poisoned] = np.nan
        return output


@pytest.fixture
def secret() -> str:
    """What the engine's errors say, and no reply may."""
    return SECRET


@pytest.fixture
def engine(bundle: Bundle) -> FakeEngine:
    """An engine that answers at once."""
    return FakeEngine(bundle)


@pytest.fixture
def classifier(bundle: Bundle, engine: FakeEngine) -> Classifier:
    """The starter's tokenizer and labels on that engine, for which the poison is marked."""
    classifier = Classifier(bundle, engine)
    engine.marked = classifier.encode(POISON["text"]).ids[1]
    return classifier


@pytest.fixture
def new_client(
    classifier: Classifier, engine: FakeEngine, without_postgres: Callable[..., ServiceSettings]
) -> Iterator[NewClient]:
    """A function that serves that classifier here, with no Postgres; keyword arguments replace settings."""
    with contextlib.ExitStack() as running:

        def start(served: Classifier = classifier, **changes: object) -> Client:
            app = create_app(without_postgres(**changes), served)
            engine.entered.acquire(blocking=False)  # the service tried how fast the engine is
            client = running.enter_context(TestClient(app, base_url="http://127.0.0.1"))
            running.callback(engine.gate.set)
            return client

        yield start


@pytest.fixture
def assert_problem() -> Callable[..., dict[str, Any]]:
    """A function that asserts that a reply is a problem of this kind that quotes nobody, and returns its body."""
    return _assert_problem


def _assert_problem(reply: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "application/problem+json"), reply.text
    assert SECRET not in reply.text
    body: dict[str, Any] = reply.json()
    assert (body["status"], body["type"]) == (status, f"/problems/{slug}" if slug else "about:blank")
    return body


@pytest.fixture
def slugs() -> Callable[[httpx.Response], list[str]]:
    """A function that gives for each item of a batch's reply its label, or the slug of its problem."""
    return _slugs


def _slugs(reply: httpx.Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [
        each["error"]["type"].removeprefix("/problems/") if "error" in each else each["label"]
        for each in reply.json()["results"]
    ]
