"""Predicts: text to tokens, tokens through the engine, the prediction into the log, then to the caller.

The way of a prediction, from the request to its row:

1. `http.admission` reserves its tokens and a handler thread: a `Ticket` with the deadline.
2. `routes.predict` checks the body and calls `PredictReviews` here, in that thread.
3. Here the text is tokenized (`model.classifier`) and looked up in `inference.result_cache`.
4. `inference.batching` queues the tokens; an engine thread computes them.
5. `recording` calibrates the result, makes the record and appends it to `prediction_log.spool`.
6. The reply is sent. After it the shipper is woken, and the shadow model is offered its share (`shadow.comparison`).
7. `prediction_log.shipper` reads `shipments` from the spool, and `storing` makes them rows of `database.tables`.
"""

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from itertools import islice
from threading import BoundedSemaphore
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_json

from sentiment_api.errors import ClientGone, DeadlineExceeded, RequestInvalid, RequestRefused
from sentiment_api.inference.batching import Batcher
from sentiment_api.inference.capacity import Ticket
from sentiment_api.inference.lanes import Scored
from sentiment_api.inference.result_cache import ResultCache, TextResult
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.long_texts import EncodedText
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.text_policy import TextKeeper
from sentiment_api.schemas.predictions import Prediction, PredictRequest
from sentiment_api.schemas.validation import field_errors
from sentiment_api.shadow.comparison import Candidate, Shadow
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.telemetry.phases import INFERENCE, QUEUE, TOKENIZE, Phases, current_phases
from sentiment_api.use_cases.recording import Caller, PredictionRecorder

UNCACHED_SOURCES = ("golden",)
"""Golden texts show what the engine says now; a result kept from before would hide that it has come to say other."""


class Timing(NamedTuple):
    """Where the time of a request went, in seconds; the largest over the texts of a batch."""

    queue_s: float
    tokenize_s: float
    inference_s: float


class SingleResult(NamedTuple):
    """What comes of a single request."""

    prediction: Prediction
    timing: Timing
    for_shadow: list[Candidate]
    """What the shadow model is to score once the reply is sent."""


class BatchResult(NamedTuple):
    """What comes of a batch request."""

    answers: list[Prediction | RequestRefused]
    """One for each item, in order."""
    timing: Timing
    for_shadow: list[Candidate]
    """What the shadow model is to score once the reply is sent."""


