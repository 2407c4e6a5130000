"""Which predictions the shadow model scores, when, and what becomes of its answers.

Live work goes first, always. The model is loaded and a text is begun only while the engine has nothing to do; when live
work comes in the middle of it the shadow stands still until that is done. What does not fit into a short queue is
dropped. A shadow that fails is given up until the next start: nothing of the service waits for it, and readiness does
not hang on it.
"""

import threading
import time
from collections import deque
from hashlib import blake2b
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec
import numpy as np
import structlog

from sentiment_api.database.tables import CUSTOMER_SOURCES
from sentiment_api.errors import ShadowFailed, SpoolFull
from sentiment_api.prediction_log.records import ShadowRecord, encode
from sentiment_api.prediction_log.spool import Spool
from sentiment_api.schemas.predictions import Prediction
from sentiment_api.schemas.service import ShadowHealth
from sentiment_api.shadow.process import Scorer
from sentiment_api.shadow.scoring import ShadowAnswer, ShadowModel
from sentiment_api.telemetry.metrics import Metrics

MAX_WAITING = 64
"""Texts that may wait for the shadow. Short, as each is a text in memory and a longer queue makes nothing faster."""
MAX_SPOOL_SHARE = 0.5
"""Of the spool's bound: beyond it shadow answers are dropped, so that they leave the room to live predictions."""
_HASHES = 1 << 64
SHADOW_STOP_TIMEOUT_S = 5.0
_log = structlog.get_logger(__name__)

State = Literal["loading", "ready", "disabled", "stopped"]


class Candidate(NamedTuple):
    """A live prediction to compare with."""

    prediction: Prediction
    text: str
    whole: bool
    """Whether all of the text was read, or its beginning."""


