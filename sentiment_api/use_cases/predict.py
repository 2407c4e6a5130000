"""Predicts: text to tokens, tokens through the batcher, the answer into the prediction log, then to the caller."""

import concurrent.futures
import time
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec
import numpy as np
from pydantic import ValidationError
from pydantic_core import to_json
from uuid_utils.compat import uuid7

from sentiment_api.batching import Batcher, Lane, Scored
from sentiment_api.classifier import Classifier
from sentiment_api.descriptors import DESCRIPTORS_VERSION, describe
from sentiment_api.errors import DeadlineExceeded, RequestInvalid, RequestRefused
from sentiment_api.metrics import Metrics
from sentiment_api.prediction_log.records import PredictionRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.privacy import TextKeeper
from sentiment_api.schemas import ModelName, Prediction, PredictRequest
from sentiment_api.tokenizer import Tokens
from sentiment_api.validation import field_errors


class Caller(msgspec.Struct, frozen=True):
    """What a prediction keeps of the request around it."""

    request_id: str
    idempotency_key: str | None = None
    source: str = "api"


class Timing(NamedTuple):
    """Where the time of a request went, in seconds; the largest over the texts of a batch."""

    queue_s: float
    tokenize_s: float
    inference_s: float


class PredictReviews:
    """The use case. Its methods block: they run on the handlers' thread pool."""

    def __init__(
        self, classifier: Classifier, batcher: Batcher, spool: Spool, keeper: TextKeeper, metrics: Metrics
    ) -> None:
        """Keep the parts."""
        self._classifier = classifier
        self._batcher = batcher
        self._spool = spool
        self._keeper = keeper
        self._metrics = metrics

    def one(self, request: PredictRequest, caller: Caller, timeout_s: float) -> tuple[Prediction, Timing]:
        """Return the prediction for one review after its record is in the spool.

        Raises:
            Overloaded, Draining, DeadlineExceeded, InferenceFailed: there is no prediction.
            SpoolFull: there would be one, but it cannot be recorded.
        """
        answers, timing = self._predict([request], caller, "single", timeout_s)
        if isinstance(answers[0], RequestRefused):
            raise answers[0]
        return answers[0], timing

    def many(
        self, items: list[Any], caller: Caller, timeout_s: float
    ) -> tuple[list[Prediction | RequestRefused], Timing]:
        """Return for each item, in order, its prediction or why it has none.

        Raises:
            Overloaded, Draining: nothing of the batch was done.
        """
        checked = [_checked(number, item) for number, item in enumerate(items)]
        requests = [request for request in checked if isinstance(request, PredictRequest)]
        if not requests:
            return [each for each in checked if isinstance(each, RequestRefused)], Timing(0.0, 0.0, 0.0)
        answers, timing = self._predict(requests, caller, "batch", timeout_s)
        remaining = iter(answers)
        return [next(remaining) if isinstance(each, PredictRequest) else each for each in checked], timing

    def _predict(
        self, requests: list[PredictRequest], caller: Caller, lane: Lane, timeout_s: float
    ) -> tuple[list[Prediction | RequestRefused], Timing]:
        started = time.monotonic()
        deadline = started + timeout_s
        tokens = [self._classifier.encode(request.text) for request in requests]
        tokenize_s = time.monotonic() - started
        futures = self._batcher.submit([each.ids for each in tokens], lane, deadline)
        answers: list[Prediction | RequestRefused] = []
        queue_s = inference_s = 0.0
        for request, each, future in zip(requests, tokens, futures, strict=True):
            try:
                scored = _result(future, deadline)
                answers.append(self._record(request, caller, each, scored, latency_s=time.monotonic() - started))
            except RequestRefused as refusal:
                answers.append(refusal)
                continue
            queue_s, inference_s = max(queue_s, scored.queue_s), max(inference_s, scored.inference_s)
            self._metrics.queue_seconds.observe(scored.queue_s)
        self._metrics.tokenize_seconds.observe(tokenize_s)
        return answers, Timing(queue_s, tokenize_s, inference_s)

    def _record(
        self, request: PredictRequest, caller: Caller, tokens: Tokens, scored: Scored, *, latency_s: float
    ) -> Prediction:
        """Append the record of one answer to the spool and return the answer."""
        manifest = self._classifier.bundle.manifest
        probabilities = self._classifier.calibrate(scored.logits)
        best = int(np.argmax(probabilities))
        prediction = Prediction(
            prediction_id=uuid7(),
            label=manifest.labels[best],
            score=float(probabilities[best]),
            probabilities=dict(zip(manifest.labels, probabilities.tolist(), strict=True)),
            model=ModelName(manifest.name, manifest.version),
            tokens=len(tokens.ids),
            truncated=tokens.truncated,
        )
        descriptors = describe(request.text, tokens=prediction.tokens, truncated=prediction.truncated)
        record = PredictionRecord(
            prediction_id=prediction.prediction_id,
            request_id=caller.request_id,
            idempotency_key=caller.idempotency_key,
            source=caller.source,
            api_key_name=None,
            product_id=request.product_id,
            event_timestamp=request.timestamp,
            text=self._keeper.kept(request.text),
            text_hash=self._keeper.digest(request.text),
            metadata=request.metadata,
            descriptors=msgspec.structs.asdict(descriptors),
            descriptors_version=DESCRIPTORS_VERSION,
            tokens=prediction.tokens,
            truncated=prediction.truncated,
            logits=scored.logits.tolist(),
            label=prediction.label,
            score=prediction.score,
            probabilities=prediction.probabilities,
            embedding=self._classifier.project(scored.pooled[None])[0].tolist(),
            model_name=manifest.name,
            model_version=manifest.version,
            engine=self._classifier.engine.name,
            latency_ms=1000 * latency_s,
        )
        self._spool.append(encode(record))
        self._count(prediction)
        return prediction

    def _count(self, prediction: Prediction) -> None:
        self._metrics.spooled.labels("prediction").inc()
        self._metrics.predictions.labels(prediction.label).inc()
        self._metrics.score.observe(prediction.score)
        self._metrics.tokens.observe(prediction.tokens)
        self._metrics.truncated.inc(prediction.truncated)


def _checked(number: int, item: Any) -> PredictRequest | RequestInvalid:  # noqa: ANN401 - any JSON value
    """Return the item as a request, by the same checks as a single one's: strict JSON."""
    try:
        return PredictRequest.model_validate_json(to_json(item))
    except ValidationError as error:
        return RequestInvalid(field_errors(error, within=("items", number)))


def _result(future: "Future[Scored]", deadline: float) -> Scored:
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except concurrent.futures.TimeoutError:
        future.cancel()
        raise DeadlineExceeded("The model did not answer before the request's deadline.") from None
