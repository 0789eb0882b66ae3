"""Make a video from another."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Open, Studio
from tests.browser.test_library import find_card, new_prompt


def test_a_remix_is_one_video_that_names_what_it_was_made_from(studio: Studio, open_page: Open) -> None:
    source, prompt = new_prompt(), new_prompt()
    made_from = studio.make(source)
    page = open_page()
    expect(find_card(page, source).locator("img.loaded")).to_be_visible()
    find_card(page, source).get_by_role("link").click()

    page.get_by_role("button", name="Remix").click()
    form = page.get_by_role("dialog", name="Remix this video")
    expect(form.get_by_label("What is different this time?")).to_be_focused()
    page.keyboard.type(prompt)
    form.get_by_role("button", name="Remix", exact=True).dblclick()

    expect(page.get_by_role("dialog").get_by_text(prompt)).to_be_visible()
    (made,) = studio.api.get("/videos", params={"prompt": prompt}).json()["data"]
    assert made["remixed_from_video_id"] == made_from
