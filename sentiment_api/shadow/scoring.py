"""The shadow's process: loads a bundle and answers one text after the other, until the service hangs up.

    python -m sentiment_api.shadow.scoring DESCRIPTOR FOLDER ENGINE

A process and not a thread: a thread of low priority that is not given the processor while it has Python's lock would
hold up every live request, and what the shadow does to memory or crashes stays here.
"""

import ctypes
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec
import numpy as np

from sentiment_api.errors import OperatorError
from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.classifier import Classifier


class Started(msgspec.Struct, frozen=True, tag="started"):
    """This process may be stopped from now on: it ends with the service all the same."""


class ShadowModel(msgspec.Struct, frozen=True, tag="model"):
    """Which model scores."""

    name: str
    version: str
    labels: list[str]
    engine: str


class Question(msgspec.Struct, frozen=True):
    """One text to score."""

    text: str
    whole: bool
    """Read all of it, in windows, or its beginning only: as the live model did."""


class ShadowAnswer(msgspec.Struct, frozen=True, tag="answer"):
    """What the model says of one text."""

    logits: list[float]
    """Uncalibrated, in the order of the labels."""
    probabilities: list[float]
    """Calibrated, in the order of the labels."""
    latency_ms: float
    """From the question to the answer, however long this process had to wait for live work."""
    processor_ms: float
    """What it took of one processor."""


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """Why there will be no more answers."""

    reason: str
    """For the operator; never a client's text."""


_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""
Message = Started | ShadowModel | ShadowAnswer | Failure
_encode = msgspec.msgpack.Encoder().encode
_questions = msgspec.msgpack.Decoder(Question)


def main() -> None:
    """Say which model this is, then answer questions."""
    descriptor, folder, engine = sys.argv[1:]
    # Sent to all of a service at once; this process ends when the service hangs up or kills it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _end_with_the_service()
    with Connection(int(descriptor)) as connection:
        try:
            connection.send_bytes(_encode(Started()))
            _serve(connection, _load(Path(folder), engine))
        except EOFError:  # the service hung up
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the service must hear of it
            # Others' messages may quote a text.
            reason = str(error) if isinstance(error, OperatorError) else type(error).__name__
            connection.send_bytes(_encode(Failure(reason)))


def _end_with_the_service() -> None:
    """Have Linux kill this process when the thread that started it ends: stopped, it cannot hear the service hang up.

    A service that ended before this need not be looked for: it stops this process only after it has heard that it
    started, so until then hanging up is heard. On other systems a stopped process is left over.
    """
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def _load(folder: Path, engine: str) -> Classifier:
    """Load on one thread: all that the shadow may ever take is one core."""
    classifier = Classifier.load(open_bundle(folder), engine, threads=1)
    classifier.self_check()
    return classifier


def _serve(connection: Connection, classifier: Classifier) -> None:
    manifest = classifier.bundle.manifest
    model = ShadowModel(manifest.name, manifest.version, classifier.labels, classifier.engine.name)
    connection.send_bytes(_encode(model))
    while True:
        # No name for the question: it would keep the text until the next one comes.
        connection.send_bytes(_encode(_answer(classifier, _questions.decode(connection.recv_bytes()))))


def _answer(classifier: Classifier, question: Question) -> ShadowAnswer:
    started, used = time.perf_counter(), time.process_time()
    reading = classifier.encode_windows(question.text, whole=question.whole)
    logits = reading.weighted_mean([classifier.forward([window.ids]).logits[0] for window in reading.windows])
    probabilities = classifier.calibrate(logits)
    if not np.isfinite(probabilities).all():
        raise ValueError("expected finite probabilities")
    latency_s, processor_s = time.perf_counter() - started, time.process_time() - used
    return ShadowAnswer(logits.tolist(), probabilities.tolist(), 1000 * latency_s, 1000 * processor_s)


if __name__ == "__main__":
    main()
