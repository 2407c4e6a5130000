"""What the tests' fixtures give that are functions: one Protocol for each, described as its fixture is.

Nothing is imported for them when tests run: a test of one package needs no other's libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    import subprocess
    import uuid
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import httpx
    import numpy as np
    import pandas as pd
    from litestar import Litestar
    from litestar.testing import TestClient
    from opentelemetry.sdk.trace import ReadableSpan
    from playwright.sync_api import Locator, Page
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncEngine

    from drift_jobs.nights.plan import JudgingPlan
    from drift_jobs.runs import DriftRun, MetricRow, Outcome, StoredRun
    from drift_jobs.statistics.samples import Sample
    from drift_jobs.storage.references import LoadedReference
    from drift_jobs.windows import Window
    from sentiment_api.inference.batching import Batcher, IdleListener
    from sentiment_api.inference.capacity import Capacity, Lane
    from sentiment_api.inference.lanes import Lanes, Scored
    from sentiment_api.model.engines import BatchLimits
    from sentiment_api.prediction_log.look_ups.spool_look_ups import SpoolLookUps
    from sentiment_api.prediction_log.records import PredictionRecord, Record, ShadowRecord
    from sentiment_api.prediction_log.spool import Spool
    from sentiment_api.settings import DatabaseSettings, ServiceSettings
    from sentiment_api.shadow.comparison import Candidate
    from sentiment_api.telemetry.metrics import Metrics
    from tests.drift_jobs.conftest import Received, Receiver
    from tests.sentiment_api.inference.batching.conftest import FakeEngine


class Waiting(Protocol):
    """The function that waits for a condition: `waiting(condition, what)`."""

    def __call__(self, condition: Callable[[], bool], what: str) -> None: ...


class Build(Protocol):
    """Build a folder of `deploy/kubernetes`, with secrets made as the documentation says."""

    def __call__(self, name: str) -> list[dict[str, Any]]: ...


class Query(Protocol):
    """Ask a Prometheus of three replicas: one that is asked nine times as much, a slow one, and one that is cut off."""

    def __call__(self, expression: str, /) -> list[dict[str, Any]]: ...


class ShipClaim(Protocol):
    """Run the script as the Job does, on the claim's folder and the database given."""

    def __call__(self, database_url: str) -> subprocess.CompletedProcess[str]: ...


class AllJudged(Protocol):
    """Takes all outcomes, of which none may have failed."""

    async def __call__(self, outcomes: AsyncIterator[Outcome]) -> list[StoredRun]: ...


class Count(Protocol):
    """Counts the rows of a table."""

    async def __call__(self, table: Table) -> int | None: ...


class ExitCode(Protocol):
    """Runs the command line with these arguments, in a thread, where it may have an event loop of its own."""

    async def __call__(self, *arguments: str) -> int: ...


class Fill(Protocol):
    """Logs so many rows a day for so many days, from noon of the first one on."""

    async def __call__(self, rows: int, days: int, *, first: dt.datetime = ..., version: str = ...) -> None: ...


class InOrder(Protocol):
    """Puts a run's metrics in the order of their names, so that runs can be compared."""

    def __call__(self, run: DriftRun) -> DriftRun: ...


class Judge(Protocol):
    """Judges a window, 21 November 2026 unless another is given, and returns the run of each model version."""

    async def __call__(self, plan: JudgingPlan, window: Window = ...) -> list[DriftRun]: ...


class JudgeAround(Protocol):
    """Judges the window and does something each time after it was worked out, before it is stored."""

    async def __call__(self, meanwhile: Callable[[], Awaitable[object]]) -> StoredRun: ...


class Log(Protocol):
    """Writes reviews into the prediction log, one a second from `start` on, and returns their ids."""

    async def __call__(
        self, records: Sequence[dict[str, Any]], start: dt.datetime = ..., **columns: object
    ) -> list[uuid.UUID]: ...


class MakeFrame(Protocol):
    """Turns reviews into a frame."""

    def __call__(self, records: Sequence[dict[str, Any]]) -> pd.DataFrame: ...


class MakePage(Protocol):
    """Makes the page of a judged window whose reviews differ as `changes` says, with Evidently's part where asked."""

    def __call__(self, *, described: bool = ..., **changes: float) -> str: ...


class MakeRecords(Protocol):
    """Makes `n` reviews with predictions; `mood` moves the sentiment, `wordiness` multiplies the length."""

    def __call__(self, n: int, seed: int, *, mood: float = ..., wordiness: float = ...) -> list[dict[str, Any]]: ...


class MakeRun(Protocol):
    """Makes a run in watch on 21 November 2026 plus `day`, with a tested and a described metric unless others come."""

    def __call__(self, *metrics: MetricRow, day: int = ..., **values: Any) -> DriftRun: ...


