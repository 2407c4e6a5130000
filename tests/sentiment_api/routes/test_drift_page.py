"""The page of a drift run in a real browser: it shows what Evidently drew, and reaches nothing of the service."""

import gzip
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationQuality, ValueStats
from playwright.sync_api import Browser, Page, expect

from tests.protocols import StoreRun

PATIENCE_MS = 30_000
# What a script in the page may try to learn of the service, or to keep in its name, and how it fails.
FORBIDDEN = {
    "document.cookie": "SecurityError",
    "localStorage.length": "SecurityError",
    "sessionStorage.length": "SecurityError",
    "indexedDB.open('drift')": "SecurityError",
    "navigator.serviceWorker.register('/drift/latest')": "SecurityError",
    "fetch('/health/live')": "TypeError",
    "fetch('/health/live', {mode: 'no-cors'})": "TypeError",
    "import('/docs/assets/swagger-ui-bundle.js')": "TypeError",
}


@pytest.fixture(scope="session")
def evidently_page() -> str:
    """A page with the widgets that the drift job has Evidently make, of numbers from a seed."""
    report = Report([ValueStats(column="words"), ClassificationQuality(conf_matrix=True)], include_tests=False)
    snapshot = report.run(_dataset(1), _dataset(2))
    page: str = snapshot.get_html_str(as_iframe=False)
    return page.replace("<body>", "<body><h1>watch</h1>")


def _dataset(seed: int) -> Dataset:
    random = np.random.default_rng(seed)
    positive = random.random(200)
    frame = pd.DataFrame(
        {
            "words": random.poisson(40, 200),
            "label": np.where(positive > 0.5, "positive", "negative"),
            "target": np.where(random.random(200) < positive, "positive", "negative"),
            "probability_positive": positive,
        }
    )
    truth = BinaryClassification(
        target="target", prediction_labels="label", prediction_probas="probability_positive", pos_label="positive"
    )
    definition = DataDefinition(
        numerical_columns=["words", "probability_positive"],
        categorical_columns=["label", "target"],
        classification=[truth],
    )
    return Dataset.from_pandas(frame, definition)


@pytest.fixture
async def path(store_run: StoreRun, evidently_page: str) -> str:
    """Where the page is."""
    return f"/drift/reports/{await store_run(report_html=gzip.compress(evidently_page.encode()))}.html"


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console says."""
    return []


@pytest.fixture
def asked() -> list[str]:
    """What the browser asks for."""
    return []


@pytest.fixture
def page(service: Any, path: str, browser: Browser, complaints: list[str], asked: list[str]) -> Page:
    """The page, opened. The browser comes after what is asynchronous: it has an event loop of its own."""
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{service.url}{path}")
    return page


def test_evidently_draws_and_asks_nobody(page: Page, complaints: list[str], asked: list[str]) -> None:
    """Nothing that the page brings along is held back, be it script, picture or font, and it loads nothing else."""
    expect(page.get_by_role("heading", name="watch", exact=True)).to_be_visible()
    expect(page.locator(".barlayer .bars .point").first).to_be_attached(timeout=PATIENCE_MS)
    expect(page.locator(".heatmaplayer image")).to_have_count(2, timeout=PATIENCE_MS)
    page.evaluate("document.fonts.ready")
    assert complaints == []
    assert [url for url in asked if not url.startswith("data:")] == [page.url]


def test_it_reaches_nothing_of_the_service(page: Page) -> None:
    """A script in it, whoever wrote it, is a stranger to the service: it reads and keeps nothing, and opens nothing."""
    assert page.evaluate("self.origin") == "null"
    attempt = "async () => { try { await ATTEMPT; return 'done' } catch (error) { return error.name } }"
    ends = {each: page.evaluate(attempt.replace("ATTEMPT", each)) for each in FORBIDDEN}
    assert ends == FORBIDDEN
    assert page.evaluate("window.open('/docs')") is None
