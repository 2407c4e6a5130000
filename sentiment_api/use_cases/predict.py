"""Predicts: text to tokens, tokens through the batcher, the answer into the prediction log, then to the caller."""

import math
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from itertools import islice
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import msgspec
import numpy as np
from pydantic import ValidationError
from pydantic_core import to_json
from uuid_utils.compat import uuid7

from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.errors import ClientGone, DeadlineExceeded, RequestInvalid, RequestRefused
from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.capacity import Ticket
from sentiment_api.inference.lanes import Scored
from sentiment_api.inference.result_cache import Answer, ResultCache
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.descriptors import DESCRIPTORS_VERSION, describe
from sentiment_api.model.long_texts import EncodedText
from sentiment_api.prediction_log.privacy import TextKeeper
from sentiment_api.prediction_log.records import PredictionRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import Prediction, PredictRequest
from sentiment_api.schemas.service import ModelName
from sentiment_api.schemas.validation import field_errors
from sentiment_api.shadow.comparison import Candidate, Shadow
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.telemetry.phases import INFERENCE, QUEUE, SPOOL, TOKENIZE, Phases, current_phases

UNCACHED_SOURCES = ("golden",)
"""Golden texts show what the engine says now; an answer kept from before would hide that it has come to say other."""


class Caller(msgspec.Struct, frozen=True):
    """What a prediction keeps of the request around it."""

    request_id: str
    idempotency_key: str | None = None
    source: str = "api"
    """One of `CUSTOMER_SOURCES` or `OWN_SOURCES`."""
    api_key_name: str | None = None


class Timing(NamedTuple):
    """Where the time of a request went, in seconds; the largest over the texts of a batch."""

    queue_s: float
    tokenize_s: float
    inference_s: float


class Single(NamedTuple):
    """What comes of a single request."""

    prediction: Prediction
    timing: Timing
    compared: list[Candidate]
    """What the shadow model is to score once the reply is sent."""


class Batch(NamedTuple):
    """What comes of a batch request."""

    answers: list[Prediction | RequestRefused]
    """One for each item, in order."""
    timing: Timing
    compared: list[Candidate]


class _Task(NamedTuple):
    """One review on its way to its answer."""

    request: PredictRequest
    reading: EncodedText
    key: bytes
    cached: Answer | None