class MakeThreeLabelRecords(Protocol):
    """Makes the reviews of the shop with two labels as a model of three labels answers them."""

    def __call__(self, n: int, seed: int, **moved: float) -> list[dict[str, Any]]: ...


class Rate(Protocol):
    """Writes feedback of these ratings on these predictions, received when the day ends unless said otherwise."""

    async def __call__(
        self, ids: Sequence[uuid.UUID], ratings: Sequence[int], received_at: dt.datetime = ..., **columns: object
    ) -> None: ...


class Receive(Protocol):
    """Starts HTTP servers, given what each answers, and stops them at the end."""

    def __call__(self, answer: Callable[[Received], tuple[int, object]]) -> Receiver: ...


class Resolve(Protocol):
    """Resolves a reference as it is written, for the night of the 21st and the bundle's version."""

    async def __call__(self, written: str, *, version: str | None = ..., **options: Any) -> LoadedReference: ...


class RowsOf(Protocol):
    """Returns the rows of a page's table with a caption, their cells apart by bars."""

    def __call__(self, page: str, caption: str) -> list[str]: ...


class Shop(Protocol):
    """Draws `n` reviews of products of unequal popularity, 15 % of whose variance is the product's."""

    def __call__(self, random: np.random.Generator, n: int, products: int, dim: int) -> Sample: ...


class Store(Protocol):
    """Stores runs whose notice is due."""

    async def __call__(self, *runs: DriftRun, notice_due: bool = ...) -> None: ...


class TextOf(Protocol):
    """Returns what a reader of some HTML sees, in one line."""

    def __call__(self, html: str) -> str: ...


class Answers(Protocol):
    """A function that waits for futures and returns the logits of all."""

    def __call__(self, futures: list[Future[Scored]], /) -> list[list[float]]: ...


class Asked(Protocol):
    """A function that has an application asked once, and returns the spans that came of it."""

    def __call__(self, app: Any = ..., wanted: int = ..., **headers: str) -> tuple[ReadableSpan, ...]: ...


class AssertProblem(Protocol):
    """A function that asserts that a reply is a problem of this kind that quotes nobody, and returns its body."""

    def __call__(self, reply: httpx.Response, status: int, slug: str | None = ...) -> dict[str, Any]: ...


class Claim(Protocol):
    """A function that returns the first free spool under a folder: `claim(root, bound=...)`."""

    def __call__(self, root: Path, bound: int = ...) -> Spool: ...


class Compared(Protocol):
    """A function that gives how many texts both models have answered."""

    def __call__(self, metrics: Metrics) -> float: ...


class Drain(Protocol):
    """A function that runs `sentiment-api drain` for the services of a data folder."""

    def __call__(self, data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]: ...


class Dropped(Protocol):
    """A function that gives how many texts were dropped for a reason."""

    def __call__(self, metrics: Metrics, reason: str = ...) -> float: ...


class Fact(Protocol):
    """A function that gives what stands beside a term."""

    def __call__(self, page: Page, term: str) -> Locator: ...


class Hold(Protocol):
    """A function that occupies the engine with one text, so that what comes then waits; open the gate to go on."""

    def __call__(self, batcher: Batcher, engine: FakeEngine) -> Future[Scored]: ...


class MadeAt(Protocol):
    """A function that returns an id of that millisecond, with a number in order; no other test has the same."""

    def __call__(self, moment: dt.datetime, number: int = ...) -> uuid.UUID: ...


class Metric(Protocol):
    """A function that asks a client for `/metrics` and gives the value of one sample, 0 when there is none."""

    def __call__(self, client: httpx.Client, sample: str) -> float: ...


class LookUpsWith(Protocol):
    """A function that gives look-ups with this reader; keyword arguments are those of `SpoolLookUps`."""

    def __call__(self, reader: object, **bounds: float) -> SpoolLookUps: ...


class NewBatcher(Protocol):
    """A function that returns a started batcher and its engine; all of them are stopped at the end."""

    def __call__(
        self,
        *,
        texts: int = ...,
        threads: int = ...,
        metrics: Metrics | None = ...,
        idle_listener: IdleListener | None = ...,
    ) -> tuple[Batcher, FakeEngine]: ...


class NewCandidate(Protocol):
    """A function that makes a live prediction that finds the text negative."""

    def __call__(self, text: str = ...) -> Candidate: ...


class NewCapacity(Protocol):
    """A function that returns the books of a service that does a thousand tokens a second."""

    def __call__(self, max_tokens: int = ...) -> Capacity: ...


class NewClient(Protocol):
    """A function that serves that classifier here, with no Postgres; keyword arguments replace settings."""

    def __call__(self, *arguments: Any, **options: Any) -> TestClient[Litestar]: ...


