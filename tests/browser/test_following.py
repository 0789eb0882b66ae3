"""What follows a video by itself, and the history of one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NARROW, Open, Studio, wait_until

_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_MOVING = """() => [...document.querySelectorAll("*")].map((each) => getComputedStyle(each))
  .filter((style) => style.animationName !== "none" || !/^0s(, 0s)*$/.test(style.transitionDuration)).length"""


@pytest.fixture
def endless(studio: Studio) -> Iterator[str]:
    """Make a video that renders on and on, and cancel it at the end."""
    video = studio.make(f"A kite {uuid4().hex[:8]} [video: never_finish]")
    yield video
    studio.api.delete(f"/videos/{video}")


def count_calls(page: Page) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "ids=" in request.url else None)
    return asked


def test_who_decided_and_why_is_said_and_the_history_comes_when_it_is_opened(studio: Studio, open_page: Open) -> None:
    post = {"platform": "twitter", "account_id": "901"}
    video = studio.make("A lamp that is refused", approval="required", publish=[post], text="Hi")
    studio.wait_for_stage(video, "awaiting_approval")
    comment = "Too <b>dark</b>."
    studio.api.post(f"/videos/{video}/approval", json={"decision": "reject", "comment": comment}).raise_for_status()
    page = open_page(f"/videos/{video}", width=NARROW)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/events" in request.url else None)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Rejected by")).to_be_visible()
    expect(dialog.get_by_text(f"“{comment}”")).to_be_visible()
    assert asked == []

    dialog.get_by_text("History", exact=True).click()

    lines = dialog.locator(".history li")
    expect(lines.first).to_contain_text("Video created by")
    expect(lines.filter(has_text="Rejected by")).to_contain_text(comment)


def test_a_link_that_expired_renews_itself_when_the_video_is_played(studio: Studio, open_page: Open) -> None:
    video = studio.make("A clock on a wall")
    studio.wait_for_stage(video, "done")
    page = open_page(f"/videos/{video}", alone=True)
    player = page.get_by_label("The video", exact=True)
    before = str(player.get_attribute("src"))
    expires_at = studio.read(video)["links"]["expires_at"]
    # A new link ends at a later second.
    time.sleep(1.1)

    page.clock.set_fixed_time(datetime.fromtimestamp(expires_at, UTC) + timedelta(seconds=1))
    player.evaluate("(video) => void video.play()")

    expect(player).not_to_have_attribute("src", before)
    wait_until(
        page, lambda: bool(player.evaluate("(video) => video.readyState >= 2")), what="the video of the new link"
    )


def test_a_tab_out_of_sight_asks_for_nothing(open_page: Open, endless: str) -> None:
    page = open_page(f"/videos/{endless}")
    asked = count_calls(page)
    wait_until(page, lambda: bool(asked), what="the first call for what runs")

    page.evaluate(_HIDE, True)
    # A call that was on its way ends.
    page.wait_for_timeout(300)
    before = len(asked)
    page.wait_for_timeout(3_000)
    assert len(asked) == before

    page.evaluate(_HIDE, False)
    wait_until(page, lambda: len(asked) > before, what="a call of the tab in sight")


def test_what_does_not_change_is_asked_for_more_and_more_rarely(open_page: Open, endless: str) -> None:
    page = open_page(f"/videos/{endless}", alone=True)
    expect(page.get_by_role("dialog").get_by_role("progressbar")).to_be_visible()
    page.clock.install()
    page.reload()
    expect(page.get_by_role("dialog").get_by_role("progressbar")).to_be_visible()
    asked = count_calls(page)

    for _ in range(30):
        page.clock.run_for(2_000)
        page.wait_for_timeout(60)

    assert 3 <= len(asked) <= 15


def test_a_prompt_is_copied(studio: Studio, open_page: Open, endless: str) -> None:
    page = open_page(f"/videos/{endless}", alone=True)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.get_by_role("button", name="Copy prompt").click()

    expect(page.get_by_text("Prompt copied.")).to_be_visible()
    assert page.evaluate("() => navigator.clipboard.readText()") == studio.read(endless)["prompt"]


def test_nothing_moves_for_those_who_want_less_motion(open_page: Open, endless: str) -> None:
    page = open_page()
    expect(page.get_by_role("progressbar").first).to_be_visible()
    assert page.evaluate(_MOVING) == 0

    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(_MOVING) > 0
