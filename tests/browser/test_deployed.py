"""The studio of the deployed template, in one pass: sign in, make, follow, play and approve; nothing is mocked."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Studio
from tests.browser.test_library import find_card, new_prompt, wait_for_video
from tests.browser.test_sign_in import sign_in
from tests.integration.conftest import deploy_once

# Functions that were not asked for a while begin anew.
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Give the stack that the integration tests share."""
    deployed = deploy_once(request.config, tmp_path_factory)
    return Studio(deployed.world.stack.base_url, deployed.world.stack.api_key, deployed.api)


def test_a_video_is_made_followed_played_approved_and_posted(studio: Studio, open_page: Open) -> None:
    page, prompt = open_page(signed_in=False), new_prompt()
    page.set_default_timeout(PATIENCE_MS)
    sign_in(page, studio.key)
    expect(page.get_by_role("region", name="Library")).to_be_visible(timeout=PATIENCE_MS)

    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_text("Post it").click()
    page.get_by_role("list", name="Accounts").get_by_role("button", name="Threads").first.click()
    page.get_by_label("Caption", exact=True).fill("From the studio")
    page.get_by_label("Ask me first").check()
    expect(page.get_by_text("made by sora-2")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Make video and post").click()

    card = find_card(page, prompt)
    expect(card.get_by_text("Approve", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(card.locator("img.loaded")).to_be_visible(timeout=PATIENCE_MS)
    card.get_by_role("link").click()
    played = wait_for_video(page)
    assert (played["readyState"], played["duration"]) == (4, 4)
    page.get_by_role("dialog").get_by_role("button", name="Approve and post").click()
    page.keyboard.press("Escape")

    expect(card.get_by_text("1 posted")).to_be_visible(timeout=PATIENCE_MS)
    (made,) = studio.api.get("/videos", params={"prompt": prompt, "include": "posts"}).json()["data"]
    assert [(post["platform"], post["status"], post["text"]) for post in made["posts"]] == [
        ("threads", "published", "From the studio")
    ]