class PredictReviews:
    """The use case. Its methods block: they run on the handlers' thread pool."""

    def __init__(
        self,
        classifier: Classifier,
        batcher: Batcher,
        cache: ResultCache,
        spool: Spool,
        keeper: TextKeeper,
        metrics: Metrics,
        shadow: Shadow | None = None,
    ) -> None:
        """Keep the parts."""
        self._classifier = classifier
        self._batcher = batcher
        self._cache = cache
        self._spool = spool
        self._keeper = keeper
        self._metrics = metrics
        self._shadow = shadow
        # Reading takes a core. When hundreds come at once, all of them reading would leave the event loop none. Turns
        # are for one text, so that a large batch does not keep others waiting.
        self._turns_to_read = BoundedSemaphore(classifier.engine.threads)

    def one(self, request: PredictRequest, caller: Caller, ticket: Ticket) -> Single:
        """Return the prediction for one review after its record is in the spool.

        Raises:
            Overloaded, Draining, DeadlineExceeded, InferenceFailed, ClientGone: there is no prediction.
            SpoolFull: there would be one, but it cannot be recorded.
        """
        answers, timing = self._predict([request], caller, ticket)
        if isinstance(answers[0], RequestRefused):
            raise answers[0]
        return Single(answers[0], timing, self._chosen([request], answers, caller))

    def many(self, items: list[Any], caller: Caller, ticket: Ticket) -> Batch:
        """Return for each item, in order, its prediction or why it has none.

        Raises:
            Overloaded, Draining: nothing of the batch was done.
            ClientGone: the rest of the batch was not done.
        """
        checked = [_checked(number, item) for number, item in enumerate(items)]
        requests = [request for request in checked if isinstance(request, PredictRequest)]
        answers, timing = self._predict(requests, caller, ticket)
        remaining = iter(answers)
        in_order = [next(remaining) if isinstance(each, PredictRequest) else each for each in checked]
        return Batch(in_order, timing, self._chosen(requests, answers, caller))

    async def compare(self, candidates: list[Candidate]) -> None:
        """Have the shadow model score what was chosen for it. The background task of a reply."""
        if self._shadow is not None and candidates:
            self._shadow.offer(candidates)

    def _chosen(
        self, requests: list[PredictRequest], answers: list[Prediction | RequestRefused], caller: Caller
    ) -> list[Candidate]:
        if self._shadow is None:
            return []
        return [
            Candidate(answer, request.text, whole=request.long_text == "window")
            for request, answer in zip(requests, answers, strict=True)
            if isinstance(answer, Prediction) and self._shadow.chooses(answer.prediction_id, caller.source)
        ]

    def _predict(
        self, requests: list[PredictRequest], caller: Caller, ticket: Ticket
    ) -> tuple[list[Prediction | RequestRefused], Timing]:
        phases = current_phases()
        started = time.monotonic()
        fresh = caller.source in UNCACHED_SOURCES
        tasks = [self._task(request, fresh=fresh) for request in requests]
        submitted = time.monotonic()
        tokenize_s = submitted - started
        self._metrics.tokenize_seconds.observe(tokenize_s)
        if phases is not None:
            phases.note(TOKENIZE, started, submitted, len(tasks))
        answers: list[Prediction | RequestRefused] = []
        queue_s = inference_s = 0.0
        for task, futures in zip(tasks, self._submit(tasks, ticket), strict=True):
            try:
                scored = [_result(future, ticket.deadline) for future in futures]
                _note(phases, scored, submitted)
                answer = task.cached or self._answer(task, scored)
                answers.append(self._record(task, answer, caller, latency_s=time.monotonic() - started))
            except ClientGone:
                raise
            except RequestRefused as refusal:
                _note_wait_in_vain(phases, refusal, submitted)
                answers.append(refusal)
                continue
            finally:
                ticket.release(0 if task.cached else sum(len(window.ids) for window in task.reading.windows))
            queue_s = max([queue_s, *(each.queue_s for each in scored)])
            inference_s = max([inference_s, *(each.inference_s for each in scored)])
        return answers, Timing(queue_s, tokenize_s, inference_s)

    def _task(self, request: PredictRequest, *, fresh: bool) -> _Task:
        """Turn the text into what the model reads, and look it up among the answers kept unless it is to be `fresh`."""
        version = self._classifier.bundle.manifest.version
        key = self._keeper.digest(f"{version} {request.long_text} {request.text}")
        with self._turns_to_read:
            reading = self._classifier.encode_windows(request.text, whole=request.long_text == "window")
        return _Task(request, reading, key, None if fresh else self._cache.get(key))

    def _submit(self, tasks: list[_Task], ticket: Ticket) -> "list[list[Future[Scored]]]":
        """Queue what has no answer yet; return for each task its windows' futures."""
        windows = [window.ids for task in tasks if task.cached is None for window in task.reading.windows]
        usual = all(task.cached is None and not task.reading.truncated for task in tasks)
        ticket.correct(sum(map(len, windows)), usual=usual)
        futures = self._batcher.submit(windows, ticket.lane, ticket.deadline)
        ticket.hold(futures)
        remaining = iter(futures)
        return [list(islice(remaining, 0 if task.cached else len(task.reading.windows))) for task in tasks]

    def _answer(self, task: _Task, scored: list[Scored]) -> Answer:
        """Put the windows of a text together, and keep the answer if there is a cache."""
        for each in scored:
            self._metrics.queue_seconds.observe(each.queue_s)
        logits = task.reading.weighted_mean([each.logits for each in scored])
        pooled = task.reading.weighted_mean([each.pooled for each in scored])
        # A copy: a view would keep more memory than the cache counts.
        answer = Answer(logits, self._classifier.project(pooled[None])[0].copy())
        self._cache.put(task.key, answer)
        return answer

    def _record(self, task: _Task, answer: Answer, caller: Caller, *, latency_s: float) -> Prediction:
        """Append the record of one answer to the spool and return the answer."""
        request, reading = task.request, task.reading
        manifest = self._classifier.bundle.manifest
        probabilities = self._classifier.calibrate(answer.logits)
        best = int(np.argmax(probabilities))
        prediction = Prediction(
            prediction_id=uuid7(),
            label=manifest.labels[best],
            score=float(probabilities[best]),
            probabilities=dict(zip(manifest.labels, probabilities.tolist(), strict=True)),
            model=ModelName(manifest.name, manifest.version),
            tokens=reading.tokens,
            truncated=reading.truncated,
        )
        descriptors = describe(request.text, tokens=prediction.tokens, truncated=prediction.truncated)
        record = PredictionRecord(
            prediction_id=prediction.prediction_id,
            request_id=caller.request_id,
            idempotency_key=caller.idempotency_key,
            source=caller.source,
            api_key_name=caller.api_key_name,
            product_id=request.product_id,
            event_timestamp=request.timestamp,
            text=self._keeper.kept(request.text),
            text_hash=self._keeper.digest(request.text),
            metadata=request.metadata,
            descriptors=msgspec.structs.asdict(descriptors),
            descriptors_version=DESCRIPTORS_VERSION,
            tokens=prediction.tokens,
            truncated=prediction.truncated,
            logits=answer.logits.tolist(),
            label=prediction.label,
            score=prediction.score,
            probabilities=prediction.probabilities,
            embedding=answer.embedding.tolist(),
            model_name=manifest.name,
            model_version=manifest.version,
            engine=self._classifier.engine.name,
            latency_ms=1000 * latency_s,
        )
        self._append(record)
        self._count(request, prediction, caller.source)
        return prediction

    def _append(self, record: PredictionRecord) -> None:
        started = time.monotonic()
        self._spool.append(encode(record))
        ended = time.monotonic()
        self._metrics.append_seconds.observe(ended - started)
        if (phases := current_phases()) is not None:
            phases.note(SPOOL, started, ended)

    def _count(self, request: PredictRequest, prediction: Prediction, source: str) -> None:
        self._metrics.spooled.labels("prediction").inc()
        if source not in CUSTOMER_SOURCES:
            return
        self._metrics.predictions.labels(prediction.label).inc()
        self._metrics.score.observe(prediction.score)
        self._metrics.entropy.observe(_entropy(list(prediction.probabilities.values())))
        self._metrics.characters.observe(len(request.text))
        self._metrics.tokens.observe(prediction.tokens)
        self._metrics.truncated.inc(prediction.truncated)


