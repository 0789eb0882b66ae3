"""Posts of a video: again, one more, move, cancel, and settle one in doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

X = {"platform": "twitter", "account_id": "901"}
LINKEDIN = {"platform": "linkedin", "account_id": "902"}
SOON = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(days=3)
WORDS = f"Words {uuid4().hex}"


Made: TypeAlias = Mapping[str, str]


@pytest.fixture(scope="module")
def made(studio: Studio) -> Made:
    """Make all videos of these tests at once; give their ids by what they are for."""
    scheduled = {**X, "scheduled_time": SOON.isoformat()}
    wanted: dict[str, list[dict[str, str]]] = {
        "failed": [scheduled, {**LINKEDIN, "text": "No [post: refuse]"}],
        "more": [scheduled],
        "move": [{**scheduled, "text": WORDS}],
        "gone": [scheduled],
        "doubt": [scheduled],
        "lost": [scheduled],
    }
    made = {name: studio.make(f"A comet, {name}", publish=publish, text="Up") for name, publish in wanted.items()}
    for video in made.values():
        studio.wait_for_stage(video, "done")
    return made


def find_post(studio: Studio, video: str, platform: str) -> dict[str, Any]:
    return next(post for post in studio.read(video)["posts"] if post["platform"] == platform)


def posts_in(page: Page) -> Locator:
    return page.get_by_role("dialog").get_by_role("region", name="Posts")


def test_a_post_that_failed_is_sent_again_and_only_that_one(studio: Studio, open_page: Open, made: Made) -> None:
    video = made["failed"]
    page = open_page(f"/videos/{video}")
    posts = posts_in(page)

    expect(posts.get_by_text("The text asked the pretended publisher to refuse it.")).to_be_visible()
    with page.expect_response(f"**/{video}/posts") as sent:
        posts.get_by_role("button", name="Send the failed post again").click()

    assert sent.value.ok
    states = {post["platform"]: post["status"] for post in sent.value.json()["posts"]}
    assert states == {"twitter": "scheduled", "linkedin": "pending"}
    # The words still ask for a refusal: the page follows the second try to its end.
    expect(posts.get_by_role("button", name="Send the failed post again")).to_be_visible()


def test_a_video_is_posted_to_one_more_account_by_its_name(studio: Studio, open_page: Open, made: Made) -> None:
    video = made["more"]
    page = open_page(f"/videos/{video}", width=NARROW)
    posts = posts_in(page)

    posts.get_by_role("button", name="Post to another account").click()
    expect(posts.get_by_role("option", name="X · pretended_x")).to_have_count(0)
    posts.get_by_label("Account").select_option(label="YouTube · pretended_youtube")
    posts.get_by_label("Title").fill("A comet")
    posts.get_by_label("Caption").fill("See it <here>")
    posts.get_by_role("button", name="Post", exact=True).click()
    expect(posts.get_by_text("no < or >").or_(posts.get_by_text("text: "))).to_be_visible()
    posts.get_by_label("Caption").fill("See it here")
    posts.get_by_role("button", name="Post", exact=True).click()

    expect(posts.get_by_text("See it here")).to_be_visible()
    assert find_post(studio, video, "youtube")["text"] == "See it here"


def test_a_schedule_is_moved_by_keyboard_moved_back_and_cancelled(studio: Studio, open_page: Open, made: Made) -> None:
    video = made["move"]
    page = open_page("/schedules", width=NARROW)
    slot = page.get_by_role("listitem").filter(has_text=WORDS)

    expect(page.get_by_text("Times are in")).to_be_visible()
    slot.get_by_role("button", name="Move the post").focus()
    page.keyboard.press("Enter")
    expect(slot.get_by_label("New time")).to_be_focused()
    slot.get_by_role("button", name="+1 day").press("Enter")
    slot.get_by_role("button", name="Move", exact=True).press("Enter")
    expect(slot.get_by_text("Moved from")).to_be_visible()
    expect(slot.get_by_role("button", name="Move the post")).to_be_focused()
    assert _time_of(studio, video) == SOON + timedelta(days=1)

    slot.get_by_role("button", name="Undo the move").click()
    expect(slot.get_by_text("Moved from")).not_to_be_visible()
    assert _time_of(studio, video) == SOON

    slot.get_by_role("button", name="Cancel the post").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(slot).to_be_visible()
    slot.get_by_role("button", name="Cancel the post").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    expect(slot).not_to_be_visible()
    assert find_post(studio, video, "twitter")["status"] == "cancelled"


def _time_of(studio: Studio, video: str) -> datetime:
    return datetime.fromisoformat(find_post(studio, video, "twitter")["scheduled_time"])


def test_a_post_that_went_out_meanwhile_is_not_moved_and_the_page_says_so(
    studio: Studio, open_page: Open, made: Made
) -> None:
    video = made["gone"]
    page = open_page(f"/videos/{video}")
    posts = posts_in(page)

    posts.get_by_role("button", name="Move the post").click()
    studio.api.delete(f"/videos/{video}/posts/twitter/901").raise_for_status()
    posts.get_by_role("button", name="+1 week").click()
    posts.get_by_role("button", name="Move", exact=True).click()

    expect(posts.get_by_text("only a scheduled one can be moved or cancelled")).to_be_visible()


def test_a_person_settles_a_post_in_doubt(studio: Studio, open_page: Open, made: Made) -> None:
    """A post is in doubt only after hours, so the answer about a public one is changed to that."""
    video = made["doubt"]
    page = open_page()

    def doubt(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["posts"][0] |= {"status": "parked", "url": None}
        route.fulfill(response=answer, json=body)

    page.route(f"**/v1/videos/{video}", doubt)
    page.goto(f"{studio.url}#/videos/{video}")
    posts = posts_in(page)
    expect(posts.get_by_text("It may be public.")).to_be_visible()

    posts.get_by_role("button", name="It is not").click()
    page.get_by_role("dialog").get_by_role("button", name="Look again").click()
    posts.get_by_role("button", name="It is public").click()
    posts.get_by_label("Its address on X").fill("https://x.example/1")
    with page.expect_request("**/resolve") as sent:
        posts.get_by_role("button", name="Save").click()

    assert json.loads(sent.value.post_data or "") == {"outcome": "posted", "url": "https://x.example/1"}
    # The record knows better here, and what the API says stands beside the field.
    expect(posts.get_by_text("is scheduled")).to_be_visible()


def test_a_lost_answer_about_a_post_is_looked_up_and_not_sent_again(
    studio: Studio, open_page: Open, made: Made
) -> None:
    video = made["lost"]
    page = open_page(f"/videos/{video}")
    posts = posts_in(page)
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(route.request.method)
        route.fetch()
        # The post is out before the page looks.
        studio.wait_for_stage(video, "done")
        route.abort()

    page.route(f"**/{video}/posts", lose)
    posts.get_by_role("button", name="Post to another account").click()
    posts.get_by_label("Account").select_option(label="Threads · pretended_threads")
    posts.get_by_role("button", name="Post", exact=True).click()

    expect(posts.get_by_label("Account")).to_have_count(0)
    expect(posts.get_by_text("pretended_threads")).to_be_visible()
    assert sent == ["POST"]
    assert find_post(studio, video, "threads")["status"] == "published"
