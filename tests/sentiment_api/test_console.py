"""The console in a real browser, over a real service: what it shows, what it never does, and whom it serves."""

import gzip
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

import httpx
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from evidently import Dataset, Report
from evidently.presets import ValueStats
from litestar import Litestar
from litestar.testing import TestClient
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy.ext.asyncio import AsyncEngine

from sentiment_api.database.api_keys import insert_key
from sentiment_api.keys import Key, make_key

StoreRun = Callable[..., Awaitable[UUID]]
Visit = Callable[..., Page]
Waiting = Callable[[Callable[[], bool], str], None]
PATIENCE_MS = 60_000
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]
PRAISE = "The lamp is bright, well made and looks beautiful on the desk."
MARKUP = """<img src=x onerror="document.title='taken'"><script>document.title='taken'</script> It broke."""
ARABIC = "منتج رائع وصل بسرعة"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
TIMING = re.compile(r"(\w+);dur=([\d.]+)")
FORBIDDEN = {
    "fetch('/health/live')": "TypeError",
    "fetch('/health/live', {mode: 'no-cors'})": "TypeError",
    "parent.document": "SecurityError",
    "parent.sessionStorage": "SecurityError",
    "sessionStorage.length": "SecurityError",
    "document.cookie": "SecurityError",
}
"""What a report's script may try to learn of the service or of the key, and how it fails."""


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
def told(service: Any, waiting: Waiting) -> Callable[..., list[str]]:
    """A function that sends customers' reviews, waits until Postgres has them all, and returns their ids."""

    def send(*texts: str, **more: str) -> list[str]:
        asked = [httpx.post(f"{service.url}/predict", json={"text": text, **more}, timeout=30) for text in texts]
        ids = [reply.json()["prediction_id"] for reply in asked]

        def are_stored() -> bool:
            return {httpx.get(f"{service.url}/predictions/{each}").json()["state"] for each in ids} == {"stored"}

        waiting(are_stored, "the predictions are stored")
        return ids

    return send


def predict(page: Page, text: str) -> None:
    """Type a review and send it by the keyboard."""
    page.get_by_label("Review", exact=True).fill(text)
    page.keyboard.press("Control+Enter")


def section(page: Page, name: str) -> Locator:
    """Return the part of the page under this heading."""
    return page.get_by_role("region", name=name)


def fact(page: Page, term: str) -> Locator:
    """Return what stands beside a term."""
    return page.locator("dl > div").filter(has=page.locator("dt", has_text=re.compile(f"^{term}$"))).locator("dd")


