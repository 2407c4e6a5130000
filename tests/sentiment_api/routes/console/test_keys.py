"""A service that asks for keys: what is shown before, with and without the right one."""

import json
import re
from typing import Any

from playwright.sync_api import expect

from tests.protocols import Predict, Section, UseKey, Visit

Keys = dict[str, str]

PRAISE = "The lamp is bright, well made and looks beautiful on the desk."


def test_a_locked_service_asks_for_a_key_and_shows_nothing_before(
    locked: Any, keys: Keys, visit: Visit, predict: Predict, section: Section, use_key: UseKey
) -> None:
    """Without a key the page is there and no data; a wrong one is called so; the right one opens, and is forgotten."""
    page = visit(locked.url)
    form = page.locator("#key")
    expect(form.get_by_role("alert")).to_have_text(
        re.compile(r"^An API key is neededIt needs the scope read .*, and feedback to rate it\.$")
    )
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


def test_the_key_stays_in_its_tab(locked: Any, keys: Keys, visit: Visit, section: Section, use_key: UseKey) -> None:
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


def test_what_a_key_may_not_is_said_where_it_was_asked(
    locked: Any, keys: Keys, visit: Visit, predict: Predict, section: Section, use_key: UseKey
) -> None:
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
