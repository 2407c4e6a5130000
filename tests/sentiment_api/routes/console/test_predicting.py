"""A review that is tried: what is shown of its answer, and what is said where there is none."""

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.protocols import Fact, Predict, Section, Told, Visit

PRAISE = "The lamp is bright, well made and looks beautiful on the desk."
TIMING = re.compile(r"(\w+);dur=([\d.]+)")


def test_a_review_is_answered_with_all_that_is_known(
    service: Any, visit: Visit, complaints: list[str], predict: Predict, fact: Fact
) -> None:
    """Ctrl+Enter sends; label, probabilities, tokens and times are the reply's, and only the service is asked."""
    page = visit("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(service.url)
    with page.expect_response("**/predict") as replied:
        predict(page, PRAISE)
    reply = replied.value.json()
    assert replied.value.request.headers["x-sentiment-source"] == "console"
    expect(page.locator("#result-label")).to_have_text(f"{reply['label']} {_fixed(100 * reply['score'], 1)} %")
    shares = [f"{label}{_fixed(100 * share, 1)} %" for label, share in reply["probabilities"].items()]
    assert [text.replace("\n", "") for text in page.locator("#result-bars li").all_inner_texts()] == shares
    widths = page.locator(".bar span").evaluate_all("bars => bars.map(bar => bar.style.inlineSize)")
    assert [float(width.rstrip("%")) for width in widths] == pytest.approx(
        [100 * share for share in reply["probabilities"].values()], abs=0.01
    )
    expect(fact(page, "Tokens")).to_have_text(str(reply["tokens"]))
    for step, ms in TIMING.findall(replied.value.headers["server-timing"]):
        shown = _fixed(float(ms), 1 if float(ms) < 100 else 0)
        expect(fact(page, step.capitalize())).to_have_text(f"{shown} ms")
    assert [url for url in asked if not url.startswith((service.url + "/", "data:"))] == []
    assert complaints == []


def _fixed(number: float, digits: int) -> str:
    """Return `number` as browsers write it: 0.25 becomes 0.3, where Python's own formatting gives the even 0.2."""
    return str(Decimal(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def test_nothing_yet_is_said_in_words(service: Any, visit: Visit, predict: Predict, section: Section) -> None:
    """Lists without a row say what that means, and an empty review is not sent."""
    page = visit(service.url)
    expect(page.get_by_text("No customer has asked yet.")).to_be_visible()
    expect(page.get_by_text("The drift job has not judged any window yet.")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    predict(page, "  \n ")
    expect(section(page, "Try a review").get_by_role("alert")).to_contain_text("There is no review yet")
    assert [url for url in asked if url.endswith("/predict")] == []


def test_long_reviews_are_cut_or_read_to_their_end(
    service: Any, visit: Visit, told: Told, predict: Predict, section: Section, fact: Fact
) -> None:
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


def test_more_than_20000_characters_are_refused_in_words(
    service: Any, visit: Visit, predict: Predict, section: Section
) -> None:
    """The count turns into a warning, and the service's own words say which field is wrong."""
    page = visit(service.url)
    predict(page, "a" * 20_001)
    expect(page.locator("#review-length.bad")).to_have_text("20,001 / 20,000")
    alert = section(page, "Try a review").get_by_role("alert")
    expect(alert).to_contain_text("The request does not match the schema")
    expect(alert.get_by_role("listitem")).to_contain_text("text:")


def test_predicting_goes_on_while_postgres_is_away(
    new_service: Callable[..., Any], closed_port: int, visit: Visit, predict: Predict, section: Section, fact: Fact
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


def test_a_service_that_went_away_is_said_to_be(service: Any, visit: Visit, predict: Predict, section: Section) -> None:
    """A page that was open before tells that nobody answers."""
    page = visit(service.url)
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text("ready")
    service.stop()
    predict(page, PRAISE)
    expect(section(page, "Try a review").get_by_role("alert")).to_contain_text("The service does not answer")