def test_a_review_is_answered_with_all_that_is_known(service: Any, visit: Visit, complaints: list[str]) -> None:
    """Ctrl+Enter sends; label, probabilities, tokens and times are the reply's, and only the service is asked."""
    page = visit("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(service.url)
    with page.expect_response("**/predict") as replied:
        predict(page, PRAISE)
    reply = replied.value.json()
    assert replied.value.request.headers["x-sentiment-source"] == "console"
    expect(page.locator("#result-label")).to_have_text(f"{reply['label']} {100 * reply['score']:.1f} %")
    shares = [f"{label}{100 * share:.1f} %" for label, share in reply["probabilities"].items()]
    assert [text.replace("\n", "") for text in page.locator("#result-bars li").all_inner_texts()] == shares
    widths = page.locator(".bar span").evaluate_all("bars => bars.map(bar => bar.style.inlineSize)")
    assert [float(width.rstrip("%")) for width in widths] == pytest.approx(
        [100 * share for share in reply["probabilities"].values()], abs=0.01
    )
    expect(fact(page, "Tokens")).to_have_text(str(reply["tokens"]))
    for step, ms in TIMING.findall(replied.value.headers["server-timing"]):
        expect(fact(page, step.capitalize())).to_have_text(f"{float(ms):.{1 if float(ms) < 100 else 0}f} ms")
    assert [url for url in asked if not url.startswith((service.url + "/", "data:"))] == []
    assert complaints == []


def test_console_predictions_are_no_customers(service: Any, visit: Visit, told: Callable[..., list[str]]) -> None:
    """What is tried here is listed under Console, and customers' predictions under Customers, which is shown first."""
    told(PRAISE, product_id="lamp-11")
    page = visit(service.url)
    listed = section(page, "Recent predictions").get_by_role("listitem")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text("lamp-11")
    page.get_by_text("Console", exact=True).click()
    expect(page.get_by_text("Nothing was tried from a console yet.")).to_be_visible()
    predict(page, "It broke at once.")
    expect(listed).to_contain_text("It broke at once.")
    page.get_by_text("Customers", exact=True).click()
    expect(listed).to_contain_text(PRAISE)


def test_nothing_yet_is_said_in_words(service: Any, visit: Visit) -> None:
    """Lists without a row say what that means, and an empty review is not sent."""
    page = visit(service.url)
    expect(page.get_by_text("No customer has asked yet.")).to_be_visible()
    expect(page.get_by_text("The drift job has not judged any window yet.")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    predict(page, "  \n ")
    expect(section(page, "Try a review").get_by_role("alert")).to_contain_text("There is no review yet")
    assert [url for url in asked if url.endswith("/predict")] == []


def test_a_review_stays_text(service: Any, visit: Visit, told: Callable[..., list[str]], complaints: list[str]) -> None:
    """Markup in a text or a product's name is shown as it was written; text from right to left runs so."""
    told(MARKUP, product_id="<b onclick=alert(1)>mug</b>")
    told(ARABIC)
    page = visit(service.url)
    items = section(page, "Recent predictions").get_by_role("listitem")
    expect(items).to_have_count(2)
    expect(items.nth(1).locator(".text")).to_have_text(MARKUP)
    expect(items.nth(1)).to_contain_text("<b onclick=alert(1)>mug</b>")
    predict(page, MARKUP)
    expect(page.locator("#result-label")).not_to_be_empty()
    assert page.locator("img, main script, [onerror], [onclick]").count() == 0
    assert page.title() == "Sentiment console"
    directions = page.locator(".text").evaluate_all("all => all.map(each => getComputedStyle(each).direction)")
    assert directions == ["rtl", "ltr"]
    assert complaints == []


def test_the_browser_itself_forbids_markup_and_code_from_strings(service: Any, visit: Visit) -> None:
    """Even a mistake of ours could not make a review run: the policy refuses inline scripts and markup from strings."""
    page = visit(service.url)
    attempt = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (error) { return error.name } }"
    )
    assert page.evaluate(attempt) == "TypeError"
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('a'), {id: 'bad', href: 'javascript:x=1'}))"
    )
    page.evaluate("document.getElementById('bad').click()")
    assert page.evaluate("typeof x") == "undefined"


def test_long_reviews_are_cut_or_read_to_their_end(service: Any, visit: Visit, told: Callable[..., list[str]]) -> None:
    """The answer says that the model read only the beginning, unless it was told to go on; lists show three lines."""
    long = "The zip broke again. " * 200
    told(long)
    page = visit(service.url)
    predict(page, long)
    expect(fact(page, "Tokens")).to_have_text("512, cut: the model reads 512")
    page.get_by_label("Read a long review to its end").check()
    predict(page, long)
    expect(fact(page, "Tokens")).not_to_contain_text("cut")
    text = section(page, "Recent predictions").locator(".text")
    height = text.evaluate("box => box.clientHeight")
    page.get_by_role("button", name="Show all of it").click()
    expect(page.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")
    assert text.evaluate("box => box.clientHeight") > 3 * height


def test_more_than_20000_characters_are_refused_in_words(service: Any, visit: Visit) -> None:
    """The count turns into a warning, and the service's own words say which field is wrong."""
    page = visit(service.url)
    predict(page, "a" * 20_001)
    expect(page.locator("#review-length.bad")).to_have_text("20,001 / 20,000")
    alert = section(page, "Try a review").get_by_role("alert")
    expect(alert).to_contain_text("The request does not match the schema")
    expect(alert.get_by_role("listitem")).to_contain_text("text:")


def test_feedback_is_given_and_what_became_of_it_is_said(
    service: Any, visit: Visit, told: Callable[..., list[str]], waiting: Waiting
) -> None:
    """A press is stored and shown; another one replaces it, also after the page was loaded again."""
    (prediction,) = told("It broke at once.")
    page = visit(service.url)
    toolbar = section(page, "Recent predictions").get_by_role("toolbar")
    toolbar.get_by_role("button", name="2 stars").click()
    expect(section(page, "Recent predictions").get_by_text("Stored.")).to_be_visible()
    expect(toolbar.get_by_role("button", name="2 stars")).to_have_attribute("aria-pressed", "true")
    toolbar.get_by_role("button", name="positive").click()
    expect(toolbar.get_by_role("button", pressed=True)).to_have_text("positive")

    def latest() -> Any:
        return httpx.get(f"{service.url}/predictions/{prediction}").json()["feedback"]

    waiting(lambda: (latest() or {}).get("label") == "positive", "the later feedback counts")
    assert latest()["rating"] is None
    page.reload()
    expect(toolbar.get_by_role("button", pressed=True)).to_have_text("positive")


def test_the_keyboard_does_it_all(service: Any, visit: Visit, told: Callable[..., list[str]]) -> None:
    """From top to bottom as it is read, each stop visible; feedback is one stop, and arrows go through its buttons."""
    told("It broke at once.")
    page = visit(service.url)
    expect(section(page, "Recent predictions").get_by_role("listitem")).to_have_count(1)
    stops = []
    for _ in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate(VISIBLE_FOCUS)
        stops.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    assert stops == [
        *("API", "review-text", "review-whole", "review-send"),
        *("", "predictions-again", "negative", "drift-again"),
    ]
    page.keyboard.press("Shift+Tab")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "End", "Enter"):
        page.keyboard.press(key)
    expect(section(page, "Recent predictions").get_by_role("button", pressed=True)).to_have_text("5")
    expect(section(page, "Recent predictions").get_by_text("Stored.")).to_be_visible()


