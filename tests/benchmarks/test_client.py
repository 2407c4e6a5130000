"""The loads that benchmarks make: how many ask, what, and when."""

import asyncio
from collections.abc import Sequence

from benchmarks.client import Client, Reply, answers_per_s, at_rate


class FakeClient(Client):
    """Answers at once, every second time with a 503."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked: list[bytes] = []

    async def post(self, path: str, body: bytes) -> Reply:  # noqa: ARG002 - as the real one is called
        """Note the body, and let the other connections go first."""
        self.asked.append(body)
        await asyncio.sleep(0)
        return Reply(200 if len(self.asked) % 2 else 503, 0.001, {}, b"")


def test_only_answers_with_200_count() -> None:
    """Connections are shared by the clients and begin at different texts; refusals are no answers."""
    clients = [FakeClient(), FakeClient()]
    found = asyncio.run(answers_per_s(clients, [b"a", b"b"], connections=4, seconds=0.05))
    asked = sum(len(client.asked) for client in clients)
    assert abs(found * 0.05 - asked / 2) <= 4
    assert [client.asked[:2] for client in clients] == [[b"a", b"b"]] * 2


def test_requests_come_at_their_rate_and_in_order() -> None:
    """They do not wait for each other; the moments are random, and the same each time."""

    def asked() -> Sequence[int]:
        numbers: list[int] = []

        async def ask(number: int) -> Reply:
            numbers.append(number)
            return Reply(200, 0.0, {}, b"")

        replies = asyncio.run(at_rate(ask, rate=2000, seconds=0.05))
        assert len(replies) == len(numbers)
        return numbers

    numbers = asked()
    assert numbers == list(range(len(numbers))) == asked()
    assert 70 < len(numbers) < 130
