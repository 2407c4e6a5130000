"""Take the pictures of docs/console.md: the console over a real service with made-up reviews, in light and dark.

python -m benchmarks.pictures.console_pictures docs
"""

import datetime as dt
import gzip
import io
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.harm.stage import QUICK, new_stage
from benchmarks.postgres import own_postgres
from benchmarks.steps import Namespace

_CHROMIUM = "/usr/bin/chromium"
_SIZE = (1280, 1000)
_PATIENCE_MS = 120_000
_REVIEWS: list[tuple[str, str, dict[str, Any] | None]] = [
    (
        "kettle-2",
        "Great kettle, it boils quickly and pours well. My third one: the others went to my sons.",
        None,
    ),
    ("mug-7", "The lid leaks and the handle broke after a week.", {"rating": 1}),
    ("lamp-11", "Warm light, and the switch sits where the hand looks for it.", {"rating": 5}),
    ("chair-4", "Comfortable for an hour, not for an evening. The screws came loose twice.", {"rating": 2}),
    ("mug-7", "Keeps tea hot until noon. I would buy it again in blue.", {"label": "positive"}),
    ("bag-30", "It smells of glue and the zip sticks. I sent it back on the same day.", None),
]
_TRIED = "It took three weeks to arrive and the box was torn, but the lamp itself is beautiful and very bright."
_NIGHTS = [
    ("none", "none of 15 tests found a change"),
    ("drift", "3 of 15 tests found a change: label_share down (effect 0.11, floor 0.04)"),
    ("watch", "1 of 15 tests found a change: label_share down (effect 0.05, floor 0.04)"),
    ("none", "none of 15 tests found a change"),
]
_STORE_RUN = """
    insert into drift_runs (run_id, revision, window_start, window_end, reference, model_name, model_version,
        started_at, finished_at, n_current, n_reference, verdict, reason, report_html)
    values ($1, 1, $2::timestamptz - interval '1 day', $2, 'bundle', 'starter', $3,
        $2::timestamptz + interval '2 hours', $2::timestamptz + interval '2 hours', $4, 5000, $5, $6, $7)
"""
_REPORT = gzip.compress(b"<!DOCTYPE html><title>A report</title><h1>A report</h1>")


OPTIONS = ()


def run(options: Namespace) -> None:
    """Take the pictures in light and dark."""
    expect.set_options(timeout=_PATIENCE_MS)
    with _furnished() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            _write(_picture(browser, url, scheme), options.out / f"console-{scheme}.png")
        browser.close()


@contextmanager
def _furnished() -> Iterator[str]:
    """Yield the address of a service that has answered the reviews and been judged for a few nights."""
    with own_postgres() as postgres, new_stage(postgres, 1, QUICK) as stage:
        url = stage.service().url
        for product, text, feedback in reversed(_REVIEWS):
            _send(url, product, text, feedback)
        version = httpx.get(f"{url}/model", trust_env=False).json()["version"]
        today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for age, (verdict, reason) in enumerate(_NIGHTS):
            end = today - dt.timedelta(days=age)
            rows = 1830 + 173 * age
            stage.database.run(_STORE_RUN, uuid.uuid4(), end, version, rows, verdict, reason, _REPORT)
        yield url


def _send(url: str, product: str, text: str, feedback: dict[str, Any] | None) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        reply = client.post("/predict", json={"text": text, "product_id": product}).raise_for_status()
        if feedback is not None:
            told = {"prediction_id": reply.json()["prediction_id"], **feedback}
            client.post("/feedback", json=told).raise_for_status()


def _picture(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> bytes:
    width, height = _SIZE
    page: Page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": height}, timezone_id="UTC")
    page.goto(url)
    review = page.get_by_label("Review", exact=True)
    review.fill(_TRIED)
    review.press("Control+Enter")
    review.blur()
    expect(page.locator("#result-label")).not_to_be_empty()
    expect(page.locator("#predictions-list > li")).to_have_count(len(_REVIEWS))
    expect(page.locator("#drift-list > li")).to_have_count(len(_NIGHTS))
    return page.screenshot()


def _write(picture: bytes, path: Path) -> None:
    """Write it with 256 colours, of which none is off by more than the eye sees, for a third of the bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
