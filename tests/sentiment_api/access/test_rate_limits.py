"""Limits of keys in tokens: right across processes, told in headers, and not asked of Postgres at each request."""

import datetime as dt
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.testing import TestClient
from sqlalchemy import event, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.key_table import insert_key, lease_tokens
from sentiment_api.access.keys import Key, make_key
from sentiment_api.access.rate_limits import RateLimiter
from sentiment_api.app import create_app
from sentiment_api.database.tables import api_keys
from sentiment_api.errors import RateLimited
from sentiment_api.model.classifier import Classifier
from sentiment_api.settings import DatabaseSettings, ServiceSettings

pytestmark = pytest.mark.anyio

LIMIT = 6000
REVIEW = "The zip broke on the first trip and the straps are far too short for anybody who is taller than a child."


async def limited(engine: AsyncEngine, tokens_per_minute: int = LIMIT) -> tuple[Key, str]:
    """Store a key with a limit, and return it with what its client has."""
    new = make_key()
    key = Key(
        key_id=new.key_id,
        name="trial",
        secret_hash=new.secret_hash,
        scopes=("predict",),
        tokens_per_minute=tokens_per_minute,
    )
    await insert_key(engine, key)
    return key, new.text


async def spend(limiter: RateLimiter, key: Key, tokens: int, estimate: float = 0.0) -> bool:
    """Ask for a request of so many tokens; return whether it was let in."""
    try:
        await limiter.reserve(key, estimate)
    except RateLimited:
        return False
    limiter.settle(key, estimate, tokens)
    return True


async def test_processes_share_what_a_key_may_ask(engine: AsyncEngine) -> None:
    """Two of them together give what the bucket had and what came meanwhile, and at most a request each beyond it."""
    key, _ = await limited(engine)
    started = time.monotonic()
    replicas = [RateLimiter(engine), RateLimiter(engine)]
    given = [0, 0]
    while given[0] + given[1] < 2 * LIMIT:
        let_in = [await spend(replica, key, 100, estimate=60.0) for replica in replicas]
        if not any(let_in):
            break
        given = [sum_ + 100 * each for sum_, each in zip(given, let_in, strict=True)]
    filled = LIMIT / 60 * (time.monotonic() - started)
    assert min(given) > 1000
    assert LIMIT - 2 * LIMIT / 20 <= sum(given) <= LIMIT + filled + 200


async def test_postgres_is_asked_once_for_many_requests(engine: AsyncEngine) -> None:
    """A slice is a twentieth of the limit: 50 requests of 6 tokens are one of 300, and a refused one asks nobody."""
    key, _ = await limited(engine)
    statements: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    limiter = RateLimiter(engine, clock=lambda: 1000.0)
    assert all([await spend(limiter, key, 6) for _ in range(50)])
    assert len([each for each in statements if each.startswith("UPDATE")]) == 1
    assert await spend(limiter, key, 10 * LIMIT)
    assert not await spend(limiter, key, 1)
    before = len(statements)
    assert not any([await spend(limiter, key, 1) for _ in range(50)])
    assert len(statements) == before


async def test_a_refused_client_is_told_when_to_come_back(engine: AsyncEngine) -> None:
    """It is what it takes to pay what is owed at the key's rate; headers say the limit and that nothing is left."""
    key, _ = await limited(engine)
    limiter = RateLimiter(engine, clock=lambda: 1000.0)
    await spend(limiter, key, 2 * LIMIT)
    with pytest.raises(RateLimited) as refused:
        await limiter.reserve(key, 1.0)
    assert refused.value.retry_after_s == pytest.approx(60, abs=6)
    assert refused.value.headers == {
        "RateLimit-Policy": '"tokens";q=6000;w=60;qu="tokens"',
        "RateLimit": '"tokens";r=0;t=60',
    }


async def test_what_is_put_aside_and_not_spent_locks_nobody_out(engine: AsyncEngine) -> None:
    """A large request holds up others of its key while it may cost all that there is, and not once it has cost less."""
    key, _ = await limited(engine)
    limiter = RateLimiter(engine, clock=lambda: 1000.0)
    await limiter.reserve(key, 10 * LIMIT)
    with pytest.raises(RateLimited) as refused:
        await limiter.reserve(key, 1.0)
    assert refused.value.retry_after_s == pytest.approx(9 * 60, abs=6)
    limiter.settle(key, 10 * LIMIT, 0)
    assert await spend(limiter, key, 1)


async def test_a_large_request_holds_up_no_small_one_while_there_is_enough_for_both(engine: AsyncEngine) -> None:
    """What is put aside for one that is in the service is leased as well."""
    key, _ = await limited(engine)
    limiter = RateLimiter(engine, clock=lambda: 1000.0)
    await limiter.reserve(key, LIMIT / 2)
    assert all([await spend(limiter, key, 100) for _ in range(10)])


async def test_what_one_process_owes_all_of_them_wait_for(engine: AsyncEngine) -> None:
    """A request that costs more than the bucket had is paid before any process gives the key more."""
    key, _ = await limited(engine)
    one, other = RateLimiter(engine), RateLimiter(engine)
    assert await spend(one, key, 2 * LIMIT)
    assert not await spend(one, key, 1)
    with pytest.raises(RateLimited) as refused:
        await other.reserve(key, 1.0)
    assert refused.value.retry_after_s == pytest.approx(60, abs=6)


