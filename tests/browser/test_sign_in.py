"""Signing in, and what ends it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open, Studio


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_in_the_address_signs_in_and_is_gone_from_it(studio: Studio, open_page: Open) -> None:
    page = open_page()

    expect(page.get_by_role("region", name="Library")).to_be_visible()
    assert studio.key not in page.url
    page.go_back()
    assert studio.key not in page.url


def test_a_key_that_is_typed_signs_in_and_a_reload_keeps_it(studio: Studio, open_page: Open) -> None:
    page = open_page(signed_in=False)

    sign_in(page, studio.key)
    expect(page.get_by_role("region", name="Library")).to_be_visible()

    page.reload()
    expect(page.get_by_role("region", name="Library")).to_be_visible()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        pytest.param("sk-of-another-service", "A key begins with mp_", id="not ours"),
        pytest.param(f"mp_{'x' * 43}", "This API key is not known here", id="unknown"),
    ],
)
def test_a_wrong_key_is_refused_on_the_card(open_page: Open, key: str, sentence: str) -> None:
    page = open_page(signed_in=False)

    sign_in(page, key)

    expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.get_by_role("region", name="Library")).not_to_be_visible()


def test_a_revoked_key_signs_out_and_says_why(open_page: Open) -> None:
    page = open_page()
    expect(page.get_by_role("region", name="Library")).to_be_visible()

    page.evaluate("() => sessionStorage.setItem('mediaposter.key', 'mp_' + 'x'.repeat(43))")
    page.reload()

    expect(page.get_by_text("This API key is not known here")).to_be_visible()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_waited_for_and_keeps_the_key(studio: Studio, open_page: Open, status: int) -> None:
    page = open_page(signed_in=False)
    answers = iter([status])

    def answer(route: Route) -> None:
        refused = next(answers, None)
        if refused is None:
            route.continue_()
        else:
            route.fulfill(status=refused, headers={"Retry-After": "1"}, json={"error": {"message": "Wait."}})

    page.route("**/v1/videos?limit=40", answer)
    sign_in(page, studio.key)

    expect(page.get_by_text("The API asks for patience.")).to_be_visible()
    expect(page.get_by_text("The API asks for patience.")).not_to_be_visible()
    expect(page.get_by_role("region", name="Library")).to_be_visible()


def test_a_used_up_budget_is_said_at_once_without_waiting(open_page: Open) -> None:
    page = open_page()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(
            status=429, json={"error": {"message": "The day's budget is used up.", "code": "budget_exceeded"}}
        )

    page.get_by_label("Prompt", exact=True).fill("A kite over a beach")
    expect(page.get_by_text("made by sandbox-1")).to_be_visible()
    page.route("**/v1/videos", refuse)
    page.get_by_role("button", name="Make video").click()

    expect(page.get_by_text("The day's budget is used up.")).to_be_visible()
    assert len(asked) == 1


def test_offline_is_said_and_what_was_typed_stays(open_page: Open) -> None:
    page = open_page(alone=True)
    page.get_by_label("Prompt", exact=True).fill("A kite over a beach")

    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).not_to_be_visible()

    page.reload()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A kite over a beach")
