"""The model as the rest of the service sees it: text to tokens to logits to calibrated probabilities."""

import time
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sentiment_api.errors import BundleInvalid, EngineUnavailable, SelfCheckFailed
from sentiment_api.model.bundle import GOLDEN_TOLERANCE, TOKENIZER, Bundle, unreadable_bundle
from sentiment_api.model.engines import Engine, EngineOutput, open_engine
from sentiment_api.model.long_texts import EncodedText, TextWindow, split_into_windows
from sentiment_api.model.tokenizer import ReviewTokenizer, Tokens

_WARM_UP_TEXT = "It works as described and arrived on time. "


class Classifier:
    """A bundle, its tokenizer and an engine that runs it. Safe to share between threads."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        """Read the bundle's tokenizer.

        Raises:
            BundleInvalid: it cannot be read.
        """
        self.bundle = bundle
        self.engine = engine
        self.labels = bundle.manifest.labels
        self._tokenizer = ReviewTokenizer(bundle.path(TOKENIZER), bundle.manifest.max_tokens)

    @classmethod
    def load(cls, bundle: Bundle, engine: str, threads: int) -> Self:
        """Load `engine` with the weights of `bundle` and run one text, so that the first client does not wait.

        Raises:
            EngineUnavailable: the engine is not installed or cannot run the bundle.
            BundleInvalid: a file cannot be read, or the parts of the bundle do not fit together.
        """
        try:
            classifier = cls(bundle, open_engine(engine, bundle, threads))
        except OSError as error:
            if bundle.folder.absolute() in Path(str(error.filename)).absolute().parents:
                raise unreadable_bundle(bundle.folder, error) from error
            # A library of the engine, or what it needs of the system.
            raise EngineUnavailable(f"the engine {engine!r} cannot be loaded: {error}") from error
        output = classifier.forward([classifier.encode(_WARM_UP_TEXT).ids], alone=True)
        if (found := output.logits.shape[1]) != len(classifier.labels):
            raise BundleInvalid(
                f"expected {len(classifier.labels)} logits, as {bundle.folder} has labels, found {found}"
            )
        try:
            classifier.project(output.pooled)
        except ValueError as error:
            raise BundleInvalid(
                f"the projection in {bundle.folder} is not of this model's width; export again"
            ) from error
        return classifier

    def encode(self, text: str) -> Tokens:
        """Return the text's tokens, cut at the model's limit."""
        return self._tokenizer.encode(text)

    def encode_windows(self, text: str, *, whole: bool = False) -> EncodedText:
        """Return the text's beginning as one window, or with `whole` all of it in overlapping windows."""
        if whole:
            ids = self._tokenizer.encode_whole(text)
            return EncodedText(split_into_windows(ids, self.bundle.manifest.max_tokens), len(ids), truncated=False)
        beginning, truncated = self.encode(text)
        return EncodedText([TextWindow(beginning, 1.0)], len(beginning), truncated)

    def forward(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:
        """Return uncalibrated logits and pooled embeddings of one batch of token ids; see `Engine.run`."""
        return self.engine.run(batch, alone=alone)

    def measured_rate(self) -> float:
        """Return the tokens per second of all engine threads together, from one pass of a usual length now."""
        ids = self.encode(_WARM_UP_TEXT * 12).ids
        started = time.perf_counter()
        self.forward([ids])
        return len(ids) * self.engine.threads / (time.perf_counter() - started)

    def calibrate(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of uncalibrated logits, in their shape: `(n, n_labels)`, or `(n_labels,)`.

        That is softmax over the labels after division by the temperature. Each text's probabilities add up to 1.
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
        """
        scaled = np.asarray(logits, dtype=np.float64) / self.bundle.manifest.temperature
        exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return probabilities

    def project(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the projected embeddings `(n, n_projected)`; `(n, 0)` when the bundle has no projection."""
        if self.bundle.projection is None:
            return np.empty((len(pooled), 0), dtype=np.float32)
        return self.bundle.projection(pooled)

    def classify(self, text: str) -> NDArray[np.float64]:
        """Return the probabilities `(n_labels,)` of one text, without queue or log. For checks and the command line."""
        probabilities: NDArray[np.float64] = self.calibrate(self.forward([self.encode(text).ids]).logits)[0]
        return probabilities

    def self_check(self) -> None:
        """Score the golden texts.

        Raises:
            SelfCheckFailed: a label is not the recorded one, or a probability is more than `GOLDEN_TOLERANCE` away.
        """
        for number, golden in enumerate(self.bundle.manifest.golden):
            found = self.classify(golden.text)
            if np.argmax(found) != np.argmax(golden.probabilities["torch"]):
                raise SelfCheckFailed(f"golden text {number} of {self.bundle.folder} gets another label than at export")
            expected = golden.probabilities.get(self.engine.name)
            if expected is not None and (distance := np.abs(found - expected).max()) > GOLDEN_TOLERANCE:
                raise SelfCheckFailed(
                    f"golden text {number} of {self.bundle.folder}: expected probabilities within {GOLDEN_TOLERANCE} "
                    f"of those recorded for the engine {self.engine.name!r}, found a distance of {distance:.3f}; the "
                    "engine's version or this CPU computes another function. Export the bundle again, or serve it with "
                    "--engine torch"
                )
