"""Spending: today's budget, by day and by model, in a range that the address has."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open


def spend(page: Page) -> None:
    """Let the real answer have a budget, and what two models cost."""

    def answer(route: Route) -> None:
        usage = route.fetch().json()
        days = [
            {"day": usage["today"], "model": model, "videos": videos, "cost_usd": cost}
            for model, videos, cost in (("gen4.5", 2, "1.5"), ("kling-3.0-pro", 1, "0.25"))
        ]
        limits = {"limit_usd": "5", "left_usd": "4.2", "stack_limit_usd": "9", "stack_left_usd": "3"}
        route.fulfill(json={**usage, **limits, "days": days})

    page.route("**/v1/usage*", answer)


def test_what_was_spent_is_shown_by_model_and_day_with_what_is_left(open_page: Open) -> None:
    page = open_page()
    spend(page)
    page.get_by_role("link", name="today").click()

    expect(page.get_by_role("heading", name="Spending")).to_be_visible()
    for name, value in (("Left today", "$4.20"), ("Left for all keys", "$3.00")):
        expect(page.get_by_role("term").filter(has_text=name).locator("..")).to_contain_text(value)
    expect(page.get_by_text("of $5.00, renews in")).to_be_visible()
    expect(page.get_by_role("img", name="Spending by day")).to_be_visible()
    expect(page.get_by_role("region", name="By model").get_by_role("row").nth(1)).to_have_text("gen4.52$1.50")
    expect(page.get_by_role("region", name="By day").get_by_role("row").nth(1)).to_contain_text("3$1.75")


def test_the_range_is_in_the_address(open_page: Open) -> None:
    page = open_page("/usage?days=90")
    expect(page.get_by_role("radio", name="90 days")).to_be_checked()

    page.get_by_role("radio", name="7 days").check(force=True)

    expect(page.get_by_text("in 7 days")).to_be_visible()
    assert page.url.endswith("#/usage?days=7")
