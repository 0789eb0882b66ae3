"""Make videos from a file: its wrong rows are said before anything is spent."""

from __future__ import annotations

import csv
import io
from uuid import uuid4

from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.conftest import NARROW, Open, Studio

# A batch has steps of its own beside those of its videos, and is asked for less often the longer nothing happens.
BATCH_MS = 30_000


def write_sheet(*rows: tuple[str, str, str]) -> FilePayload:
    sheet = io.StringIO()
    csv.writer(sheet).writerows([("id", "prompt", "size"), *rows])
    return {"name": "kites.csv", "mimeType": "text/csv", "buffer": sheet.getvalue().encode()}


def choose(page: Page, sheet: FilePayload) -> None:
    page.get_by_label("Choose a file").set_input_files([sheet])


def count_batches(studio: Studio) -> int:
    return len(studio.api.get("/batches", params={"limit": 100}).json()["data"])


def test_wrong_rows_are_said_before_anything_is_spent_and_the_corrected_file_is_made_once(
    studio: Studio, open_page: Open
) -> None:
    page, prompt = open_page("/batches", width=NARROW), f"A kite {uuid4().hex[:8]}"
    batches_before = count_batches(studio)

    choose(page, write_sheet(("a", prompt, "720x1280"), ("b", "", "720x1280"), ("c", prompt, "9x9")))

    table = page.get_by_role("region", name="Rows that cannot be made")
    expect(table.get_by_role("row").filter(has_text="prompt: is required.")).to_contain_text("2b")
    expect(table.get_by_role("row").filter(has_text="not 9x9")).to_contain_text("size")
    expect(page.get_by_role("button", name="Make 1 video")).to_be_visible()
    expect(page.get_by_text("$0.04 for 1 video")).to_be_visible()
    assert count_batches(studio) == batches_before
    assert studio.api.get("/videos", params={"prompt": prompt}).json()["data"] == []

    page.get_by_role("button", name="Put the file away").click()
    choose(page, write_sheet(("a", prompt, "720x1280"), ("b", prompt, "1280x720")))
    expect(page.get_by_text("All 2 rows can be made.")).to_be_visible()
    page.get_by_role("button", name="Make 2 videos").dblclick()

    line = page.get_by_role("listitem").first
    expect(line.get_by_text("2 rows: 2 ready")).to_be_visible(timeout=BATCH_MS)
    expect(line.get_by_text("Done")).to_be_visible(timeout=BATCH_MS)
    with page.expect_download() as download:
        line.get_by_role("button", name="Results as CSV").click()
    assert download.value.path().read_text().count("completed") == 2
    assert count_batches(studio) == batches_before + 1
    line.get_by_role("link", name="Videos").click()
    expect(page.get_by_role("listitem").filter(has_text=prompt)).to_have_count(2)
    assert "batch_id=batch_" in page.url


def test_a_lost_answer_makes_one_batch(studio: Studio, open_page: Open) -> None:
    page = open_page("/batches")
    batches_before = count_batches(studio)
    choose(page, write_sheet(("a", "A kite", "720x1280")))
    lost = iter([True])

    def lose(route: Route) -> None:
        if next(lost, False):
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/batches", lose)
    page.get_by_role("button", name="Make 1 video").click()

    expect(page.get_by_text("The batch is on its way.")).to_be_visible()
    assert count_batches(studio) == batches_before + 1


def test_a_batch_is_cancelled_and_then_what_renders(open_page: Open) -> None:
    page = open_page("/batches")
    choose(page, write_sheet(("a", "A kite that runs on [video: never_finish]", "720x1280")))
    page.get_by_role("button", name="Make 1 video").click()
    line = page.get_by_role("listitem").first
    expect(line.get_by_text("1 row: 1 in progress")).to_be_visible()

    line.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
    line.get_by_role("button", name="Stop what renders").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()

    expect(line.get_by_text("Cancelled")).to_be_visible(timeout=BATCH_MS)


def test_a_file_that_is_none_is_refused_without_a_call(open_page: Open) -> None:
    page = open_page("/batches")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/uploads" in request.url else None)

    choose(page, {"name": "kites.xlsx", "mimeType": "application/zip", "buffer": b"PK"})

    expect(page.get_by_text("save it as CSV UTF-8")).to_be_visible()
    assert asked == []


def test_selected_videos_are_posted_to_one_account(studio: Studio, open_page: Open) -> None:
    prompt = f"A kite {uuid4().hex[:8]}"
    videos = [studio.make(prompt), studio.make(prompt)]
    page = open_page()
    cards = page.get_by_role("listitem").filter(has_text=prompt)
    expect(cards.locator("img.loaded")).to_have_count(2)
    for card in cards.all():
        card.get_by_role("checkbox").check()

    page.get_by_role("toolbar").get_by_role("button", name="Post").click()
    page.get_by_label("Account").select_option(label="TikTok: pretended_tiktok")
    page.get_by_label("Caption").fill("Up!")
    page.get_by_role("button", name="Post 2 videos now").click()

    expect(cards.get_by_text("1 posted")).to_have_count(2)
    for video in videos:
        [post] = studio.api.get(f"/videos/{video}").json()["posts"]
        assert (post["platform"], post["text"]) == ("tiktok", "Up!")
