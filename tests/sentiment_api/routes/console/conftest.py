"""What this room's tests share: the console in a real browser over a real service, drift runs to show, and keys."""

import gzip
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pandas as pd
import pytest
from evidently import Dataset, Report
from evidently.presets import ValueStats
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.access.key_table import insert_key
from sentiment_api.access.keys import Key, make_key
from tests.protocols import Fact, Predict, Section, StoreRun, Told, UseKey, Visit, Waiting

Keys = dict[str, str]

PATIENCE_MS = 60_000


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console says."""
    return []


@pytest.fixture
def visit(browser: Browser, complaints: list[str]) -> Visit:
    """A function that opens a page of its own; arguments are the browser's. Comes after what is asynchronous."""

    def open_page(url: str, **options: Any) -> Page:
        page = browser.new_context(**options).new_page()  # so that a test can open further tabs
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    expect.set_options(timeout=PATIENCE_MS)
    return open_page


@pytest.fixture
def told(service: Any, waiting: Waiting) -> Told:
    """A function that sends customers' reviews, waits until Postgres has them all, and returns their ids."""

    def send(*texts: str, **more: str) -> list[str]:
        asked = [httpx.post(f"{service.url}/predict", json={"text": text, **more}, timeout=30) for text in texts]
        ids = [reply.json()["prediction_id"] for reply in asked]

        def are_stored() -> bool:
            return {httpx.get(f"{service.url}/predictions/{each}").json()["state"] for each in ids} == {"stored"}

        waiting(are_stored, "the predictions are stored")
        return ids

    return send


@pytest.fixture
def predict() -> Predict:
    """A function that types a review and sends it by the keyboard."""
    return _predict


def _predict(page: Page, text: str) -> None:
    page.get_by_label("Review", exact=True).fill(text)
    page.keyboard.press("Control+Enter")


@pytest.fixture
def section() -> Section:
    """A function that gives the part of a page under this heading."""
    return _section


def _section(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name)


@pytest.fixture
def fact() -> Fact:
    """A function that gives what stands beside a term."""
    return _fact


def _fact(page: Page, term: str) -> Locator:
    return page.locator("dl > div").filter(has=page.locator("dt", has_text=re.compile(f"^{term}$"))).locator("dd")


@pytest.fixture(scope="session")
def evidently_page() -> bytes:
    """A page that Evidently made, compressed as the drift job stores it."""
    random = np.random.default_rng(1)
    data = [Dataset.from_pandas(pd.DataFrame({"words": random.poisson(40, 100)})) for _ in range(2)]
    html: str = Report([ValueStats(column="words")], include_tests=False).run(*data).get_html_str(as_iframe=False)
    return gzip.compress(html.replace("<body>", "<body><h1>watch</h1>").encode())


@pytest.fixture
async def run_id(store_run: StoreRun, evidently_page: bytes) -> UUID:
    """A drift run with a page, behind one that was judged and has none."""
    await store_run(day=20, verdict="drift", reason="2 of 15 tests found a change")
    return await store_run(day=21, verdict="watch", reason="1 of 15 tests found a change", report_html=evidently_page)


@pytest.fixture
async def keys(engine: AsyncEngine) -> Keys:
    """A key for each of some sets of scopes; `slow` may ask one token a minute."""
    texts = {}
    for name, scopes, limit in (("all", "predict feedback read", None), ("read", "read", None), ("slow", "predict", 1)):
        new = make_key()
        await insert_key(
            engine,
            Key(
                key_id=new.key_id,
                name=name,
                secret_hash=new.secret_hash,
                scopes=tuple(scopes.split()),
                tokens_per_minute=limit,
            ),
        )
        texts[name] = new.text
    return texts


@pytest.fixture
def locked(keys: Keys, run_id: UUID, new_service: Callable[..., Any]) -> Any:
    """A running service that asks for keys, and has judged a window."""
    return new_service(SENTIMENT_KEYS="required")


@pytest.fixture
def use_key() -> UseKey:
    """A function that types a key into its form and sends it."""
    return _use_key


def _use_key(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")
