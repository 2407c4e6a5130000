"""The console by the keyboard, in both colour schemes and at any width, as axe judges it."""

from typing import Any, Literal
from uuid import UUID

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import Page, expect

from tests.protocols import Predict, Section, Told, Visit

SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]
PRAISE = "The lamp is bright, well made and looks beautiful on the desk."
ARABIC = "منتج رائع وصل بسرعة"

VISIBLE_FOCUS = """() => {
    const styles = [document.activeElement, document.activeElement.nextElementSibling];
    return styles.some((each) => each && getComputedStyle(each).outlineStyle === "solid");
}"""


def test_the_keyboard_does_it_all(service: Any, visit: Visit, told: Told, section: Section) -> None:
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
    run_id: UUID, service: Any, told: Told, visit: Visit, predict: Predict, section: Section
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


def test_axe_finds_nothing_grave_while_a_key_is_asked_for(locked: Any, visit: Visit, section: Section) -> None:
    """Nor where all that is shown is what is missing."""
    page = visit(locked.url)
    expect(page.locator("#key").get_by_role("alert")).not_to_be_empty()
    expect(section(page, "Drift runs").get_by_role("alert")).not_to_be_empty()
    assert grave(page) == []


def test_nothing_sticks_out(
    run_id: UUID, service: Any, told: Told, visit: Visit, predict: Predict, section: Section
) -> None:
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
