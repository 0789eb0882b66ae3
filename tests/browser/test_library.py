"""Make a video, follow it, find it and watch it."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> \u202eevil\u202c "


def new_prompt() -> str:
    return f"A kite {uuid4().hex[:8]}"


def find_card(page: Page, prompt: str) -> Locator:
    return page.get_by_role("listitem").filter(has_text=prompt)


def wait_for_video(page: Page) -> dict[str, Any]:
    video = page.get_by_label("The video", exact=True)
    expect(video).to_be_visible()
    state: dict[str, Any] = video.evaluate(
        """async (video) => {
          video.muted = true;
          await video.play();
          while (video.readyState < 4) await new Promise((resolve) => setTimeout(resolve, 20));
          return { readyState: video.readyState, duration: video.duration, width: video.videoWidth };
        }"""
    )
    return state


def test_a_video_is_there_at_once_runs_and_plays(open_page: Open) -> None:
    page, prompt = open_page(), new_prompt()

    page.get_by_label("Prompt", exact=True).fill(prompt)
    expect(page.get_by_text("made by sandbox-1")).to_be_visible()
    page.keyboard.press("Control+Enter")

    card = find_card(page, prompt)
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("")
    expect(card.get_by_role("img")).to_have_count(0)
    expect(card.locator("img.loaded")).to_be_visible()
    card.get_by_role("link").click()
    assert wait_for_video(page) == {"readyState": 4, "duration": 4, "width": 720}


def test_the_cards_of_a_library_say_what_became_of_the_posts(studio: Studio, open_page: Open) -> None:
    accounts = [{"platform": "twitter", "account_id": "901"}, {"platform": "linkedin", "account_id": "902"}]
    posted, refused = new_prompt(), new_prompt()
    videos = [
        studio.make(prompt, publish=accounts, text=text)
        for prompt, text in ((posted, "Hello"), (refused, "Hello [post: fail_publish]"))
    ]
    for video in videos:
        studio.wait_for_stage(video, "done")

    page = open_page()

    expect(find_card(page, posted).get_by_text("2 posted")).to_be_visible()
    expect(find_card(page, refused).get_by_text("2 not posted")).to_be_visible()


def test_a_lost_answer_makes_one_video(studio: Studio, open_page: Open) -> None:
    page, prompt = open_page(), new_prompt()
    lost = iter([True])

    def lose(route: Route) -> None:
        if next(lost, False):
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/videos", lose)
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Make video").dblclick()

    expect(find_card(page, prompt)).to_be_visible()
    assert len(studio.api.get("/videos", params={"prompt": prompt}).json()["data"]) == 1


def test_a_refusal_stands_where_it_belongs(open_page: Open) -> None:
    page = open_page()

    page.get_by_label("Prompt", exact=True).fill("a\ufffe")
    page.route(
        "**/v1/videos*",
        lambda route: (
            route.fulfill(
                status=400,
                json={"error": {"message": "This model takes 8 s at most.", "param": "seconds", "code": "x"}},
            )
            if route.request.method == "POST"
            else route.continue_()
        ),
    )
    page.keyboard.press("Control+Enter")

    expect(page.get_by_role("group", name="Length").get_by_text("This model takes 8 s at most.")).to_be_visible()


def test_a_deep_link_opens_a_video_and_back_closes_it(studio: Studio, open_page: Open) -> None:
    prompt = new_prompt()
    video = studio.make(prompt)

    linked = open_page(f"/videos/{video}")
    expect(linked.get_by_role("dialog").get_by_text(prompt)).to_be_visible()
    linked.keyboard.press("Escape")
    expect(linked.get_by_role("dialog")).not_to_be_visible()

    page = open_page(f"/?prompt={prompt.replace(' ', '+')}")
    find_card(page, prompt).get_by_role("link").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).not_to_be_visible()
    expect(page.get_by_label("Search prompts")).to_have_value(prompt)


def test_settings_are_used_again_and_what_the_model_cannot_is_said(studio: Studio, open_page: Open) -> None:
    prompt = new_prompt()
    video = studio.make(prompt, seconds=8, size="1280x720")
    page = open_page(f"/videos/{video}")

    page.get_by_role("dialog").get_by_role("button", name="Use these settings").click()

    expect(page.get_by_label("Prompt", exact=True)).to_have_value(prompt)
    expect(page.get_by_label("8 s")).to_be_checked()
    expect(page.get_by_role("group", name="Size").get_by_label("16:9").first).to_be_checked()
    page.evaluate(
        """() => {
          const draft = JSON.parse(sessionStorage.getItem("mediaposter.draft"));
          sessionStorage.setItem("mediaposter.draft", JSON.stringify({ ...draft, seconds: 5 }));
        }"""
    )
    page.reload()
    expect(page.get_by_text("sora-2: 4 s instead of 5 s.")).to_be_visible()
    expect(page.get_by_label("4 s")).to_be_checked()


def test_the_title_counts_what_runs_and_a_press_cancels_it(studio: Studio, open_page: Open) -> None:
    prompt = new_prompt()
    video = studio.make(f"{prompt} [video: never_finish]")
    page = open_page(f"/videos/{video}")
    expect(page).to_have_title(re.compile(r"\d in progress"))

    page.get_by_role("button", name="Cancel this video").click()
    expect(page.get_by_text("may still be billed")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()

    # The question has this word, too, in a sentence.
    expect(page.get_by_text("Cancelled.", exact=True)).to_be_visible()
    assert studio.api.get(f"/videos/{video}").status_code == 404


def test_a_day_of_this_place_is_a_filter_in_the_address(studio: Studio, open_page: Open) -> None:
    prompt = new_prompt()
    studio.make(prompt)
    page = open_page()
    expect(find_card(page, prompt)).to_be_visible()
    today = str(page.evaluate("() => new Date().toLocaleDateString('sv')"))

    page.get_by_label("Day").fill("2024-02-29")
    expect(page.get_by_text("No video fits")).to_be_visible()
    assert page.url.endswith("#/?day=2024-02-29")
    page.get_by_label("Day").fill(today)
    expect(find_card(page, prompt)).to_be_visible()
    page.reload()
    expect(page.get_by_label("Day")).to_have_value(today)
    expect(find_card(page, prompt)).to_be_visible()


def test_a_failed_video_says_why_and_what_to_do(studio: Studio, open_page: Open) -> None:
    prompt = f"{new_prompt()} [video: fail]"
    studio.make(prompt)

    card = find_card(open_page(), prompt)

    expect(card.get_by_text("blocked by our moderation system")).to_be_visible()
    expect(card.get_by_text("Change the prompt, then try again.")).to_be_visible()


def test_a_pointer_scrubs_through_the_spritesheet_without_the_video(studio: Studio, open_page: Open) -> None:
    prompt = new_prompt()
    studio.make(prompt)
    page = open_page()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    card = find_card(page, prompt)
    expect(card.locator("img.loaded")).to_be_visible()
    box = card.get_by_role("link").bounding_box()
    assert box is not None

    shown = []
    for part in (0.1, 0.9):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] / 2)
        shown.append(card.locator(".scrub").evaluate("(sheet) => sheet.style.backgroundPosition"))

    assert shown == ["0% 0%", "100% 0%"]
    assert not [url for url in loaded if "video.mp4" in url]


def test_keys_move_open_and_close(studio: Studio, open_page: Open) -> None:
    prompts = [new_prompt(), new_prompt()]
    for prompt in prompts:
        studio.make(prompt)
    page = open_page()
    expect(find_card(page, prompts[1])).to_be_visible()

    page.get_by_role("link", name="Library").focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog").get_by_text(prompts[0])).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_role("dialog").get_by_text(prompts[1])).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()


def test_selected_videos_are_deleted_after_a_question(studio: Studio, open_page: Open) -> None:
    prompts = [new_prompt(), new_prompt()]
    for prompt in prompts:
        studio.make(prompt)
    page = open_page()
    for prompt in prompts:
        find_card(page, prompt).get_by_role("checkbox").check()

    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep").click()
    expect(find_card(page, prompts[0])).to_be_visible()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").or_(
        page.get_by_role("dialog").get_by_role("button", name="Cancel it")
    ).click()

    for prompt in prompts:
        expect(find_card(page, prompt)).not_to_be_visible()
        assert studio.api.get("/videos", params={"prompt": prompt}).json()["data"] == []


def test_hostile_text_is_text_and_the_layout_stays_whole(studio: Studio, open_page: Open) -> None:
    video = studio.make(HOSTILE + "W" * 3_000, metadata={"<b>name</b>": "<i>value</i>" * 20})

    for width in (NARROW, 1280):
        page = open_page(f"/videos/{video}", width=width)
        expect(page.get_by_role("dialog").get_by_text("<img src=x", exact=False).first).to_be_visible()
        expect(page).not_to_have_title("owned")
        overflow = page.locator("body").evaluate("(body) => body.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0


def test_what_runs_is_asked_for_at_most_every_two_seconds(studio: Studio, open_page: Open) -> None:
    for _ in range(3):
        studio.make(f"{new_prompt()} [video: never_finish]")
    page = open_page()
    expect(page.get_by_role("progressbar").first).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)

    page.wait_for_timeout(4_500)

    assert 1 <= len([url for url in asked if "/v1/videos" in url]) <= 4
