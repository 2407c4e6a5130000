"""The clients: keep-alive connections that ask for predictions, one or several at a time, and rate some of them."""

import asyncio
import itertools
import json
import random
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from benchmarks.client import Client
from benchmarks.harm.ledger import Ledger
from benchmarks.payload import WORDS

CONNECTIONS = 8
_PACE_S = 0.05
"""Between two requests of a connection: the harm is what is tried here, not the processor."""
_PAUSE_S = 0.05
"""After a failure, and between two looks at readiness."""
_REPLY_TIMEOUT_S = 30.0
_PRODUCTS = [None, "mug-7", "kettle-2", "lamp-31"]


class ClientLoad:
    """Sends from a thread of its own for as long as it is entered.

    A connection stays with its service until that fails, and goes on to the next one then, as a proxy would have it.
    With `heed_readiness` nothing is begun with a service whose `/health/ready` does not say 200.
    """

    def __init__(
        self,
        urls: Sequence[str],
        ledger: Ledger,
        seed: int,
        *,
        connections: int = CONNECTIONS,
        pace_s: float = _PACE_S,
        heed_readiness: bool = False,
    ) -> None:
        """Nothing is sent before it is entered."""
        self._ledger = ledger
        self._seed = seed
        self._connections = connections
        self._pace_s = pace_s
        self._heed_readiness = heed_readiness
        self._urls = urls
        self._ready = dict.fromkeys(urls, not heed_readiness)
        self._ending = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._sending: Future[None] | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._sending = self._thread.submit(lambda: asyncio.run(self._send()))
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Begin nothing more, and return when what was begun is answered."""
        self._ending.set()
        if self._sending is not None:
            self._sending.result()
        self._thread.shutdown()

    async def _send(self) -> None:
        probes = self._urls if self._heed_readiness else []
        connections = (self._connection(number) for number in range(self._connections))
        await asyncio.gather(*connections, *(self._probe(url) for url in probes))
        await asyncio.sleep(0)  # closed connections tell the loop so

    async def _connection(self, number: int) -> None:
        shopper = _Shopper(random.Random(f"{self._seed} {number}"), self._ledger)  # noqa: S311 - no secret
        clients = {url: Client(url, _REPLY_TIMEOUT_S) for url in self._urls}
        urls = itertools.cycle([*self._urls[number % len(self._urls) :], *self._urls[: number % len(self._urls)]])
        url = next(urls)
        while not self._ending.is_set():
            if not self._ready[url]:
                url = next(urls)
                await asyncio.sleep(_PAUSE_S)
            elif await shopper.ask(clients[url]):
                await asyncio.sleep(self._pace_s)
            else:
                url = next(urls)
                await asyncio.sleep(_PAUSE_S)
        _close(clients.values())

    async def _probe(self, url: str) -> None:
        client = Client(url, _REPLY_TIMEOUT_S)
        while not self._ending.is_set():
            self._ready[url] = (await client.get("/health/ready")).status == 200
            await asyncio.sleep(_PAUSE_S)
        client.close()


class _Shopper:
    """Asks one thing at a time, and remembers what it has not rated yet."""

    def __init__(self, chosen: random.Random, ledger: Ledger) -> None:
        self._random = chosen
        self._ledger = ledger
        self._unrated: list[UUID] = []

    async def ask(self, client: Client) -> bool:
        """Ask for something and note the answer; return whether there was one."""
        dice = self._random.random()
        if dice < 0.2 and self._unrated:
            return await self._rate(client, self._unrated.pop())
        if dice < 0.3:
            return await self._predict(client, "/predict/batch", {"items": [self._review() for _ in range(4)]})
        return await self._predict(client, "/predict", self._review())

    async def _predict(self, client: Client, path: str, body: dict[str, Any]) -> bool:
        reply = await client.post(path, json.dumps(body).encode())
        self._unrated += self._ledger.note_predictions(path, reply)
        return reply.status != 0

    async def _rate(self, client: Client, prediction_id: UUID) -> bool:
        body = {"prediction_id": str(prediction_id), "rating": self._random.randint(1, 5)}
        reply = await client.post("/feedback", json.dumps(body).encode())
        self._ledger.note_feedback(prediction_id, reply)
        return reply.status != 0

    def _review(self) -> dict[str, Any]:
        words = self._random.choices(WORDS, k=self._random.randint(3, 12))
        product_id = self._random.choice(_PRODUCTS)
        return {"text": " ".join(words)} | ({} if product_id is None else {"product_id": product_id})


def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        client.close()
