"""Post what is made: accounts by name, captions as each network counts them, time and approval."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import product

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mediaposter.publishing import networks
from tests.browser.conftest import NARROW, WIDE, Open, Studio
from tests.browser.test_library import wait_for_video
from tests.browser.test_looks import SCHEMES, WCAG
from tests.browser.test_make import choose_picture, draw_png, fill_prompt, list_made

CAPTIONS = [
    "Ein Bötchen, naïve café",
    "凧を揚げる 👨‍👩‍👧‍👦 👍🏽 🇯🇵 ©️ 1️⃣ e\u0301",
    "See https://example.org/a_(b)?c=d#e, example.com. and me@example.net, a.b.co/x!",
    "#a#b C# #1 &#39; #凧 https://e.org/#a @me a@b.org ＠you #1st #☕",
    "日本https://example.org日本 http://t.co/abc. not.alink1 x.png",
]
NETWORKS = {
    "X": networks.X,
    "Instagram": networks.INSTAGRAM_REEL,
    "TikTok": networks.TIKTOK,
    "YouTube": networks.YOUTUBE,
    "Threads": networks.THREADS,
    "Bluesky": networks.BLUESKY,
}
# The first account of each network.
CHIPS = {"X": "X pretended_x", **{name: f"{name} pretended_{name.lower()}" for name in NETWORKS if name != "X"}}


def choose_accounts(page: Page, *names: str) -> None:
    page.get_by_text("Post it").click()
    for name in names:
        page.get_by_role("button", name=CHIPS[name], exact=True).click()


def test_a_picture_and_two_accounts_make_a_video_that_plays_and_two_posts(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    choose_picture(page, draw_png())
    expect(page.get_by_alt_text("The video begins with this picture")).to_be_visible()
    choose_accounts(page, "YouTube", "Threads")
    expect(page.get_by_label("Title", exact=True)).to_have_value(prompt)
    expect(page.get_by_label("Only you")).to_be_checked()
    expect(page.get_by_label("Labelled as made with AI")).to_be_checked()
    page.get_by_label("One for each").check()
    page.get_by_label("Caption for Threads, pretended_threads").fill("Threads: {prompt}")

    page.get_by_role("button", name="Make video and post").click()

    card = page.get_by_role("listitem").filter(has_text=prompt)
    expect(card.get_by_text("2 posted")).to_be_visible()
    card.get_by_role("link").click()
    assert wait_for_video(page)["readyState"] == 4
    (made,) = list_made(studio, prompt)
    posts = studio.api.get(f"/videos/{made}").json()["posts"]
    assert {post["platform"]: post["text"] for post in posts} == {"youtube": prompt, "threads": f"Threads: {prompt}"}


def test_captions_are_counted_as_the_api_counts_them(open_page: Open) -> None:
    page = open_page()
    choose_accounts(page, *NETWORKS)

    for caption in CAPTIONS:
        page.get_by_label("Caption for all").fill(caption)

        shown = page.locator(".counters li").all_inner_texts()
        for name, network in NETWORKS.items():
            count = network.texts["text"].limits[-1].unit.count(caption)
            assert [each for each in shown if each.startswith(f"{name} {count} / ")], (caption, name, count, shown)


def test_a_caption_over_the_limit_is_said_at_once_and_blocks_sending(open_page: Open) -> None:
    page = open_page()
    fill_prompt(page)
    choose_accounts(page, "Threads", "Instagram")

    for caption, reason in (
        ("é" * 252, "Threads: At most 500 bytes, got 504."),
        ("a.org b.org c.org d.org", "Threads: At most 3 links, got 4."),
        ("#a #b#c C# #1 #d #e https://e.org/#x #凧", "Instagram: At most 5 hashtags, got 6."),
        (" ".join(["@me a@b.org"] * 21), "Instagram: At most 20 mentions, got 21."),
    ):
        page.get_by_label("Caption for all").fill(caption)
        expect(page.get_by_text(reason)).to_be_visible()
        expect(page.get_by_role("button", name="Make video and post")).to_be_disabled()
    page.get_by_label("Caption for all").fill("Short")
    expect(page.get_by_role("button", name="Make video and post")).to_be_enabled()


def test_what_the_api_refuses_of_a_target_stands_at_its_field(open_page: Open) -> None:
    page = open_page()
    fill_prompt(page)
    choose_accounts(page, "YouTube", "Instagram")
    page.get_by_label("Title", exact=True).fill("Boats > kites")
    title = page.get_by_role("region", name="YouTube, pretended_youtube")
    expect(title.get_by_text("No < or > in a title.")).to_be_visible()
    expect(page.get_by_label("Title", exact=True)).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Title", exact=True).fill("Boats")
    page.get_by_role("group", name="Size").get_by_label("16:9").first.check()

    region = page.get_by_role("region", name="Instagram, pretended_instagram")
    expect(region.get_by_text("Must be upright, 9:16 as 720x1280 is")).to_be_visible()


def test_a_time_of_this_place_is_sent_in_utc_and_waits_for_approval(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    choose_accounts(page, "Bluesky")
    page.get_by_label("At a time").check()
    expect(page.get_by_role("button", name="Make video and post")).to_be_disabled()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    page.get_by_label("Time in").fill(tomorrow)
    page.get_by_label("Ask me first").check()

    with page.expect_request("**/v1/videos") as sent:
        page.get_by_role("button", name="Make video and post").click()

    assert json.loads(sent.value.post_data or "")["publish"][0]["scheduled_time"].startswith(tomorrow)
    expect(page.get_by_role("listitem").filter(has_text=prompt).get_by_text("Approve", exact=True)).to_be_visible()
    (made,) = list_made(studio, prompt)
    assert studio.api.get(f"/videos/{made}").json()["approval"]["status"] == "waiting"


def test_accounts_are_searched_and_several_variants_wait_for_approval(open_page: Open) -> None:
    page = open_page()
    page.get_by_text("Post it").click()
    page.get_by_label("Search accounts").fill("shop")
    expect(page.get_by_role("list", name="Accounts").get_by_role("button")).to_have_count(1)

    page.get_by_role("button", name="Instagram pretended_instagram_shop").click()
    page.get_by_role("group", name="Variants").get_by_label("2").check()

    expect(page.get_by_text("Each of the 2 videos waits for your approval")).to_be_visible()


def test_a_stack_that_writes_no_captions_says_so_in_place_of_the_button(open_page: Open) -> None:
    page = open_page()
    fill_prompt(page)
    choose_accounts(page, "Threads")

    page.get_by_role("button", name="Suggest captions").click()

    expect(page.get_by_text("Captions are off: CAPTIONS_MODEL")).to_be_visible()
    expect(page.get_by_role("button", name="Suggest captions")).not_to_be_visible()


def test_the_words_of_one_account_stay_when_the_other_is_left_out(studio: Studio, open_page: Open) -> None:
    page = open_page()
    prompt = fill_prompt(page)
    choose_accounts(page, "Threads", "Bluesky")
    page.get_by_label("One for each").check()
    page.get_by_label("Caption for Threads, pretended_threads").fill("For Threads")
    page.get_by_role("button", name=CHIPS["Bluesky"], exact=True).click()
    expect(page.get_by_label("Caption", exact=True)).to_have_value("For Threads")

    page.get_by_label("Caption", exact=True).fill("For Threads alone")
    page.get_by_role("button", name="Make video and post").click()

    expect(page.get_by_role("listitem").filter(has_text=prompt).get_by_text("1 posted")).to_be_visible()
    (made,) = list_made(studio, prompt)
    assert [post["text"] for post in studio.read(made)["posts"]] == ["For Threads alone"]


def test_everyone_can_use_the_form_with_all_of_it_open(open_page: Open) -> None:
    page = open_page("/make")
    fill_prompt(page)
    choose_picture(page, draw_png())
    choose_accounts(page, "YouTube", "X", "TikTok")
    page.get_by_label("One for each").check()
    page.get_by_label("Caption for X, pretended_x").fill("x" * 281)
    page.get_by_label("At a time").check()
    for details in page.get_by_text("Preview and options").all():
        details.click()

    found = []
    for width, scheme in product((WIDE, NARROW), SCHEMES):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        violations = Axe().run(page, options=WCAG).response["violations"]
        found += [(each["id"], width, scheme, [node["target"] for node in each["nodes"]]) for each in violations]
    page.set_viewport_size({"width": 320, "height": 800})
    overflow = page.locator("body").evaluate("(body) => body.scrollWidth - document.documentElement.clientWidth")

    assert (found, overflow) == ([], 0)