VISIBLE_FOCUS = """() => {
    const styles = [document.activeElement, document.activeElement.nextElementSibling];
    return styles.some((each) => each && getComputedStyle(each).outlineStyle === "solid");
}"""


def test_older_ones_come_page_by_page(service: Any, visit: Visit, told: Callable[..., list[str]]) -> None:
    """Twenty at first, the rest when asked, none twice."""
    told(*(f"Review number {number} of the lamp." for number in range(23)))
    page = visit(service.url)
    items = section(page, "Recent predictions").get_by_role("listitem")
    expect(items).to_have_count(20)
    section(page, "Recent predictions").get_by_role("button", name="Older ones").click()
    expect(items).to_have_count(23)
    expect(section(page, "Recent predictions").get_by_role("button", name="Older ones")).to_be_hidden()
    assert len(set(page.locator(".text").all_inner_texts())) == 23


def test_predicting_goes_on_while_postgres_is_away(
    new_service: Callable[..., Any], closed_port: int, visit: Visit
) -> None:
    """Lists say that the database does not respond, health says so too; answers come, and feedback is kept."""
    service = new_service(SENTIMENT_DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/nothing")
    page = visit(service.url)
    predict(page, PRAISE)
    expect(page.locator("#result-label")).to_contain_text("positive")
    for name in ("Recent predictions", "Drift runs"):
        expect(section(page, name).get_by_role("alert")).to_contain_text("The database does not respond")
    expect(fact(page, "Postgres")).to_have_text("away")
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text("ready")
    section(page, "Try a review").get_by_role("button", name="5 stars").click()
    expect(section(page, "Try a review").get_by_text("Pending: kept until Postgres holds")).to_be_visible()


def test_a_service_that_went_away_is_said_to_be(service: Any, visit: Visit) -> None:
    """A page that was open before tells that nobody answers."""
    page = visit(service.url)
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text("ready")
    service.stop()
    predict(page, PRAISE)
    expect(section(page, "Try a review").get_by_role("alert")).to_contain_text("The service does not answer")


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


def test_drift_runs_lead_to_their_reports(run_id: UUID, service: Any, visit: Visit) -> None:
    """Each run has its verdict and reason; the report opens in a tab of its own, unless it was removed."""
    page = visit(service.url, timezone_id="UTC")
    items = section(page, "Drift runs").get_by_role("listitem")
    expect(items).to_have_count(2)
    expect(items.nth(0)).to_contain_text("21 Nov 2026")
    expect(items.nth(0)).to_contain_text("1 of 15 tests found a change")
    expect(items.locator(".mark")).to_have_text(["watch", "drift"])
    expect(items.nth(1)).to_contain_text("the report was removed")
    assert items.nth(1).get_by_role("link").count() == 0
    with page.expect_popup() as opened:
        items.nth(0).get_by_role("link").click()
    expect(opened.value.get_by_role("heading", name="watch", exact=True)).to_be_visible()
    assert opened.value.url == f"{service.url}/drift/reports/{run_id}.html"


Keys = dict[str, str]


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


def use_key(page: Page, key: str) -> None:
    """Type the key into its form and send it."""
    page.get_by_label("API key").fill(key)
    page.keyboard.press("Enter")


def test_a_locked_service_asks_for_a_key_and_shows_nothing_before(locked: Any, keys: Keys, visit: Visit) -> None:
    """Without a key the page is there and no data; a wrong one is called so; the right one opens, and is forgotten."""
    page = visit(locked.url)
    form = page.locator("#key")
    expect(form.get_by_role("alert")).to_contain_text("An API key is needed")
    expect(page.get_by_label("API key")).to_be_focused()
    expect(section(page, "Recent predictions").get_by_role("alert")).to_contain_text("An API key is needed")
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text("ready")
    use_key(page, "sentiment_of_mine")
    expect(form.get_by_role("alert")).to_contain_text("The API key opens nothing")
    use_key(page, "clé à molette")
    expect(form.get_by_role("alert")).to_contain_text("That is no API key")
    use_key(page, keys["all"])
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(2)
    expect(form.get_by_role("alert")).to_be_empty()
    predict(page, PRAISE)
    expect(page.locator("#result-label")).to_contain_text("positive")
    page.get_by_role("button", name="Forget it").click()
    expect(section(page, "Drift runs").get_by_role("alert")).to_contain_text("An API key is needed")
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(0)
    expect(page.locator("#result")).to_be_hidden()


def test_the_key_stays_in_its_tab(locked: Any, keys: Keys, visit: Visit) -> None:
    """It outlives a reload, and is in no address, no cookie and no lasting store; another tab has to ask anew."""
    page = visit(locked.url)
    urls: list[str] = []
    page.context.on("request", lambda request: urls.append(request.url))
    use_key(page, keys["read"])
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(2)
    page.reload()
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(2)
    assert keys["read"] not in json.dumps([urls, page.url, page.content(), page.context.storage_state(indexed_db=True)])
    assert page.evaluate("Object.values(sessionStorage)") == [keys["read"]]
    other = page.context.new_page()
    other.goto(locked.url)
    expect(other.locator("#key").get_by_role("alert")).to_contain_text("An API key is needed")


def test_what_a_key_may_not_is_said_where_it_was_asked(locked: Any, keys: Keys, visit: Visit) -> None:
    """A scope that is missing and a limit that is reached are told by the service's title and detail."""
    page = visit(locked.url)
    use_key(page, keys["read"])
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(2)
    predict(page, PRAISE)
    alert = section(page, "Try a review").get_by_role("alert")
    expect(alert).to_contain_text("The API key does not open this")
    expect(alert).to_contain_text("Expected a key with the scope predict, found one with read.")
    use_key(page, keys["slow"])
    expect(section(page, "Recent predictions").get_by_role("alert")).to_contain_text("scope read")
    predict(page, PRAISE)
    expect(page.locator("#result-label")).to_contain_text("positive")
    predict(page, PRAISE)
    expect(alert).to_contain_text("The API key has asked as much as it may")
    expect(alert).to_contain_text(re.compile(r"Try again in \d+ s\."))
    expect(page.locator("#result")).to_be_hidden()


def test_a_report_opens_with_the_key_and_reaches_nothing(
    locked: Any, keys: Keys, run_id: UUID, visit: Visit, complaints: list[str]
) -> None:
    """Its tab fetches it with the key and shows it in a frame of nobody's, where Evidently draws and can do no more."""
    page = visit(locked.url)
    expect(section(page, "Recent predictions").get_by_role("alert")).to_contain_text("An API key is needed")
    expect(section(page, "Drift runs").get_by_role("alert")).to_contain_text("An API key is needed")
    complaints.clear()
    use_key(page, keys["read"])
    with page.expect_popup() as opened:
        section(page, "Drift runs").get_by_role("link").click()
    tab = opened.value
    tab.on("console", lambda message: complaints.append(message.text))
    frame = tab.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="watch", exact=True)).to_be_visible()
    expect(frame.locator(".barlayer .bars .point").first).to_be_attached()
    assert complaints == []
    assert tab.url == f"{locked.url}/console/report.html?run={run_id}"
    inner = tab.frames[1]
    assert inner.evaluate("self.origin") == "null"
    attempt = "async () => { try { await ATTEMPT; return 'done' } catch (error) { return error.name } }"
    assert {each: inner.evaluate(attempt.replace("ATTEMPT", each)) for each in FORBIDDEN} == FORBIDDEN
    assert inner.evaluate("window.open('/docs')") is None
    tab.reload()
    expect(frame.get_by_role("heading", name="watch", exact=True)).to_be_visible()


