"""The model as a process of its own, for comparison: it computes what services send over a Unix socket.

    python -m benchmarks.model_process SOCKET BUNDLE THREADS

A service that is started with `-m benchmarks.model_process serve` instead of `-m sentiment_api serve`, and finds
the socket's path in BENCH_MODEL_SOCKET, has no model: all of it is the same but the engine, which asks. Token ids go
there and logits and pooled embeddings come back, as msgpack and raw bytes. What needs no weights stays where it is.
"""

import os
import sys
import threading
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import msgspec
import numpy as np

from sentiment_api import engines
from sentiment_api.__main__ import main as serve
from sentiment_api.bundle import Bundle, open_bundle
from sentiment_api.cores import let_others_go_first
from sentiment_api.engines import BatchLimits, Engine, Output, open_engine

SOCKET = "BENCH_MODEL_SOCKET"


class _Question(msgspec.Struct, array_like=True):
    alone: bool
    batch: list[list[int]]


class _Answer(msgspec.Struct, array_like=True):
    n_labels: int
    logits: bytes
    pooled: bytes


class RemoteEngine:
    """An engine that asks another process, over a connection for each thread."""

    name = "cpu"
    limits = BatchLimits(texts=32, tokens=128, padding=0.0)  # the CPU engine's, without importing what it needs

    def __init__(self, _bundle: Bundle, threads: int) -> None:
        """Connect on the first question; `threads` may ask at once."""
        self.threads = threads
        self._mine = threading.local()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Answer)

    def run(self, batch: list[list[int]], *, alone: bool = False) -> Output:
        """Return the other process's output."""
        if not hasattr(self._mine, "connection"):
            self._mine.connection = Client(os.environ[SOCKET], family="AF_UNIX")
        connection: Connection = self._mine.connection
        connection.send_bytes(self._encoder.encode(_Question(alone, batch)))
        answer = self._decoder.decode(connection.recv_bytes())
        logits = np.frombuffer(answer.logits, np.float32).reshape(len(batch), answer.n_labels)
        return Output(logits, np.frombuffer(answer.pooled, np.float32).reshape(len(batch), -1))


class ModelProcess:
    """Computes as many questions at once as it has threads, first come first served."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is listened to before `listen`."""
        self._engine = engine
        self._places = threading.Semaphore(engine.threads)
        self._asked = 0
        self._lock = threading.Lock()

    def listen(self, path: str) -> None:
        """Answer on this socket for ever."""
        with Listener(path, family="AF_UNIX", backlog=64) as listener:
            while True:
                threading.Thread(target=self._serve, args=(listener.accept(),), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        let_others_go_first()
        decoder, encoder = msgspec.msgpack.Decoder(_Question), msgspec.msgpack.Encoder()
        while True:
            try:
                question = decoder.decode(connection.recv_bytes())
                connection.send_bytes(encoder.encode(self._answer(question)))
            except (EOFError, OSError):  # the service has gone
                return

    def _answer(self, question: _Question) -> _Answer:
        with self._lock:
            self._asked += 1
        with self._places:
            output = self._engine.run(question.batch, alone=question.alone and self._asked == 1)
        with self._lock:
            self._asked -= 1
        return _Answer(output.logits.shape[1], output.logits.tobytes(), output.pooled.tobytes())


def main() -> None:
    """Be the model's process, or with `serve` a service that asks it."""
    if sys.argv[1:] == ["serve"]:
        engines._ENGINES["cpu"] = "benchmarks.model_process:RemoteEngine"  # noqa: SLF001 - there is no setting for it
        serve()
    else:
        path, bundle, threads = sys.argv[1:]
        ModelProcess(open_engine("cpu", open_bundle(Path(bundle)), int(threads))).listen(path)


if __name__ == "__main__":
    main()
