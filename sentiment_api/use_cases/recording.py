"""Records predictions: from what the model says of a text to the prediction, its record in the spool and the counts.

What a record keeps is `prediction_log.records`; which of it a column of Postgres takes is `database.tables`.
"""

import math
import time

import msgspec
import numpy as np
from uuid_utils.compat import uuid7

from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.inference.result_cache import TextResult
from sentiment_api.model.classifier import Classifier
from sentiment_api.model.descriptors import DESCRIPTORS_VERSION, describe
from sentiment_api.model.long_texts import EncodedText
from sentiment_api.prediction_log.records import PredictionRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.prediction_log.text_policy import TextKeeper
from sentiment_api.schemas.predictions import Prediction, PredictRequest
from sentiment_api.schemas.service import ModelName
from sentiment_api.telemetry.metrics import Metrics
from sentiment_api.telemetry.phases import SPOOL, current_phases


class Caller(msgspec.Struct, frozen=True):
    """What a prediction keeps of the request around it."""

    request_id: str
    idempotency_key: str | None = None
    source: str = "api"
    """One of `CUSTOMER_SOURCES` or `OWN_SOURCES`."""
    api_key_name: str | None = None


class PredictionRecorder:
    """Records the predictions of one model. Safe to share between threads."""

    def __init__(self, classifier: Classifier, spool: Spool, keeper: TextKeeper, metrics: Metrics) -> None:
        """Keep the parts."""
        self._classifier = classifier
        self._spool = spool
        self._keeper = keeper
        self._metrics = metrics

    def record(
        self, request: PredictRequest, encoded: EncodedText, result: TextResult, caller: Caller, *, latency_s: float
    ) -> Prediction:
        """Return the prediction for one text after its record is in the spool.

        Raises:
            SpoolFull: it cannot be recorded, so it must not be given.
        """
        prediction = self._prediction(encoded, result)
        self._append(self._record(request, prediction, result, caller, latency_s))
        self._count(request, prediction, caller.source)
        return prediction

    def _prediction(self, encoded: EncodedText, result: TextResult) -> Prediction:
        manifest = self._classifier.bundle.manifest
        probabilities = self._classifier.calibrate(result.logits)
        best = int(np.argmax(probabilities))
        return Prediction(
            prediction_id=uuid7(),
            label=manifest.labels[best],
            score=float(probabilities[best]),
            probabilities=dict(zip(manifest.labels, probabilities.tolist(), strict=True)),
            model=ModelName(manifest.name, manifest.version),
            tokens=encoded.tokens,
            truncated=encoded.truncated,
        )

    def _record(
        self, request: PredictRequest, prediction: Prediction, result: TextResult, caller: Caller, latency_s: float
    ) -> PredictionRecord:
        descriptors = describe(request.text, tokens=prediction.tokens, truncated=prediction.truncated)
        return PredictionRecord(
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
            logits=result.logits.tolist(),
            label=prediction.label,
            score=prediction.score,
            probabilities=prediction.probabilities,
            embedding=result.embedding.tolist(),
            model_name=prediction.model.name,
            model_version=prediction.model.version,
            engine=self._classifier.engine.name,
            latency_ms=1000 * latency_s,
        )

    def _append(self, record: PredictionRecord) -> None:
        payload = encode(record)
        started = time.monotonic()
        self._spool.append(payload)
        ended = time.monotonic()
        self._metrics.spooled_bytes.inc(len(payload))
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


def _entropy(probabilities: list[float]) -> float:
    """Return the entropy of a distribution, as a share of the even one's: 0 to 1."""
    return -sum(each * math.log(each) for each in probabilities if each > 0) / math.log(max(2, len(probabilities)))