class _Review(NamedTuple):
    """One review on its way to its prediction."""

    request: PredictRequest
    encoded: EncodedText
    cache_key: bytes
    cached: TextResult | None


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
        self._keeper = keeper
        self._metrics = metrics
        self._shadow = shadow
        self._recorder = PredictionRecorder(classifier, spool, keeper, metrics)
        # Tokenizing takes a core. When hundreds come at once, all of them tokenizing would leave the event loop none.
        # Turns are for one text, so that a large batch does not keep others waiting.
        self._tokenizing_turns = BoundedSemaphore(classifier.engine.threads)

    def predict(self, request: PredictRequest, caller: Caller, ticket: Ticket) -> SingleResult:
        """Return the prediction for one review after its record is in the spool.

        Raises:
            Overloaded, Draining, DeadlineExceeded, InferenceFailed, ClientGone: there is no prediction.
            SpoolFull: there would be one, but it cannot be recorded.
        """
        answers, timing = self._predict([request], caller, ticket)
        if isinstance(answers[0], RequestRefused):
            raise answers[0]
        return SingleResult(answers[0], timing, self._for_shadow([request], answers, caller))

    def predict_batch(self, items: list[Any], caller: Caller, ticket: Ticket) -> BatchResult:
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
        return BatchResult(in_order, timing, self._for_shadow(requests, answers, caller))

    async def offer_to_shadow(self, candidates: list[Candidate]) -> None:
        """Have the shadow model score what was chosen for it. The background task of a reply."""
        if self._shadow is not None and candidates:
            self._shadow.offer(candidates)

    def _for_shadow(
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
        try:
            reviews = self._tokenized(requests, caller, ticket.deadline)
        except DeadlineExceeded as refusal:
            return [refusal for _ in requests], Timing(0.0, time.monotonic() - started, 0.0)
        submitted = time.monotonic()
        answers: list[Prediction | RequestRefused] = []
        queue_s = inference_s = 0.0
        for review, futures in zip(reviews, self._submit(reviews, ticket), strict=True):
            try:
                scored = [_wait_for(future, ticket.deadline) for future in futures]
                _note(phases, scored, submitted)
                result = review.cached or self._combine(review, scored)
                latency_s = time.monotonic() - started
                answers.append(
                    self._recorder.record(review.request, review.encoded, result, caller, latency_s=latency_s)
                )
            except ClientGone:
                raise
            except RequestRefused as refusal:
                _note_wait_in_vain(phases, refusal, submitted)
                answers.append(refusal)
                continue
            finally:
                ticket.release(0 if review.cached else sum(len(window.ids) for window in review.encoded.windows))
            queue_s = max([queue_s, *(each.queue_s for each in scored)])
            inference_s = max([inference_s, *(each.inference_s for each in scored)])
        return answers, Timing(queue_s, submitted - started, inference_s)

    def _tokenized(self, requests: list[PredictRequest], caller: Caller, deadline: float) -> list[_Review]:
        """Tokenize the texts, and look them up among the results kept unless the source wants fresh ones.

        Raises:
            DeadlineExceeded: there was no time for all of them.
        """
        started = time.monotonic()
        try:
            is_fresh = caller.source in UNCACHED_SOURCES
            return [self._review(request, deadline, is_fresh=is_fresh) for request in requests]
        finally:
            ended = time.monotonic()
            self._metrics.tokenize_seconds.observe(ended - started)
            if (phases := current_phases()) is not None:
                phases.note(TOKENIZE, started, ended, len(requests))

    def _review(self, request: PredictRequest, deadline: float, *, is_fresh: bool) -> _Review:
        version = self._classifier.bundle.manifest.version
        key = self._keeper.digest(f"{version} {request.long_text} {request.text}")
        with self._tokenizing_turn(deadline):
            encoded = self._classifier.encode_windows(request.text, whole=request.long_text == "window")
        return _Review(request, encoded, key, None if is_fresh else self._cache.get(key))

    @contextmanager
    def _tokenizing_turn(self, deadline: float) -> Iterator[None]:
        """Hold one of the turns to tokenize.

        Raises:
            DeadlineExceeded: none was free before the deadline.
        """
        if not self._tokenizing_turns.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DeadlineExceeded("The text could not be tokenized before the request's deadline.")
        try:
            yield
        finally:
            self._tokenizing_turns.release()

    def _submit(self, reviews: list[_Review], ticket: Ticket) -> "list[list[Future[Scored]]]":
        """Queue what has no result yet; return for each review its windows' futures."""
        windows = [window.ids for review in reviews if review.cached is None for window in review.encoded.windows]
        usual = all(review.cached is None and not review.encoded.truncated for review in reviews)
        ticket.correct(sum(map(len, windows)), usual=usual)
        futures = self._batcher.submit(windows, ticket.lane, ticket.deadline)
        ticket.attach(futures)
        remaining = iter(futures)
        return [list(islice(remaining, 0 if each.cached else len(each.encoded.windows))) for each in reviews]

    def _combine(self, review: _Review, scored: list[Scored]) -> TextResult:
        """Put the windows of a text together, and keep the result if there is a cache."""
        for each in scored:
            self._metrics.queue_seconds.observe(each.queue_s)
        logits = review.encoded.weighted_mean([each.logits for each in scored])
        pooled = review.encoded.weighted_mean([each.pooled for each in scored])
        # A copy: a view would keep more memory than the cache counts.
        result = TextResult(logits, self._classifier.project(pooled[None])[0].copy())
        self._cache.put(review.cache_key, result)
        return result


def _checked(number: int, item: Any) -> PredictRequest | RequestInvalid:  # noqa: ANN401 - any JSON value
    """Return the item as a request, by the same checks as a single one's: strict JSON."""
    try:
        return PredictRequest.model_validate_json(to_json(item))
    except ValidationError as error:
        return RequestInvalid(field_errors(error, within=("items", number)))


def _wait_for(future: "Future[Scored]", deadline: float) -> Scored:
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except FutureTimeout:
        future.cancel()
        raise DeadlineExceeded("The model did not answer before the request's deadline.") from None
    except CancelledError:
        raise ClientGone("The client hung up before the model could read the text.") from None


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
