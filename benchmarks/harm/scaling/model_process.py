"""The model as a process of its own, for comparison: it computes what services send over a Unix socket.

    python -m benchmarks.harm.scaling.model_process SOCKET BUNDLE THREADS

Token ids come and logits and pooled embeddings go, as msgpack and raw bytes. Who asks is in `remote_engine`.
"""

import ctypes
import sys
import threading
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import msgspec

from sentiment_api.model.bundle import open_bundle
from sentiment_api.model.cores import lower_thread_priority
from sentiment_api.model.engines import Engine, open_engine

_M_ARENA_MAX = -8


class RemotePass(msgspec.Struct, array_like=True):
    """One pass."""

    alone: bool
    """Whether who asks has nothing else to ask."""
    batch: list[list[int]]


class Answer(msgspec.Struct, array_like=True):
    """What it gave: rows of float32, one for each text."""

    n_labels: int
    logits: bytes
    pooled: bytes


class ModelProcess:
    """Computes as many questions at once as it has threads."""

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
        lower_thread_priority()
        decoder, encoder = msgspec.msgpack.Decoder(RemotePass), msgspec.msgpack.Encoder()
        while True:
            try:
                question = decoder.decode(connection.recv_bytes())
                connection.send_bytes(encoder.encode(self._answer(question)))
            except (EOFError, OSError):  # the service has gone
                return

    def _answer(self, question: RemotePass) -> Answer:
        with self._lock:
            self._asked += 1
        with self._places:
            output = self._engine.run(question.batch, alone=question.alone and self._asked == 1)
        with self._lock:
            self._asked -= 1
        return Answer(output.logits.shape[1], output.logits.tobytes(), output.pooled.tobytes())


def main() -> None:
    """Load the model and answer."""
    path, bundle, threads = sys.argv[1:]
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # as the service does: it has a thread for each connection
    ModelProcess(open_engine("cpu", open_bundle(Path(bundle)), int(threads))).listen(path)


if __name__ == "__main__":
    main()
