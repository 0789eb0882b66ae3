"""Approve, edit and reject what waits for a person, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

X = {"platform": "twitter", "account_id": "901"}
LINKEDIN = {"platform": "linkedin", "account_id": "902", "text": "For our friends."}
TARGET_PX_MIN = 44
_VIDEOS = 8


class Waiting(NamedTuple):
    """A video that waits for an approval."""

    id: str
    prompt: str


@pytest.fixture(scope="module")
def waiting(studio: Studio) -> Iterator[Waiting]:
    """Make all videos of these tests at once, and give them one by one."""
    prompts = [f"A lantern {uuid4().hex[:8]}" for _ in range(_VIDEOS)]
    fields = {"approval": "required", "publish": [X, LINKEDIN], "text": "Hello"}
    made = [Waiting(studio.make(prompt, **fields), prompt) for prompt in prompts]
    for video in made:
        studio.wait_for_stage(video.id, "awaiting_approval")
    return iter(made)


def captions_of(studio: Studio, video: str) -> dict[str, str]:
    return {post["platform"]: post["text"] for post in studio.read(video)["posts"]}


def card_of(page: Page, prompt: str) -> Locator:
    return page.get_by_role("article").filter(has_text=prompt)


def test_a_link_opens_the_card_on_a_phone_and_an_edited_caption_is_posted(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, prompt = next(waiting)
    page = open_page(f"/approvals/{video}", width=NARROW)
    card = card_of(page, prompt)

    expect(card.get_by_text("left to decide")).to_be_visible()
    for name in ("Approve 2 posts", "Reject"):
        box = card.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= TARGET_PX_MIN
        assert box["y"] + box["height"] <= 800, "under the thumb without scrolling"
    card.get_by_label("LinkedIn · pretended_linkedin").fill("For <b>all</b> of you.")
    card.get_by_role("button", name="Approve with changes").click()

    expect(page.get_by_text("Approved. It is being posted.")).to_be_visible()
    expect(card).not_to_be_visible()
    expect(page.get_by_role("article")).to_be_visible()
    assert video not in page.url
    assert studio.read(video)["approval"]["status"] == "approved"
    assert captions_of(studio, video) == {"twitter": "Hello", "linkedin": "For <b>all</b> of you."}


def test_opening_decides_nothing_and_a_rejection_is_asked_for_twice(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, prompt = next(waiting)
    page = open_page(f"/approvals/{video}", width=NARROW)
    card = card_of(page, prompt)

    card.get_by_role("button", name="Reject").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    assert studio.read(video)["approval"]["status"] == "waiting"
    card.get_by_role("button", name="Reject").click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()

    expect(page.get_by_text("Rejected. Nothing is posted.")).to_be_visible()
    decided = studio.read(video)
    assert decided["approval"]["status"] == "rejected"
    assert {post["status"] for post in decided["posts"]} == {"cancelled"}


def test_a_caption_that_does_not_fit_is_refused_beside_it_and_stays(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, prompt = next(waiting)
    page = open_page(f"/approvals/{video}")
    card = card_of(page, prompt)

    card.get_by_label("X · pretended_x").fill("x" * 281)
    card.get_by_role("button", name="Approve with changes").click()

    expect(card.get_by_text("at most 280 characters")).to_be_visible()
    expect(card.get_by_label("X · pretended_x")).to_be_focused()
    expect(card.get_by_label("X · pretended_x")).to_have_value("x" * 281)
    assert studio.read(video)["approval"]["status"] == "waiting"


@pytest.mark.parametrize(
    ("decision", "title"),
    [("approve", "Already approved"), ("reject", "Already rejected")],
    ids=["approved", "rejected"],
)
def test_a_decision_that_was_made_elsewhere_is_said(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting], decision: str, title: str
) -> None:
    video, prompt = next(waiting)
    page = open_page(f"/approvals/{video}", width=NARROW)
    card = card_of(page, prompt)
    expect(card.get_by_role("button", name="Approve 2 posts")).to_be_enabled()

    studio.api.post(f"/videos/{video}/approval", json={"decision": decision}).raise_for_status()
    card.get_by_role("button", name="Approve 2 posts").click()

    expect(card.get_by_role("heading", name=title)).to_be_visible()
    expect(card.get_by_role("button", name="Approve")).to_have_count(0)


def test_time_that_is_over_is_said_and_leaves_nothing_to_press(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, prompt = next(waiting)
    page = open_page("/", signed_in=False, alone=True)
    page.clock.install(time=datetime.now(UTC) + timedelta(days=2))
    page.goto(f"{studio.url}?later#key={studio.key}&then=/approvals/{video}")
    card = card_of(page, prompt)

    expect(card.get_by_text("The time to decide ended")).to_be_visible()
    expect(card.get_by_role("button", name="Approve 2 posts")).to_be_disabled()


def test_a_lost_answer_is_looked_up_and_not_sent_again(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, prompt = next(waiting)
    page = open_page(f"/approvals/{video}")
    sent: list[str] = []

    def lose(route: Route) -> None:
        sent.append(route.request.method)
        route.fetch()
        route.abort()

    page.route("**/approval", lose)
    card_of(page, prompt).get_by_role("button", name="Approve 2 posts").click()

    expect(page.get_by_text("Approved. It is being posted.")).to_be_visible()
    assert sent == ["POST"]


def test_the_detail_of_a_video_that_waits_can_decide(
    studio: Studio, open_page: Open, waiting: Iterator[Waiting]
) -> None:
    video, _ = next(waiting)
    page = open_page(f"/videos/{video}")

    page.get_by_role("dialog").get_by_role("button", name="Approve 2 posts").click()

    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("region", name="Posts")).to_be_visible()
    expect(dialog.get_by_role("heading", level=2)).to_be_focused()
    dialog.get_by_role("button", name="Dismiss").click()
    expect(dialog).to_be_visible()
    assert studio.read(video)["approval"]["status"] == "approved"
