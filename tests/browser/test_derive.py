"""Make a video from another."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Open, Studio
from tests.browser.test_library import find_card, new_prompt


def test_the_versions_of_a_video_lead_from_one_to_the_next(studio: Studio, open_page: Open) -> None:
    prompts = [new_prompt(), new_prompt(), new_prompt()]
    first = studio.make(prompts[0])
    studio.wait_for_stage(first, "done")
    made = [first]
    for prompt in prompts[1:]:
        answer = studio.api.post(f"/videos/{made[-1]}/remix", json={"prompt": prompt})
        answer.raise_for_status()
        made.append(answer.json()["id"])
        studio.wait_for_stage(made[-1], "done")
    page = open_page(f"/videos/{made[1]}")
    versions = page.get_by_role("dialog").get_by_role("region", name="Versions")

    expect(versions.get_by_role("link")).to_have_text(
        [f"First{prompts[0]}", f"Remix, shown here{prompts[1]}", f"Remix{prompts[2]}"]
    )
    versions.get_by_role("link", name=prompts[0]).click()
    expect(versions.get_by_role("link")).to_have_text([f"First, shown here{prompts[0]}", f"Remix{prompts[1]}"])
    assert page.url.endswith(first)
    # A source that is deleted is said, and what was made from it stays.
    studio.api.delete(f"/videos/{first}").raise_for_status()
    again = open_page(f"/videos/{made[1]}").get_by_role("region", name="Versions")
    expect(again.get_by_text("Made from a video that is gone")).to_be_visible()
    expect(again.get_by_role("link")).to_have_count(2)


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

    expect(page.get_by_role("dialog").get_by_role("paragraph").filter(has_text=prompt)).to_be_visible()
    (made,) = studio.api.get("/videos", params={"prompt": prompt}).json()["data"]
    assert made["remixed_from_video_id"] == made_from