async def test_what_was_leased_for_a_large_request_and_not_spent_is_given_back(engine: AsyncEngine) -> None:
    """The bucket has it again, for other processes."""
    key, _ = await limited(engine)
    limiter = RateLimiter(engine)
    await limiter.reserve(key, 0.8 * LIMIT)
    assert await spend(limiter, key, 1)
    assert (await lease_tokens(engine, key.key_id, 0.0))[1] < LIMIT / 2
    limiter.settle(key, 0.8 * LIMIT, 10)
    deadline = time.monotonic() + 30
    while (await lease_tokens(engine, key.key_id, 0.0))[1] < 0.8 * LIMIT:
        assert time.monotonic() < deadline


async def test_a_bucket_fills_at_its_rate_and_no_further(engine: AsyncEngine) -> None:
    """A tenth of a minute brings a tenth of the limit, and an hour brings a full bucket and not more."""
    key, _ = await limited(engine)
    assert await lease_tokens(engine, key.key_id, 2 * LIMIT) == (LIMIT, 0)
    for passed_s, expected in ((6, LIMIT / 10), (3600, LIMIT)):
        before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=passed_s)
        async with engine.begin() as connection:
            await connection.execute(update(api_keys).values(bucket=0, bucket_at=before))
        granted, left = await lease_tokens(engine, key.key_id, 2 * LIMIT)
        assert granted == pytest.approx(expected, abs=LIMIT / 20)
        assert left == 0


async def test_without_postgres_each_process_gives_the_rate_by_itself(engine: AsyncEngine) -> None:
    """A limited key is not locked out: it gets what its rate brings since the last lease, in each process."""
    key, _ = await limited(engine)
    now = [1000.0]
    limiter = RateLimiter(engine, clock=lambda: now[0])
    async with engine.begin() as connection:
        await connection.execute(text("alter table api_keys rename to elsewhere"))
    assert await spend(limiter, key, LIMIT)
    assert not await spend(limiter, key, 1)
    now[0] += 60
    assert await spend(limiter, key, LIMIT // 2)


async def test_postgres_that_does_not_answer_is_not_asked_at_each_lease(engine: AsyncEngine) -> None:
    """It may hang, and each question would hold up replies: it is asked again after ten seconds."""
    key, _ = await limited(engine)
    asked: list[str] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    now = [1000.0]
    limiter = RateLimiter(engine, clock=lambda: now[0])
    async with engine.begin() as connection:
        await connection.execute(text("alter table api_keys rename to elsewhere"))
    assert await spend(limiter, key, LIMIT // 10)
    before = len(asked)
    for _ in range(9):
        now[0] += 1
        await spend(limiter, key, LIMIT // 10)
    assert len(asked) == before
    now[0] += 1
    await spend(limiter, key, LIMIT // 10)
    assert len(asked) > before


async def test_bodies_without_a_length_are_counted_as_they_are(
    new_service: Callable[..., Any], engine: AsyncEngine
) -> None:
    """Of many batches that are sent at once, in chunks, no more are let in than the key may ask, and one."""
    _, sent = await limited(engine, 2000)
    service = new_service(SENTIMENT_KEYS="required")
    body = json.dumps({"items": [{"text": REVIEW}] * 60}).encode()

    def ask(_number: int) -> int:
        headers = {"Authorization": f"Bearer {sent}", "Content-Type": "application/json"}
        return httpx.post(f"{service.url}/predict/batch", content=iter([body]), headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(12) as clients:
        statuses = Counter(clients.map(ask, range(12)))
    assert statuses.keys() == {200, 429}
    assert statuses[200] <= 2


async def test_a_client_sees_its_limit_and_then_429(
    database_settings: DatabaseSettings, engine: AsyncEngine, cpu: Classifier, tmp_path: Path
) -> None:
    """Replies say what is left, in the tokens that the model counted; then a problem says when to come again."""
    _, sent = await limited(engine, 60)
    settings: dict[str, Any] = {"database_url": database_settings.database_url, "data_dir": tmp_path}
    with TestClient(create_app(ServiceSettings(database=None, keys="required", **settings), cpu)) as client:
        headers = {"Authorization": f"Bearer {sent}"}
        first = client.post("/predict", json={"text": REVIEW}, headers=headers)
        assert (first.status_code, first.headers["ratelimit-policy"]) == (200, '"tokens";q=60;w=60;qu="tokens"')
        left = 60 - first.json()["tokens"]
        assert first.headers["ratelimit"] == f'"tokens";r={left};t={60 - left}'
        while (refused := client.post("/predict", json={"text": REVIEW}, headers=headers)).status_code == 200:
            pass
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/rate-limited")
        assert refused.json()["detail"] == "The key may ask 60 tokens a minute, and has."
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"tokens";r=0;')
        assert "ratelimit" not in client.get("/model", headers=headers).headers


@pytest.fixture
def unlimited(without_postgres: Callable[..., ServiceSettings], cpu: Classifier) -> Any:
    """A service that asks for no keys."""
    return create_app(without_postgres(), cpu)


def test_without_a_limit_there_are_no_such_headers(unlimited: Any) -> None:
    """Clients are told of limits only where there are some."""
    with TestClient(unlimited, base_url="http://127.0.0.1") as client:
        reply = client.post("/predict", json={"text": REVIEW})
        assert (reply.status_code, "ratelimit" in reply.headers) == (200, False)