def _checked(number: int, item: Any) -> PredictRequest | RequestInvalid:  # noqa: ANN401 - any JSON value
    """Return the item as a request, by the same checks as a single one's: strict JSON."""
    try:
        return PredictRequest.model_validate_json(to_json(item))
    except ValidationError as error:
        return RequestInvalid(field_errors(error, within=("items", number)))


def _entropy(probabilities: list[float]) -> float:
    """Return the entropy of a distribution, as a share of the even one's: 0 to 1."""
    return -sum(each * math.log(each) for each in probabilities if each > 0) / math.log(max(2, len(probabilities)))


def _note(phases: Phases | None, scored: list[Scored], submitted: float) -> None:
    """Note when the windows of one text waited and were computed; all were `submitted` at once."""
    if phases is None or not scored:
        return
    taken = [submitted + each.queue_s for each in scored]
    phases.note(QUEUE, submitted, max(taken))
    phases.note(INFERENCE, min(taken), max(at + each.inference_s for at, each in zip(taken, scored, strict=True)))


def _note_wait_in_vain(phases: Phases | None, refusal: RequestRefused, submitted: float) -> None:
    """Note where the time went of a text that had no answer at its deadline."""
    if phases is not None and isinstance(refusal, DeadlineExceeded):
        phases.note(QUEUE, submitted, time.monotonic())


def _result(future: "Future[Scored]", deadline: float) -> Scored:
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except FutureTimeout:
        future.cancel()
        raise DeadlineExceeded("The model did not answer before the request's deadline.") from None
    except CancelledError:
        raise ClientGone("The client hung up before the model could read the text.") from None