def test_a_report_without_a_key_says_so(locked: Any, run_id: UUID, visit: Visit) -> None:
    """The address alone opens nothing, nor does one that names no run."""
    page = visit(f"{locked.url}/console/report.html?run={run_id}")
    expect(page.get_by_role("alert")).to_contain_text("An API key is needed")
    expect(page.get_by_role("link", name="Open it from the console")).to_be_visible()
    page.goto(f"{locked.url}/console/report.html?run=../../metrics")
    expect(page.get_by_role("alert")).to_contain_text("No such report")


def grave(page: Page) -> list[Any]:
    """Return what axe finds in the page that is serious or critical, in either colour scheme."""
    found = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found += Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (each["id"], [(node["target"], node["failureSummary"]) for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def test_axe_finds_nothing_grave_in_a_full_page(
    run_id: UUID, service: Any, told: Callable[..., list[str]], visit: Visit
) -> None:
    """With an answer, lists, feedback, and a refusal: names, roles, order and contrasts are in order."""
    told(PRAISE, "The zip broke again. " * 40, ARABIC)
    page = visit(service.url)
    predict(page, "The zip broke again. " * 200)
    expect(page.locator("#result-label")).not_to_be_empty()
    section(page, "Recent predictions").get_by_role("button", name="4 stars").first.click()
    expect(page.get_by_text("Stored.")).to_be_visible()
    expect(section(page, "Drift runs").get_by_role("listitem")).to_have_count(2)
    assert grave(page) == []
    predict(page, "a" * 20_001)
    expect(section(page, "Try a review").get_by_role("alert")).not_to_be_empty()
    page.set_viewport_size({"width": 360, "height": 800})
    assert grave(page) == []


def test_axe_finds_nothing_grave_while_a_key_is_asked_for(locked: Any, visit: Visit) -> None:
    """Nor where all that is shown is what is missing."""
    page = visit(locked.url)
    expect(page.locator("#key").get_by_role("alert")).not_to_be_empty()
    expect(section(page, "Drift runs").get_by_role("alert")).not_to_be_empty()
    assert grave(page) == []


def test_nothing_sticks_out(run_id: UUID, service: Any, told: Callable[..., list[str]], visit: Visit) -> None:
    """No text is too wide for a phone or a screen, be it a word, a product's name or an answer."""
    told("Pneumono" * 60, product_id="p" * 200)
    page = visit(service.url)
    predict(page, "Pneumono" * 60)
    expect(page.locator("#result-label")).not_to_be_empty()
    expect(section(page, "Recent predictions").get_by_role("listitem")).to_have_count(1)
    edges = "all => Math.max(...all.map(each => each.getBoundingClientRect().right))"
    for width in (360, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("section *:not(.unseen, textarea)").evaluate_all(edges) <= width


def test_the_files_come_under_a_strict_policy(client: TestClient[Litestar]) -> None:
    """The page may load and ask the service alone, the frame is as strange to it as a report, and all is asked anew."""
    page = client.get("/")
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert re.findall(r"<style|style=|<script>|\son\w+=|https?:", page.text) == []
    assert client.get("/console/report.html").headers["content-security-policy"] == f"{POLICY}; frame-src 'self'"
    frame = client.get("/console/frame.html").headers["content-security-policy"]
    assert frame.startswith("sandbox allow-scripts; default-src 'none'; ")
    assert "frame-ancestors 'self'" in frame
    assert "connect-src" not in frame


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2findex.html", "%2e%2e", "console.py", "CONSOLE.JS"])
def test_there_are_no_other_files(client: TestClient[Litestar], name: str) -> None:
    """Only the page's own files are served; what else a path may mean is not found."""
    assert client.get(f"/console/{name}").status_code == 404