class NewLanes(Protocol):
    """A function that returns empty lanes for an engine with these limits."""

    def __call__(self, limits: BatchLimits, /) -> Lanes: ...


class NewRecord(Protocol):
    """A function that makes a record; its keyword arguments replace what an ordinary prediction would say."""

    def __call__(self, **changes: object) -> PredictionRecord: ...


class NewShadowClient(Protocol):
    """A function that serves the starter here with that shadow of all predictions; no Postgres."""

    def __call__(self, *arguments: Any, **options: Any) -> TestClient[Litestar]: ...


class Payloads(Protocol):
    """A function that returns all sealed payloads of a spool, oldest first."""

    def __call__(self, spool: Spool, /) -> list[bytes]: ...


class Predict(Protocol):
    """A function that types a review and sends it by the keyboard."""

    def __call__(self, page: Page, text: str) -> None: ...


class Read(Protocol):
    """A function that refreshes the gauges and gives one: `read("drift_effect", metric="words")`."""

    async def __call__(self, name: str, **labels: str) -> float | None: ...


class Secret(Protocol):
    """Write a file and name it in a variable."""

    def __call__(self, variable: str, content: str) -> Path: ...


class Section(Protocol):
    """A function that gives the part of a page under this heading."""

    def __call__(self, page: Page, name: str) -> Locator: ...


class SettingsWithoutPostgres(Protocol):
    """A function that gives the settings of a service whose Postgres is away; keyword arguments replace others."""

    def __call__(self, **changes: Any) -> ServiceSettings: ...


class ShadowOf(Protocol):
    """A function that gives what a shadow says of a record's text."""

    def __call__(self, record: PredictionRecord) -> ShadowRecord: ...


class ShipShadow(Protocol):
    """A function that ships records and gives the metrics of it."""

    async def __call__(self, engine: AsyncEngine, spool: Spool, *records: Record) -> Metrics: ...


class Slugs(Protocol):
    """A function that gives for each item of a batch's reply its label, or the slug of its problem."""

    def __call__(self, reply: httpx.Response) -> list[str]: ...


class StoreRun(Protocol):
    """A function that stores a drift run on the starter, as the drift job does, and gives its id.

    `day` is the day of November 2026 that it judged, `metrics` are its metrics; other arguments replace columns.
    """

    async def __call__(
        self, *, day: int = ..., metrics: list[dict[str, Any]] | None = ..., **columns: Any
    ) -> uuid.UUID: ...


class StoreShop(Protocol):
    """A function that brings records to the fresh database, as the service does."""

    async def __call__(self, *records: Record) -> None: ...


class Submit(Protocol):
    """A function that submits texts to a batcher, with a deadline in `deadline_s`."""

    def __call__(
        self, batcher: Batcher, *texts: list[int], lane: Lane = ..., deadline_s: float = ...
    ) -> list[Future[Scored]]: ...


class TakesFeedback(Protocol):
    """A function that takes feedback for a prediction and gives its state."""

    async def __call__(self, engine: AsyncEngine, prediction_id: uuid.UUID) -> str: ...


class Told(Protocol):
    """A function that sends customers' reviews, waits until Postgres has them all, and returns their ids."""

    def __call__(self, *texts: str, **more: str) -> list[str]: ...


class UseKey(Protocol):
    """A function that types a key into its form and sends it."""

    def __call__(self, page: Page, key: str) -> None: ...


class Visit(Protocol):
    """A function that opens a page of its own; arguments are the browser's. Comes after what is asynchronous."""

    def __call__(self, url: str, **options: Any) -> Page: ...


class WriteOneSegment(Protocol):
    """A function that returns the segment of a spool that was closed after these records."""

    def __call__(self, root: Path, records: list[bytes]) -> Path: ...


class Command(Protocol):
    """Runs the command line in this process, sparing the seconds that torch takes to start: (code, output, errors)."""

    def __call__(self, *arguments: object) -> tuple[object, str, str]: ...


class Export(Protocol):
    """Exports a run to a folder: `export_to(run, folder)`."""

    def __call__(self, run: Path, folder: Path) -> object: ...


class MakeBase(Protocol):
    """Writes a random DistilBERT of two layers and width 32, with a tokenizer made of the reviews' words."""

    def __call__(self, folder: Path) -> Path: ...


class Start(Protocol):
    """Starts Python with arguments as a process of its own, which does not outlive the test."""

    def __call__(self, arguments: list[str]) -> subprocess.Popen[str]: ...


class SettingsOf(Protocol):
    """Return the settings for a URL of Postgres; keyword arguments are further ones."""

    def __call__(self, url: str, **further: Any) -> DatabaseSettings: ...


class EngineOf(Protocol):
    """Return an engine for a URL of Postgres, disposed of at the end; keyword arguments are further settings."""

    def __call__(self, url: str, **further: Any) -> AsyncEngine: ...
