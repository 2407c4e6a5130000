"""The list of recent predictions, and the feedback that is given there."""

from typing import Any

import httpx
from playwright.sync_api import expect

from tests.protocols import Predict, Section, Told, Visit, Waiting

PRAISE = "The lamp is bright, well made and looks beautiful on the desk."


def test_console_predictions_are_no_customers(
    service: Any, visit: Visit, told: Told, predict: Predict, section: Section
) -> None:
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


def test_feedback_is_given_and_what_became_of_it_is_said(
    service: Any, visit: Visit, told: Told, waiting: Waiting, section: Section
) -> None:
    """A press is stored and shown; another one replaces it, also after the page was loaded again."""
    told("It broke at once.")
    page = visit(service.url)
    toolbar = section(page, "Recent predictions").get_by_role("toolbar")
    toolbar.get_by_role("button", name="2 stars").click()
    expect(section(page, "Recent predictions").get_by_text("Stored.")).to_be_visible()
    expect(toolbar.get_by_role("button", name="2 stars")).to_have_attribute("aria-pressed", "true")
    toolbar.get_by_role("button", name="positive").click()
    expect(toolbar.get_by_role("button", pressed=True)).to_have_text("positive")

    def latest() -> Any:  # as the page reads it: a list holds what has reached Postgres
        (listed,) = httpx.get(f"{service.url}/predictions").json()["predictions"]
        return listed["feedback"]

    waiting(lambda: (latest() or {}).get("label") == "positive", "the later feedback counts")
    assert latest()["rating"] is None
    page.reload()
    expect(toolbar.get_by_role("button", pressed=True)).to_have_text("positive")


def test_older_ones_come_page_by_page(service: Any, visit: Visit, told: Told, section: Section) -> None:
    """Twenty at first, the rest when asked, none twice."""
    told(*(f"Review number {number} of the lamp." for number in range(23)))
    page = visit(service.url)
    items = section(page, "Recent predictions").get_by_role("listitem")
    expect(items).to_have_count(20)
    section(page, "Recent predictions").get_by_role("button", name="Older ones").click()
    expect(items).to_have_count(23)
    expect(section(page, "Recent predictions").get_by_role("button", name="Older ones")).to_be_hidden()
    assert len(set(page.locator(".text").all_inner_texts())) == 23
