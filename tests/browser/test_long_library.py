"""A library of many videos: few of them are in the page, and it behaves as if all were."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from bench.host_size import fill_library
from tests.browser.conftest import NARROW, WIDE, Open, Studio, wait_until
from tests.conformance.embedded import EmbeddedHost

VIDEOS = 300
CARDS_MAX = 120
_PIXELS = 1_500


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Start a host of its own with many videos; the file of none of them is there."""
    host = EmbeddedHost(tmp_path_factory.mktemp("long"), {}, wait_scale=0.1)
    fill_library(host.data / "mediaposter.sqlite", VIDEOS)
    host.start()
    try:
        with host.client() as api:
            yield Studio(host.address.base_url, host.address.api_key, api)
    finally:
        host.kill()


def cards(page: Page) -> Locator:
    return page.locator(".grid > .card")


def place_of(card: Locator) -> int:
    return int(card.get_attribute("aria-posinset") or 0)


def scroll_to(page: Page, place: int) -> None:
    """Turn the wheel until the card of a place is in the page."""
    expect(page.get_by_role("listitem").first).to_be_visible()
    page.mouse.move(WIDE - 200, 500)
    for _ in range(300):
        if place_of(cards(page).last) >= place:
            return
        page.mouse.wheel(0, _PIXELS)
        page.wait_for_timeout(20)
    raise AssertionError(f"The wheel does not come to {place}.")


def read_place(page: Page) -> float:
    place: float = page.evaluate("() => scrollY")
    return place


def rest(page: Page) -> float:
    """Wait until nothing scrolls any more, and give the place."""
    places = [read_place(page)]

    def stands() -> bool:
        page.wait_for_timeout(300)
        places.append(read_place(page))
        return places[-1] == places[-2]

    wait_until(page, stands, what="the end of the scrolling")
    return places[-1]


def test_all_are_reached_by_the_wheel_and_few_are_in_the_page(open_page: Open) -> None:
    page = open_page()

    scroll_to(page, VIDEOS)

    assert cards(page).count() <= CARDS_MAX
    expect(cards(page).last).to_have_attribute("aria-setsize", str(VIDEOS))
    expect(page.get_by_role("button", name="Show more")).not_to_be_visible()


def test_the_focus_stays_with_its_card_and_goes_on_from_there(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Library").focus()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".card a:focus")).to_have_count(1)
    focused = page.locator(".card:has(:focus)")
    place = place_of(focused)

    scroll_to(page, 200)
    assert place_of(focused) == place
    page.keyboard.press("j")

    expect(focused).to_have_attribute("aria-posinset", str(place + 1))
    expect(focused.get_by_role("link")).to_be_in_viewport()
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(page.get_by_role("toolbar", name="Selected videos")).not_to_be_visible()


def test_back_leads_to_where_the_library_was_left(open_page: Open) -> None:
    page = open_page()
    scroll_to(page, 150)
    before = rest(page)

    # Not a click, before which Playwright scrolls.
    page.get_by_role("link", name="Schedule").dispatch_event("click")
    expect(page.get_by_role("heading", name="Schedule")).to_be_visible()
    page.go_back()

    expect(page.get_by_role("listitem").first).to_be_visible()
    wait_until(page, lambda: abs(read_place(page) - before) < _PIXELS / 10, what="where it was left")


def test_a_page_that_comes_late_leaves_the_reader_at_their_place(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("listitem").first).to_be_visible()
    height = "() => document.documentElement.scrollHeight"
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/videos?*after=*", hold)
    page.evaluate("() => scrollTo(0, 1e6)")
    wait_until(page, lambda: bool(held), what="the call for the next page")
    place, before = read_place(page), page.evaluate(height)

    held[0].continue_()

    wait_until(page, lambda: bool(page.evaluate(height) > before), what="the next page")
    assert rest(page) == place > 0


def test_a_selection_holds_what_is_out_of_sight(open_page: Open) -> None:
    page = open_page()
    cards(page).first.get_by_role("checkbox").check(force=True)

    scroll_to(page, 150)
    cards(page).last.get_by_role("checkbox").check(force=True)

    expect(page.get_by_role("toolbar", name="Selected videos").get_by_text("2 selected")).to_be_visible()


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_two_cards_lie_on_each_other_and_all_lie_within_the_page(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    expect(page.get_by_role("listitem").first).to_be_visible()

    boxes: list[dict[str, float]] = cards(page).evaluate_all(
        "(cards) => cards.map((card) => card.getBoundingClientRect().toJSON())"
    )

    assert all(box["left"] >= 0 and box["right"] <= width for box in boxes)
    for one, other in pairwise(boxes):
        assert other["left"] >= one["right"] or other["top"] >= one["bottom"]


def test_a_page_that_does_not_come_is_said_and_asked_for_again(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("listitem").first).to_be_visible()

    def refuse(route: Route) -> None:
        route.fulfill(status=400, json={"error": {"message": "No such page today.", "code": "x"}})

    page.route("**/v1/videos?*after=*", refuse)
    page.mouse.move(WIDE - 200, 500)
    failed = page.get_by_role("alert").filter(has_text="The next videos could not be loaded. No such page today.")
    while not failed.is_visible():
        page.mouse.wheel(0, _PIXELS)
        page.wait_for_timeout(20)
    page.unroute("**/v1/videos?*after=*")
    failed.get_by_role("button", name="Try again").click()

    scroll_to(page, 150)
    expect(failed).not_to_be_visible()
