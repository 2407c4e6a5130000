"""The service without a model, for comparison: `python -m benchmarks.harm.scaling.remote_engine serve`.

All of it is the same as `sentiment-api serve` but the engine, which asks the process on the socket BENCH_MODEL_SOCKET.
"""

import os
import threading
from multiprocessing.connection import Client, Connection

import msgspec
import numpy as np

from benchmarks.harm.scaling.model_process import Answer, RemotePass
from sentiment_api.__main__ import main
from sentiment_api.model import engines
from sentiment_api.model.bundle import Bundle
from sentiment_api.model.engines import BatchLimits, EngineOutput, EngineSource

SOCKET = "BENCH_MODEL_SOCKET"


class RemoteEngine:
    """An engine that asks another process, over a connection for each thread."""

    name = "cpu"
    limits = BatchLimits(texts=32, tokens=128, padding=0.0)  # the CPU engine's, without importing what it needs

    def __init__(self, _bundle: Bundle, threads: int) -> None:
        """Connect on the first question; `threads` may ask at once."""
        self.threads = threads
        self._mine = threading.local()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Answer)

    def run(self, batch: list[list[int]], *, alone: bool = False) -> EngineOutput:
        """Return the other process's output."""
        if not hasattr(self._mine, "connection"):
            self._mine.connection = Client(os.environ[SOCKET], family="AF_UNIX")
        connection: Connection = self._mine.connection
        connection.send_bytes(self._encoder.encode(RemotePass(alone, batch)))
        answer = self._decoder.decode(connection.recv_bytes())
        logits = np.frombuffer(answer.logits, np.float32).reshape(len(batch), answer.n_labels)
        return EngineOutput(logits, np.frombuffer(answer.pooled, np.float32).reshape(len(batch), -1))


if __name__ == "__main__":
    engines.ENGINES["cpu"] = EngineSource("benchmarks.harm.scaling.remote_engine:RemoteEngine", remedy="")
    main()