class Shadow:
    """The shadow of one service. Its methods may be called from any thread and never wait for the model."""

    def __init__(self, scorer: Scorer, share: float, spool: Spool, metrics: Metrics) -> None:
        """Nothing runs before `start`. `share` is of customers' predictions, 0 to 1."""
        self.share = share
        self._scorer = scorer
        self._spool = spool
        self._metrics = metrics
        self._changed = threading.Condition()
        self._waiting: deque[Candidate] = deque()
        self._state: State = "loading"
        self._reason: str | None = None
        self._model: ShadowModel | None = None
        self._engine_is_busy = False
        self._at_work = False
        self._paused = False
        self._discarded = False
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)

    def start(self) -> None:
        """Have the model loaded as soon as the engine has nothing to do; texts wait until it is there."""
        self._thread.start()

    def stop(self) -> None:
        """Drop what waits and end; return when the thread has ended, or does not in time."""
        gives_up_at = time.monotonic() + SHADOW_STOP_TIMEOUT_S
        self._end("stopped", "stopping", None)
        if self._thread.is_alive():  # it may not have started
            self._thread.join(max(0.0, gives_up_at - time.monotonic()))

    def chooses(self, prediction_id: UUID, source: str) -> bool:
        """Return whether this prediction is in the share that is scored: by a hash, so the answer stays the same."""
        digest = blake2b(prediction_id.bytes, digest_size=8).digest()
        return source in CUSTOMER_SOURCES and int.from_bytes(digest, "big") < self.share * _HASHES

    def offer(self, candidates: list[Candidate]) -> None:
        """Have predictions scored that were chosen, now that they are answered; those that find no room are dropped."""
        with self._changed:
            if self._state in ("disabled", "stopped"):
                self._drop("disabled" if self._state == "disabled" else "stopping", len(candidates))
                return
            room = MAX_WAITING - len(self._waiting)
            self._waiting.extend(candidates[:room])
            self._drop("full", len(candidates[room:]))
            self._count_waiting()
            self._changed.notify_all()

    def forget(self) -> None:
        """Drop what waits and what is being scored: something was erased, and it may be among it."""
        with self._changed:
            self._drop_waiting("erased")
            if self._at_work and self._state == "ready" and not self._discarded:
                self._discarded = True
                self._paused = False
                self._scorer.discard()

    def engine_busy(self) -> None:
        """Stand still: the engine has work now."""
        with self._changed:
            self._engine_is_busy = True
            if self._at_work:
                self._paused = True
                self._scorer.pause()

    def engine_idle(self) -> None:
        """Go on: the engine has done all its work."""
        with self._changed:
            self._engine_is_busy = False
            if self._paused:
                self._paused = False
                self._scorer.resume()
            self._changed.notify_all()

    def health(self) -> ShadowHealth:
        """Return how the shadow does."""
        model = self._model
        return ShadowHealth(
            state=self._state,
            name=None if model is None else model.name,
            version=None if model is None else model.version,
            share=self.share,
            waiting=len(self._waiting),
            reason=self._reason,
        )

    def _work(self) -> None:
        try:
            while self._state == "loading":
                model = self._load()
                while self._compare_next(model):
                    pass
        except ShadowFailed as failure:
            self._end("disabled", "disabled", str(failure))
        except Exception as error:  # noqa: BLE001 - whatever it is, the live model must not hear of it
            self._end("disabled", "disabled", type(error).__name__)

    def _load(self) -> ShadowModel:
        with self._changed:
            self._changed.wait_for(lambda: self._state != "loading" or not self._engine_is_busy)
            if self._state != "loading":
                raise ShadowFailed("stopped before it was loaded")
        self._scorer.start()
        with self._changed:
            self._at_work = True
            if self._engine_is_busy:
                self._paused = True
                self._scorer.pause()
        model = self._scorer.load()
        with self._changed:
            self._at_work = False
            if self._state != "loading":
                raise ShadowFailed("stopped while it was loaded")
            self._model, self._state = model, "ready"
        self._metrics.shadow_model.labels(model.name, model.version, model.engine).set(1)
        _log.info("shadow model scores", model_version=model.version, share=self.share)
        return model

    def _next(self) -> Candidate | None:
        """Return the next text as soon as there is one and the engine has nothing to do.

        None when this is to end or, in the state `loading`, when the model has to be loaded again.
        """
        with self._changed:
            self._at_work = False
            if self._discarded and self._state == "ready":
                self._discarded, self._state = False, "loading"
                return None
            self._changed.wait_for(lambda: self._state != "ready" or (bool(self._waiting) and not self._engine_is_busy))
            if self._state != "ready":
                return None
            self._at_work = True
            candidate = self._waiting.popleft()
            self._count_waiting()
            return candidate

    def _compare_next(self, model: ShadowModel) -> bool:
        """Return whether to go on. The text is let go here, not when the next one comes."""
        candidate = self._next()
        if candidate is None:
            return False
        try:
            answer = self._scorer.score(candidate.text, whole=candidate.whole)
        except ShadowFailed:
            if not self._discarded:
                raise
            self._drop("erased", 1)
        else:
            self._compare(model, candidate.prediction, answer)
        return True

    def _compare(self, model: ShadowModel, live: Prediction, answer: ShadowAnswer) -> None:
        probabilities = dict(zip(model.labels, answer.probabilities, strict=True))
        label = model.labels[int(np.argmax(answer.probabilities))]
        agreement = "same" if label == live.label else "other"
        self._metrics.shadow_compared.labels(agreement).inc()
        if live.label in probabilities:
            self._metrics.shadow_distance.observe(abs(probabilities[live.label] - live.score))
        self._record(_record(model, live.prediction_id, answer, label, probabilities))

    def _record(self, record: ShadowRecord) -> None:
        if self._spool.fill_ratio > MAX_SPOOL_SHARE:
            self._drop("log-full", 1)
            return
        payload = encode(record)
        try:
            self._spool.append(payload)
        except SpoolFull:
            self._drop("log-full", 1)
        else:
            self._metrics.spooled.labels("shadow").inc()
            self._metrics.spooled_bytes.inc(len(payload))

    def _end(self, state: State, dropped_as: str, reason: str | None) -> None:
        """Give up what waits and the model, for good; nothing when that was done before."""
        with self._changed:
            if self._state in ("disabled", "stopped"):
                return
            self._state, self._reason = state, reason
            self._at_work = self._paused = False
            self._drop_waiting(dropped_as)
            self._changed.notify_all()
        self._scorer.stop()
        if self._model is not None:
            self._metrics.shadow_model.labels(self._model.name, self._model.version, self._model.engine).set(0)
        if state == "disabled":
            self._metrics.shadow_disabled.set(1)
            remedy = "mend or unset SENTIMENT_SHADOW_MODEL and restart; live predictions are not concerned"
            _log.error("shadow model disabled", reason=reason, remedy=remedy)

    def _drop_waiting(self, reason: str) -> None:
        self._drop(reason, len(self._waiting))
        self._waiting.clear()
        self._count_waiting()

    def _drop(self, reason: str, count: int) -> None:
        if count:
            self._metrics.shadow_dropped.labels(reason).inc(count)

    def _count_waiting(self) -> None:
        self._metrics.shadow_waiting.set(len(self._waiting))


def _record(
    model: ShadowModel, prediction_id: UUID, answer: ShadowAnswer, label: str, probabilities: dict[str, float]
) -> ShadowRecord:
    return ShadowRecord(
        prediction_id=prediction_id,
        model_name=model.name,
        model_version=model.version,
        engine=model.engine,
        **msgspec.structs.asdict(answer) | {"probabilities": probabilities},
        label=label,
        score=probabilities[label],
    )
